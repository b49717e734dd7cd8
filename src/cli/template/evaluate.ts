// A template's tree and a record → text.
import { fail } from './failure.ts'
import { callFunction, FUNCTIONS, LAZY, unknownFunction } from './functions.ts'
import {
  type Branch,
  type Call,
  type Node,
  type Operand,
  type Pipe,
  parseTemplate,
  type Tree,
} from './parse.ts'
import { fieldOf, GoMap, isObject, isTrue, show } from './values.ts'

/**
 * Understands a template; what comes back renders one record, or with `isHeader` the names of its columns, of which functions that
 * change a text leave all. Both throw a TemplateFailure.
 */
export const compileTemplate = (text: string): ((record: unknown, isHeader?: boolean) => string) => {
  const tree = parseTemplate(text)
  checkNames(tree)
  return (record, isHeader = false) => {
    const out: string[] = []
    render(tree.nodes, { tree, out, dot: record, scope: scopeOf(record), depth: 0, isHeader })
    return out.join('')
  }
}

/** Variables by name, and the scope around. */
interface Scope {
  readonly variables: Map<string, unknown>
  readonly outer: Scope | undefined
}
interface State {
  readonly tree: Tree
  readonly out: string[]
  readonly dot: unknown
  readonly scope: Scope
  readonly isHeader: boolean
  /** Of templates in templates. */
  readonly depth: number
}
type Jump = 'break' | 'continue' | undefined

const MAX_DEPTH = 100
/** As Docker's tables: a heading is no JSON, and is never cut. */
const AS_IT_IS: ReadonlySet<string> = new Set([
  'json',
  'join',
  'split',
  'upper',
  'lower',
  'title',
  'pad',
  'truncate',
])

const scopeOf = (root: unknown): Scope => ({ variables: new Map([['$', root]]), outer: undefined })
const inner = (state: State, dot: unknown = state.dot): State => ({
  ...state,
  dot,
  scope: { variables: new Map(), outer: state.scope },
})

const render = (nodes: readonly Node[], state: State): Jump => {
  for (const node of nodes) {
    const jump = renderNode(node, state)
    if (jump !== undefined) return jump
  }
  return undefined
}

const renderNode = (node: Node, state: State): Jump => {
  switch (node.kind) {
    case 'text':
      state.out.push(node.text)
      return undefined
    case 'print': {
      const value = evaluate(node.pipe, state)
      if (node.pipe.variables.length === 0) state.out.push(show(value))
      return undefined
    }
    case 'if': {
      const within = inner(state)
      return render(isTrue(evaluate(node.pipe, within)) ? node.body : node.otherwise, within)
    }
    case 'with': {
      const within = inner(state)
      const value = evaluate(node.pipe, within)
      return isTrue(value) ? render(node.body, { ...within, dot: value }) : render(node.otherwise, within)
    }
    case 'range':
      return renderRange(node, state)
    case 'template':
      renderTemplate(node, state)
      return undefined
    case 'break':
    case 'continue':
      return node.kind
  }
}

const renderRange = (node: Branch, state: State): Jump => {
  const around = inner(state)
  const items = itemsOf(evaluate({ ...node.pipe, variables: [] }, around))
  if (items.length === 0) return render(node.otherwise, around)
  const { variables, declares } = node.pipe
  for (const [key, value] of items) {
    const within = inner(around, value)
    const values = variables.length === 2 ? [key, value] : [value]
    for (const [at, name] of variables.entries())
      if (declares) within.scope.variables.set(name, values[at])
      else assign(within.scope, name, values[at])
    if (render(node.body, within) === 'break') break
  }
  return undefined
}

/** Keys and values: of a list its positions, of a map its keys in order, of a number all below it. */
const itemsOf = (value: unknown): readonly (readonly [unknown, unknown])[] => {
  if (Array.isArray(value)) return [...value.entries()]
  if (value instanceof GoMap) return value.keys.map((key) => [key, value.get(key)])
  if (isObject(value)) return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  if (typeof value === 'number' && Number.isInteger(value))
    return Array.from({ length: Math.max(0, value) }, (_, at) => [at, at])
  return value === null || value === undefined ? [] : fail(`range needs a list or a map, not ${show(value)}`)
}

const renderTemplate = ({ name, pipe }: Extract<Node, { kind: 'template' }>, state: State): void => {
  const nodes = state.tree.templates.get(name) ?? fail(`there is no template ${JSON.stringify(name)}`)
  if (state.depth >= MAX_DEPTH) fail(`the template ${JSON.stringify(name)} calls itself without end`)
  const dot = pipe === undefined ? undefined : evaluate(pipe, state)
  render(nodes, { ...state, dot, scope: scopeOf(dot), depth: state.depth + 1 })
}

const evaluate = ({ calls, variables, declares }: Pipe, state: State): unknown => {
  const value = calls.reduce<unknown>(
    (before, call, at) => evaluateCall(call, at > 0, before, state),
    undefined,
  )
  const [name] = variables
  if (name === undefined) return value
  if (declares) state.scope.variables.set(name, value)
  else assign(state.scope, name, value)
  return value
}

const assign = (scope: Scope, name: string, value: unknown): void => {
  const holder = holderOf(scope, name) ?? fail(`there is no variable ${name}`)
  holder.variables.set(name, value)
}

const holderOf = (scope: Scope | undefined, name: string): Scope | undefined =>
  scope === undefined || scope.variables.has(name) ? scope : holderOf(scope.outer, name)

const evaluateCall = ([first, ...others]: Call, isPiped: boolean, before: unknown, state: State): unknown => {
  const last = isPiped ? [() => before] : []
  const args = [...others.map((other) => () => valueIn(other, state)), ...last]
  if (first.kind !== 'function')
    return callMethod(
      valueIn(first, state),
      args.map((arg) => arg()),
      first.fields,
    )
  const { name } = first
  if (state.isHeader && AS_IT_IS.has(name)) return args[0]?.()
  if (LAZY.has(name)) return firstThat(name === 'or', args, name)
  return callFunction(
    name,
    args.map((arg) => arg()),
  )
}

const callMethod = (value: unknown, args: readonly unknown[], fields: readonly string[]): unknown => {
  if (typeof value === 'function') return value(...args)
  return args.length === 0 ? value : fail(`.${fields.join('.')} is not a function`)
}

/** The first value that is true (or, for `and`, that is not), else the last one. */
const firstThat = (wanted: boolean, args: readonly (() => unknown)[], name: string): unknown => {
  if (args.length === 0) return fail(`${name} needs a value`)
  let value: unknown
  for (const arg of args) {
    value = arg()
    if (isTrue(value) === wanted) return value
  }
  return value
}

const valueIn = (operand: Operand, state: State): unknown =>
  operand.fields.reduce<unknown>(
    (value, name) => fieldOf(value, name, `.${operand.fields.join('.')}`),
    startOf(operand, state),
  )

const startOf = (operand: Operand, state: State): unknown => {
  switch (operand.kind) {
    case 'dot':
      return state.dot
    case 'nil':
      return null
    case 'literal':
      return operand.value
    case 'pipe':
      return evaluate(operand.pipe, state)
    case 'variable':
      return (
        holderOf(state.scope, operand.name) ?? fail(`there is no variable ${operand.name}`)
      ).variables.get(operand.name)
    case 'function':
      return LAZY.has(operand.name) ? fail(`${operand.name} needs a value`) : callFunction(operand.name, [])
  }
}

/** Words that are no functions are told before anything is looked up, also in branches that are not taken. */
const checkNames = ({ nodes, templates }: Tree): void => {
  for (const list of [nodes, ...templates.values()]) for (const node of list) checkNode(node)
}
const checkNode = (node: Node): void => {
  if ('pipe' in node && node.pipe !== undefined) checkPipe(node.pipe)
  if ('body' in node) for (const each of [...node.body, ...node.otherwise]) checkNode(each)
}
const checkPipe = ({ calls }: Pipe): void => {
  for (const operand of calls.flat()) {
    if (operand.kind === 'pipe') checkPipe(operand.pipe)
    if (operand.kind === 'function' && !FUNCTIONS.has(operand.name) && !LAZY.has(operand.name))
      fail(unknownFunction(operand.name))
  }
}
