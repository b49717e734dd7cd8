// From values to places, and the values that are marked on an axis.

export interface Scale {
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
  /** Marked by a line alone. */
  readonly minor: readonly number[]
}

const STEPS = [1, 2, 2.5, 5, 10]

/** Round numbers from `low` to `high`, both of them inside the axis: it ends at a mark on either side. */
export const linearScale = (low: number, high: number, from: number, to: number, wanted: number): Scale => {
  const span = high - low || Math.abs(high) || 1
  const power = 10 ** Math.floor(Math.log10(span / wanted))
  const step = (STEPS.find((factor) => factor * power >= span / wanted) ?? 10) * power
  const first = Math.floor(low / step)
  const last = Math.max(first + 1, Math.ceil(high / step))
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step)
  const [begin, end] = [first * step, last * step]
  return { at: (value) => from + ((value - begin) / (end - begin)) * (to - from), ticks, minor: [] }
}

/** Marks at 1, 2 and 5 of every power of ten, or at 1 alone where there are many. `low` is above zero. */
export const logScale = (low: number, high: number, from: number, to: number): Scale => {
  const all = powers(low, high).flatMap((power) => [1, 2, 5].map((factor) => factor * power))
  const begin = all.findLast((tick) => tick <= low) ?? low
  const end = all.find((tick) => tick >= high && tick > begin) ?? high
  const inside = all.filter((tick) => tick >= begin && tick <= end)
  const decades = Math.log10(end / begin)
  const isMajor = (tick: number): boolean => decades <= 2.2 || Math.abs(Math.log10(tick) % 1) < 1e-9
  const at = (value: number): number => from + (Math.log(value / begin) / Math.log(end / begin)) * (to - from)
  return { at, ticks: inside.filter(isMajor), minor: inside.filter((tick) => !isMajor(tick)) }
}

const powers = (low: number, high: number): readonly number[] => {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))]
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
}
