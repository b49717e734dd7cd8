// `node bench/image-storm.mjs [--kills 500] [--lanes 4] [--storage ext4-loop]`: pulls, pushes, commits, saves, loads, imports, removals and
// prunes side by side on one root, in processes that are killed at any moment. After each round every image that was reported is there
// and complete, nothing is corrupt, and the next verb leaves no leftovers. Fails on anything else. Needs docker-registry and skopeo.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildTools, importSource } from './build.mjs'
import { tally, untilKilled } from './killing.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'
import { makeStormImages } from './storm-images.mjs'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    lanes: { type: 'string', default: '4' },
    storage: { type: 'string', default: 'ext4-loop' },
  },
})
/** Of a worker's life: verbs before the one it is killed in, and about as long as the longest takes. */
const MOST_VERBS = 4
const LONGEST_MS = 250

const kills = tally()
const { faults } = kills

/** One lane until its death. Gives its verbs: `{ verb, gives, takes, pushes, from, to? }`, `to` missing where nobody knows whether it was done. */
const life = async (stage, lane) => {
  const verbs = []
  const last = () => verbs.at(-1)
  let left = Math.floor(Math.random() * MOST_VERBS)
  const { code, said } = await untilKilled(
    'image-storm-worker',
    [stage.root, stage.files, stage.registry.host, lane, stage.keep.join(), stage.storm.join()],
    {
      longestMs: LONGEST_MS,
      isDoomed: (line) => line.startsWith('{"begin"') && left-- === 0,
      onLine: (line) => {
        const { begin, done, refused, failed, why, at, ...names } = JSON.parse(line)
        if (begin !== undefined) verbs.push({ verb: begin, ...names, from: BigInt(at) })
        if (done !== undefined) last().to = BigInt(at)
        if (refused !== undefined) last().refused = true
        if (failed !== undefined) faults.push(`${failed} of ${[...last().gives, ...last().takes]}: ${why}`)
      },
    },
  )
  if (code !== null) faults.push(`a worker ended by itself with ${code} in ${last()?.verb}: ${said}`)
  else
    kills.count(
      `killed in ${last()?.to === undefined && !last()?.refused ? (last()?.verb ?? 'its first steps') : `the end of ${last().verb}`}`,
    )
  return verbs
}

const takes = (verb, name) => verb.takes.includes(name) || verb.takes.includes('*')

/** Names that must be there: given by a verb that was done, and by no verb taken that may have ended later. */
const remember = (present, verbs) => {
  for (const name of present) if (verbs.some((verb) => takes(verb, name))) present.delete(name)
  for (const { gives, from, to } of verbs) {
    if (to === undefined) continue
    for (const name of gives)
      if (!verbs.some((verb) => takes(verb, name) && (verb.to === undefined || verb.to >= from)))
        present.add(name)
  }
}

/** Of those that have one. */
const namesOf = (images) => [
  ...new Set(
    images.flatMap(({ repository, tag }) => (repository === undefined ? [] : [`${repository}:${tag}`])),
  ),
]
const below = (folder) => {
  try {
    return readdirSync(folder, { recursive: true }).map((name) =>
      path.join(path.basename(folder), String(name)),
    )
  } catch {
    return []
  }
}
/** What a verb that was killed may leave until the next one that changes anything. */
const leftovers = (root) => [
  ...['ingest', 'staging'].flatMap((name) => below(path.join(root, name))),
  ...['prepared', 'oci']
    .flatMap((name) => below(path.join(root, name)))
    .filter((name) => name.endsWith('.new')),
  ...below(path.join(root, 'locks')).filter((name) => !['locks/content', 'locks/index'].includes(name)),
]
const du = (root) =>
  Number(
    String(execFileSync('du', ['-s', '--block-size=1', '--exclude=./run', '.'], { cwd: root })).split(
      /\s/,
    )[0],
  )

/** The next verb that changes the store, whichever it is. */
const NEXT = {
  pull: (engine, stage) => engine.pull(stage.keep[0]),
  import: (engine, stage) =>
    engine.import({ path: path.join(stage.files, 'import.tar') }, { name: 'next:1' }),
  load: (engine, stage) => engine.load({ path: path.join(stage.files, 'load.tar') }),
  commit: (engine) => engine.commit('keeper', { name: 'next:2' }),
  prune: (engine) => engine.pruneImages(),
}

/** Everything is dead: what is there must be whole, and what was reported must be there. */
const settle = async (stage, present, round) => {
  const fault = (what) => faults.push(`round ${round}: ${what}`)
  const engine = stage.createEngine({ root: stage.root })
  try {
    const { problems } = await engine.check({ heal: false })
    for (const { what, why } of problems) fault(`${what}: ${why}`)
    const there = namesOf(await engine.images())
    for (const name of present) if (!there.includes(name)) fault(`${name} was reported, and is gone`)
    const name = there[round % there.length]
    const { exitCode, stderr } = await engine.run(name, ['/bin/busybox', 'cat', '/etc/passwd'])
    if (exitCode !== 0) fault(`${name} does not run: ${stderr}`)
    const verb = Object.keys(NEXT)[round % Object.keys(NEXT).length]
    await NEXT[verb](engine, stage)
    for (const thing of leftovers(stage.root)) fault(`left behind after ${verb}: ${thing}`)
    const known = (await engine.list()).map(({ id }) => id)
    for (const id of readdirSync(path.join(stage.root, 'containers')))
      if (!known.includes(id)) fault(`left behind after ${verb}: container ${id}`)
  } catch (error) {
    fault(error.message)
  } finally {
    await engine.close()
  }
  await measure(stage, fault)
}

/** By an engine that has run nothing, so that nothing is still on its way out. */
const measure = async (stage, fault) => {
  const engine = stage.createEngine({ root: stage.root })
  const { images, containers, otherBytes } = await engine.usage()
  const counted = images.sizeBytes + containers.sizeBytes + otherBytes
  if (counted !== du(stage.root)) fault(`df counts ${counted} bytes, du ${du(stage.root)}`)
  await engine.close()
}

const skopeo = (fault, what, ...args) => {
  const { status, stderr } = spawnSync('skopeo', args, { encoding: 'utf8' })
  if (status !== 0) fault(`${what}: ${stderr.trim()}`)
}

/** Another program reads all that is here and all that was pushed; then nothing is left, in the store or beside it. */
const inspectAll = async (stage, pushed) => {
  const fault = (what) => faults.push(`at the end: ${what}`)
  const out = (name) => `dir:${path.join(stage.files, name)}`
  const engine = stage.createEngine({ root: stage.root })
  const names = namesOf(await engine.images())
  for (const name of names) {
    const full = name.startsWith(stage.registry.host) ? name : `docker.io/library/${name}`
    skopeo(fault, name, 'copy', '-q', `oci:${stage.root}/oci:${full}`, out('copy'))
    const { exitCode } = await engine.run(name, ['/bin/busybox', 'cat', '/etc/passwd'])
    if (exitCode !== 0) fault(`${name} does not run`)
  }
  for (const name of pushed)
    skopeo(fault, name, 'copy', '-q', '--src-tls-verify=false', `docker://${name}`, out('pushed'))
  await engine.remove('keeper')
  for (const name of names) await engine.removeImage(name)
  await engine.pruneImages({ all: true })
  await engine.close()
  for (const name of ['oci/blobs/sha256', 'prepared', 'layers', 'stacks', 'origins', 'containers'])
    for (const thing of below(path.join(stage.root, name))) fault(`left behind: ${thing}`)
  for (const thing of leftovers(stage.root)) fault(`left behind: ${thing}`)
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  for (const line of mounts) if (line.includes(` ${stage.root}/`)) fault(`still mounted: ${line}`)
  for (const thing of await stage.processes()) fault(`still runs: ${thing}`)
  return names.length
}

enterPrivateMounts()
const bench = makeStage({ ...buildTools(), storage: values.storage })
let registry
try {
  const { startRegistry } = await importSource('test/support/registry.ts')
  const { createEngine } = await import('../dist/index.js')
  registry = await startRegistry()
  const [root, files] = [path.join(bench.store, 'slipway'), path.join(bench.store, 'files')]
  mkdirSync(files)
  const engine = createEngine({ root })
  const names = await makeStormImages(engine, { rootfs: bench.rootfs, files, registry })
  const stage = { root, files, registry, createEngine, ...names, processes: () => processesOf(root) }
  await engine.close()
  const [present, pushed] = [new Set(stage.keep), new Set()]
  const begin = performance.now()
  let round = 0
  for (; kills.total() < Number(values.kills) && faults.length === 0; round++) {
    const lanes = Math.min(Number(values.lanes), Number(values.kills) - kills.total())
    const lives = await Promise.all(Array.from({ length: lanes }, (_, lane) => life(stage, `lane${lane}`)))
    const verbs = lives.flat()
    remember(present, verbs)
    for (const { pushes, to } of verbs) if (to !== undefined) for (const name of pushes) pushed.add(name)
    await settle(stage, present, round)
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(0)
  const images = await inspectAll(stage, pushed)
  console.log(
    `${kills.total()} workers killed in ${round} rounds and ${seconds} s, ${images} images and ${pushed.size} pushed ones at the end, ${faults.length} faults`,
  )
  kills.print()
} finally {
  await registry?.stop()
  bench.dispose()
}
process.exit(faults.length === 0 ? 0 : 1)

/** Command lines of processes that have to do with this root, once they had time to end. */
async function processesOf(root) {
  const found = () =>
    readdirSync('/proc').flatMap((pid) => {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        return line.includes(root) ? [`${pid} ${line}`] : []
      } catch {
        return []
      }
    })
  for (let tries = 0; tries < 50 && found().length > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100))
  return found()
}
