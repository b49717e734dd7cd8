// Variables and labels: `NAME=VALUE` words and the files that hold one of them per line (docker-run(1), --env-file).
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import { split } from './mount-flags.ts'

type Result<A> = E.Either<EngineError, A>
/** Reads a file of the caller's; left says why it cannot be read, e.g. `ENOENT (no such file or directory)`. */
export type ReadFile = (path: string) => E.Either<string, string>

const invalid = (option: string, value: string, why: string): E.Either<EngineError, never> =>
  E.left({ _tag: 'InvalidOption', option, value, why })

/** Lines that hold something: no blank ones, no comments. Blanks before a name do not count; the value is as written. */
const entries = (text: string): readonly string[] =>
  text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'))

const fileEntries = (option: string, path: string, read: ReadFile): Result<readonly string[]> => {
  const text = read(path)
  if (E.isLeft(text)) return invalid(option, path, text.left)
  const lines = entries(text.right)
  const bad = lines.find((line) => /\s/.test(split(line)[0]) || split(line)[0] === '')
  return bad === undefined
    ? E.right(lines)
    : invalid(option, path, `${JSON.stringify(bad)} is not NAME=VALUE`)
}

const wordEntries = (option: string, words: readonly string[]): Result<readonly string[]> => {
  const bad = words.find((word) => split(word)[0] === '')
  return bad === undefined ? E.right(words) : invalid(option, bad, 'the name is empty')
}

/** All entries of files and words in Docker's order: files first, so that words win. */
const collect = (
  fileOption: string,
  files: readonly string[],
  wordOption: string,
  words: readonly string[],
  read: ReadFile,
): Result<readonly string[]> => {
  const all: string[] = []
  for (const file of files) {
    const lines = fileEntries(fileOption, file, read)
    if (E.isLeft(lines)) return lines
    all.push(...lines.right)
  }
  const given = wordEntries(wordOption, words)
  return E.isLeft(given) ? given : E.right([...all, ...given.right])
}

/** A bare NAME passes our own variable on, and nothing where we have none. */
export const environment = (
  files: readonly string[],
  words: readonly string[],
  own: Readonly<Record<string, string | undefined>>,
  read: ReadFile,
): Result<Readonly<Record<string, string>>> => {
  const all = collect('--env-file', files, '--env', words, read)
  if (E.isLeft(all)) return all
  // A map until the end: a variable may be called __proto__.
  const env = new Map<string, string>()
  for (const entry of all.right) {
    const [name, value = Object.hasOwn(own, name) ? own[name] : undefined] = split(entry)
    if (value !== undefined) env.set(name, value)
  }
  return E.right(Object.fromEntries(env))
}

/** A bare KEY is a label with an empty value. */
export const labels = (
  files: readonly string[],
  words: readonly string[],
  read: ReadFile,
): Result<Readonly<Record<string, string>>> => {
  const all = collect('--label-file', files, '--label', words, read)
  if (E.isLeft(all)) return all
  return E.right(Object.fromEntries(all.right.map((entry) => [split(entry)[0], split(entry)[1] ?? ''])))
}
