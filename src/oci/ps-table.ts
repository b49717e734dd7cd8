// What `ps` prints: the lines of ps(1) that are about the container's processes.
import * as E from '#fp/Either'
import { type UsageError, usage } from './args.ts'

/** `text` is all that ps(1) printed; it must have a column PID. */
export const psTable = (text: string, pids: readonly number[]): E.Either<UsageError, string> => {
  const [header = '', ...lines] = text.split('\n')
  const column = header.trim().split(/\s+/).indexOf('PID')
  if (column < 0) return E.left(usage("couldn't find PID field in ps output"))
  const wanted = new Set(pids.map(String))
  const own = lines.filter((line) => wanted.has(line.trim().split(/\s+/)[column] ?? ''))
  return E.right([header, ...own, ''].join('\n'))
}
