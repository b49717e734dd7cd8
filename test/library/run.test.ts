// The library on a real kernel: what a program in a container sees, and what its caller gets back.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable, Writable } from 'node:stream'
import { SlipwayError } from '../../src/index.ts'
import type { RunOptions } from '../../src/model/options.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { restingCensus } from '../support/library.ts'
import { lacking, type Need } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Run = suite('library/run')
const reason = engineNeeds()
let box: TestEngine
let scratch: string

Run.before(() => {
  if (reason !== undefined) return
  box = openTestEngine()
  scratch = mkdtempSync(path.join(tmpdir(), 'slipway-run-'))
})
Run.after(async () => {
  if (reason !== undefined) return
  await box.close()
  rmSync(scratch, { recursive: true, force: true })
})

const test = (name: string, body: () => Promise<void>, ...needs: readonly Need[]): void => {
  const missing = reason ?? lacking(...needs)
  if (missing === undefined) Run(name, body)
  else Run.skip(name, missing)
}

const sh = (script: string, options: RunOptions = {}) =>
  box.engine.run({ rootfs: box.rootfs }, ['sh', '-c', script], options)
const out = async (script: string, options: RunOptions = {}): Promise<string> => {
  const { stdout, stderr, exit } = await sh(script, options)
  assert.equal(exit, { _tag: 'Exited', code: 0 }, `${String(stdout)}${String(stderr)}`)
  return String(stdout).trimEnd()
}
const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
const failure = async (attempt: Promise<unknown>): Promise<SlipwayError> => {
  try {
    await attempt
  } catch (error) {
    if (error instanceof SlipwayError) return error
    throw error
  }
  throw new Error('expected a failure')
}

test('both outputs, the exit code and the usage receipt come back', async () => {
  const result = await sh('echo out; echo err >&2; exit 7')
  assert.is(result.stdout, 'out\n')
  assert.is(result.stderr, 'err\n')
  assert.is(result.exitCode, 7)
  assert.equal(result.exit, { _tag: 'Exited', code: 7 })
  assert.ok(result.usage.wallMs > 0 && result.usage.cpuMs >= 0)
  assert.ok((result.usage.peakMemoryBytes ?? 0) > 0, JSON.stringify(result.usage))
  const { toExecMs, toExitMs } = result.timings
  assert.ok(toExecMs > 0 && toExitMs >= toExecMs, `${toExecMs} ${toExitMs}`)
  assert.ok(result.timings.steps.some(({ step }) => step === 'pivot_root'))
})

test('a signal gives its tag, its name and 128+n', async () => {
  const running = await box.engine.start({ rootfs: box.rootfs }, ['sleep', '10'])
  assert.ok(running.kill(9))
  const ended = await running.exit
  assert.equal(ended.exit, { _tag: 'Signaled', signal: 9, signalName: 'SIGKILL' })
  assert.is(ended.exitCode, 137)
  assert.not(running.kill(9))
})

test('a timeout ends the whole container and says so', async () => {
  const result = await sh('sleep 60', { timeout: '150ms' })
  assert.equal(result.exit, { _tag: 'TimedOut', afterMs: 150 })
  assert.is(result.exitCode, 137)
})

test('a grace lets the payload end by itself after the stop signal', async () => {
  const result = await sh('trap "echo bye; exit 3" TERM; while :; do sleep 0.02; done', {
    timeout: '150ms',
    grace: '10s',
  } as RunOptions)
  assert.is(result.exit._tag, 'TimedOut')
  assert.is(result.stdout, 'bye\n')
  assert.is(result.exitCode, 3)
})

test('an abort ends the container with its reason', async () => {
  const controller = new AbortController()
  const running = await box.engine.start({ rootfs: box.rootfs }, ['sleep', '60'], {
    signal: controller.signal,
  })
  controller.abort('enough')
  assert.equal((await running.exit).exit, { _tag: 'Aborted', reason: 'enough' })
})

test('an abort before the start is a failure, not a result', async () => {
  const error = await failure(sh('true', { signal: AbortSignal.abort(new Error('never mind')) }))
  assert.is(error._tag, 'Cancelled')
})

test('running out of memory has a tag of its own', async () => {
  const result = await sh('head -c 200m /dev/zero | tail -c 199m > /dev/null', { memory: '16MiB' })
  assert.ok((result.usage.oomKills ?? 0) > 0)
  const first = await box.engine.run({ rootfs: box.rootfs }, ['tail', '-c', '199m', '/dev/zero'], {
    memory: '16MiB',
  })
  assert.equal(first.exit, { _tag: 'OomKilled' })
  assert.is(first.exitCode, 137)
})

test('output past the limit ends the container and keeps what fits', async () => {
  const result = await sh('yes', { maxOutput: '64KiB' })
  assert.equal(result.exit, { _tag: 'OutputLimit', stream: 'stdout', limitBytes: 65536 })
  assert.is(String(result.stdout).length, 65536)
})

test('standard input comes from text, bytes, streams, iterables, files and descriptors', async () => {
  const file = path.join(scratch, 'in.txt')
  writeFileSync(file, 'from a file')
  const fd = openSync(file, 'r')
  const big = 'x'.repeat(300_000)
  const cases: readonly (readonly [RunOptions['stdin'] & {}, string])[] = [
    ['text', 'text'],
    [Buffer.from('bytes'), 'bytes'],
    [big, big],
    [Readable.from(['a', 'b']), 'ab'],
    [
      (async function* () {
        yield 'it'
        yield Buffer.from('er')
      })(),
      'iter',
    ],
    [{ file }, 'from a file'],
    [{ fd }, 'from a file'],
    ['ignore', ''],
  ]
  for (const [stdin, wanted] of cases) assert.is((await sh('cat', { stdin })).stdout, wanted)
  closeSync(fd)
})

test('standard output goes to files, descriptors and streams', async () => {
  const file = path.join(scratch, 'out.txt')
  await sh('echo one', { stdout: { file } })
  await sh('echo two', { stdout: { file, append: true } })
  assert.is(readFileSync(file, 'utf8'), 'one\ntwo\n')
  const fd = openSync(file, 'w')
  await sh('echo three >&2', { stderr: { fd } })
  closeSync(fd)
  assert.is(readFileSync(file, 'utf8'), 'three\n')
  const chunks: Buffer[] = []
  const sink = new Writable({
    write: (chunk, _, done) => {
      chunks.push(chunk)
      done()
    },
  })
  await sh('seq 1 20000', { stdout: sink })
  assert.is(Buffer.concat(chunks).toString().split('\n').length, 20001)
})

test('bytes come as Buffers when asked for, and both outputs in order as `all`', async () => {
  const result = await sh('printf "\\377\\000"', { encoding: 'buffer' })
  assert.equal([...(result.stdout as unknown as Buffer)], [255, 0])
  assert.is((await sh('echo a; sleep 0.05; echo b >&2; sleep 0.05; echo c', { all: true })).all, 'a\nb\nc\n')
})

test('a started container streams in both directions', async () => {
  await using running = await box.engine.start({ rootfs: box.rootfs }, ['cat'], { stdin: 'pipe' })
  running.stdin?.write('ping\n')
  const line = await new Promise((resolve) => running.stdout?.once('data', (chunk) => resolve(String(chunk))))
  assert.is(line, 'ping\n')
  running.stdin?.end()
  assert.is((await running.exit).exitCode, 0)
})

test('the container has its own processes, host name, network and root', async () => {
  assert.is(await out('echo $$'), '1')
  assert.is(await out('hostname', { hostname: 'box' }), 'box')
  assert.is(await out('cat /etc/hostname', { hostname: 'box' }), 'box')
  assert.match(await out('cat /etc/hosts', { extraHosts: ['db:10.0.0.7'] }), /10\.0\.0\.7\s+db/)
  assert.match(await out('ip addr show lo'), /UP.*127\.0\.0\.1\/8/s)
  assert.is(await out('ls /sys/class/net'), 'lo')
  assert.not(await out('ls /').then((text) => text.includes('lost+found')))
})

test('with the host network its interfaces are there, and its names', async () => {
  const here = readFileSync('/etc/hosts', 'utf8').trimEnd()
  assert.ok((await out('cat /etc/hosts', { network: 'host' })).includes(here.split('\n')[0] ?? ''))
})

test('only the standard descriptors reach the payload', async () => {
  const leaked = openSync('/dev/null', 'r')
  assert.equal(
    (await out('ls /proc/self/fd'))
      .split('\n')
      .map(Number)
      .filter((fd) => fd > 3),
    [],
  )
  closeSync(leaked)
})

test('signals, umask and resource limits are those of a fresh process', async () => {
  const status = await out('grep -E "^(SigBlk|SigIgn)" /proc/self/status; umask; ulimit -n')
  assert.match(status, /SigBlk:\s+0000000000000000\nSigIgn:\s+0000000000000000\n0022\n/)
  assert.is(await out('ulimit -n', { ulimits: [{ name: 'nofile', soft: 100, hard: 200 }] }), '100')
})

test("capabilities are Docker's default ones, and as asked", async () => {
  const caps = (options: RunOptions) => out('grep CapEff /proc/self/status | cut -f2', options)
  assert.is(await caps({}), '00000000a80425fb')
  assert.is(await caps({ security: { capDrop: ['ALL'] } }), '0000000000000000')
  assert.is(await caps({ security: { capDrop: ['ALL'], capAdd: ['CHOWN'] } }), '0000000000000001')
  assert.is(await caps({ user: 'app' }), '0000000000000000')
})

test('a seccomp filter is loaded, and no_new_privs when asked for', async () => {
  assert.is(await out('grep -E "^Seccomp:" /proc/self/status | cut -f2'), '2')
  assert.is(
    await out('grep -E "^Seccomp:" /proc/self/status | cut -f2', { security: { seccomp: 'unconfined' } }),
    '0',
  )
  assert.is(
    await out('grep NoNewPrivs /proc/self/status | cut -f2', { security: { noNewPrivileges: true } }),
    '1',
  )
})

test("users are looked up in the container's own files", async () => {
  assert.is(await out('id -u; id -g; id -G', { user: 'app' }), '1000\n1000\n1000 2000')
  assert.is(await out('id -u; id -g', { user: '42:43' }), '42\n43')
  assert.is(await out('echo $HOME', { user: 'app' }), '/work')
  assert.is((await failure(sh('true', { user: 'nobody-here' })))._tag, 'UnknownUser')
  assert.is(await out('echo ok > /dev/stdout', { user: 'app' }), 'ok')
})

test('environment and working directory are as given', async () => {
  assert.is(await out('echo $A; pwd', { env: { A: 'b c' }, cwd: '/work' }), 'b c\n/work')
  assert.is(await out('pwd', { cwd: '/made/for/you', readonly: false }), '/made/for/you')
})

test('the working directory cannot be a descriptor of the host', async () => {
  for (const cwd of ['/proc/self/fd/4', '/proc/self/fd/7', '/proc/1/root']) {
    const result = await sh('pwd -P; ls', { cwd }).catch((error) => error)
    if (!(result instanceof SlipwayError)) assert.not.match(String(result.stdout), /etc\/shadow|lost\+found/)
  }
})

test('bind mounts of files and directories, read-only and not', async () => {
  const file = path.join(scratch, 'bound.txt')
  writeFileSync(file, 'bound')
  const mounts = [
    { type: 'bind', source: scratch, target: '/data' },
    { type: 'bind', source: file, target: '/etc/one.txt', readonly: true },
    { type: 'tmpfs', target: '/tmp', size: '1MiB' },
  ] as const
  const text = await out(
    'cat /data/bound.txt /etc/one.txt; echo new > /data/new; echo x > /etc/one.txt || echo refused; grep -c " /tmp tmpfs" /proc/mounts',
    { mounts },
  )
  assert.is(text, 'boundboundrefused\n1')
  assert.is(readFileSync(path.join(scratch, 'new'), 'utf8'), 'new\n')
})

test('a missing bind source is named', async () => {
  const error = await failure(
    sh('true', { mounts: [{ type: 'bind', source: '/no/such/place', target: '/x' }] }),
  )
  assert.match(error.message, /\/no\/such\/place/)
})

test('a read-only root refuses writes, mounts excepted', async () => {
  assert.is(
    await out('touch /x 2>/dev/null || echo refused; touch /dev/shm/y && echo fine', { readonly: true }),
    'refused\nfine',
  )
})

test('limits are seen inside', async () => {
  const text = await out(
    'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null; true',
    { memory: '32MiB', pids: 20 },
  )
  assert.is(text, '33554432\n20')
})

test('a pids limit stops a fork bomb', async () => {
  const result = await sh('for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done; wait', {
    pids: 5,
    timeout: '2s',
  })
  assert.match(String(result.stderr), /fork|Resource temporarily unavailable/)
})

test('devices outside of the rules cannot be opened, those within can', async () => {
  assert.is(
    await out('mknod /tmp/mem c 1 1 && (cat /tmp/mem 2>&1 | head -c 100)').then((t) =>
      /not permitted/.test(t),
    ),
    true,
  )
  assert.is(
    await out('head -c 4 /dev/zero | wc -c; echo x > /dev/null; head -c 4 /dev/urandom | wc -c'),
    '4\n4',
  )
})

test('a small init reaps orphans and passes the exit code on', async () => {
  const result = await sh('(sleep 0.05 &) ; sleep 0.2; ps -o pid,stat | grep -c Z; exit 9', { init: true })
  assert.is(String(result.stdout).trim(), '0')
  assert.is(result.exitCode, 9)
  assert.is((await sh('kill -15 $$', { init: true })).exitCode, 143)
})

test("in the host's pid namespace the whole container still ends with its first process", async () => {
  const result = await sh('sleep 100 & echo $!', { pid: 'host' })
  const pid = Number(String(result.stdout))
  await new Promise((resolve) => setTimeout(resolve, 100))
  // Whoever adopted it may be slow to reap it: a zombie is dead.
  assert.ok(!isAlive(pid))
})

test('what cannot be executed is told apart: 127 and 126', async () => {
  const missing = await failure(box.engine.run({ rootfs: box.rootfs }, ['no-such-program']))
  assert.is(missing._tag, 'CommandNotFound')
  const denied = await failure(box.engine.run({ rootfs: box.rootfs }, ['/etc/passwd']))
  assert.is(denied._tag, 'CommandNotExecutable')
  assert.match(denied.message, /EACCES/)
})

test(
  'a user namespace maps root to nobody in particular',
  async () => {
    const map = [{ containerId: 0, hostId: 100000, size: 65536 }]
    const result = await box.engine.run('host', ['sh', '-c', 'id -u; cut -c1-24 /proc/self/uid_map'], {
      security: { userns: { uidMap: map, gidMap: map } },
    })
    assert.is(String(result.stdout).replaceAll(/ +/g, ' '), '0\n 0 100000 \n')
  },
  'linux:6.15',
)

test('a terminal has a size, changes it, and is the standard streams', async () => {
  const running = await box.engine.start(
    { rootfs: box.rootfs },
    ['sh', '-c', 'test -t 0 && test -t 1 && test -t 2 && echo tty; sleep 0.3; stty size 2>/dev/null || echo'],
    {
      tty: { columns: 50, rows: 20 },
    },
  )
  let text = ''
  running.stdout?.on('data', (chunk) => {
    text += String(chunk)
  })
  running.resize(77, 33)
  assert.is((await running.exit).exitCode, 0)
  assert.match(text, /^tty\r\n/)
})

test('containers that are kept are listed by name, and removed', async () => {
  const running = await box.engine.start({ rootfs: box.rootfs }, ['true'], { keep: true, name: 'kept' })
  await running.exit
  await running.removed
  const [listed] = await box.engine.list()
  assert.is(listed?.name, 'kept')
  assert.is(listed?.status, 'stopped')
  assert.is(listed?.exitCode, 0)
  const taken = await failure(box.engine.start({ rootfs: box.rootfs }, ['true'], { name: 'kept' }))
  assert.is(taken._tag, 'NameInUse')
  assert.is(await box.engine.remove('kept'), running.id)
  assert.equal(await box.engine.list(), [])
  assert.is((await failure(box.engine.remove('kept')))._tag, 'ContainerNotFound')
})

test('a running container is not removed unless forced', async () => {
  const running = await box.engine.start({ rootfs: box.rootfs }, ['sleep', '60'])
  assert.is((await failure(box.engine.remove(running.id)))._tag, 'WrongStatus')
  await box.engine.remove(running.id, { force: true })
  assert.is((await running.exit).exitCode, 137)
})

test('impossible limits and unknown options are refused by name', async () => {
  const refused = async (options: object): Promise<string> =>
    (await failure(sh('true', options as RunOptions))).message
  assert.match(await refused({ memory: '1MiB' }), /memory.*6/i)
  assert.match(await refused({ cpus: 10_000 }), /cpus/)
  assert.match(await refused({ colour: 'red' }), /colour/)
})

test('a container leaves nothing behind, whether it ran or failed to start', async () => {
  const first = await box.engine.start({ rootfs: box.rootfs }, ['true'])
  await first.removed
  while ((await box.engine.list()).length > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  const before = await restingCensus(box)
  await sh('mkdir /work/left; echo x > /work/left/x; rm -rf /work/left')
  await failure(box.engine.run({ rootfs: box.rootfs }, ['no-such-program']))
  await failure(sh('true', { mounts: [{ type: 'bind', source: '/no/such/place', target: '/x' }] }))
  await sh('sleep 60', { timeout: 100 })
  assert.equal(await box.unchanged(before), [])
})

Run.run()
