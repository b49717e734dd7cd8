// Does a start depend on how big the Node process is that makes it? slipway and child_process.spawn at three sizes.
import { slipwayDriver, spawnDriver } from '../drivers/node.mjs'
import { measure } from '../measure.mjs'
import { shapeNamed } from '../shapes.mjs'

export const SIZES_MIB = [40, 500, 1000]

/** Samples are filed as `<MiB>|<driver>|<time or stall>`. */
const driversAt = (stage, megabytes) =>
  ['time', 'stall'].flatMap((what) => [
    slipwayDriver(stage, shapeNamed('all'), {
      megabytes,
      what,
      block: 5,
      name: `${megabytes}|slipway|${what}`,
    }),
    spawnDriver(stage, { megabytes, what, block: 5, name: `${megabytes}|child_process.spawn|${what}` }),
  ])

/** What a driver reports itself is the time from call to exit, or the longest stop of its event loop meanwhile. */
export const residentSize = {
  name: 'resident-size',
  run: (stage, { rounds = 30, gapUs = 1000 }) =>
    measure(
      stage,
      SIZES_MIB.flatMap((megabytes) => driversAt(stage, megabytes)),
      { rounds, gapUs },
    ),
}
