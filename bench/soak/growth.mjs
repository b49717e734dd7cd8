// Whether counts that go up and down keep going up.
import { median } from '../statistics.mjs'

/** Kendall's tau: 1 when each value is larger than all before it, 0 when there is no order. */
export const tau = (values) => {
  let score = 0
  for (let later = 1; later < values.length; later++)
    for (let earlier = 0; earlier < later; earlier++) score += Math.sign(values[later] - values[earlier])
  return (2 * score) / (values.length * (values.length - 1))
}

/** Both a trend and a size that counts: a pool's two sandboxes more or less are no growth. */
const TREND = 0.5
const SHARE = 0.2
const ROOM = 16

/** `[{ name, first, last, tau }]` of the counts that grow from row to row. Fewer than six rows tell nothing. */
export const growth = (rows) => {
  if (rows.length < 6) return []
  const third = Math.floor(rows.length / 3)
  return Object.keys(rows[0])
    .map((name) => {
      const values = rows.map((row) => row[name])
      const [first, last] = [median(values.slice(0, third)), median(values.slice(-third))]
      return { name, first, last, tau: tau(values) }
    })
    .filter(({ first, last, tau: trend }) => trend > TREND && last - first > Math.max(ROOM, SHARE * first))
}
