// Pools without an image: namespaces and groups wait, and become a sandbox of whatever image a start brings.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Pool, PoolOptions, PoolStartOptions } from '../../src/index.ts'
import { AUDIT } from '../support/audit.ts'
import { descendants } from '../support/fault.ts'
import { buildImage, layoutFiles, writeFiles } from '../support/image-builder.ts'
import { failure, librarySuite, restingCensus, until } from '../support/library.ts'
import { findProgram } from '../support/needs.ts'
import { assert } from '../support/suite.ts'

const { test, box, scratch, run } = librarySuite('library/half-armed')

const LIMITS = { memory: '64MiB', pids: 40, cpus: 0.5 }
const MAP = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
const LAYERED = 'me/layers:1'

/** Closed in any case, so that a test that fails fails alone. */
const opened = new Set<Pool>()
const openPool = async (options: PoolOptions = LIMITS, size = { min: 1, max: 2 }): Promise<Pool> => {
  await Promise.all([...opened].map((pool) => pool.close()))
  opened.clear()
  const pool = await box().engine.pool(options, size)
  opened.add(pool)
  return pool
}

/** Two layers, the upper one with a user of its own. */
const loadLayered = async (): Promise<void> => {
  const names = 'sh echo id ls sleep true cat grep env sed sort cut wc awk hostname pwd readlink'.split(' ')
  const image = buildImage({
    layers: [
      [
        { name: 'bin/busybox', data: readFileSync(findProgram('busybox') ?? '/bin/busybox') },
        ...names.map((name) => ({ name: `bin/${name}`, type: '2', linkName: 'busybox' })),
      ],
      [
        { name: 'etc/passwd', data: 'root:x:0:0::/root:/bin/sh\nmember:x:77:78::/:/bin/sh\n' },
        { name: 'etc/group', data: 'root:x:0:\nmember:x:78:\n' },
      ],
    ],
    config: { Cmd: ['/bin/true'], Env: ['PATH=/bin', 'FROM=image'], User: 'member', WorkingDir: '/etc' },
  })
  writeFiles(scratch('layout'), layoutFiles([[image, undefined]]))
  await box().engine.load({ path: scratch('layout') }, { name: LAYERED })
}

/** The engine is open, and so is what its pools hold. */
const resting = async (options: PoolOptions = LIMITS) => {
  const pool = await openPool(options)
  for (const image of [{ rootfs: box().rootfs }, 'host']) await pool.run(['true'], { image })
  await until('another one waits', () => pool.stats.waiting >= 1)
  await pool.close()
  return restingCensus(box())
}

/** This process's helpers but for the guardian. */
const waiting = async (): Promise<readonly number[]> => {
  const guardian = (await box().engine.open()).guardianPid()
  const isHelper = (pid: number): boolean =>
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('slipway-init\0')
  return descendants(process.pid).filter((pid) => pid !== guardian && isHelper(pid))
}

for (const [name, options, own, need] of [
  ['as root', LIMITS, {}, 'root'],
  [
    'for a user, elsewhere, with an environment',
    LIMITS,
    { user: '1000', cwd: '/tmp', env: { A: 'b' } },
    'root',
  ],
  ['with no_new_privs and few rights', { security: { noNewPrivileges: true, capDrop: ['ALL'] } }, {}, 'root'],
  ['without a filter, privileged', { security: { privileged: true } }, {}, 'root'],
  ['on the host network, read-only', { network: 'host', readonly: true }, {}, 'root'],
  ['behind a small init', { init: true }, {}, 'root'],
  ['in a user namespace', { security: { userns: { uidMap: MAP, gidMap: MAP } } }, {}, 'linux:6.15'],
  [
    'with mounts of the pool and of the start',
    { lateMounts: true, mounts: [{ type: 'tmpfs', target: '/tmp' }] },
    { mounts: [{ type: 'tmpfs', target: '/work/own' }] },
    'root',
  ],
] as const satisfies readonly (readonly [string, PoolOptions, PoolStartOptions, string])[])
  test(
    `a program sees what it sees in a sandbox of its own: ${name}`,
    async () => {
      await loadLayered()
      const before = await resting(options)
      const pool = await openPool(options, { min: 3, max: 3 })
      const { lateMounts: _, ...shared } = options as PoolOptions
      const mounts = [...(shared.mounts ?? []), ...('mounts' in own ? own.mounts : [])]
      // A cold start in a user namespace cannot reach a directory below one that is root's alone.
      const directories = need === 'root' ? [{ rootfs: box().rootfs }] : []
      const images = [...directories, LAYERED, 'host']
      for (const image of images) {
        const mine = await pool.run(['sh', '-c', AUDIT], { ...own, image })
        const cold = await box().engine.run(image, ['sh', '-c', AUDIT], { ...shared, ...own, mounts })
        // The network namespace is there from the beginning, so what shows it is not mounted last.
        const lines = (text: string): string[] =>
          text
            .replaceAll(/[0-9a-f]{64}/g, 'ID')
            .split('\n')
            .sort()
        assert.equal(lines(mine.stderr), lines(cold.stderr))
        assert.equal(lines(mine.stdout), lines(cold.stdout), JSON.stringify(image))
        assert.ok(mine.stdout.includes('# limit'))
      }
      assert.equal([pool.stats.hits, pool.stats.misses, pool.stats.dropped], [images.length, 0, 0])
      await pool.close()
      assert.equal(await box().unchanged(before), [])
    },
    need,
  )

test('each start gets its own image, command and user, many at a time', async () => {
  await loadLayered()
  const before = await resting()
  const pool = await openPool(LIMITS, { min: 2, max: 6 })
  const directory = { rootfs: box().rootfs }
  const outputs = await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const image = [directory, LAYERED, 'host'][i % 3] ?? 'host'
      const { stdout } = await pool.run(['sh', '-c', `echo ${i} $FROM $(id -u) $PWD; hostname`], { image })
      return stdout.split('\n')
    }),
  )
  const facts = ['0 /', 'image 77 /etc', '0 /']
  outputs.forEach(([line], i) => {
    assert.is(line?.replaceAll(/ +/g, ' '), `${i} ${facts[i % 3]}`)
  })
  assert.is(new Set(outputs.map(([, name]) => name)).size, 24, 'no id is seen twice')
  await pool.close()
  assert.equal(await box().unchanged(before), [])
})

test('what waits has no root, no writable layer and no right to go without one', async () => {
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  const [pid = 0] = await waiting()
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  assert.match(status, /^NSpid:\s+\d+\s+1$/m, 'the first process of a namespace of its own')
  assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), /memory:.*[0-9a-f]{64}|^0::.*[0-9a-f]{64}/m)
  assert.is(readFileSync(`/proc/${pid}/environ`, 'utf8'), '')
  assert.equal(await box().engine.list(), [])
  await pool.close()
})

test('a start says which image, and one that is not there takes no sandbox', async () => {
  const before = await resting()
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  const why = async (options: object): Promise<string> => {
    const { error } = await failure(pool.run(['true'], options))
    return error._tag === 'InvalidOption' ? `${error.option}: ${error.why}` : error._tag
  }
  assert.is(await why({}), 'image: is needed: the pool was made without one')
  assert.match(await why({ image: 7 }), /^image: expected/)
  assert.is(await why({ image: 'no/such:image' }), 'ImageNotFound')
  assert.is(await why({ image: { rootfs: '/nowhere' } }), 'SyscallFailed')
  assert.is(
    await why({ image: { rootfs: box().rootfs }, readonly: true }),
    'readonly: is decided when the pool is made',
  )
  const { hits, misses } = pool.stats
  assert.equal([hits, misses], [0, 0])
  assert.is(
    (await failure(pool.run(['nowhere'], { image: { rootfs: box().rootfs } }))).error._tag,
    'CommandNotFound',
  )
  await until('another one waits', () => pool.stats.waiting === 1)
  assert.is((await pool.run(['echo', 'still'], { image: { rootfs: box().rootfs } })).stdout, 'still\n')
  await pool.close()
  assert.equal(await box().unchanged(before), [])
})

test('limits of a start replace those of the pool', async () => {
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  const look = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null'
  const image = { rootfs: box().rootfs }
  assert.is((await pool.run(['sh', '-c', look], { image, memory: '96MiB' })).stdout, `${96 << 20}\n`)
  const killed = await pool.run(['tail', '/dev/zero'], { image, memory: '16MiB' })
  assert.is(killed.exit._tag, 'OomKilled')
  await pool.close()
})

test('what is mounted on the host meanwhile may be a root', async () => {
  const place = scratch('mounted')
  mkdirSync(place, { recursive: true })
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'late', place])
  try {
    execFileSync('cp', ['-a', `${box().rootfs}/.`, place])
    const { stdout } = await pool.run(['cat', '/proc/self/mounts'], { image: { rootfs: place } })
    assert.match(stdout, /^late \/ tmpfs/m)
    assert.is(pool.stats.hits, 1)
  } finally {
    await pool.close()
    execFileSync('umount', [place])
  }
})

test('what the host shares and unmounts goes from what waits, too', async () => {
  const place = scratch('shared')
  mkdirSync(place, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'shared', place])
  execFileSync('mount', ['--make-shared', place])
  const below = path.join(place, 'below')
  mkdirSync(below)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'below', below])
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  try {
    const tables = (await waiting()).map((pid) => `/proc/${pid}/mounts`)
    const seen = (): boolean => tables.some((file) => readFileSync(file, 'utf8').includes(below))
    assert.ok(seen(), 'one that waits has a copy')
    execFileSync('umount', [below])
    assert.not(seen(), 'which goes with the original')
  } finally {
    await pool.close()
    execFileSync('umount', ['-R', place])
  }
})

test('a sandbox that is killed or aborted on its way to a root leaves nothing, and the next start does not notice', async () => {
  const image = { rootfs: box().rootfs }
  const before = await resting()
  const pool = await openPool(LIMITS, { min: 2, max: 2 })
  for (const pid of descendants(process.pid)) {
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    if (name.startsWith('slipway') && pid !== (await box().engine.open()).guardianPid())
      process.kill(pid, 'SIGKILL')
  }
  assert.is((await pool.run(['echo', 'here'], { image })).stdout, 'here\n')
  for (const delay of [0, 0.2, 0.5, 1, 2]) {
    await until('another one waits', () => pool.stats.waiting >= 1)
    const abort = new AbortController()
    const running = pool.run(['sleep', '60'], { image, signal: abort.signal })
    setTimeout(() => abort.abort(), delay)
    const outcome = await running.then(
      ({ exit }) => exit._tag,
      (error: unknown) => (error as { readonly _tag: string })._tag,
    )
    assert.ok(['Cancelled', 'Aborted'].includes(outcome), outcome)
  }
  await pool.close()
  assert.equal(await box().unchanged(before), [])
})

test("the ledger of such a start has the engine's part and both stages", async () => {
  await loadLayered()
  const pool = await openPool(LIMITS, { min: 1, max: 1 })
  const { timings } = await pool.run(['true'], { image: LAYERED })
  const steps = timings.steps.map(({ side, step }) => `${side} ${step}`)
  for (const step of ['engine wait for launch thread', 'child pivot_root', 'child close other descriptors'])
    assert.ok(steps.includes(step), `${step}: ${steps.join()}`)
  // A kernel without file descriptors for layers leaves the overlay to the child.
  assert.ok(steps.includes('engine fsmount') || steps.includes('child fsmount'), steps.join())
  assert.not(steps.includes('child register with guardian'), 'what was done before is no part of it')
  await pool.close()
})

run()
