// Pools: a program in a sandbox made ahead sees what it sees in one made for it, and nothing of a pool outlives it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { getPriority } from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { createEngine, type Pool, type PoolOptions, type RunOptions } from '../../src/index.ts'
import { AUDIT } from '../support/audit.ts'
import { descendants } from '../support/fault.ts'
import { failure, isAlive, librarySuite, restingCensus, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'
import { buildProgram } from './build-program.ts'

const { test, box, scratch, run } = librarySuite('library/pool')

const LIMITS = { memory: '64MiB', pids: 40, cpus: 0.5 }
const openPool = (options: Omit<PoolOptions, 'image'> = LIMITS, size = { min: 2, max: 4 }): Promise<Pool> =>
  box().engine.pool({ image: { rootfs: box().rootfs }, ...options }, size)

/** The engine is open, its guardian and the threads of its pools run, so that none of them counts as left behind. */
const resting = async () => {
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  await pool.run(['true'])
  await until('another one waits', () => pool.stats.waiting === 1)
  await pool.close()
  await box().engine.run({ rootfs: box().rootfs }, ['true'], { ...LIMITS, stdout: 'ignore' })
  return restingCensus(box())
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}

/** A process of its own that does this, and what was there before. */
const program = async (what: string) => {
  const script = await buildProgram()
  const before = await resting()
  const task = JSON.stringify({ root: box().root, rootfs: box().rootfs, what })
  const child = spawn(process.execPath, [script, task], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { before, child }
}

/** What the next command of a root does for engines of it that died. */
const sweep = async (): Promise<void> => {
  const next = createEngine({ root: box().root })
  await next.run({ rootfs: box().rootfs }, ['true'])
  await next.close()
}

const guardian = async (): Promise<number> => (await box().engine.open()).guardianPid()
/** Sandboxes that wait, and first processes of containers: this process's helpers but for the guardian. */
const parked = async (): Promise<readonly number[]> => {
  const others = await guardian()
  return descendants(process.pid).filter((pid) => pid !== others && commandOf(pid) !== 'esbuild')
}

for (const [name, options, own] of [
  ['as root', LIMITS, {}],
  ['for a user, elsewhere, with an environment', LIMITS, { user: 'app', cwd: '/tmp', env: { A: 'b' } }],
  ['with no_new_privs and few rights', { security: { noNewPrivileges: true, capDrop: ['ALL'] } }, {}],
  ['without a filter, privileged', { security: { privileged: true } }, {}],
  ['on the host network, read-only', { network: 'host', readonly: true }, {}],
  ['behind a small init', { init: true }, {}],
] as const satisfies readonly (readonly [string, Omit<PoolOptions, 'image'>, RunOptions])[]) {
  test(`a program sees what it sees in a sandbox of its own: ${name}`, async () => {
    const pool = await openPool(options, { min: 1, max: 1 })
    const mine = await pool.run(['sh', '-c', AUDIT], own)
    const cold = await box().engine.run({ rootfs: box().rootfs }, ['sh', '-c', AUDIT], { ...options, ...own })
    assert.is(mine.stderr, cold.stderr)
    assert.equal(mine.stdout.split('\n'), cold.stdout.split('\n'))
    assert.equal(pool.stats, { waiting: pool.stats.waiting, target: 1, hits: 1, misses: 0, dropped: 0 })
    await pool.close()
  })
}

test('each sandbox gets one program: ids, names and writable layers are never seen twice', async () => {
  const pool = await openPool(LIMITS, { min: 3, max: 3 })
  const results = await Promise.all(
    Array.from({ length: 20 }, () =>
      pool.run(['sh', '-c', 'hostname; ls /tmp; echo x > /tmp/mine; ls /tmp']),
    ),
  )
  const names = results.map(({ stdout }) => stdout.split('\n')[0])
  assert.is(new Set(names).size, 20)
  await pool.close()
})

test('what waits holds nothing of the engine: descriptors, environment, rights', async () => {
  const pool = await openPool(LIMITS, { min: 2, max: 2 })
  const pids = await parked()
  assert.is(pids.length, 2)
  for (const pid of pids) {
    const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
    // Its streams on its own /dev/null, the control socket, its root, its /dev and its mount namespace.
    assert.equal(fds.map((target) => target.replace(/:\[\d+\]$/, '')).sort(), [
      '/',
      '/dev',
      '/dev/null',
      '/dev/null',
      '/dev/null',
      'mnt',
      'socket',
    ])
    assert.is(readFileSync(`/proc/${pid}/environ`, 'utf8'), '')
    assert.match(readFileSync(`/proc/${pid}/cmdline`, 'latin1'), /^slipway-init\0[\d\0]+$/)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? ''
    assert.is(field('Seccomp'), '2', 'it waits with its filter')
    assert.is(field('Threads'), '1')
    const [, bounded = 0n] = [0, BigInt(`0x${field('CapBnd')}`)]
    assert.is(bounded & (1n << 21n), 0n, 'CAP_SYS_ADMIN is out of reach of what it will execute')
  }
  await pool.close()
  assert.equal(await parked(), [])
})

test('a pool that is closed leaves nothing, and starts nothing more', async () => {
  const before = await resting()
  const pool = await openPool()
  const running = await pool.start(['sleep', '60'], { stdout: 'ignore', stderr: 'ignore' })
  await pool.close()
  assert.equal([...(await parked())], [running.pid], 'what was started lives on')
  const { error } = await failure(pool.run(['true']))
  assert.is(error._tag, 'Cancelled')
  running.kill('SIGKILL')
  await running.removed
  assert.equal(await box().unchanged(before), [])
})

test('what is made ahead is made at a low priority, and runs with that of the engine', async () => {
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  const nice = ['cut', '-d', ' ', '-f', '18,19', '/proc/self/stat']
  const cold = await box().engine.run({ rootfs: box().rootfs }, nice, LIMITS)
  await pool.run(['true'])
  await until('another one waits', () => pool.stats.waiting === 1)
  const [pid = 0] = await parked()
  const { effectiveCaps } = await box().engine.facts()
  const lowered = (effectiveCaps & (1n << 23n)) !== 0n
  assert.is(getPriority(pid) - getPriority(), lowered ? 10 : 0)
  assert.is((await pool.run(nice)).stdout, cold.stdout)
  await pool.close()
})

test('a burst larger than the pool is served, the pool grows to its maximum and no further', async () => {
  const before = await resting()
  const pool = await openPool(LIMITS, { min: 1, max: 4 })
  const codes = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => (await pool.run(['sh', '-c', `exit ${i}`])).exitCode),
  )
  assert.equal(
    codes,
    Array.from({ length: 30 }, (_, i) => i),
  )
  assert.is(pool.stats.hits + pool.stats.misses, 30)
  assert.ok(pool.stats.misses > 0)
  await until('it has grown', () => pool.stats.waiting === 4)
  assert.is(pool.stats.target, 4)
  await pool.close()
  assert.equal(await box().unchanged(before), [])
})

test('a pool may be empty: then each start makes its own', async () => {
  const pool = await openPool(LIMITS, { min: 0, max: 1 })
  assert.is((await pool.run(['echo', 'hi'])).stdout, 'hi\n')
  assert.is(pool.stats.misses, 1)
  await pool.close()
})

test('containers are listed, sandboxes that wait are not', async () => {
  const pool = await openPool()
  assert.equal(await box().engine.list(), [])
  const running = await pool.start(['sleep', '60'], { stdout: 'ignore', stderr: 'ignore' })
  const listed = await box().engine.list()
  assert.equal(
    listed.map(({ id, command, status }) => [id, command, status]),
    [[running.id, ['sleep', '60'], 'running']],
  )
  running.kill('SIGKILL')
  await running.removed
  await pool.close()
})

test('a sandbox that is killed while it waits is replaced, and a start does not notice', async () => {
  const before = await resting()
  const pool = await openPool(LIMITS, { min: 2, max: 2 })
  const first = await parked()
  for (const pid of first) process.kill(pid, 'SIGKILL')
  assert.is((await pool.run(['echo', 'here'])).stdout, 'here\n')
  await until('both are there again', () => pool.stats.waiting === 2)
  assert.ok((await parked()).every((pid) => !first.includes(pid)))
  assert.ok(pool.stats.dropped >= 1)
  await pool.close()
  assert.equal(await box().unchanged(before), [])
})

test('what ended a program is told as ever, and its sandbox goes', async () => {
  const before = await resting()
  const pool = await openPool(LIMITS, { min: 1, max: 2 })
  assert.equal((await pool.run(['sh', '-c', 'exit 7'])).exit, { _tag: 'Exited', code: 7 })
  assert.is((await pool.run(['sleep', '60'], { timeout: 200 })).exit._tag, 'TimedOut')
  assert.is((await pool.run(['sleep', '60'], { signal: AbortSignal.timeout(200) })).exit._tag, 'Aborted')
  const flood = await pool.run(['yes'], { maxOutput: 1000 })
  assert.is(flood.exit._tag, 'OutputLimit')
  assert.is(flood.stdout.length, 1000)
  assert.is((await pool.run(['cat'], { stdin: 'through' })).stdout, 'through')
  assert.is((await pool.run(['sh', '-c', 'echo a; echo b >&2'], { all: true })).all.length, 4)
  await pool.close()
  assert.equal(await box().unchanged(before), [])
})

test('a start that fails is told why and takes no other with it', async () => {
  const before = await resting()
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  const why = async (argv: readonly string[], options: object = {}): Promise<string> =>
    (await failure(pool.run(argv, options))).error._tag
  assert.is(await why(['nowhere']), 'CommandNotFound')
  assert.is(await why(['/etc/passwd']), 'CommandNotExecutable')
  assert.is(await why(['true'], { user: 'nobody-here' }), 'UnknownUser')
  assert.is(await why([]), 'InvalidOption')
  assert.is(await why(['true'], { stdout: { file: '/nowhere/at/all' } }), 'SyscallFailed')
  assert.is(await why(['true'], { signal: AbortSignal.abort() }), 'Cancelled')
  assert.is((await pool.run(['echo', 'still'])).stdout, 'still\n')
  await pool.close()
  assert.equal(await box().unchanged(before), [])
})

test('what the pool decides cannot be decided again, and what it cannot have is refused', async () => {
  const pool = await openPool(LIMITS, { min: 0, max: 1 })
  const refusal = async (attempt: Promise<unknown>): Promise<string> => {
    const { error } = await failure(attempt)
    return error._tag === 'InvalidOption' ? `${error.option}: ${error.why}` : error._tag
  }
  const given = (options: object): Promise<string> => refusal(pool.run(['true'], options))
  assert.is(await given({ readonly: true }), 'readonly: is decided when the pool is made')
  const tmpfs = { type: 'tmpfs', target: '/tmp' }
  assert.is(
    await given({ mounts: [tmpfs] }),
    'mounts: the pool was not made for mounts of its starts: give it lateMounts: true',
  )
  assert.match(await given({ name: 'x1' }), /^name: no such option/)
  assert.match(await given({ stdin: 'pipe' }), /^stdin: run has nobody/)
  const { engine, rootfs } = box()
  const image = { rootfs }
  assert.match(await refusal(engine.pool({ image, tty: true } as never)), /^tty: no such option/)
  assert.match(await refusal(engine.pool({ image }, { min: 3, max: 2 })), /^size\.max: is less than/)
  assert.match(await refusal(engine.pool({ image }, { min: -1 })), /^size\.min: is not between/)
  assert.match(await refusal(engine.pool({ image: undefined as never })), /^image: expected a reference/)
  assert.is(await given({ image: 'host' }), 'image: is decided when the pool is made')
  assert.is(await refusal(engine.pool({ image: { rootfs: '/nowhere' } })), 'SyscallFailed')
  await pool.close()
})

test('a start may have limits of its own: higher ones, lower ones, and those the kernel refuses', async () => {
  const before = await resting()
  const pool = await openPool({ ...LIMITS, cpuShares: 512 }, { min: 1, max: 2 })
  const script = `cd /sys/fs/cgroup
for f in memory.max memory.swap.max pids.max cpu.max memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.shares; do
  [ ! -e $f ] || echo $f $(cat $f)
done`
  const seen = async (options: object): Promise<string> =>
    (await pool.run(['sh', '-c', script], options)).stdout
  const cold = async (options: object): Promise<string> =>
    (
      await box().engine.run({ rootfs: box().rootfs }, ['sh', '-c', script], {
        ...LIMITS,
        cpuShares: 512,
        ...options,
      })
    ).stdout
  assert.ok((await seen({})).includes(String(64 << 20)))
  for (const options of [
    {},
    { memory: '256MiB' },
    { memory: '8MiB', pids: 7 },
    { memory: '128MiB', memorySwap: '129MiB', cpus: 1.5 },
    { pids: -1, cpuShares: 100 },
  ])
    assert.is(await seen(options), await cold(options), JSON.stringify(options))
  const killed = await pool.run(['tail', '/dev/zero'], { memory: '16MiB' })
  assert.is(killed.exit._tag, 'OomKilled')
  await pool.close()
  assert.equal(await box().unchanged(before), [])
})

test('a start may have mounts of its own, in place at its first instruction and of no other start', async () => {
  const own = scratch('late-mounts')
  mkdirSync(path.join(own, 'below'), { recursive: true })
  writeFileSync(path.join(own, 'file'), 'mine')
  const before = await resting()
  const pool = await openPool({ ...LIMITS, lateMounts: true }, { min: 2, max: 2 })
  const mounts = [
    { type: 'bind', source: own, target: '/made/late' },
    { type: 'bind', source: path.join(own, 'file'), target: '/made/late/below/read-only', readonly: true },
    { type: 'tmpfs', target: '/tmp', size: '1MiB' },
    { type: 'bind', source: path.join(own, 'made/at/once'), target: '/made/source', createSource: true },
  ] as const
  const look = `cat /made/late/file; echo more > /made/late/written; echo no > /made/late/below/read-only
    grep -c ' /tmp tmpfs' /proc/self/mounts; pwd; grep Seccomp: /proc/self/status; ls /made/source`
  const { stdout, stderr } = await pool.run(['sh', '-c', look], { mounts, cwd: '/made/late/below' })
  assert.is(stdout, 'mine1\n/made/late/below\nSeccomp:\t2\n')
  assert.match(stderr, /read-only: Read-only file system/)
  assert.is(readFileSync(path.join(own, 'written'), 'utf8'), 'more\n')
  // Of what was mounted only the places are left, in a root that is a directory.
  assert.is((await pool.run(['ls', '/made/late', '/made/source'])).stdout, '/made/late:\n\n/made/source:\n')
  // What is refused or cannot be opened takes no sandbox.
  const refused = async (mount: object): Promise<string> => {
    const { error } = await failure(pool.run(['true'], { mounts: [mount as never] }))
    return 'why' in error ? `${error._tag} ${error.why}` : JSON.stringify(error)
  }
  assert.match(
    await refused({ type: 'tmpfs', target: '/proc/sys' }),
    /^InvalidOption nothing may be mounted over/,
  )
  const nowhere = { _tag: 'SyscallFailed', step: 'open bind source', errno: 2, path: '/nowhere' }
  assert.is(await refused({ type: 'bind', source: '/nowhere', target: '/made' }), JSON.stringify(nowhere))
  const { error } = await failure(pool.run(['true'], { mounts, signal: AbortSignal.abort() }))
  assert.is(error._tag, 'Cancelled')
  assert.equal([pool.stats.hits, pool.stats.misses, pool.stats.dropped], [2, 0, 0])
  // The last stage fails in the sandbox: an image's symlink must not lead a mount into proc.
  symlinkSync('/proc', path.join(box().rootfs, 'to-proc'))
  const link = await failure(pool.run(['true'], { mounts: [{ ...mounts[0], target: '/to-proc/sys' }] }))
  assert.is('step' in link.error ? link.error.step : link.error._tag, 'verify mount target')
  rmSync(path.join(box().rootfs, 'to-proc'))
  await pool.close()
  rmSync(path.join(box().rootfs, 'made'), { recursive: true })
  assert.equal(await box().unchanged(before), [])
})

test('a limit that cannot be set takes its sandbox along, and is told', async () => {
  const options = { ...LIMITS, cpusetCpus: '0' }
  await (await openPool(options, { min: 1, max: 1 })).close() // the engine's own directory is there from now on
  const before = await resting()
  const pool = await openPool(options, { min: 1, max: 1 })
  const why = async (options: object): Promise<string> => {
    const { error } = await failure(pool.run(['true'], options))
    return error._tag === 'InvalidOption' ? `${error.option}: ${error.why}` : JSON.stringify(error)
  }
  // A v2 group takes processors the machine has not.
  const { cgroup } = await box().engine.facts()
  if (cgroup.mode !== 'v2')
    assert.match(await why({ cpusetCpus: '4000' }), /"set cgroup limit".*"cpuset\.cpus = 4000"/)
  assert.match(await why({ memory: '1MiB' }), /^memory: /)
  assert.match(await why({ memorySwap: '1MiB' }), /^memorySwap: /)
  assert.is((await pool.run(['echo', 'still'])).stdout, 'still\n')
  await pool.close()
  const without = await openPool({ memory: '64MiB' }, { min: 0, max: 1 })
  const limited = without.run(['cat', '/sys/fs/cgroup/pids.max'], { pids: 3 })
  // The one group of v2 has all controllers that the engine's own groups have been given.
  if (cgroup.mode === 'v2') assert.is((await limited).stdout, '3\n')
  else {
    const { error } = await failure(limited)
    assert.match(
      error._tag === 'InvalidOption' ? error.why : error._tag,
      /^the pool's sandboxes have no pids group: give the pool such a limit, too$/,
    )
  }
  await without.close()
  assert.equal(await box().unchanged(before), [])
})

test('another image, or age, empties the pool before the next start', async () => {
  const { ports } = await box().engine.open()
  const open = ports.host as { prepareImage: typeof ports.host.prepareImage }
  const real = open.prepareImage
  let id = 'one'
  open.prepareImage = (image) => async () => {
    const made = await real(image)()
    return made._tag === 'Left' ? made : { ...made, right: { ...made.right, id } }
  }
  const now = Date.now
  try {
    const pool = await openPool(LIMITS, { min: 2, max: 2 })
    const old = await parked()
    id = 'two'
    Date.now = () => now() + 2000
    await pool.run(['true'])
    await until('two new ones wait', () => pool.stats.waiting === 2)
    assert.is(pool.stats.dropped, 2)
    await until('the old ones are gone', () => !descendants(process.pid).some((pid) => old.includes(pid)))
    Date.now = () => now() + 11 * 60 * 1000
    await pool.run(['true'])
    assert.is(pool.stats.dropped, 4, 'older than ten minutes')
    await pool.close()
  } finally {
    Date.now = now
    open.prepareImage = real
  }
})

test('an engine that is killed takes its sandboxes along, and the next one of its root removes what they had', async () => {
  const { before, child } = await program('pool')
  await once(child.stdout, 'data')
  const pids = descendants(child.pid ?? 0)
  assert.is(pids.length, 4, 'three sandboxes and the guardian')
  child.kill('SIGKILL')
  await once(child, 'exit')
  await until('all are dead', () => !pids.some(isAlive))
  await sweep()
  assert.equal(await box().unchanged(before), [])
})

test('a process that forgets its pool ends by itself, and leaves nothing', async () => {
  const { before, child } = await program('pool and end')
  const [said] = await once(child.stdout, 'data')
  assert.equal(JSON.parse(String(said)), { output: 'hi\n' })
  assert.equal(await once(child, 'exit'), [0, null])
  assert.equal(await box().unchanged(before), [])
})

test('a missing bind source is made when that is asked for, as for a cold start', async () => {
  const source = scratch('made', 'for', 'a', 'pool')
  const mounts = [{ type: 'bind', source, target: '/data', createSource: true }] as const
  const pool = await openPool({ mounts }, { min: 1, max: 1 })
  await pool.run(['touch', '/data/here'])
  assert.equal(readdirSync(source), ['here'])
  await pool.close()
})

test('an aborted start takes no sandbox', async () => {
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  const [waiting] = await parked()
  const { error } = await failure(pool.run(['true'], { signal: AbortSignal.abort(new Error('never')) }))
  assert.is(error._tag, 'Cancelled')
  assert.equal(await parked(), [waiting])
  assert.is(pool.stats.waiting, 1)
  await pool.close()
})

test('a worker thread has pools of its own, and its end is theirs', async () => {
  const script = await buildProgram()
  const before = await resting()
  const workerData = { root: box().root, rootfs: box().rootfs, what: 'pool' }
  const worker = new Worker(script, { workerData })
  const [said] = await once(worker, 'message')
  assert.equal(said, { outputs: ['0\n', '1\n', '2\n', '3\n', '4\n'] })
  await worker.terminate()
  await sweep()
  assert.equal(await box().unchanged(before), [])
})

test('nothing is made ahead while memory is short', async () => {
  const { ports } = await box().engine.open()
  const open = ports.host as { memoryPressure: typeof ports.host.memoryPressure }
  const real = open.memoryPressure
  try {
    open.memoryPressure = () => 20
    const pool = await openPool(LIMITS, { min: 1, max: 1 })
    await pool.run(['true'])
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.is(pool.stats.waiting, 0)
    assert.is((await pool.run(['echo', 'served'])).stdout, 'served\n', 'a start is no luxury')
    open.memoryPressure = () => 0
    await until('it is full again', () => pool.stats.waiting === 1)
    await pool.close()
  } finally {
    open.memoryPressure = real
  }
})

run()
