// Text in columns for a terminal or a pipe. Width is counted in code points; colours only where a person looks.
import type { Context, Output } from './command.ts'

const GAP = '   '

/** What is shown of a foreign text: control characters could drive the reader's terminal, so they are spelled out. */
export const printable = (text: string): string =>
  text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

const width = (text: string): number => [...text].length
const pad = (text: string, columns: number): string => text + ' '.repeat(Math.max(0, columns - width(text)))

/** Cut to so many code points where it has more, with a mark at its end. */
export const shortened = (text: string, columns: number): string =>
  width(text) > columns ? `${[...text].slice(0, columns - 1).join('')}…` : text

/**
 * Left-aligned columns, three blanks apart, as `docker ps` prints them, and none but the last narrower than `narrowest`. The last one is not
 * padded.
 */
export const alignColumns = (rows: readonly (readonly string[])[], narrowest = 0): readonly string[] => {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? narrowest, width(cell))
    })
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : pad(cell, widths[i] ?? 0)))
      .join(GAP)
      .trimEnd(),
  )
}

/** As Docker's tables have them, in characters. */
export const NARROWEST_COLUMN = 7

/** Header and rows as lines, ending in a newline, as wide as Docker's; foreign text is made printable. */
export const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  alignColumns([header, ...rows.map((row) => row.map(printable))], NARROWEST_COLUMN)
    .map((line) => `${line}\n`)
    .join('')

export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly blue: (text: string) => string
}

const paint =
  (enabled: boolean, code: number) =>
  (text: string): string =>
    enabled ? `\u001b[${code}m${text}\u001b[0m` : text

/** Colours for this output: none off a terminal, none with NO_COLOR (no-color.org), none on a dumb terminal. */
export const styleFor = (output: Output, env: Context['env']): Style => {
  const enabled = !env.NO_COLOR && env.TERM !== 'dumb' && output.isTTY()
  return {
    bold: paint(enabled, 1),
    dim: paint(enabled, 2),
    red: paint(enabled, 31),
    green: paint(enabled, 32),
    yellow: paint(enabled, 33),
    blue: paint(enabled, 34),
  }
}

/** Whether the locale can show block characters: locale(7), LC_ALL before LC_CTYPE before LANG. */
export const isUtf8 = (env: Context['env']): boolean =>
  /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '')

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A bar of `share` (0 to 1) of `columns`; anything above nothing shows at least a sliver. */
export const bar = (share: number, columns: number, utf8: boolean): string => {
  if (!(share > 0)) return ''
  const cells = Math.min(1, share) * columns
  if (!utf8) return '#'.repeat(Math.max(1, Math.round(cells)))
  const eighths = Math.max(1, Math.round(cells * 8))
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '')
}
