// Limits on a real kernel, whatever its cgroups: what a container may use, and what its caller is told when it wants more.
import { readFileSync } from 'node:fs'
import { probeHostFacts } from '../../src/adapters/host-facts.ts'
import { SlipwayError } from '../../src/index.ts'
import type { RunOptions } from '../../src/model/options.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { restingCensus } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'

const Limits = suite('library/limits')
const reason = engineNeeds()
const { cgroup, cpus } = probeHostFacts()
const v2 = cgroup.controllers.some(({ name, version }) => name === 'memory' && version === 2)
let box: TestEngine

Limits.before(() => {
  if (reason === undefined) box = openTestEngine()
})
Limits.after(async () => {
  if (reason === undefined) await box.close()
})

const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Limits(name, body)
  else Limits.skip(name, reason)
}

/** Ends what a failing limit would let run for ever. Nothing is measured by it. */
const NEVER = { timeout: '120s' }
const run = (argv: readonly string[], options: RunOptions = {}) =>
  box.engine.run({ rootfs: box.rootfs }, [...argv], { ...NEVER, ...options })
const sh = (script: string, options: RunOptions = {}) => run(['sh', '-c', script], options)
const out = async (script: string, options: RunOptions = {}): Promise<string> => {
  const { stdout, stderr, exit } = await sh(script, options)
  assert.equal(exit, { _tag: 'Exited', code: 0 }, `${String(stdout)}${String(stderr)}`)
  return String(stdout).trimEnd()
}
const MIB = 1 << 20

/** A file of the container's own group as it is seen inside; v1 has a directory for each set of controllers. */
const own = (controller: string, onV2: string, onV1: string): string =>
  v2 ? `/sys/fs/cgroup/${onV2}` : `/sys/fs/cgroup/*${controller}*/${onV1}`

test('a first process that wants more memory than there is is killed, and the exit says why', async () => {
  const result = await run(['tail', '-c', '500m', '/dev/zero'], { memory: '16MiB', memorySwap: '16MiB' })
  assert.equal(result.exit, { _tag: 'OomKilled' })
  assert.is(result.exitCode, 137)
  assert.ok((result.usage.oomKills ?? 0) >= 1)
})

test("a worker's end for want of memory is a number in the receipt, not the container's end", async () => {
  const script = 'tail -c 500m /dev/zero > /dev/null; echo "worker $?"; exit 3'
  const result = await sh(script, { memory: '16MiB', memorySwap: '16MiB' })
  assert.equal(result.exit, { _tag: 'Exited', code: 3 })
  assert.is(result.stdout, 'worker 137\n')
  assert.is(result.usage.oomKills, 1)
})

test('a kill that has nothing to do with memory is a signal', async () => {
  const result = await sh('kill -9 $$', { memory: '16MiB', init: true })
  assert.is(result.exit._tag === 'OomKilled', false)
  assert.is(result.usage.oomKills, 0)
})

test('the peak in the receipt is what was used, and less than the limit', async () => {
  const script = 'head -c 20m /dev/zero | tail -c 20m > /dev/null'
  const peak = (await sh(script, { memory: '64MiB' })).usage.peakMemoryBytes
  const [major = 0, minor = 0] = probeHostFacts().kernel
  if (v2 && (major < 5 || (major === 5 && minor < 19))) return assert.is(peak, undefined)
  assert.ok(peak !== undefined && peak >= 20 * MIB && peak <= 64 * MIB, `${peak}`)
})

test('what a limit says can be read inside', async () => {
  const options: RunOptions = {
    memory: '32MiB',
    memorySwap: '48MiB',
    memoryReservation: '16MiB',
    pids: 20,
    cpus: 0.5,
    cpuShares: 2048,
  }
  const files = v2
    ? 'memory.max memory.low pids.max cpu.max cpu.weight'.split(' ').map((file) => `/sys/fs/cgroup/${file}`)
    : [
        own('memory', '', 'memory.limit_in_bytes'),
        own('memory', '', 'memory.soft_limit_in_bytes'),
        own('pids', '', 'pids.max'),
        own('cpu', '', 'cpu.cfs_quota_us'),
        own('cpu', '', 'cpu.shares'),
      ]
  const words = (await out(`cat ${files.join(' ')}`, options)).split('\n')
  assert.equal(words, ['33554432', '16777216', '20', v2 ? '50000 100000' : '50000', v2 ? '174' : '2048'])
})

test('swap counts apart on v2, and together with memory on v1, where the kernel counts it at all', async () => {
  const file = own('memory', 'memory.swap.max', 'memory.memsw.limit_in_bytes')
  const found = await out(`cat ${file} 2>/dev/null || echo none`, { memory: '32MiB', memorySwap: '48MiB' })
  assert.ok(found === 'none' || found === String((v2 ? 16 : 48) * MIB), found)
})

test('the tree inside begins with the own group and is read-only', async () => {
  const text = await out(
    'cut -d: -f3 /proc/self/cgroup | sort -u; touch /sys/fs/cgroup/x 2>&1; ' +
      'for f in $(find /sys/fs/cgroup -name "pids.max" -o -name "cgroup.procs"); do echo 0 2>/dev/null > $f && echo "wrote $f"; done; true',
    { memory: '16MiB', pids: 9 },
  ).catch((error) => String(error))
  assert.match(text, /Read-only file system/)
  assert.not.match(text, /wrote/)
  if (v2) assert.match(text, /^\/\n/)
})

test('no process is started past the limit of processes, however many try', async () => {
  const bomb = 'i=0; while [ $i -lt 60 ]; do sleep 60 & i=$((i+1)); done; echo never'
  const result = await sh(`(${bomb}) 2>&1 | head -n 1; cat ${own('pids', 'pids.current', 'pids.current')}`, {
    pids: 12,
  })
  const [first, current] = String(result.stdout).split('\n')
  assert.match(String(first), /fork|Resource temporarily unavailable/)
  assert.ok(Number(current) <= 12, String(current))
})

test('the kernel throttles whoever wants more than its share of a CPU', async () => {
  const stat = own('cpu', 'cpu.stat', 'cpu.stat')
  const throttled = await out(
    `while :; do n=$(sed -n 's/^nr_throttled //p' ${stat}); [ "$n" -gt 0 ] && break; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done; echo $n`,
    { cpus: 0.05 },
  )
  assert.ok(Number(throttled) > 0)
})

test('only the chosen CPU may be used', async () => {
  for (let cpu = 0; cpu < Math.min(cpus, 2); cpu++)
    assert.is(
      await out("sed -n 's/^Cpus_allowed_list:[^0-9]*//p' /proc/self/status", { cpusetCpus: String(cpu) }),
      String(cpu),
    )
})

test('a CPU that is not there is refused, and nothing is left', async () => {
  await sh('true')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const before = await restingCensus(box)
  const error = await sh('true', { cpusetCpus: '4000' }).then(
    () => undefined,
    (thrown) => thrown,
  )
  assert.instance(error, SlipwayError)
  assert.match(String(error.message), /cpuset/)
  const left = await box.unchanged(before)
  assert.equal(
    left.filter((line) => !line.startsWith('fds:')),
    [],
  )
})

const open = (how: string, node: string): string => `(exec 3${how}${node}) 2>&1 && echo open`

test('a node of a device outside of the rules can be made but not opened', async () => {
  const text = await out(
    `mknod /tmp/mem c 1 1; mknod /tmp/disk b 254 0; ${open('<', '/tmp/mem')}; ${open('>', '/tmp/mem')}; ${open('<', '/tmp/disk')}; true`,
  )
  assert.equal(
    text.split('\n').map((line) => /not permitted/.test(line)),
    [true, true, true],
    text,
  )
})

test('a node the image brings along is held to the rules too', async () => {
  const rootfs = box.rootfs
  const text = await out(
    `mknod /work/zero c 1 5; head -c 3 /work/zero | wc -c; mknod /work/mem c 1 1; ${open('<', '/work/mem')}; rm /work/zero /work/mem`,
  )
  assert.ok(rootfs.length > 0)
  assert.match(text, /^3\n.*not permitted/s)
})

test('the usual devices can be read and written', async () => {
  const text = await out(
    'for d in null zero full random urandom; do head -c 1 /dev/$d | wc -c; done; for d in null zero random; do echo x > /dev/$d && echo fine; done',
  )
  assert.is(text, '0\n1\n1\n1\n1\nfine\nfine\nfine')
})

test('a device that was given may be used as it was given, and no further', async () => {
  const given = (permissions: string): RunOptions => ({
    devices: [{ source: '/dev/kmsg', target: '/dev/given', permissions }],
    security: { capAdd: ['SYSLOG'] },
  })
  const both = `${open('<', '/dev/given')}; ${open('>', '/dev/given')}; true`
  const said = async (permissions: string): Promise<readonly boolean[]> =>
    (await out(both, given(permissions))).split('\n').map((line) => line === 'open')
  assert.equal(await said('rwm'), [true, true])
  assert.equal(await said('w'), [false, true])
  assert.equal(await said('r'), [true, false])
})

test('a rule for devices lets through what it names', async () => {
  const script = `mknod /tmp/kmsg c 1 11; ${open('>', '/tmp/kmsg')}; true`
  assert.match(await out(script), /not permitted/)
  assert.is(await out(script, { deviceCgroupRules: ['c 1:11 w'] }), 'open')
  assert.is(await out(script, { deviceCgroupRules: ['c 1:* w'] }), 'open')
  assert.match(await out(script, { deviceCgroupRules: ['a 1:3 rwm'] }), /not permitted/)
})

test('a privileged container has all devices', async () => {
  const text = await out(`test -e /dev/kmsg && ${open('>', '/dev/kmsg')}`, { security: { privileged: true } })
  assert.is(text, 'open')
})

test("in the host's pid namespace the whole group ends with its first process", async () => {
  const result = await sh('sleep 100 & sleep 100 & echo $!', { pid: 'host', memory: '16MiB' })
  const pid = Number(String(result.stdout))
  const alive = (): boolean => {
    try {
      return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    } catch {
      return false
    }
  }
  for (let waited = 0; alive() && waited < 500; waited++) await new Promise((done) => setTimeout(done, 10))
  assert.ok(!alive())
})

Limits.run()
