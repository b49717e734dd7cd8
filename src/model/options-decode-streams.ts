// Where the standard streams go, and the AbortSignal: values that are objects of the host, recognized by what they can do.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import {
  boolean,
  check,
  type Decoder,
  exactObject,
  inside,
  integer,
  isObject,
  keyPath,
  type Mismatch,
  mismatch,
  noSuchName,
  optional,
  text,
} from './decode.ts'
import type { ErrorOutputOption, OutputOption, StdinOption } from './options.ts'

const can = (value: unknown, method: PropertyKey): boolean =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function'

/** Undefined for what is no place at all; else the place, or what is wrong with it. */
const place = (value: unknown, fields: readonly string[]): Either<Mismatch, unknown> | undefined => {
  if (!isObject(value) || !('file' in value || 'fd' in value)) return undefined
  const unknown = Object.keys(value).find((name) => !fields.includes(name))
  if (unknown !== undefined)
    return inside(keyPath(unknown), {
      where: '',
      why: noSuchName('field', unknown, fields),
      value: value[unknown],
    })
  if ('file' in value && 'fd' in value) return mismatch('is either { file } or { fd }', value)
  if ('fd' in value) return decodeFd(value)
  return decodeFile(value)
}
const decodeFd = exactObject({ fd: integer(0, 2 ** 31 - 1) })
const decodeFile = exactObject({
  file: check(text, (file) => (file === '' ? 'is empty' : undefined)),
  append: optional(boolean),
})

/** What is closed already would look like a payload whose input is empty, or whose output nobody wants. */
const isOver = (value: unknown, ...signs: readonly string[]): boolean =>
  typeof value === 'object' && value !== null && signs.some((sign) => Reflect.get(value, sign) === true)

export const stdin: Decoder<StdinOption> = (value) => {
  if (isOver(value, 'destroyed', 'readableEnded')) return mismatch('this stream has ended already', 'stream')
  const good =
    typeof value === 'string' ||
    value instanceof Uint8Array ||
    can(value, 'pipe') ||
    can(value, Symbol.asyncIterator)
  return good
    ? E.right(value as StdinOption)
    : ((place(value, ['file', 'fd']) as Either<Mismatch, StdinOption> | undefined) ??
        mismatch("expected text, bytes, a stream, { file }, { fd }, 'pipe', 'inherit' or 'ignore'", value))
}

const OUTPUTS: readonly unknown[] = ['pipe', 'ignore', 'inherit']
export const output: Decoder<OutputOption> = (value) => {
  if (isOver(value, 'destroyed', 'writableEnded')) return mismatch('this stream has ended already', 'stream')
  return OUTPUTS.includes(value) || can(value, 'write')
    ? E.right(value as OutputOption)
    : ((place(value, ['file', 'fd', 'append']) as Either<Mismatch, OutputOption> | undefined) ??
        mismatch("expected 'pipe', 'ignore', 'inherit', a stream, { file } or { fd }", value))
}

export const errorOutput: Decoder<ErrorOutputOption> = (value) =>
  value === 'stdout' ? E.right(value) : output(value)

const anything: Decoder<unknown> = E.right
export const abortSignal = check(anything, (value) =>
  can(value, 'addEventListener') && isObject(value) && typeof value.aborted === 'boolean'
    ? undefined
    : 'expected an AbortSignal',
) as Decoder<AbortSignal>
