// Resident drivers that are Node processes.
import path from 'node:path'
import { projectRoot } from '../build.mjs'

const script = (name) => path.join(projectRoot, 'bench/drivers', name)

/** A driver that stays: `argv` is started once, outside the measurement, where the host's cgroup tree is whole. */
export const resident = (name, argv, { block = 10, lead = 1 } = {}) => ({
  kind: 'resident',
  name,
  argv,
  block,
  lead,
  host: true,
})

export const idleDriver = () => resident('node, no work', [process.execPath, script('idle-node.mjs')])

/** `what`: `time` measures call → exit, `stall` the longest stop of the event loop meanwhile. */
export const spawnDriver = (
  stage,
  { megabytes = 40, what = 'time', name = 'child_process.spawn', block = 10 } = {},
) =>
  resident(
    name,
    [process.execPath, script('spawn-node.mjs'), path.join(stage.rootfs, 'true'), String(megabytes), what],
    { block },
  )

/**
 * slipway inside a Node process, `shape` as in shapes.mjs. `output`: the payload's streams are thrown away (`ignore`) or
 * collected (`pipe`). `ahead`: what an engine keeps ready by default, or nothing (`plain`).
 */
export const slipwayDriver = (
  stage,
  shape,
  { megabytes = 40, what = 'time', name = 'slipway', block = 10, output = 'ignore', ahead = 'default' } = {},
) =>
  shape.mount &&
  resident(
    name,
    [
      process.execPath,
      script('slipway-node.mjs'),
      stage.dir,
      JSON.stringify(shape),
      String(megabytes),
      what,
      output,
      ahead,
    ],
    { block },
  )

/** The OCI runtime inside a Node process, on a bundle. `what`: `cycle` or `exec`. */
export const ociDriver = (stage, bundle, { name, what }) =>
  resident(
    name,
    [process.execPath, script('oci-node.mjs'), path.join(stage.run, `oci-${what}`), bundle, what],
    { block: 5 },
  )

/** Starts from a pool of `shape`. `until`: the payload's `exit`, or the moment it was executed (`exec`). `half`: without a root. */
export const poolDriver = (
  stage,
  shape,
  { megabytes = 40, until = 'exit', name = 'pool', block = 10, output = 'ignore', half = false } = {},
) =>
  resident(
    name,
    [
      process.execPath,
      script('pool-node.mjs'),
      stage.dir,
      JSON.stringify(shape),
      String(megabytes),
      until,
      output,
      half ? 'half' : 'whole',
    ],
    { block },
  )

/** `count` containers of `shape` in one go, `lanes` at a time. */
export const batchDriver = (stage, shape, { name, count, lanes }) =>
  resident(
    name,
    [
      process.execPath,
      script('batch-node.mjs'),
      stage.dir,
      JSON.stringify(shape),
      String(count),
      String(lanes),
    ],
    { block: 1, lead: 0 },
  )
