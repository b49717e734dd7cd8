// The processes of a container, as `docker top` answers: the lines of ps(1) that are about them, in columns.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { InvalidOption } from './errors.ts'

export interface TopResult {
  /** Headings, e.g. `PID`. */
  readonly titles: readonly string[]
  /** One row a process, as many cells as titles. */
  readonly processes: readonly (readonly string[])[]
}

/** What docker calls ps with when nothing is asked for. */
export const DEFAULT_PS = ['-ef'] as const

/** Of the command line's words, or one text with several. */
export const psWords = (given: readonly string[]): readonly string[] => {
  const words = given.flatMap((word) => word.split(/\s+/)).filter((word) => word !== '')
  return words.length === 0 ? DEFAULT_PS : words
}

/** The last column holds the rest of its line, blanks and all. `text`: all that ps printed. Fails: InvalidOption without a column PID. */
export const parsePs = (
  text: string,
  pids: readonly number[],
  words: readonly string[],
): Either<InvalidOption, TopResult> => {
  const [header = '', ...lines] = text.split('\n')
  const titles = header.trim().split(/\s+/)
  const pidColumn = titles.indexOf('PID')
  if (pidColumn < 0)
    return E.left({
      _tag: 'InvalidOption',
      option: 'ps',
      value: words.join(' '),
      why: 'shows no column PID, by which the processes of the container are told',
    })
  const own = new Set(pids.map(String))
  const processes = lines
    .map((line) => cellsOf(line, titles.length))
    .filter((cells) => cells.length === titles.length && own.has(cells[pidColumn] ?? ''))
  return E.right({ titles, processes })
}

const cellsOf = (line: string, count: number): readonly string[] => {
  const cells: string[] = []
  let rest = line.trim()
  while (cells.length < count - 1) {
    const [cell = ''] = /^\S+/.exec(rest) ?? []
    if (cell === '') return cells
    cells.push(cell)
    rest = rest.slice(cell.length).trimStart()
  }
  return rest === '' ? cells : [...cells, rest]
}
