// `node bench/oci-storm.mjs [--cycles 10000] [--lanes 2] [--kills 0.02]`: whole lives of OCI containers in processes that are killed at
// any moment. After each kill the state must be what the kernel says, and `delete --force` must leave nothing. Fails on any wrong state
// and on anything that is left.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildTools } from './build.mjs'
import { makeBundle } from './bundle.mjs'
import { tally, untilKilled } from './killing.mjs'
import { shapeNamed } from './shapes.mjs'
import { enterPrivateMounts, makeStage, removeCgroups } from './stage.mjs'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '10000' },
    lanes: { type: 'string', default: '2' },
    kills: { type: 'string', default: '0.02' },
    storage: { type: 'string', default: 'tmpfs' },
  },
})
const GROUP = `slipway-storm-${process.pid}`
/** Of a step that is chosen for a kill: about as long as the longest takes. */
const LONGEST_MS = 12

const read = (file) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
const isAlive = (pid) => pid > 0 && /^\d+ \(.*\) [^ZX]/s.test(read(`/proc/${pid}/stat`))

/** Directories of that container's group, in every hierarchy; '' stands for the group that all are in. */
const groupsOf = (id) =>
  readdirSync('/sys/fs/cgroup')
    .map((hierarchy) => path.join('/sys/fs/cgroup', hierarchy, GROUP, id))
    .filter((directory) => existsSync(directory))

const kills = tally()
const { faults } = kills

/** Whether a status is the kernel's truth now; the process that made it is dead. */
const wrongState = (id, { status, pid }, groups) => {
  if (status === 'creating') return `${id} is being created by nobody`
  if (status === 'stopped') return undefined
  if (!isAlive(pid)) return `${id} is ${status}, and process ${pid} is not there`
  const isMember = groups.some((group) => read(`${group}/cgroup.procs`).split('\n').includes(String(pid)))
  return isMember ? undefined : `${id} is ${status}, and process ${pid} is not in its groups`
}

const settle = async (runtime, id, step) => {
  const state = await runtime.state(id).catch(({ error }) => error._tag)
  if (typeof state === 'object') {
    const wrong = wrongState(id, state, groupsOf(id))
    if (wrong !== undefined) faults.push(`${step}: ${wrong}`)
  } else if (state !== 'ContainerNotFound') faults.push(`${step}: state of ${id}: ${state}`)
  kills.count(`${step}, then ${state.status ?? state}`)
  await runtime
    .delete(id, { force: true })
    .catch(({ error }) => error._tag === 'ContainerNotFound' || faults.push(`${step}: delete: ${error._tag}`))
}

const left = (root, id) => [
  ...groupsOf(id).map((group) => `group ${group}`),
  ...(existsSync(path.join(root, id)) ? [`directory ${id}`] : []),
]

/** Starts a worker at a cycle, and kills it in a step chosen at random. Gives the cycle that comes next. */
const life = async (root, bundle, runtime, lane, from, count) => {
  let [step, cycle] = ['', from]
  const args = [root, bundle, `/${GROUP}`, lane, String(from), String(count)]
  const { code, signal, said } = await untilKilled('oci-storm-worker', args, {
    longestMs: LONGEST_MS,
    isDoomed: (line) => line !== 'end' && Math.random() < Number(values.kills),
    onLine: (line) => {
      const [what, id = ''] = line.split(' ')
      step = what
      if (id !== '') cycle = Number(id.split('-').at(-1))
    },
  })
  const id = `${lane}-${cycle}`
  if (signal === 'SIGKILL') await settle(runtime, id, step)
  else if (code !== 0) {
    faults.push(`${step}: ${said}`)
    await settle(runtime, id, `after a failure in ${step}`)
  }
  for (const thing of left(root, id)) faults.push(`${step}: left behind: ${thing}`)
  return cycle + 1
}

const laneOf = async (root, bundle, runtime, lane, count) => {
  for (let next = 0; next < count; ) next = await life(root, bundle, runtime, lane, next, count - next)
}

enterPrivateMounts()
const stage = makeStage({ ...buildTools(), storage: values.storage })
try {
  const { openRuntime } = await import('../dist/runtime.js')
  const root = path.join(stage.run, 'oci-storm')
  const bundle = makeBundle(path.join(stage.store, 'oci-storm'), shapeNamed('all'), {
    rootfs: stage.rootfs,
    cgroup: `/${GROUP}`,
  })
  const runtime = openRuntime({ root })
  const [lanes, cycles] = [Number(values.lanes), Number(values.cycles)]
  const begin = performance.now()
  await Promise.all(
    Array.from({ length: lanes }, (_, lane) =>
      laneOf(root, bundle, runtime, `lane${lane}`, Math.ceil(cycles / lanes)),
    ),
  )
  const remaining = (await runtime.list()).map(({ id }) => `container ${id}`)
  const groups = groupsOf('').flatMap((directory) =>
    readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `group ${path.join(directory, name)}`),
  )
  for (const thing of [...remaining, ...groups]) faults.push(`left behind at the end: ${thing}`)
  runtime.close()
  const seconds = ((performance.now() - begin) / 1000).toFixed(0)
  console.log(`${cycles} cycles in ${seconds} s, ${kills.total()} workers killed, ${faults.length} faults`)
  kills.print()
} finally {
  removeCgroups(GROUP)
  stage.dispose()
}
process.exit(faults.length === 0 ? 0 : 1)
