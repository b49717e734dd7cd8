// Waiting for what another process holds, where the kernel wakes nobody: flock(2) as the addon has it never blocks.

export const BUSY = 'busy'

/** Looks until there is another answer than `BUSY`; the pauses between double from a millisecond to the longest. */
export const whileBusy = async <A>(
  longestMs: number,
  look: () => Promise<A | typeof BUSY> | A | typeof BUSY,
): Promise<A> => {
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, longestMs)) {
    const found = await look()
    if (found !== BUSY) return found
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
