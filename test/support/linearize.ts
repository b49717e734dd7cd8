// Whether what several processes were answered is what a pure machine could have answered, in some order of its steps that keeps to time:
// whoever was answered before another one asked came before it.
import {
  BEGIN,
  EMPTY,
  type LifeOp,
  type LifeResult,
  type Outcome,
  spontaneous,
  stepsOf,
  told,
  type World,
} from './life-model.ts'

export interface Observed {
  readonly op: LifeOp
  readonly result: LifeResult
  /** Of one clock. */
  readonly askedMs: number
  readonly answeredMs: number
}

type Local = Extract<Outcome, { readonly local: unknown }>['local']
interface Search {
  readonly world: World
  /** Of each operation: undefined when it has answered. */
  readonly locals: readonly (Local | undefined)[]
}

/** Some order gives all these answers and ends with what is told at last. */
export const isPossible = (history: readonly Observed[], last: string): boolean => {
  const seen = new Set<string>()
  const stack: Search[] = [{ world: EMPTY, locals: history.map(() => BEGIN) }]
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const key = JSON.stringify([at.world, at.locals])
    if (seen.has(key)) continue
    seen.add(key)
    if (at.locals.every((local) => local === undefined) && told(at.world) === last) return true
    stack.push(...next(history, at))
  }
  return false
}

const next = (history: readonly Observed[], { world, locals }: Search): readonly Search[] => {
  // Nobody takes a step who asked after another one was answered that has not answered here.
  const bound = Math.min(
    ...history.map(({ answeredMs }, index) =>
      locals[index] === undefined ? Number.POSITIVE_INFINITY : answeredMs,
    ),
  )
  const stepped = history.flatMap(({ op, result, askedMs }, index) => {
    const local = locals[index]
    if (local === undefined || askedMs > bound) return []
    return stepsOf(op, index, world, local).flatMap((outcome): readonly Search[] => {
      if ('result' in outcome && outcome.result !== result) return []
      const mine = 'result' in outcome ? undefined : outcome.local
      return [{ world: outcome.world, locals: locals.map((each, other) => (other === index ? mine : each)) }]
    })
  })
  return [...stepped, ...spontaneous(world).map((each) => ({ world: each, locals }))]
}
