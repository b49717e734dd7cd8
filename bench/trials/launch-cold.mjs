// Cold starts of a tiny static program: what is isolated x who isolates it, all interleaved in one run.
import { floorDriver } from '../drivers/floor.mjs'
import { idleDriver, slipwayDriver, spawnDriver } from '../drivers/node.mjs'
import {
  bwrapAllDriver,
  bwrapDriver,
  CGROUP,
  crunDriver,
  dockerDriver,
  plainDriver,
  podmanDriver,
  runcDriver,
} from '../drivers/peers.mjs'
import { inPeers, measure } from '../measure.mjs'
import { shapeNamed, shapes } from '../shapes.mjs'
import { removeCgroups } from '../stage.mjs'

/** A driver's samples are filed as `<shape>|<driver>`. */
const filed = (shape, driver) => driver && { ...driver, name: `${shape.name}|${driver.name}` }

const matrixDrivers = (stage) =>
  shapes.flatMap((shape) =>
    [floorDriver, slipwayDriver, crunDriver, runcDriver, bwrapDriver].map((make) =>
      filed(shape, make(stage, shape)),
    ),
  )

const wholeDrivers = (stage, slow) => {
  const [none, all] = ['none', 'all'].map(shapeNamed)
  return [
    filed(none, plainDriver(stage)),
    filed(none, spawnDriver(stage)),
    filed(none, idleDriver()),
    filed(all, slipwayDriver(stage, all, { name: 'slipway, output collected', output: 'pipe' })),
    filed(all, slipwayDriver(stage, all, { name: 'slipway, nothing made ahead', ahead: 'plain' })),
    filed(all, floorDriver(stage, all, { name: 'floor, nothing made ahead', ahead: 'plain' })),
    ...[bwrapAllDriver(stage), ...slow].map((driver) => filed(all, driver)),
  ]
}

/** `{ rounds, gapUs, quick }`: quick leaves out podman and docker. Returns raw nanoseconds by `<shape>|<driver>`. */
export const launchCold = {
  name: 'launch-cold',
  run: (stage, { rounds = 30, gapUs = 1000, quick = false }) => {
    const slow = quick ? [] : [podmanDriver(stage, inPeers), dockerDriver(stage, inPeers)]
    try {
      const drivers = [...matrixDrivers(stage), ...wholeDrivers(stage, slow)].filter(Boolean)
      return measure(stage, drivers, { rounds, gapUs })
    } finally {
      for (const driver of slow) driver?.dispose?.()
      removeCgroups(CGROUP)
    }
  },
}
