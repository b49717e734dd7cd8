// How many containers a second: made, run and removed, one after another and several at a time, slipway beside crun; and many at once.
import { batchDriver } from '../drivers/node.mjs'
import { crunBatchDriver } from '../drivers/peers.mjs'
import { measure } from '../measure.mjs'
import { shapeNamed } from '../shapes.mjs'

/** Containers of one run of a batch. */
export const BATCH = 64
const LANES = [1, 8]
export const AT_ONCE = [64, 256]

/** A run of a batch is over when nothing of its containers is left. Of many at once the driver reports when the last one has ended. */
export const throughput = {
  name: 'throughput',
  run: (stage, { rounds = 12, gapUs = 20_000 }) => {
    const all = shapeNamed('all')
    const batch = (name, count, lanes) => batchDriver(stage, all, { name, count, lanes })
    return measure(
      stage,
      [
        ...LANES.flatMap((lanes) => [
          batch(`slipway, ${lanes} at a time`, BATCH, lanes),
          crunBatchDriver(stage, all, { name: `crun run, ${lanes} at a time`, count: BATCH, lanes }),
        ]),
        batch('one call → exit', 1, 1),
        ...AT_ONCE.map((count) => batch(`${count} at once`, count, count)),
      ].filter((driver) => driver !== undefined),
      { rounds, gapUs },
    )
  },
}
