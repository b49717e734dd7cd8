// Decodes an argument list by a verb's own table of flags, with the syntax Docker users know (that of Go's pflag).
import * as E from '#fp/Either'
import type { Args, Command, FlagSpec } from './command.ts'

/** The caller wrote something we cannot follow. */
export interface UsageError {
  readonly _tag: 'UsageError'
  readonly message: string
  readonly hint?: string
}
export type Parsed = { readonly _tag: 'Help' } | { readonly _tag: 'Args'; readonly args: Args }

/** What a verb needs to be for its arguments to be decoded. */
export type Grammar = Pick<Command, 'flags' | 'stopsAtPositional' | 'positionals' | 'usage'>

type Value = boolean | number | string | readonly string[] | undefined

/**
 * Decodes the arguments after the verb. `--` ends the flags; so does a positional where the grammar says so.
 * `--help` wins over everything before it, and over what is wrong after it. `before`: flags decoded earlier, as if they stood before
 * these.
 */
export const parseArgs = (
  grammar: Grammar,
  argv: readonly string[],
  before: Args['flags'] = {},
): E.Either<UsageError, Parsed> => {
  const state = newState(grammar, before)
  while (state.at < argv.length) {
    const word = argv[state.at++] ?? ''
    const step = takeWord(state, word, argv)
    if (step === 'help') return E.right({ _tag: 'Help' })
    if (step !== undefined) return E.left(step)
  }
  const wrong = checkPositionals(grammar, state.positionals)
  if (wrong !== undefined) return E.left(wrong)
  return E.right({ _tag: 'Args', args: { flags: withDefaults(state), positionals: state.positionals } })
}

interface State {
  readonly grammar: Grammar
  readonly names: ReadonlyMap<string, string>
  readonly shorts: ReadonlyMap<string, string>
  readonly values: Map<string, Value>
  readonly positionals: string[]
  flagsEnded: boolean
  at: number
}

const newState = (grammar: Grammar, before: Args['flags']): State => {
  const names = new Map<string, string>()
  const shorts = new Map<string, string>()
  for (const [name, spec] of Object.entries(grammar.flags)) {
    for (const word of [name, ...(spec.aliases ?? [])]) names.set(word, name)
    if (spec.short !== undefined) shorts.set(spec.short, name)
  }
  const values = new Map(Object.entries(before))
  return { grammar, names, shorts, values, positionals: [], flagsEnded: false, at: 0 }
}

type Step = UsageError | 'help' | undefined

const takeWord = (state: State, word: string, argv: readonly string[]): Step => {
  if (state.flagsEnded || word === '-' || !word.startsWith('-')) {
    state.positionals.push(word)
    state.flagsEnded ||= state.positionals.length >= lastWord(state.grammar)
    return undefined
  }
  if (word === '--') {
    state.flagsEnded = true
    return undefined
  }
  return word.startsWith('--') ? takeLong(state, word.slice(2), argv) : takeShorts(state, word, argv)
}

/** The positional that ends the flags, counted from 1. */
const lastWord = ({ stopsAtPositional = false }: Grammar): number =>
  typeof stopsAtPositional === 'number' ? stopsAtPositional : stopsAtPositional ? 1 : Number.POSITIVE_INFINITY

/** `--name`, `--name=value` or `--name value`. */
const takeLong = (state: State, text: string, argv: readonly string[]): Step => {
  const equals = text.indexOf('=')
  const given = equals < 0 ? text : text.slice(0, equals)
  const name = state.names.get(given)
  if (name === undefined) return given === 'help' ? 'help' : unknownFlag(state, `--${given}`)
  return setFlag(state, name, `--${given}`, equals < 0 ? undefined : text.slice(equals + 1), argv)
}

/** `-it`, `-p80:80`, `-p 80:80`, `-i=false`: a letter that takes a value takes the rest of the word. */
const takeShorts = (state: State, word: string, argv: readonly string[]): Step => {
  for (let i = 1; i < word.length; i++) {
    const letter = word.charAt(i)
    const name = state.shorts.get(letter)
    if (name === undefined) return letter === 'h' ? 'help' : unknownFlag(state, `-${letter}`, word)
    const rest = word.slice(i + 1)
    const takesRest = rest.startsWith('=') || (rest !== '' && takesValue(state.grammar.flags[name]))
    if (takesRest) return setFlag(state, name, `-${letter}`, rest.replace(/^=/, ''), argv)
    const step = setFlag(state, name, `-${letter}`, undefined, argv)
    if (step !== undefined) return step
  }
  return undefined
}

const takesValue = (spec: FlagSpec | undefined): boolean =>
  spec !== undefined && spec.kind !== 'boolean' && spec.bare === undefined

const setFlag = (
  state: State,
  name: string,
  asWritten: string,
  inline: string | undefined,
  argv: readonly string[],
): Step => {
  const spec = state.grammar.flags[name]
  if (spec === undefined) return unknownFlag(state, asWritten)
  const text = inline ?? defaultText(spec) ?? argv[state.at++]
  if (text === undefined) return usage(`${asWritten} needs a value`, example(name, spec))
  const value = decode(spec, text, state.values.get(name))
  if (E.isLeft(value)) return usage(`${asWritten}: ${JSON.stringify(text)} is not ${value.left}`)
  if (spec.unsupported !== undefined && value.right !== defaultValue(spec))
    return unsupported(asWritten, name, spec.unsupported)
  state.values.set(name, isNoFormat(name, value.right) ? undefined : value.right)
  return undefined
}

/** Scripts write `--format "$F"`: as in Docker, an empty template is the usual output. */
const isNoFormat = (name: string, value: Value): boolean => name === 'format' && value === ''

/** The text a flag without `=` stands for, where it never takes the next argument. */
const defaultText = (spec: FlagSpec): string | undefined => (spec.kind === 'boolean' ? 'true' : spec.bare)

/** strconv.ParseBool's words. */
const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

/** Left: what the text is not, as a noun. */
const decode = (spec: FlagSpec, text: string, before: Value): E.Either<string, Value> => {
  switch (spec.kind) {
    case 'boolean':
      return TRUE.has(text) || FALSE.has(text) ? E.right(TRUE.has(text)) : E.left('true or false')
    case 'integer':
      return /^[+-]?\d{1,15}$/.test(text) ? E.right(Number(text)) : E.left('a whole number')
    case 'decimal':
      return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? E.right(Number(text)) : E.left('a number')
    case 'list':
      return E.right([...((before as readonly string[] | undefined) ?? []), text])
    case 'text':
      return E.right(text)
  }
}

const defaultValue = (spec: FlagSpec): Value => {
  if (spec.kind === 'boolean') return spec.on === true
  return spec.kind === 'list' ? [] : undefined
}

const withDefaults = (state: State): Args['flags'] => {
  const entries = Object.entries(state.grammar.flags).map(([name, spec]) => [
    name,
    state.values.get(name) ?? defaultValue(spec),
  ])
  return Object.fromEntries(entries) as Args['flags']
}

const checkPositionals = (grammar: Grammar, given: readonly string[]): UsageError | undefined => {
  const { min, max = Number.POSITIVE_INFINITY } = grammar.positionals ?? { min: 0, max: 0 }
  const form = `the form is: ${grammar.usage}`
  if (given.length < min)
    return usage(`too few arguments: ${given.length} given, at least ${min} needed`, form)
  const extra = given[max]
  return extra === undefined ? undefined : usage(`unexpected argument ${JSON.stringify(extra)}`, form)
}

const usage = (message: string, hint?: string): UsageError => ({
  _tag: 'UsageError',
  message,
  ...(hint === undefined ? {} : { hint }),
})

const example = (name: string, spec: FlagSpec): string | undefined =>
  spec.kind === 'boolean' ? undefined : `write --${name}=${spec.value ?? 'VALUE'}`

const unsupported = (
  asWritten: string,
  name: string,
  { yet, why }: NonNullable<FlagSpec['unsupported']>,
): UsageError => {
  const flag = asWritten === `--${name}` ? asWritten : `${asWritten} (--${name})`
  return usage(`${flag} is not supported${yet ? ' yet' : ''}: ${why}`)
}

const unknownFlag = (state: State, flag: string, within?: string): UsageError => {
  const names = Object.keys(state.grammar.flags)
  const guess = flag.startsWith('--') ? nearestWord(flag.slice(2), names) : undefined
  const place = within === undefined || within === flag ? '' : ` in ${within}`
  return usage(`unknown flag ${flag}${place}`, guess === undefined ? undefined : `did you mean --${guess}?`)
}

/** The candidate within two edits of the word (fewer for short words), else the only one it begins. */
export const nearestWord = (word: string, candidates: readonly string[]): string | undefined => {
  const ranked = candidates
    .map((name) => ({ name, distance: editDistance(word, name) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  if (best !== undefined && best.distance <= (word.length < 5 ? 1 : 2)) return best.name
  const begun = candidates.filter((name) => word.length > 1 && name.startsWith(word))
  return begun.length === 1 ? begun[0] : undefined
}

/** Levenshtein's distance, one row at a time. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change))
    }
    row = next
  }
  return row[b.length] ?? 0
}
