// What benchmarks read of /proc.
import { readFileSync } from 'node:fs'

/** Empty for a process that has ended meanwhile. */
export const textOf = (file) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** A line `name:  123 kB`, as meminfo and smaps_rollup have them; NaN where there is none. */
export const kib = (text, name) =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN)
