// Random numbers that are the same in every run.

/** The same numbers on every machine, evenly spread between 0 and 1 (a linear congruential generator). */
export const seeded = (seed: number) => {
  let state = BigInt(seed)
  return (): number => {
    state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n
    return Number(state >> 11n) / 2 ** 53
  }
}
export const drawn = (count: number, next: () => number): number[] => Array.from({ length: count }, next)
