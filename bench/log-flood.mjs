// `node bench/log-flood.mjs [--seconds 600] [--slice 1] [--forms compact,podman] [--freeze] [--storage ext4-loop]`: a program that writes as fast
// as it is let, in one container for each form of a log, of other engines, and one that writes to files instead. They take turns, a slice
// each in a random order, for so long in all. Prints how fast each is beside the files, what its log takes of disk and memory, and what is
// lost. Fails where a log or its keeper grows, where kept and lost bytes are not those that were written, and where anything is left.
import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildTools, importSource } from './build.mjs'
import {
  dockerFlood,
  fileFlood,
  logFlood,
  MAX_BYTES,
  MAX_FILES,
  piecesOf,
  podmanFlood,
} from './drivers/floods.mjs'
import { LAYERED, serveLayer } from './drivers/slipway-shape.mjs'
import { isFlood } from './flood-page.mjs'
import { inPeers } from './measure.mjs'
import { kib, textOf } from './proc-text.mjs'
import { cgroupOf, enterPrivateMounts, makeStage } from './stage.mjs'
import { median } from './statistics.mjs'

const FORMS = [
  { name: 'compact', read: 'compact', log: {} },
  { name: 'blocking', read: 'compact', log: { blocking: true } },
  { name: 'json-file', read: 'json', log: { form: 'json-file' } },
  { name: 'none', log: { form: 'none' } },
]
const PEERS = { podman: podmanFlood, docker: dockerFlood }
const NAMES = [...FORMS.map(({ name }) => name), ...Object.keys(PEERS)]

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    /** Of one turn, in seconds. */
    slice: { type: 'string', default: '1' },
    forms: { type: 'string', default: NAMES.join(',') },
    /** The file system stands still in every slice of a log, long enough for a log that does not block to lose something. */
    freeze: { type: 'boolean', default: false },
    storage: { type: 'string', default: 'ext4-loop' },
  },
})
const [seconds, slice] = [Number(values.seconds), Number(values.slice)]
const chosen = values.forms.split(',')
const unknown = chosen.filter((name) => !NAMES.includes(name))
if (!(seconds > 0 && slice > 0) || unknown.length > 0) {
  const why =
    unknown.length > 0 ? `${unknown[0]}: no such form; there are ${NAMES.join(', ')}` : 'a time is above 0'
  console.error(`log-flood: ${why}`)
  process.exit(2)
}
/** One line, and a full buffer. */
const WRITES = [100, 65_536]
/** Before each slice, not counted. */
const LEAD = 0.1
/** Of a slice, between two looks. */
const LOOK_MS = 1000
const WANTED = 0.8
/** Above what segments may hold: a new one is begun before the oldest goes; and everything beside the log. */
const MORE_DISK = 2 ** 20
const MOST_PSS_KIB = 1024
/** A write that sleeps for 50 ms is a slow disk's: docs/monitor.md. */
const FROZEN_MS = 120

const faults = []
const isOurs = ({ name }) => FORMS.some((form) => form.name === name)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const mb = (bytes) => (bytes / 1e6).toFixed(1)

/** Of what is there at the moment: segments come and go. */
const diskOf = (directory) => {
  try {
    const { blocks } = lstatSync(directory)
    const names = lstatSync(directory).isDirectory() ? readdirSync(directory) : []
    return names.reduce((sum, name) => sum + diskOf(path.join(directory, name)), blocks * 512)
  } catch {
    return 0
  }
}
const pssOf = (pids) => pids.reduce((sum, pid) => sum + kib(textOf(`/proc/${pid}/smaps_rollup`), 'Pss'), 0)

/** What was seen of one flood. */
const seenOf = (flood) => ({
  flood,
  rates: new Map(WRITES.map((size) => [size, []])),
  disk: 0,
  pss: 0,
  dropped: 0,
})
const lookAt = (seen) => {
  seen.disk = Math.max(seen.disk, diskOf(seen.flood.directory))
  seen.pss = Math.max(seen.pss, pssOf(seen.flood.processes()))
  seen.dropped = seen.flood.page.dropped()
}

/** Until the program stands still, too. */
const freeze = async (store, page) => {
  execFileSync('fsfreeze', ['--freeze', store])
  try {
    const begin = performance.now()
    for (let before = -1; before !== page.written() || performance.now() - begin < FROZEN_MS; ) {
      before = page.written()
      await pause(FROZEN_MS / 4)
    }
  } finally {
    execFileSync('fsfreeze', ['--unfreeze', store])
  }
}

/** Bytes a second. */
const floodFor = async (seen, size, stage) => {
  const { page } = seen.flood
  await page.flood(size)
  await pause(LEAD * slice * 1000)
  if (values.freeze && seen.flood.read) await freeze(stage.store, page)
  const [begin, before] = [performance.now(), page.written()]
  const rest = () => begin + slice * 1000 - performance.now()
  while (rest() > 0) {
    await pause(Math.min(LOOK_MS, rest()))
    lookAt(seen)
  }
  const rate = (page.written() - before) / ((performance.now() - begin) / 1000)
  await page.hold()
  return rate
}

const shuffled = (list) =>
  list
    .map((each) => [Math.random(), each])
    .sort(([one], [other]) => one - other)
    .map(([, each]) => each)

/** A round is a slice of every flood with every size of a write. */
const floodAll = async (all, stage) => {
  const end = performance.now() + seconds * 1000
  do {
    for (const [seen, size] of shuffled(all.flatMap((each) => WRITES.map((size) => [each, size]))))
      seen.rates.get(size).push(await floodFor(seen, size, stage))
  } while (performance.now() < end)
}

/** Of each round by itself: a slow moment of the machine hits its neighbours, too. */
const ratioOf = (seen, size, files) =>
  median(seen.rates.get(size).map((rate, round) => rate / files.rates.get(size)[round]))

/** What is there in the end is the end of what was written, byte by byte. */
const checkContent = ({ name, log, read, page }, decoders) => {
  const pieces = piecesOf(log, ...decoders[read])
  const whole = pieces.reduce((sum, { bytes, lost = bytes.length }) => sum + lost, 0)
  let offset = page.written() - whole
  for (const { bytes, lost = bytes.length } of pieces) {
    if (bytes !== undefined && !isFlood(bytes, offset))
      return faults.push(`${name}: ${lost} bytes of the log are not those that were written at ${offset}`)
    offset += lost
  }
}
const check = ({ flood, disk, pss }, decoders) => {
  const { name, read, page } = flood
  const [written, kept, dropped] = [page.written(), page.kept(), page.dropped()]
  const most = MAX_FILES * MAX_BYTES + MORE_DISK
  if (disk > most) faults.push(`${name}: ${disk} bytes on the disk, at most ${most} wanted`)
  if (!(pss <= MOST_PSS_KIB)) faults.push(`${name}: ${pss} KiB of memory, at most ${MOST_PSS_KIB} wanted`)
  if (written === 0) faults.push(`${name}: nothing was written`)
  if (!read) return
  if (page.missed() > 0) faults.push(`${name}: ${page.missed()} segments went before they were counted`)
  if (page.damaged() > 0) faults.push(`${name}: ${page.damaged()} segments or lines cannot be read`)
  if (kept + dropped !== written)
    faults.push(`${name}: ${kept} bytes kept + ${dropped} dropped, but ${written} written`)
  checkContent(flood, decoders)
}

const table = (rows) => {
  for (const [index, cells] of rows.entries()) {
    console.log(`| ${cells.join(' | ')} |`)
    if (index === 0) console.log(`|${' --- |'.repeat(cells.length)}`)
  }
}
const show = (all, files) => {
  const rounds = files.rates.get(WRITES[0]).length
  console.log(`${rounds} rounds of ${slice} s\n`)
  table([
    ['MB/s at p50 (÷ files)', 'writes of one line', 'writes of 64 KiB'],
    ...all.map((seen) => [
      seen.flood.name,
      ...WRITES.map((size) => {
        const ratio = seen === files ? '' : ` (${ratioOf(seen, size, files).toFixed(2)})`
        return `${(median(seen.rates.get(size)) / 1e6).toFixed(0)}${ratio}`
      }),
    ]),
  ])
  console.log()
  table([
    [
      '',
      'GB written',
      'segments',
      'disk at most, MB',
      'memory at most (PSS), KiB',
      'dropped',
      'kept + dropped',
    ],
    ...all.map(({ flood, disk, pss }) => {
      const [written, dropped] = [flood.page.written(), flood.page.dropped()]
      return [
        flood.name,
        (written / 1e9).toFixed(2),
        flood.read ? flood.page.segments() : '',
        mb(disk),
        flood === files.flood ? '' : pss.toFixed(0),
        flood.read ? `${((100 * dropped) / written).toFixed(3)} %` : '',
        flood.read ? (flood.page.kept() + dropped === written ? '= written' : '**≠ written**') : '',
      ]
    }),
  ])
  console.log()
  for (const seen of all.filter(({ flood }) => isOurs(flood)))
    for (const size of WRITES) {
      const ratio = ratioOf(seen, size, files)
      const verdict = ratio >= WANTED ? 'met' : 'NOT met'
      console.log(
        `${seen.flood.name} ÷ files, writes of ${size}: ${ratio.toFixed(2)} (at least ${WANTED}: ${verdict})`,
      )
    }
}

const begin = async (engine, stage, floods) => {
  floods.push(await fileFlood(engine, stage))
  for (const form of FORMS.filter(({ name }) => chosen.includes(name)))
    floods.push(await logFlood(engine, stage, form))
  for (const [name, start] of Object.entries(PEERS).filter(([each]) => chosen.includes(each))) {
    const flood = start(stage, inPeers)
    if (flood === undefined) console.log(`${name} is not installed`)
    else floods.push(flood)
  }
}

/** However it went: the others are to go, too. */
const removed = async (flood) => {
  try {
    await flood.remove()
  } catch (error) {
    faults.push(`${flood.name} stays: ${error.message}`)
  }
  flood.page.close()
}

enterPrivateMounts()
const tools = buildTools()
const bench = makeStage({ ...tools, storage: values.storage })
try {
  const { takeCensus, settledDifferences } = await importSource('test/support/census.ts')
  const { COMPACT_MAGIC, decodeCompact } = await importSource('src/model/log-compact.ts')
  const { decodeJson } = await importSource('src/model/log-json.ts')
  const decoders = { compact: [decodeCompact, COMPACT_MAGIC.length], json: [decodeJson, 0] }
  const { createEngine } = await import('../dist/index.js')
  const [root, runtime] = [path.join(bench.store, 'slipway'), path.join(bench.run, 'slipway')]
  const stage = { ...bench, root, logWatch: tools.logWatch }
  bench.addProgram(tools.flood)
  const scope = { directories: [root, runtime], cgroup: cgroupOf(root) }
  const open = async () => {
    const engine = createEngine({ root, runtime, networksAhead: 0 })
    serveLayer(await engine.open(), bench.rootfs)
    return engine
  }
  // What the first of its kind makes, and stays.
  const first = await open()
  const { id } = await first.containers.create(LAYERED, ['/true'], { network: 'none' })
  await first.containers.start(id)
  await first.containers.wait(id)
  await first.remove(id)
  await first.close()
  const before = takeCensus(scope)
  const engine = await open()
  const floods = []
  try {
    await begin(engine, stage, floods)
    const [files, ...logs] = floods.map(seenOf)
    await floodAll([files, ...logs], stage)
    for (const flood of floods) await flood.end()
    for (const seen of logs.filter(({ flood }) => isOurs(flood))) check(seen, decoders)
    show([files, ...logs], files)
  } finally {
    for (const flood of floods) await removed(flood)
    await engine.close()
  }
  for (const line of await settledDifferences(scope, before, 20_000)) faults.push(`left behind: ${line}`)
} finally {
  bench.dispose()
}
for (const fault of faults) console.log(fault)
console.log(`${faults.length} faults`)
process.exit(faults.length === 0 ? 0 : 1)
