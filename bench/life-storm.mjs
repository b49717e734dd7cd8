// `node bench/life-storm.mjs [--help] [--operations 2000] [--lanes 4] [--seed N] [--storage ext4-loop]`: verbs on detached containers from several
// processes at once, while those processes, monitors and containers are killed at any moment. After each round every container is what it
// is said to be, every line that was promised is in its log, every byte that was flushed is in its volume, and the next command works on
// whatever was left. At the end nothing is left. Fails on anything else.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bookOf, missingLines, volumeOf } from './books.mjs'
import { buildTools, importSource } from './build.mjs'
import { LAYERED, serveLayer } from './drivers/slipway-shape.mjs'
import { tally, untilKilled } from './killing.mjs'
import { anyOf, randomOf } from './random.mjs'
import { cgroupOf, enterPrivateMounts, makeStage } from './stage.mjs'

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '2000' },
    lanes: { type: 'string', default: '4' },
    /** So many verbs between two looks at everything. */
    round: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    storage: { type: 'string', default: 'ext4-loop' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(
    'node bench/life-storm.mjs [--operations 2000] [--lanes 4] [--round 100] [--seed N] [--storage ext4-loop|tmpfs]',
  )
  process.exit(0)
}
const random = randomOf(Number(values.seed))
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
/** Of a worker: the share of verbs it is killed in, and about as long as the longest takes. */
const DOOMED = 0.06
const LONGEST_MS = 120
/** Between two kills of a monitor or a container. */
const CALM_MS = 100
/** No verb waits for longer. */
const HUNG_MS = 60_000
/** What another lane, or a kill, makes of a verb that was right when it was chosen. */
const EXPECTED = [
  'WrongStatus',
  'ContainerNotFound',
  'NameInUse',
  'AmbiguousContainer',
  'InvalidOption',
  'VolumeInUse',
  'VolumeNotFound',
]
/** Of a monitor, or of a first process, that was killed while it started. */
const isOfKill = ({ tag }) => tag === 'LaunchDied'

const done = tally()
const { faults } = done
const deaths = tally()

/** One lane of a round; a worker that is killed is followed by another one. */
const laneOf = async (stage, count) => {
  for (let left = count; left > 0; ) {
    let [verb, timer] = ['', undefined]
    const watch = () => {
      clearTimeout(timer)
      timer = setTimeout(() => faults.push(`${verb} hangs`), HUNG_MS)
    }
    const args = [
      stage.root,
      stage.runtime,
      stage.rootfs,
      String(Math.floor(random() * 2 ** 32)),
      String(left),
    ]
    const { code, said } = await untilKilled('life-storm-worker', args, {
      longestMs: LONGEST_MS,
      isDoomed: (line) => line.startsWith('{"begin"') && random() < DOOMED,
      onLine: (line) => {
        const told = JSON.parse(line)
        watch()
        if (told.begin !== undefined) {
          verb = `${told.begin} ${told.name}`
          left--
        }
        if (told.done !== undefined) done.count(`${told.done}: done`)
        if (told.failed === undefined) return
        done.count(`${told.failed}: ${told.tag}`)
        if (!EXPECTED.includes(told.tag) && !isOfKill(told)) faults.push(`${verb}: ${told.why}`)
      },
    })
    clearTimeout(timer)
    if (code === 0) return
    if (code === null) {
      deaths.count('processes')
      done.count(`${verb.split(' ')[0]}: killed in it, or after it`)
    } else faults.push(`a worker ended by itself with ${code} in ${verb}: ${said}`)
  }
}

/** Kills monitors and first processes until it is told to stop. Whose monitor died may have lost the last lines of a run. */
const disturb = async (stage, signal) => {
  for (;;) {
    await pause(random() * 2 * CALM_MS)
    if (signal.aborted) return
    const folder = path.join(stage.runtime, 'monitors')
    const id = anyOf(random, existsSync(folder) ? readdirSync(folder) : [])
    if (id === undefined) continue
    try {
      const state = JSON.parse(readFileSync(path.join(folder, id, 'state'), 'utf8'))
      const [what, pid] = random() < 0.5 ? ['monitors', state.monitorPid] : ['containers', state.pid]
      if (!(pid > 0) || !isOurs(pid, id)) continue
      if (what === 'monitors') stage.bereft.add(id.slice(0, 12))
      process.kill(pid, 'SIGKILL')
      deaths.count(what)
    } catch {} // it was faster
  }
}

/** The number in a state file may be somebody else's by now. */
const isOurs = (pid, id) =>
  readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id) ||
  openFiles(pid).some((target) => target.endsWith(`/monitors/${id}/lock`))
/** Of one that has ended meanwhile: none. */
const openFiles = (pid) => {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
  } catch {
    return []
  }
}

/** Everything that could change anything has ended, but for monitors and containers. */
const settle = async (stage, round) => {
  const fault = (what) => faults.push(`round ${round}: ${what}`)
  const engine = stage.createEngine()
  serveLayer(await engine.open(), stage.rootfs)
  try {
    for (const line of await stage.lookAt(engine)) fault(line)
    const there = await engine.list()
    for (const container of there) await goOn(engine, container, fault)
    for (const line of await stage.lookAt(engine)) fault(`after all went on: ${line}`)
    for (const container of await engine.list())
      await unlessGone(engine, container, async () => {
        if (container.status !== 'stopped') {
          // A pause ends first, so that the end is what its program makes of it.
          if (container.status === 'paused') await engine.containers.unpause(container.id)
          await engine.containers.stop(container.id)
        }
        await checkLog(stage, engine, container, fault)
      })
    for (const line of await stage.lookAt(engine)) fault(`after all were stopped: ${line}`)
    checkBooks(stage, fault)
    checkCopies(stage, fault)
    for (const { id } of await engine.list()) if (random() < 0.4) await engine.remove(id, { force: true })
  } catch (error) {
    fault(error.stack)
  } finally {
    await engine.close()
  }
}

/** Some remove themselves when they have ended. */
const unlessGone = async (engine, { id }, use) => {
  try {
    await use()
  } catch (error) {
    if (error.error?._tag !== 'ContainerNotFound') throw error
    if ((await engine.list()).some((each) => each.id === id)) throw error
  }
}

/** The next command on whatever was left, whichever it is. */
const goOn = async (engine, { id, name, status }, fault) => {
  const next = {
    created: ['start'],
    stopped: ['start'],
    running: ['start', 'attach', 'exec', 'pause', 'stop'],
    paused: ['unpause', 'stop'],
    restarting: ['start', 'stop'],
  }
  const verb = anyOf(random, next[status])
  const removesItself = await isOfAutoRemove(engine, id)
  try {
    if (verb === 'exec') await (await engine.containers.exec(id, ['/true'])).exit
    else if (verb === 'attach') (await engine.containers.attach(id)).close()
    else await engine.containers[verb](id)
  } catch (error) {
    const tag = error.error?._tag
    // It may end by itself at any moment.
    const hasEnded = tag === 'WrongStatus' || tag === 'ContainerNotFound'
    // Whose monitor was killed before it could remove it is removed by this very command.
    if (tag === 'ContainerNotFound' && status === 'stopped' && removesItself) return
    if (!(hasEnded && status !== 'created' && status !== 'stopped'))
      fault(`${verb} of ${name}, which was ${status}: ${error.message}`)
  }
}

const isOfAutoRemove = async (engine, id) => {
  try {
    return (await engine.containers.inspect(id)).document.policies.autoRemove
  } catch {
    return false
  }
}

/** Every line that a book promises. */
const checkLog = async (stage, engine, { id, name }, fault) => {
  const promised = stage.books().filter(({ host }) => host === id.slice(0, 12))
  const lines = []
  for await (const entry of await engine.containers.logs(id)) {
    if (entry._tag === 'Line') lines.push(Buffer.from(entry.bytes).toString('latin1').trimEnd())
    else if (entry._tag !== 'Removed') fault(`${name}: ${JSON.stringify(entry)}`)
  }
  for (const { what, isTail } of missingLines(promised, lines)) {
    if (isTail && stage.bereft.has(id.slice(0, 12)))
      done.count('runs whose last lines died with monitor and container')
    else fault(`${name} (${id.slice(0, 12)}): ${what}`)
  }
}

/** What was there stays, byte by byte, and is sound. */
const checkBooks = (stage, fault) => {
  for (const volume of ['book-1', 'book-2', 'book-3']) {
    const before = stage.bytes.get(volume) ?? ''
    const now = volumeOf(stage.root, volume)
    if (!now.startsWith(before)) fault(`${volume} has lost bytes: ${before.length} before, ${now.length} now`)
    for (const line of bookOf(now).damaged) fault(`${volume}: ${line}`)
    stage.bytes.set(volume, now)
  }
}

/** What a copy that was killed has begun is whole, or gone. */
const checkCopies = (stage, fault) => {
  const folder = path.join(stage.root, 'containers')
  for (const id of readdirSync(folder)) {
    const upper = path.join(folder, id, 'upper')
    for (const name of existsSync(upper) ? readdirSync(upper) : [])
      if (name.startsWith('.slipway-')) fault(`a copy has left ${upper}/${name}`)
  }
}

/** Everything is removed; then a census, and what no census sees. */
const endAll = async (stage, before) => {
  const engine = stage.createEngine()
  for (const { id } of await engine.list()) await engine.remove(id, { force: true, volumes: true })
  await engine.pruneVolumes({ all: true })
  await engine.close()
  const differences = await stage.settledDifferences(before)
  for (const line of differences) faults.push(`at the end: ${line}`)
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    for (const target of openFiles(pid))
      if (target.startsWith(`${stage.runtime}/`) && Number(pid) !== process.pid)
        faults.push(`at the end: process ${pid} has ${target}`)
}

enterPrivateMounts()
console.log(`seed ${values.seed}`)
const tools = buildTools()
const bench = makeStage({ ...tools, storage: values.storage })
try {
  const { untruths } = await importSource('test/support/life-truth.ts')
  const { takeCensus, settledDifferences } = await importSource('test/support/census.ts')
  const { createEngine } = await import('../dist/index.js')
  const [root, runtime] = [path.join(bench.store, 'slipway'), path.join(bench.run, 'slipway')]
  bench.addProgram(tools.lines)
  const scope = { directories: [root, runtime], cgroup: cgroupOf(root) }
  const stage = {
    root,
    runtime,
    rootfs: bench.rootfs,
    cgroup: scope.cgroup,
    // What only a next engine clears away, it does: groups of one that was given limits and has removed itself.
    lookAt: async (engine) => {
      const next = stage.createEngine()
      await next.list()
      await next.close()
      return untruths(engine, stage)
    },
    createEngine: () => createEngine({ root, runtime, networksAhead: 0 }),
    settledDifferences: (before) => settledDifferences(scope, before, 15_000),
    books: () => ['book-1', 'book-2', 'book-3'].flatMap((each) => bookOf(volumeOf(root, each)).promises),
    bytes: new Map(),
    bereft: new Set(),
  }
  const first = stage.createEngine()
  serveLayer(await first.open(), stage.rootfs)
  const { id } = await first.containers.create(LAYERED, ['/lines', '/own/lines', 'obey'], {
    mounts: [{ type: 'volume', target: '/own' }],
    memory: '64MiB',
    pids: 30,
  })
  // What the first of its kind makes, and stays.
  await first.containers.start(id)
  await first.containers.pause(id)
  await first.containers.unpause(id)
  await first.containers.update(id, { pids: 40 })
  await first.remove(id, { force: true, volumes: true })
  await first.close()
  const before = takeCensus(scope)
  const [operations, each, lanes] = [values.operations, values.round, values.lanes].map(Number)
  const begin = performance.now()
  let taken = 0
  for (let round = 0; taken < operations && faults.length === 0; round++) {
    const share = Math.ceil(Math.min(each, operations - taken) / lanes)
    const calm = new AbortController()
    const disturbed = disturb(stage, calm.signal)
    await Promise.all(Array.from({ length: lanes }, () => laneOf(stage, share)))
    calm.abort()
    await disturbed
    taken += share * lanes
    await settle(stage, round)
  }
  const lines = stage.books().length
  if (faults.length === 0) await endAll(stage, before)
  const seconds = ((performance.now() - begin) / 1000).toFixed(0)
  console.log(
    `${taken} operations in ${seconds} s, ${deaths.total()} killed, ${lines} lines promised, ${faults.length} faults`,
  )
  deaths.print()
  done.print()
} finally {
  bench.dispose()
}
process.exit(faults.length === 0 ? 0 : 1)
