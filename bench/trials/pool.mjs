// Starts from a pool beside what they are compared with: the kernel's part of them, no isolation, and isolation made when it is asked for.
import { floorDriver } from '../drivers/floor.mjs'
import { poolDriver, slipwayDriver, spawnDriver } from '../drivers/node.mjs'
import { plainDriver } from '../drivers/peers.mjs'
import { measure } from '../measure.mjs'
import { shapeNamed } from '../shapes.mjs'

const BLOCK = 5
/** Short enough for no sandbox to be made between the starts of a block: the pool waits for a quiet moment. */
const GAP_US = 3000

/** What a driver reports itself is the time from call to exit, or to the moment the engine has seen the program executed. */
export const poolTrial = {
  name: 'pool',
  run: (stage, { rounds = 30, gapUs = GAP_US }) => {
    const all = shapeNamed('all')
    const pool = (name, options) => poolDriver(stage, all, { name, block: BLOCK, ...options })
    return measure(
      stage,
      [
        floorDriver(stage, all, { name: 'pool, the floor', block: BLOCK, kind: 'pool' }),
        pool('pool: call → executed', { until: 'exec' }),
        pool('pool: call → exit', {}),
        pool('pool: call → exit, output collected', { output: 'pipe' }),
        pool('pool at 500 MiB: call → exit', { megabytes: 500 }),
        pool('pool without an image: call → exit', { half: true }),
        slipwayDriver(stage, all, { name: 'cold: call → exit', block: BLOCK }),
        spawnDriver(stage, { name: 'child_process.spawn', block: BLOCK }),
        spawnDriver(stage, { name: 'child_process.spawn at 500 MiB', megabytes: 500, block: BLOCK }),
        { ...plainDriver(stage), block: BLOCK },
      ],
      { rounds, gapUs },
    )
  },
}
