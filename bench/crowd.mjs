// `node bench/crowd.mjs [--count 1000] [--starts 100] [--storage ext4-loop]`: so many detached containers at once: what they hold, what
// others' starts take beside them, how long `slipway ps` takes, and how long it takes to stop and to remove them all by one command each.
// Fails where anything is left.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildTools, importSource, projectRoot } from './build.mjs'
import { LAYERED, optionsFor, serveLayer } from './drivers/slipway-shape.mjs'
import { kib, textOf } from './proc-text.mjs'
import { shapeNamed } from './shapes.mjs'
import { cgroupOf, enterPrivateMounts, makeStage } from './stage.mjs'
import { summary } from './statistics.mjs'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    starts: { type: 'string', default: '100' },
    storage: { type: 'string', default: 'ext4-loop' },
  },
})
const [count, starts] = [Number(values.count), Number(values.starts)]
/** Of `slipway ps`. */
const LISTED = Math.min(300, count)
const LANES = 8
const LOOKS = 15

const median = (samples) => summary(samples).p50
const timed = async (use) => {
  const begin = performance.now()
  await use()
  return performance.now() - begin
}
const timesOf = async (times, use) => {
  const samples = []
  for (let each = 0; each < times; each++) samples.push(await timed(use))
  return samples
}
/** What the kernel holds for all, once its caches of names and inodes are empty. */
const kernelKib = () => {
  writeFileSync('/proc/sys/vm/drop_caches', '2')
  const text = textOf('/proc/meminfo')
  return Object.fromEntries(
    [
      ['slab', 'Slab'],
      ['kernel stacks', 'KernelStack'],
      ['page tables', 'PageTables'],
      ['per-CPU', 'Percpu'],
    ].map(([what, name]) => [what, kib(text, name)]),
  )
}
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`
const row = (what, value) => console.log(`${what}: ${value}`)
const bar = (what, value, text, most) =>
  row(what, `${text} (at most ${most}: ${value <= most ? 'met' : 'NOT met'})`)

const { stdin, stdout, stderr, ...shape } = optionsFor(shapeNamed('all'))
const attached = { ...shape, stdin, stdout, stderr }

/** From the call to the program that runs, of a container that goes with this process. */
const startAttached = async (engine) => {
  const begin = performance.now()
  const container = await engine.start(LAYERED, ['/true'], attached)
  const took = performance.now() - begin
  await container.removed
  return took
}
const startDetached = async (engine) => {
  const begin = performance.now()
  const { id } = await engine.containers.create(LAYERED, ['/idle'], shape)
  await engine.containers.start(id)
  const took = performance.now() - begin
  await engine.remove(id, { force: true })
  return took
}
/** One after the other in turn, so that a slow moment hits both. */
const compared = async (engine) => {
  const samples = { attached: [], detached: [] }
  for (let each = 0; each < starts; each++) {
    samples.attached.push(await startAttached(engine))
    samples.detached.push(await startDetached(engine))
  }
  return samples
}

const addUpTo = async (engine, ids, most) => {
  const lane = async () => {
    while (ids.length < most) {
      const at = ids.push('') - 1
      ids[at] = (await engine.containers.create(LAYERED, ['/idle'], shape)).id
      await engine.containers.start(ids[at])
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** The command in a process of its own. */
const slipway = (root, ...words) => {
  const {
    status,
    stdout: out,
    stderr: err,
  } = spawnSync(process.execPath, [path.join(projectRoot, 'dist/cli.cjs'), '--root', root, ...words], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (status !== 0)
    throw new Error(`slipway ${words.slice(0, 3).join(' ')} …: ${status}: ${err.slice(0, 2000)}`)
  return out
}

const crowd = async (root, rootfs, createEngine) => {
  const engine = createEngine({ root })
  serveLayer(await engine.open(), rootfs)
  await compared(engine) // warm
  const alone = await compared(engine)
  const detached = median(alone.detached) / median(alone.attached)
  row(
    'start, attached',
    `${median(alone.attached).toFixed(2)} ms, detached ${median(alone.detached).toFixed(2)} ms`,
  )
  bar('detached start ÷ attached one', detached, detached.toFixed(2), 2)
  const kernelBefore = kernelKib()
  const ids = []
  const first = await timed(() => addUpTo(engine, ids, LISTED))
  const listing = await timesOf(LOOKS, async () => slipway(root, 'ps'))
  const nothing = await timesOf(LOOKS, async () => spawnSync(process.execPath, ['-e', '0']))
  bar(
    `slipway ps with ${LISTED}`,
    median(listing),
    `${median(listing).toFixed(0)} ms, node -e 0 ${median(nothing).toFixed(0)} ms`,
    100,
  )
  const rest = await timed(() => addUpTo(engine, ids, count))
  row(`${count} started, ${LANES} at a time`, seconds(first + rest))
  const listed = await engine.list()
  const wrong = listed.filter(({ status }) => status !== 'running')
  if (listed.length !== count || wrong.length > 0)
    throw new Error(`${listed.length} containers, ${wrong.length} do not run`)
  const states = await Promise.all(ids.slice(0, 100).map((id) => engine.containers.inspect(id)))
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const pss = (pid) => kib(textOf(`/proc/${pid}/smaps_rollup`), 'Pss')
  row(
    'held by one that idles',
    `monitor ${median(states.map(({ state }) => pss(state.monitorPid))).toFixed(0)} KiB (PSS), its program ${median(states.map(({ state }) => pss(state.pid))).toFixed(0)} KiB`,
  )
  const kernelAfter = kernelKib()
  const held = Object.entries(kernelAfter).map(
    ([what, now]) => `${what} ${((now - kernelBefore[what]) / count).toFixed(0)} KiB`,
  )
  row('and by the kernel for it', held.join(', '))
  const beside = await compared(engine)
  const shortIds = () => ids.map((id) => id.slice(0, 12))
  const stopped = await timed(async () => slipway(root, 'stop', ...shortIds()))
  const removed = await timed(async () => slipway(root, 'rm', ...shortIds()))
  bar(
    `stop and rm of ${count}, in seconds`,
    (stopped + removed) / 1000,
    `${seconds(stopped)} + ${seconds(removed)}`,
    20,
  )
  ids.length = 0
  await addUpTo(engine, ids, count)
  const killed = await timed(async () => slipway(root, 'stop', '-t', '0', ...shortIds()))
  const gone = await timed(async () => slipway(root, 'rm', ...shortIds()))
  row(`stop -t 0 and rm of ${count}`, `${seconds(killed)} + ${seconds(gone)}`)
  ids.length = 0
  await addUpTo(engine, ids, count)
  const forced = await timed(async () => slipway(root, 'rm', '-f', ...shortIds()))
  row(`rm -f of ${count}`, seconds(forced))
  // Before and after: the machine may have become slower meanwhile.
  const again = await compared(engine)
  for (const [kind, most] of [['attached', 1.2], ['detached']]) {
    const slower = median(beside[kind]) / median([...alone[kind], ...again[kind]])
    const text = `${slower.toFixed(2)} (${median(beside[kind]).toFixed(2)} ms)`
    if (most === undefined) row(`${kind} start beside ${count} ÷ alone`, text)
    else bar(`${kind} start beside ${count} ÷ alone`, slower, text, most)
  }
  await engine.close()
}

enterPrivateMounts()
const tools = buildTools()
const stage = makeStage({ ...tools, storage: values.storage })
let left = ['nothing was looked at']
try {
  const { takeCensus, settledDifferences } = await importSource('test/support/census.ts')
  const { createEngine } = await import('../dist/index.js')
  const root = path.join(stage.store, 'slipway')
  stage.addProgram(tools.idle)
  // Run files on a tmpfs, as /run is.
  mkdirSync(path.join(root, 'run'), { recursive: true, mode: 0o700 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=700', 'crowd-run', path.join(root, 'run')])
  const scope = { directories: [root], cgroup: cgroupOf(root) }
  const warm = createEngine({ root })
  serveLayer(await warm.open(), stage.rootfs)
  await startAttached(warm)
  await startDetached(warm)
  await warm.close()
  const before = takeCensus(scope)
  await crowd(root, stage.rootfs, createEngine)
  left = await settledDifferences(scope, before, 20_000)
  row('left behind', left.length)
  for (const line of left.slice(0, 20)) console.log(`  ${line}`)
  execFileSync('umount', ['-l', path.join(root, 'run')])
} finally {
  stage.dispose()
}
process.exit(left.length === 0 ? 0 : 1)
