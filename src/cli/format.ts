// The part of Go's templates that people use with --format: fields, json, join, a few words more, and `table`.
import * as E from '#fp/Either'
import type { UsageError } from './args.ts'
import { alignColumns, printable } from './table.ts'

/** What a template is applied to. Fields of fields are reached by `.A.B`. */
export type FormatRecord = Readonly<Record<string, unknown>>

/** A template that was understood. Rendering fails only for a field that does not exist. */
export interface Format {
  /** `table TEMPLATE`: with a header line and aligned columns. */
  readonly isTable: boolean
  readonly render: (record: unknown) => E.Either<UsageError, string>
}

type Evaluate = (record: unknown) => unknown
type Part = string | Evaluate

class FormatFailure extends Error {}
const fail = (message: string): never => {
  throw new FormatFailure(message)
}

const usage = (message: string): UsageError => ({ _tag: 'UsageError', message: `--format: ${message}` })

const attempt = <A>(body: () => A): E.Either<UsageError, A> => {
  try {
    return E.right(body())
  } catch (error) {
    if (error instanceof FormatFailure) return E.left(usage(error.message))
    throw error
  }
}

/** Understands a template. `json` alone is `{{json .}}`, as in Docker. */
export const compileFormat = (text: string): E.Either<UsageError, Format> =>
  attempt(() => {
    const isTable = /^table(\s|$)/.test(text)
    const template = isTable ? text.slice(5).trim() : text === 'json' ? '{{json .}}' : text
    const parts = parseTemplate(template.replaceAll('\\t', '\t').replaceAll('\\n', '\n'))
    return {
      isTable,
      render: (record) =>
        attempt(() => parts.map((part) => (typeof part === 'string' ? part : show(part(record)))).join('')),
    }
  })

/**
 * All records through one template, one per line. With `table`, the header is the template applied to the names of
 * the columns. Foreign text is made printable, except where the template asks for JSON.
 */
export const formatRecords = (
  text: string,
  records: readonly FormatRecord[],
  headers: Readonly<Record<string, string>>,
): E.Either<UsageError, string> => {
  const format = compileFormat(text)
  if (E.isLeft(format)) return format
  const lines: string[] = []
  for (const record of format.right.isTable ? [headers, ...records] : records) {
    const line = format.right.render(record)
    if (E.isLeft(line)) return E.left(withFields(line.left, headers))
    lines.push(line.right)
  }
  const shown = format.right.isTable
    ? alignColumns(lines.map((line) => line.split('\t').map(printable)))
    : lines
  return E.right(shown.map((line) => `${line}\n`).join(''))
}

const withFields = (error: UsageError, headers: Readonly<Record<string, string>>): UsageError => ({
  ...error,
  hint: `the fields are ${Object.keys(headers).join(', ')}`,
})

/** Go prints a list in brackets, nothing as `<no value>`, and a map in its own way; JSON is the readable way here. */
const show = (value: unknown): string => {
  if (value === undefined || value === null) return '<no value>'
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Text and actions in turn. `{{-` and `-}}` swallow the blanks on their side. */
const parseTemplate = (text: string): readonly Part[] => {
  const parts: Part[] = []
  let rest = text
  for (;;) {
    const open = rest.indexOf('{{')
    if (open < 0) return [...parts, rest]
    const close = endOfAction(rest, open + 2)
    let before = rest.slice(0, open)
    let action = rest.slice(open + 2, close)
    rest = rest.slice(close + 2)
    if (/^-\s/.test(action)) {
      action = action.slice(1)
      before = before.trimEnd()
    }
    if (/\s-$/.test(action)) {
      action = action.slice(0, -1)
      rest = rest.trimStart()
    }
    parts.push(before)
    if (!/^\s*\/\*/.test(action)) parts.push(compilePipeline(tokens(action)))
  }
}

/** The closing braces, skipping those inside quotation marks. */
const endOfAction = (text: string, from: number): number => {
  let quote = ''
  for (let i = from; i < text.length; i++) {
    const char = text.charAt(i)
    if (quote !== '') {
      if (char === '\\' && quote === '"') i++
      else if (char === quote) quote = ''
    } else if (char === '"' || char === '`') quote = char
    else if (text.startsWith('}}', i)) return i
  }
  return fail('a {{ is not closed')
}

type Token = { readonly kind: 'word' | 'text' | 'number' | 'mark'; readonly value: string }

const TOKEN = /\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|(-?\d+)(?![\w.])|([|()])|([^\s|()"`]+))/gy

const tokens = (action: string): readonly Token[] => {
  const found: Token[] = []
  const source = action.trimEnd()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source)
    if (match === null) return fail(`cannot read {{${action}}}`)
    const [, quoted, raw, number, mark, word] = match
    if (quoted !== undefined) found.push({ kind: 'text', value: unquote(quoted) })
    else if (raw !== undefined) found.push({ kind: 'text', value: raw })
    else if (number !== undefined) found.push({ kind: 'number', value: number })
    else if (mark !== undefined) found.push({ kind: 'mark', value: mark })
    else found.push({ kind: 'word', value: word ?? '' })
  }
  return found
}

const unquote = (text: string): string => {
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return fail(`cannot read the text "${text}"`)
  }
}

/** `a | b c`: the value of each command becomes the last argument of the next. */
const compilePipeline = (list: readonly Token[]): Evaluate => {
  const commands: Token[][] = [[]]
  let depth = 0
  for (const token of list) {
    if (token.kind === 'mark') depth += token.value === '(' ? 1 : token.value === ')' ? -1 : 0
    if (token.kind === 'mark' && token.value === '|' && depth === 0) commands.push([])
    else commands.at(-1)?.push(token)
  }
  if (depth !== 0) return fail('brackets do not match')
  return commands.reduce<Evaluate | undefined>(
    (before, words) => compileCommand(words, before),
    undefined,
  ) as Evaluate
}

const compileCommand = (list: readonly Token[], before: Evaluate | undefined): Evaluate => {
  const operands = operandsOf(list)
  const [head, ...args] = operands
  if (head === undefined) return fail('an action is empty')
  if (head.word === undefined) {
    if (args.length > 0 || before !== undefined) return fail('a value is not a function')
    return head.evaluate
  }
  const name = head.word
  const call = (Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined) ?? fail(unknownWord(name))
  const all = [...args.map((arg) => arg.evaluate), ...(before === undefined ? [] : [before])]
  return (record) => call(...all.map((evaluate) => evaluate(record)))
}

interface Operand {
  /** A bare word: the name of a function. */
  readonly word?: string
  readonly evaluate: Evaluate
}

const operandsOf = (list: readonly Token[]): readonly Operand[] => {
  const operands: Operand[] = []
  for (let i = 0; i < list.length; i++) {
    const token = list[i]
    if (token === undefined) break
    if (token.kind !== 'mark') operands.push(operand(token))
    else {
      const end = matching(list, i)
      operands.push({ evaluate: compilePipeline(list.slice(i + 1, end)) })
      i = end
    }
  }
  return operands
}

const matching = (list: readonly Token[], open: number): number => {
  let depth = 0
  for (let i = open; i < list.length; i++) {
    if (list[i]?.kind === 'mark') depth += list[i]?.value === '(' ? 1 : -1
    if (depth === 0) return i
  }
  return fail('brackets do not match')
}

const operand = (token: Token): Operand => {
  const { kind, value } = token
  if (kind === 'text') return { evaluate: () => value }
  if (kind === 'number') return { evaluate: () => Number(value) }
  if (value.startsWith('.')) return { evaluate: fieldPath(value) }
  return { word: value, evaluate: () => fail(`{{${value}}}: a field starts with a dot: {{.${value}}}`) }
}

/** `.` is the record, `.A.B` a field of a field. A field that is not there is an error, as in Go. */
const fieldPath = (path: string): Evaluate => {
  const names = path === '.' ? [] : path.slice(1).split('.')
  if (names.includes('')) return fail(`cannot read ${path}`)
  return (record) => names.reduce((value: unknown, name) => fieldOf(value, name, path), record)
}

const fieldOf = (value: unknown, name: string, path: string): unknown => {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, name))
    return (value as Record<string, unknown>)[name]
  return fail(`there is no field ${path}`)
}

const asText = (value: unknown, name: string): string =>
  typeof value === 'string' ? value : fail(`${name} needs a text`)

const FUNCTIONS: Readonly<Record<string, ((...args: unknown[]) => unknown) | undefined>> = {
  json: (value) => JSON.stringify(value ?? null),
  upper: (value) => asText(value, 'upper').toUpperCase(),
  lower: (value) => asText(value, 'lower').toLowerCase(),
  title: (value) => asText(value, 'title').replace(/^./u, (first) => first.toUpperCase()),
  join: (list, separator) =>
    Array.isArray(list) ? list.map(show).join(asText(separator, 'join')) : fail('join needs a list'),
  split: (text, separator) => asText(text, 'split').split(asText(separator, 'split')),
  len: (value) =>
    typeof value === 'string' || Array.isArray(value)
      ? value.length
      : Object.keys((value as object | null) ?? fail('len needs a text, a list or a map')).length,
  index: (value, ...keys) => keys.reduce((inner, key) => elementOf(inner, key), value),
  println: (...values) => `${values.map(show).join(' ')}\n`,
  print: (...values) => values.map(show).join(''),
}

const elementOf = (value: unknown, key: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return fail('index needs a list or a map')
  if (Array.isArray(value) && typeof key === 'number' && value[key] === undefined)
    return fail(`index ${key} is out of range`)
  return Object.hasOwn(value, key as PropertyKey)
    ? (value as Record<PropertyKey, unknown>)[key as PropertyKey]
    : undefined
}

/** Words that Go knows and this subset does not are named as such. */
const NOT_HERE = new Set([
  'if',
  'else',
  'end',
  'range',
  'with',
  'printf',
  'define',
  'template',
  'block',
  'and',
  'or',
  'not',
  'eq',
  'ne',
  'lt',
  'gt',
  'le',
  'ge',
  'pad',
  'truncate',
  'slice',
  'html',
  'js',
  'urlquery',
  'call',
])
const unknownWord = (word: string): string =>
  NOT_HERE.has(word)
    ? `{{${word}}} is not supported so far; ${Object.keys(FUNCTIONS).join(', ')} are`
    : `{{${word}}}: a field starts with a dot: {{.${word}}}`
