// slipway asked for one shape of isolation: the engine, the image and the options a bench run uses.
import path from 'node:path'
import { createEngine } from 'slipway/fp'
import { heldCapabilities, LIMITS } from '../bundle.mjs'

const own = (wanted) => (wanted ? 'private' : 'host')

/** Options of a run whose payload writes nothing; what `shape` leaves out is left to the host. */
export const optionsFor = (shape) => ({
  network: shape.net ? 'none' : 'host',
  uts: own(shape.uts),
  ipc: own(shape.ipc),
  cgroupns: own(shape.cgroupNamespace),
  stdin: 'ignore',
  stdout: 'ignore',
  stderr: 'ignore',
  ...(shape.limits && {
    memory: LIMITS.memoryBytes,
    pids: LIMITS.pids,
    cpus: LIMITS.cpuQuotaUs / LIMITS.cpuPeriodUs,
  }),
  security: {
    ...(!shape.seccomp && { seccomp: 'unconfined' }),
    ...(!shape.masks && { systemPaths: 'unconfined' }),
    ...(!shape.caps && { capAdd: heldCapabilities() }),
  },
})

export const rightOf = (either) => {
  if (either._tag === 'Right') return either.right
  throw new Error(JSON.stringify(either.left))
}

/** Answers one made-up reference with the stage's root file system as an only layer: no image store is part of a start. */
export const LAYERED = 'bench'
export const serveLayer = ({ ports }, rootfs) => {
  const others = ports.host.prepareImage
  const image = { reference: LAYERED, id: LAYERED, config: {}, rootfs: { kind: 'layers', lowers: [rootfs] } }
  ports.host.prepareImage = (wanted) =>
    wanted === LAYERED ? async () => ({ _tag: 'Right', right: image }) : others(wanted)
}

/** For `openShape`: each start makes its own network namespace. */
export const NOTHING_AHEAD = { networksAhead: 0 }

/** `{ run, close }`: `run()` makes one container of this shape and fails unless its payload succeeded. */
export const openShape = async (stageDir, shape, engineOptions = {}) => {
  const [store, run] = [path.join(stageDir, 'store'), path.join(stageDir, 'run')]
  const rootfs = path.join(store, 'rootfs')
  const folders = { root: path.join(store, 'slipway'), runtime: path.join(run, 'slipway') }
  const engine = createEngine({ ...folders, ...engineOptions })
  serveLayer(rightOf(await engine.open()), rootfs)
  const image = shape.overlay ? LAYERED : { rootfs }
  const options = optionsFor(shape)
  const runOnce = async (changed = {}) => {
    const result = rightOf(await engine.run(image, ['/true'], { ...options, ...changed })())
    if (result.exitCode !== 0) throw new Error(`exit ${JSON.stringify(result.exit)}`)
    return result
  }
  return { run: runOnce, close: () => engine.close(), engine, image, options }
}

/** A pool of an opened shape: streams are each start's own, and with `half` so is the image. */
export const openPool = async ({ engine, image, options }, size, half = false) => {
  const { stdin: _in, stdout: _out, stderr: _err, ...shared } = options
  return rightOf(await engine.pool({ ...(half ? {} : { image }), ...shared }, size)())
}

/** The result makes one start from a pool of this shape. */
export const startsFromPool = async (box, size = { min: 2, max: 2 }) => {
  const pool = await openPool(box, size)
  return async () => rightOf(await pool.run(['/true'], { stdout: 'ignore', stderr: 'ignore' })())
}

/** What belongs to an opened shape on this host, for a census. */
export const scopeOf = async ({ engine, image, options }) => {
  const { root, runtime } = rightOf(await engine.open())
  const { parents } = rightOf(await engine.plan(image, ['/true'], options)())
  return { directories: [root, runtime], cgroup: parents[0]?.path.split('/')[1] ?? 'slipway' }
}

/** What the child's operations are, in their order: `[{ step, call, path }]`. */
export const stepsOf = async ({ engine, image, options }) => {
  const { plan } = rightOf(await engine.plan(image, ['/true'], options)())
  return (plan.stages ?? plan.plan.stages).flatMap(({ infos }) =>
    infos.map(({ step, call, path: what }) => ({ step, call, path: what })),
  )
}
