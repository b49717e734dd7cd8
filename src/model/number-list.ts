// Lists of CPUs and memory nodes as the kernel writes them, e.g. `0-3,7`. cpuset(7), Formats for lists.

/** Above what any kernel is built for (CONFIG_NR_CPUS, 8192); there are 1024 memory nodes at most. */
const MAX_NUMBER = 8191

/** In ascending order, each once; undefined for what is no such list. Blanks around a number are let through. */
export const numberList = (text: string): readonly number[] | undefined => {
  const numbers = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part)
    if (match === null) return undefined
    const first = Number(match[1])
    const last = Number(match[2] ?? first)
    if (last < first || last > MAX_NUMBER) return undefined
    for (let number = first; number <= last; number++) numbers.add(number)
  }
  return [...numbers].sort((a, b) => a - b)
}

/** Bit n of the n-th number, in whole words of 64 bits as the kernel wants them. */
export const bitMask = (numbers: readonly number[]): Uint8Array => {
  const words = 1 + Math.floor((numbers.at(-1) ?? 0) / 64)
  const mask = new Uint8Array(8 * words)
  for (const number of numbers) mask[number >> 3] = (mask[number >> 3] ?? 0) | (1 << (number & 7))
  return mask
}
