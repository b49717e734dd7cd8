// Detached containers as a pure machine: what each verb may do, one step after another, and what it may answer. A verb is not one moment: it
// looks a name up, takes its turn, and acts; a model of fewer steps would forbid what the engine promises nobody.

export type ModelStatus = 'created' | 'running' | 'paused' | 'exited'

export type LifeOp =
  | { readonly verb: 'create' | 'update'; readonly name: string; readonly memory: number }
  | { readonly verb: 'rename'; readonly name: string; readonly to: string }
  | { readonly verb: PlainVerb; readonly name: string }
export type PlainVerb =
  | 'start'
  | 'stop'
  | 'restart'
  | 'kill'
  | 'pause'
  | 'unpause'
  | 'exec'
  | 'attach'
  | 'inspect'
  | 'remove'
  | 'removeByForce'

/** `ok`, the tag of a failure, or what inspect tells: `<status> <memory>`. */
export type LifeResult = string

interface Box {
  readonly name: string
  readonly status: ModelStatus
  /** Its end is asked for, and comes when it comes. */
  readonly isEnding: boolean
  readonly memory: number
  /** How often it was started. */
  readonly run: number
  /** Whose turn it is: number of the operation, or -1. */
  readonly lock: number
}

/** Containers by the number of the operation that made them, and who has each name. */
export interface World {
  readonly boxes: Readonly<Record<number, Box>>
  readonly names: Readonly<Record<string, number>>
}
export const EMPTY: World = { boxes: {}, names: {} }

/** Between two steps: the next one, and what it has found out. */
interface Local {
  readonly at: string
  readonly id?: number
  readonly run?: number
  readonly memory?: number
  readonly status?: ModelStatus
}
export const BEGIN: Local = { at: 'begin' }

export type Outcome =
  | { readonly world: World; readonly local: Local }
  | { readonly world: World; readonly result: LifeResult }

/** All that one more step of an operation may be. None: it has to wait. `self`: its number. */
export const stepsOf = (op: LifeOp, self: number, world: World, local: Local): readonly Outcome[] => {
  if (op.verb === 'create') return createSteps(op, self, world, local)
  if (local.at === 'begin') return lookUp(op, world)
  const { id = -1 } = local
  const box = world.boxes[id]
  if (LOCKED.has(`${op.verb} ${local.at}`)) {
    if (box === undefined) return [{ world, result: 'ContainerNotFound' }]
    if (box.lock !== -1 && box.lock !== self) return []
  }
  return ACTS[op.verb](world, id, box, local, op, self)
}

/** What needs nobody's doing: what is to end, ends. */
export const spontaneous = (world: World): readonly World[] =>
  Object.keys(world.boxes).flatMap((key) => {
    const box = world.boxes[Number(key)]
    return box?.isEnding === true ? [change(world, Number(key), { status: 'exited', isEnding: false })] : []
  })

/** `name: status memory`, sorted: as list and inspect tell it when nothing is on its way. */
export const told = (world: World): string =>
  Object.values(world.boxes)
    .map(({ name, status, memory }) => `${name}: ${status} ${memory}`)
    .sort()
    .join(', ')

const change = (world: World, id: number, what: Partial<Box>): World => {
  const box = world.boxes[id]
  return box === undefined ? world : { ...world, boxes: { ...world.boxes, [id]: { ...box, ...what } } }
}
const without = <A>(all: Readonly<Record<string | number, A>>, key: string | number): Record<string, A> =>
  Object.fromEntries(Object.entries(all).filter(([each]) => each !== String(key)))
const give = (world: World, result: LifeResult): readonly Outcome[] => [{ world, result }]
const go = (world: World, local: Local): readonly Outcome[] => [{ world, local }]
const isUp = (box: Box | undefined): boolean => box?.status === 'running' || box?.status === 'paused'

const createSteps = (
  { name, memory }: { readonly name: string; readonly memory: number },
  self: number,
  world: World,
  { at }: Local,
): readonly Outcome[] => {
  if (at === 'begin')
    return world.names[name] === undefined
      ? go({ ...world, names: { ...world.names, [name]: self } }, { at: 'appear' })
      : give(world, 'NameInUse')
  const box: Box = { name, status: 'created', isEnding: false, memory, run: 0, lock: -1 }
  return give({ ...world, boxes: { ...world.boxes, [self]: box } }, 'ok')
}

/** What a listing that takes a while may have met: each container as it is at this moment. */
const lookUp = ({ verb, name }: LifeOp, world: World): readonly Outcome[] => {
  const found = Object.entries(world.boxes).filter(([, box]) => box.name === name)
  if (found.length === 0) return give(world, 'ContainerNotFound')
  return found.flatMap(([key, { memory, status }]) => {
    if (verb === 'pause' || verb === 'unpause')
      if (status !== 'running' && status !== 'paused') return give(world, 'WrongStatus')
    return go(world, { at: 'act', id: Number(key), memory, status })
  })
}

/** Steps that take their turn by the container's lock. */
const LOCKED = new Set([
  ...['start', 'stop', 'kill', 'attach', 'update', 'rename', 'remove', 'removeByForce'].map(
    (verb) => `${verb} act`,
  ),
  'restart act',
  'restart start',
])

type Act = (
  world: World,
  id: number,
  box: Box | undefined,
  local: Local,
  op: LifeOp,
  self: number,
) => readonly Outcome[]

const start: Act = (world, id, box) => {
  if (box?.status === 'running') return give(world, 'ok')
  if (box?.status === 'paused') return give(world, 'WrongStatus')
  return give(change(world, id, { status: 'running', run: (box?.run ?? 0) + 1 }), 'ok')
}

const beginStop = (world: World, id: number, box: Box | undefined, next: string): readonly Outcome[] =>
  isUp(box)
    ? go(change(world, id, { isEnding: true }), { at: next, id, run: box?.run ?? 0 })
    : go(world, { at: next, id, run: -1 })

/** The run it was about is over. */
const hasEnded = (box: Box | undefined, { run }: Local): boolean => box?.run !== run || !isUp(box)

/** The name goes after the container. */
const vanish: Act = (world, id, box, local) =>
  local.at === 'free'
    ? give({ ...world, names: without(world.names, box?.name ?? '') }, 'ok')
    : go({ ...world, boxes: without(world.boxes, id) }, { at: `free ${box?.name ?? ''}`, id })

const freed = (world: World, id: number, { at }: Local): readonly Outcome[] => {
  const name = at.slice('free '.length)
  return give(world.names[name] === id ? { ...world, names: without(world.names, name) } : world, 'ok')
}

const exec: Act = (world, _id, box, local) => {
  if (box === undefined) return give(world, 'ContainerNotFound')
  if (box.status !== 'running') return give(world, 'WrongStatus')
  if (local.at === 'act') return go(world, { ...local, at: 'execute', run: box.run })
  return [...give(world, 'ok'), ...(box.isEnding ? give(world, 'killed') : [])]
}

const ACTS: Readonly<Record<Exclude<LifeOp['verb'], 'create'>, Act>> = {
  start,
  stop: (world, id, box, local) => {
    if (local.at === 'act') return beginStop(world, id, box, 'await')
    return hasEnded(box, local) ? give(world, 'ok') : []
  },
  restart: (world, id, box, local, op, self) => {
    if (local.at === 'act') return beginStop(world, id, box, 'await')
    if (local.at === 'await') return hasEnded(box, local) ? go(world, { ...local, at: 'start' }) : []
    return start(world, id, box, local, op, self)
  },
  kill: (world, id, box, local) => {
    if (local.at === 'act') {
      if (!isUp(box)) return give(world, 'WrongStatus')
      const asked = change(world, id, { isEnding: true })
      return local.status === 'paused' ? go(asked, { at: 'let go', id }) : give(asked, 'ok')
    }
    return give(box?.status === 'paused' ? change(world, id, { status: 'running' }) : world, 'ok')
  },
  pause: (world, id, box) => {
    if (box?.status === 'paused') return give(world, 'WrongStatus')
    return give(box?.status === 'running' ? change(world, id, { status: 'paused' }) : world, 'ok')
  },
  unpause: (world, id, box) =>
    box?.status === 'paused'
      ? give(change(world, id, { status: 'running' }), 'ok')
      : give(world, 'WrongStatus'),
  exec,
  attach: (world, _id, box) => give(world, box?.status === 'running' ? 'ok' : 'WrongStatus'),
  inspect: (world, _id, box, local) =>
    give(world, box === undefined ? 'ContainerNotFound' : `${box.status} ${local.memory}`),
  update: (world, id, _box, _local, op) =>
    give(change(world, id, { memory: op.verb === 'update' ? op.memory : 0 }), 'ok'),
  rename: (world, id, box, local, op, self) => {
    const to = op.verb === 'rename' ? op.to : ''
    const name = box?.name ?? ''
    if (local.at === 'act') {
      if (name === to) return give(world, 'InvalidOption')
      if (world.names[to] !== undefined) return give(world, 'NameInUse')
      const taken = { ...world, names: { ...world.names, [to]: id } }
      return go(change(taken, id, { lock: self }), { at: 'note', id })
    }
    if (local.at === 'note') return go(change(world, id, { name: to }), { at: `give up ${name}`, id })
    const old = local.at.slice('give up '.length)
    return give(change({ ...world, names: without(world.names, old) }, id, { lock: -1 }), 'ok')
  },
  remove: (world, id, box, local, op, self) => {
    if (local.at.startsWith('free ')) return freed(world, id, local)
    return isUp(box) ? give(world, 'WrongStatus') : vanish(world, id, box, local, op, self)
  },
  removeByForce: (world, id, box, local, op, self) => {
    if (local.at.startsWith('free ')) return freed(world, id, local)
    if (local.at === 'act' && isUp(box))
      return go(change(world, id, { isEnding: true, lock: self }), { at: 'await', id })
    return isUp(box) ? [] : vanish(world, id, box, local, op, self)
  },
}
