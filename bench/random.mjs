// Random numbers that come again with their seed.

/** Numbers from 0 up to 1: mulberry32, 32 bits of state. */
export const randomOf = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One of them. */
export const anyOf = (random, values) => values[Math.floor(random() * values.length)]

/** Of `{ name: weight }`: names, each as often as it weighs. */
export const deckOf = (weights) =>
  Object.entries(weights).flatMap(([name, weight]) => Array(weight).fill(name))
