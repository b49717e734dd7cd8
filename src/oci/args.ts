// Decodes an argument list as runc does (Go's flag package), and crun's clusters of short flags where runc has no such name.
import * as E from '#fp/Either'
import { lookUp } from '../model/look-up.ts'

export interface FlagSpec {
  readonly kind: 'boolean' | 'integer' | 'text' | 'list'
  /** One letter. */
  readonly short?: string
  /** What the help calls its value; default `VALUE`. */
  readonly value?: string
  readonly help: string
}
export type FlagTable = Readonly<Record<string, FlagSpec>>

interface ValueOf {
  readonly boolean: boolean
  readonly integer: number
  readonly text: string
  readonly list: readonly string[]
}
/** A flag that was not given is undefined: whether one was given is part of what some mean. */
export type Flags<T extends FlagTable> = { readonly [K in keyof T]?: ValueOf[T[K]['kind']] }

export interface Grammar<T extends FlagTable = FlagTable> {
  readonly flags: T
  /** Flags end at the first positional: what follows belongs to another program. */
  readonly stopsAtPositional?: boolean
}

/** The caller wrote something we cannot follow. */
export interface UsageError {
  readonly _tag: 'UsageError'
  readonly message: string
}
export const usage = (message: string): UsageError => ({ _tag: 'UsageError', message })

export interface Args<T extends FlagTable = FlagTable> {
  readonly flags: Flags<T>
  readonly positionals: readonly string[]
  /** `--help` or `-h` was among them. */
  readonly help: boolean
}

export const parseArgs = <T extends FlagTable>(
  grammar: Grammar<T>,
  argv: readonly string[],
): E.Either<UsageError, Args<T>> => {
  const state: State = { grammar, argv, values: new Map(), positionals: [], at: 0, help: false }
  for (let ended = false; state.at < argv.length; ) {
    const word = argv[state.at++] ?? ''
    if (ended || word === '-' || !word.startsWith('-')) {
      state.positionals.push(word)
      ended ||= grammar.stopsAtPositional === true
    } else if (word === '--') ended = true
    else {
      const wrong = takeFlag(state, word)
      if (wrong !== undefined) return E.left(wrong)
    }
  }
  const { positionals, help } = state
  return E.right({ flags: Object.fromEntries(state.values) as Flags<T>, positionals, help })
}

type Value = boolean | number | string | readonly string[]

interface State {
  readonly grammar: Grammar
  readonly argv: readonly string[]
  readonly values: Map<string, Value>
  readonly positionals: string[]
  at: number
  help: boolean
}

/** One dash or two, `=value` or the next word: all the same to Go, and its callers use every form. */
const takeFlag = (state: State, word: string): UsageError | undefined => {
  const [, given = '', inline] = /^--?([^=]*)(?:=(.*))?$/s.exec(word) ?? []
  const name = nameOf(state.grammar, given)
  if (name !== undefined) return setFlag(state, name, given, inline)
  if (given === 'help' || given === 'h') {
    state.help = true
    return undefined
  }
  return word.startsWith('--') ? unknown(given) : takeCluster(state, word)
}

/** `-fjson`, `-td`: the first letter that takes a value takes the rest. argp, as crun's callers write it. */
const takeCluster = (state: State, word: string): UsageError | undefined => {
  for (let i = 1; i < word.length; i++) {
    const name = shortName(state.grammar, word.charAt(i))
    if (name === undefined) return unknown(word.slice(1))
    const rest = word.slice(i + 1)
    if (lookUp(state.grammar.flags, name)?.kind !== 'boolean')
      return setFlag(state, name, word.charAt(i), rest === '' ? undefined : rest.replace(/^=/, ''))
    const wrong = setFlag(state, name, word.charAt(i), undefined)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

const unknown = (name: string): UsageError => usage(`flag provided but not defined: -${name}`)

const nameOf = ({ flags }: Grammar, given: string): string | undefined =>
  Object.hasOwn(flags, given) ? given : shortName({ flags }, given)

const shortName = ({ flags }: Grammar, letter: string): string | undefined =>
  letter.length === 1 ? Object.keys(flags).find((name) => flags[name]?.short === letter) : undefined

const setFlag = (
  state: State,
  name: string,
  asWritten: string,
  inline: string | undefined,
): UsageError | undefined => {
  const kind = state.grammar.flags[name]?.kind ?? 'text'
  const text = inline ?? (kind === 'boolean' ? 'true' : state.argv[state.at++])
  if (text === undefined) return usage(`flag needs an argument: -${asWritten}`)
  const value = decode(kind, text, state.values.get(name))
  if (value === undefined) {
    const what = kind === 'boolean' ? 'boolean value' : 'value'
    return usage(`invalid ${what} ${JSON.stringify(text)} for flag -${asWritten}: parse error`)
  }
  state.values.set(name, value)
  return undefined
}

/** strconv.ParseBool's words. */
const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

/** strconv.ParseBool; undefined for any other word. */
export const parseBoolean = (text: string): boolean | undefined => {
  if (TRUE.has(text)) return true
  return FALSE.has(text) ? false : undefined
}

const decode = (kind: FlagSpec['kind'], text: string, before: Value | undefined): Value | undefined => {
  switch (kind) {
    case 'boolean':
      return parseBoolean(text)
    case 'integer':
      return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined
    case 'list':
      return [...((before as readonly string[] | undefined) ?? []), text]
    case 'text':
      return text
  }
}
