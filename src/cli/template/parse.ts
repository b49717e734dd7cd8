// A template's pieces → a tree: what is printed, chosen, repeated.
import { fail } from './failure.ts'
import { type Piece, pieces, type Token } from './lex.ts'

/** A value in an action. `fields` are asked of it, one after the other. */
export type Operand = { readonly fields: readonly string[] } & (
  | { readonly kind: 'dot' | 'nil' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'variable' | 'function'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe }
)
/** The first operand, with the others as its arguments. */
export type Call = readonly [Operand, ...Operand[]]
/** `a | b c`: the value of each call becomes the last argument of the next. */
export interface Pipe {
  /** Variables that are set; two only in a range. */
  readonly variables: readonly string[]
  /** `:=` makes them, `=` changes them. */
  readonly declares: boolean
  readonly calls: readonly Call[]
}
export interface Branch {
  readonly kind: 'if' | 'with' | 'range'
  readonly pipe: Pipe
  readonly body: readonly Node[]
  readonly otherwise: readonly Node[]
}
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: Pipe }
  | Branch
  | { readonly kind: 'template'; readonly name: string; readonly pipe: Pipe | undefined }
  | { readonly kind: 'break' | 'continue' }

export interface Tree {
  readonly nodes: readonly Node[]
  /** Of `{{define}}` and `{{block}}`. */
  readonly templates: ReadonlyMap<string, readonly Node[]>
}

export const parseTemplate = (text: string): Tree => {
  const state: State = { pieces: pieces(text), at: 0, templates: new Map(), ranges: 0 }
  const { nodes, ended } = nodesUntil(state, [])
  return ended === undefined ? { nodes, templates: state.templates } : fail(`{{${ended.word}}} ends nothing`)
}

interface State {
  readonly pieces: readonly Piece[]
  at: number
  readonly templates: Map<string, readonly Node[]>
  /** How many ranges are open. */
  ranges: number
}
/** The action that ended a list of nodes, and what stands behind its word. */
interface Ended {
  readonly word: string
  readonly rest: readonly Token[]
}
interface Body {
  readonly nodes: readonly Node[]
  readonly ended: Ended | undefined
}

/** Nodes up to one of these words, which is taken, or to the end. */
const nodesUntil = (state: State, words: readonly string[]): Body => {
  const nodes: Node[] = []
  for (let piece = state.pieces[state.at++]; piece !== undefined; piece = state.pieces[state.at++]) {
    if (piece.kind === 'text') {
      if (piece.text !== '') nodes.push({ kind: 'text', text: piece.text })
      continue
    }
    const [first, ...rest] = piece.tokens
    const word = first?.kind === 'word' ? first.value : ''
    if (word === 'end' || word === 'else') {
      if (words.includes(word)) return { nodes, ended: { word, rest } }
      return fail(`{{${word}}} ends nothing`)
    }
    const node = nodeOf(state, word, rest, piece.tokens)
    if (node !== undefined) nodes.push(node)
  }
  if (words.length > 0) return fail('an {{if}}, {{with}}, {{range}} or {{define}} has no {{end}}')
  return { nodes, ended: undefined }
}

const nodeOf = (
  state: State,
  word: string,
  rest: readonly Token[],
  all: readonly Token[],
): Node | undefined => {
  switch (word) {
    case 'if':
    case 'with':
    case 'range':
      return branch(state, word, rest)
    case 'break':
    case 'continue':
      if (rest.length > 0 || state.ranges === 0) return fail(`{{${word}}} belongs into a {{range}}, alone`)
      return { kind: word }
    case 'define':
      define(state, nameOf(word, rest, false))
      return undefined
    case 'block': {
      const name = nameOf(word, rest, true)
      define(state, name)
      return { kind: 'template', name, pipe: pipeOf(rest.slice(1)) }
    }
    case 'template': {
      const name = nameOf(word, rest, true)
      return { kind: 'template', name, pipe: rest.length > 1 ? pipeOf(rest.slice(1)) : undefined }
    }
    default:
      return { kind: 'print', pipe: pipeOf(all) }
  }
}

const branch = (state: State, kind: 'if' | 'with' | 'range', tokens: readonly Token[]): Node => {
  if (tokens.length === 0) return fail(`{{${kind}}} of nothing`)
  const pipe = pipeOf(tokens, kind === 'range')
  state.ranges += kind === 'range' ? 1 : 0
  const { nodes: body, ended } = nodesUntil(state, ['end', 'else'])
  state.ranges -= kind === 'range' ? 1 : 0
  return { kind, pipe, body, otherwise: ended?.word === 'else' ? otherwise(state, kind, ended.rest) : [] }
}

/** `{{else if X}}` and `{{else with X}}` need no `{{end}}` of their own. */
const otherwise = (state: State, kind: string, [first, ...rest]: readonly Token[]): readonly Node[] => {
  if (first === undefined) return nodesUntil(state, ['end']).nodes
  if (first.kind === 'word' && first.value === kind && (kind === 'if' || kind === 'with'))
    return [branch(state, kind, rest)]
  return fail(`{{else ${first.value}}} does not go with {{${kind}}}`)
}

const define = (state: State, name: string): void => {
  const { ranges } = state
  state.ranges = 0
  state.templates.set(name, nodesUntil(state, ['end']).nodes)
  state.ranges = ranges
}

const nameOf = (word: string, [name, ...more]: readonly Token[], takesValue: boolean): string =>
  name?.kind === 'text' && (takesValue || more.length === 0)
    ? name.value
    : fail(`{{${word}}} needs a name in quotation marks`)

const pipeOf = (tokens: readonly Token[], inRange = false): Pipe => {
  const at = tokens.findIndex(({ kind, value }) => kind === 'mark' && (value === ':=' || value === '='))
  if (at < 0) return { variables: [], declares: false, calls: callsOf(tokens) }
  const variables = variablesOf(tokens.slice(0, at), inRange ? 2 : 1)
  return { variables, declares: tokens[at]?.value === ':=', calls: callsOf(tokens.slice(at + 1)) }
}

const variablesOf = (tokens: readonly Token[], most: number): readonly string[] => {
  const names = tokens.filter((_, at) => at % 2 === 0)
  const commas = tokens.filter((_, at) => at % 2 === 1)
  const sound =
    names.every(({ kind, value }) => kind === 'variable' && /^\$\w+$/.test(value)) &&
    commas.every(({ kind, value }) => kind === 'mark' && value === ',') &&
    names.length === commas.length + 1 &&
    names.length <= most
  return sound ? names.map(({ value }) => value) : fail('before := or = stands a variable such as $x')
}

const callsOf = (tokens: readonly Token[]): readonly Call[] => {
  const calls: Token[][] = [[]]
  let depth = 0
  for (const token of tokens) {
    if (token.kind === 'mark') depth += token.value === '(' ? 1 : token.value === ')' ? -1 : 0
    if (depth < 0) break
    if (token.kind === 'mark' && token.value === '|' && depth === 0) calls.push([])
    else calls.at(-1)?.push(token)
  }
  if (depth !== 0) return fail('brackets do not match')
  return calls.map(callOf)
}

const callOf = (tokens: readonly Token[], at: number): Call => {
  const [first, ...others] = operandsOf(tokens)
  if (first === undefined) return fail('an action is empty')
  // A field may be a method, as `.Label "key"` of ps: the value tells.
  const takesArguments = first.kind === 'function' || first.fields.length > 0
  if (!takesArguments && (others.length > 0 || at > 0)) return fail('a value is not a function')
  if (first.kind === 'nil') return fail('nil is no command')
  return [first, ...others]
}

const operandsOf = (tokens: readonly Token[]): readonly Operand[] => {
  const operands: Operand[] = []
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]
    if (token === undefined) break
    if (token.kind === 'mark' && token.value === '(') {
      const end = matching(tokens, at)
      const next = tokens[end + 1]
      const fields = next?.kind === 'chain' ? namesIn(next.value) : []
      operands.push({ kind: 'pipe', pipe: pipeOf(tokens.slice(at + 1, end)), fields })
      at = fields.length > 0 ? end + 1 : end
    } else operands.push(operandOf(token))
  }
  return operands
}

const matching = (tokens: readonly Token[], open: number): number => {
  let depth = 0
  for (let at = open; at < tokens.length; at++) {
    const { kind, value } = tokens[at] ?? { kind: 'word', value: '' }
    if (kind === 'mark') depth += value === '(' ? 1 : value === ')' ? -1 : 0
    if (depth === 0) return at
  }
  return fail('brackets do not match')
}

/** `.A.B` → A, B. */
const namesIn = (path: string): readonly string[] => path.split('.').filter((name) => name !== '')

const operandOf = ({ kind, value }: Token): Operand => {
  switch (kind) {
    case 'text':
      return { kind: 'literal', value, fields: [] }
    case 'number':
      return { kind: 'literal', value: Number(value), fields: [] }
    case 'field':
    case 'chain':
      return { kind: 'dot', fields: namesIn(value) }
    case 'variable': {
      const [name = '', ...fields] = value.split('.')
      return { kind: 'variable', name, fields }
    }
    case 'word':
      if (value === 'true' || value === 'false')
        return { kind: 'literal', value: value === 'true', fields: [] }
      if (value === 'nil') return { kind: 'nil', fields: [] }
      return { kind: 'function', name: value, fields: [] }
    case 'mark':
      return fail(`${value} is out of place`)
  }
}
