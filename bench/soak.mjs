// `node bench/soak.mjs [--minutes 10] [--lanes 4] [--every 10] [--json FILE]`: containers made and removed without a pause, cold ones and
// from a pool, while what the kernel and this process hold is counted. Fails when any count keeps growing.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildTools } from './build.mjs'
import { openShape, startsFromPool } from './drivers/slipway-shape.mjs'
import { shapeNamed } from './shapes.mjs'
import { growth } from './soak/growth.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    lanes: { type: 'string', default: '4' },
    every: { type: 'string', default: '10' },
    json: { type: 'string' },
  },
})

const textOf = (file) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // a process that has ended meanwhile
  }
}

/** Objects of these slabs in use: a container makes some of each. */
const SLABS = [
  'net_namespace',
  'pid_namespace',
  'mnt_cache',
  'ovl_inode',
  'shmem_inode_cache',
  'proc_inode_cache',
  'mqueue_inode_cache',
  'sock_inode_cache',
  'task_struct',
  'filp',
]
const slabs = () => {
  const inUse = new Map(
    textOf('/proc/slabinfo')
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map(([name, active]) => [name, Number(active)]),
  )
  return Object.fromEntries(SLABS.filter((name) => inUse.has(name)).map((name) => [name, inUse.get(name)]))
}

const meminfo = (name) =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(textOf('/proc/meminfo'))?.[1] ?? 0) / 1024

/** Groups of each controller, those among them that are gone from the tree and still hold memory. */
const cgroups = () =>
  Object.fromEntries(
    textOf('/proc/cgroups')
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([name, hierarchy]) => ['memory', 'pids', 'cpu', 'devices'].includes(name) && hierarchy !== '0')
      .map(([name, , count]) => [`${name} cgroups`, Number(count)]),
  )

const namespaces = () => {
  const seen = new Set()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    for (const kind of ['net', 'mnt', 'pid', 'ipc']) {
      try {
        seen.add(readlinkSync(`/proc/${pid}/ns/${kind}`))
      } catch {} // the same
    }
  return seen.size
}

/**
 * Names and inodes of removed groups stay in the kernel's caches until memory is short, and with them slabs that count as not
 * reclaimable. What is left when it is asked to empty those caches (Documentation/admin-guide/sysctl/vm.rst, drop_caches) is held.
 */
const heldSlab = () => {
  writeFileSync('/proc/sys/vm/drop_caches', '2')
  return meminfo('SUnreclaim')
}
const ROOM_MIB = 8

const sample = () => ({
  ...slabs(),
  ...cgroups(),
  'namespaces of processes': namespaces(),
  'mounts of this process': textOf('/proc/self/mounts').split('\n').length - 1,
  'descriptors of this process': readdirSync('/proc/self/fd').length,
  'resident (MiB)': process.memoryUsage.rss() / 2 ** 20,
})

const show = (runs, seconds, row) =>
  console.log(
    `${String(Math.round(seconds)).padStart(5)} s ${String(runs).padStart(8)} runs  ` +
      Object.entries(row)
        .map(([name, value]) => `${name} ${Math.round(value)}`)
        .join(', '),
  )

/** Between two samples everything has ended and is removed: what is counted then stays. */
const soak = async (box, runOfPool) => {
  const [lanes, everyMs, endMs] = [
    Number(values.lanes),
    Number(values.every) * 1000,
    Number(values.minutes) * 60_000,
  ]
  const rows = []
  const slabBefore = heldSlab()
  let runs = 0
  const begin = performance.now()
  const lane = async (run, untilMs) => {
    while (performance.now() < untilMs) {
      await run()
      runs++
    }
  }
  while (performance.now() - begin < endMs) {
    const untilMs = Math.min(performance.now() + everyMs, begin + endMs)
    await Promise.all(
      [...Array.from({ length: lanes - 1 }, () => box.run), runOfPool].map((run) => lane(run, untilMs)),
    )
    await new Promise((resolve) => setTimeout(resolve, 1500))
    rows.push(sample())
    show(runs, (performance.now() - begin) / 1000, rows.at(-1))
  }
  return { runs, seconds: (performance.now() - begin) / 1000, rows, slab: [slabBefore, heldSlab()] }
}

enterPrivateMounts()
const stage = makeStage(buildTools())
let grown = []
try {
  const box = await openShape(stage.dir, shapeNamed('all'))
  const runOfPool = await startsFromPool(box, { min: 2, max: 4 })
  for (let warm = 0; warm < 200; warm++) await box.run()
  const result = await soak(box, runOfPool)
  await box.close()
  grown = growth(result.rows)
  console.log(
    `${result.runs} containers in ${Math.round(result.seconds)} s, ${Math.round(result.runs / result.seconds)} per second`,
  )
  for (const { name, first, last } of grown)
    console.log(`  ${name} grows: ${Math.round(first)} in the first third, ${Math.round(last)} in the last`)
  const [before, after] = result.slab
  console.log(
    `  slab that is not reclaimable, caches emptied: ${Math.round(before)} MiB before, ${Math.round(after)} after`,
  )
  if (after > before + ROOM_MIB) grown.push({ name: 'slab', first: before, last: after })
  console.log(grown.length === 0 ? 'nothing grows' : `${grown.length} counts grow`)
  if (values.json) writeFileSync(values.json, JSON.stringify({ ...result, grown }))
} finally {
  stage.dispose()
}
process.exit(grown.length === 0 ? 0 : 1)
