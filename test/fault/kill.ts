// Stops one shape's launch child at every operation of its stages in turn, and kills it there.
import { type Container, type EngineError, message, type SlipwayError } from '../../src/index.ts'
import type { LaunchPlan } from '../../src/plan/launch/index.ts'
import { censusDifferences } from '../support/census.ts'
import { engineNeeds } from '../support/engine.ts'
import { blockedAt, blockedChild, editPlans, parentOf, pathAt, type Spot, spotsOf } from '../support/fault.ts'
import { assert, suite } from '../support/suite.ts'
import { attempt } from './inject.ts'
import { type FaultBox, openFaultBox, type Shape } from './shapes.ts'

export type Victim = 'blocked' | 'first'
type Outcome = { readonly container: Container } | { readonly error: EngineError }

interface Blocked {
  readonly plan: LaunchPlan
  readonly own: string
  /** The process that stands at the operation; undefined when the start never came there. */
  readonly pid: number | undefined
  readonly outcome: Promise<Outcome>
}

/** A start that stops at `spot`, once it has stopped. */
export const blockAt = async (
  box: FaultBox,
  shape: Shape,
  spot: Spot,
  signal?: AbortSignal,
): Promise<Blocked> => {
  const live = await box.engine.open()
  let plan: LaunchPlan | undefined
  let own = ''
  const undo = editPlans(live.ports, (planned, text) => {
    own = text
    plan = blockedAt(planned, spot, live.facts.arch)
    return plan
  })
  const options = signal === undefined ? shape.options : { ...shape.options, signal }
  const outcome = box.engine
    .start(shape.image, shape.argv, options)
    .then((container): Outcome => ({ container }))
    .catch((thrown: SlipwayError): Outcome => {
      if (thrown.error === undefined) throw thrown
      return { error: thrown.error }
    })
  const search = new AbortController()
  const found = blockedChild(live.facts.arch, new Set([live.guardianPid()]), search.signal)
  const pid = await Promise.race([found, outcome.then(() => undefined)])
  search.abort()
  undo()
  if (plan === undefined) throw new Error('nothing was launched')
  return { plan, own, pid, outcome }
}

export const finish = async (box: FaultBox, outcome: Outcome): Promise<void> => {
  if ('error' in outcome) return
  outcome.container.stdout?.resume()
  await outcome.container.exit
  await outcome.container.removed
  if ((await box.engine.list()).some(({ id }) => id === outcome.container.id))
    await box.engine.remove(outcome.container.id)
}

/** What there is once nothing comes or goes any more: the engine's end of a terminal is closed a moment after its container's end. */
const atRest = async (box: FaultBox): Promise<ReturnType<FaultBox['census']>> => {
  for (let before = box.census(), tries = 0; ; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    const now = box.census()
    if (censusDifferences(before, now).length === 0 || tries === 100) return now
    before = now
  }
}

/** Kills at every operation of every stage. After each death the host is as it was. */
const killEverywhere = async (box: FaultBox, shape: Shape, victim: Victim): Promise<number> => {
  const { plan: usual } = await attempt(box, shape, (planned) => planned)
  const before = await atRest(box)
  let killed = 0
  for (const spot of spotsOf(usual).filter(({ part }) => typeof part === 'number')) {
    const where = `${shape.name}: ${spot.part} ${spot.op}, ${spot.info.step}`
    const { plan, own, pid, outcome } = await blockAt(box, shape, spot)
    if (pid === undefined) {
      assert.ok(spot.skippable || spot.info.step === 'execve', `${where}: was passed over`)
      await finish(box, await outcome)
      continue
    }
    const first = firstProcess(pid)
    process.kill(victim === 'first' ? first : pid, 'SIGKILL')
    const ended = await outcome
    await finish(box, ended)
    killed++
    assert.equal(await box.unchanged(before), [], where)
    // After the child's last report nobody can tell the payload's first instruction from the execve before it.
    if (spot.info.step === 'execve') continue
    if (!('error' in ended)) throw new Error(`${where}: started all the same`)
    assert.equal(ended.error, expected(plan, own, spot, victim === 'first' || first === pid), where)
  }
  return killed
}

/** Behind a small init the payload's process is the init's child. */
const firstProcess = (pid: number): number => {
  const parent = parentOf(pid)
  return parent === undefined || parent === process.pid ? pid : parent
}

const expected = (plan: LaunchPlan, own: string, spot: Spot, bySignal: boolean): EngineError => {
  const path = pathAt(plan, own, spot)
  const how = bySignal ? { signal: 9 } : { exitCode: 137 }
  return { _tag: 'LaunchDied', step: spot.info.step, ...(path === undefined ? {} : { path }), ...how }
}

/** An abort, too, ends a child that stands at any step; one in `every` is tried. */
const abortThroughout = async (box: FaultBox, shape: Shape, every: number): Promise<void> => {
  const { plan: usual } = await attempt(box, shape, (planned) => planned)
  const before = await atRest(box)
  const spots = spotsOf(usual).filter(({ part }) => typeof part === 'number')
  for (const spot of spots.filter((_, index) => index % every === 0)) {
    const where = `${shape.name}: ${spot.part} ${spot.op}, ${spot.info.step}`
    const controller = new AbortController()
    const { pid, outcome } = await blockAt(box, shape, spot, controller.signal)
    controller.abort(new Error('enough'))
    const ended = await outcome
    await finish(box, ended)
    if (pid !== undefined && spot.info.step !== 'execve')
      assert.is('error' in ended ? message(ended.error) : '', 'start: cancelled: enough', where)
    assert.equal(await box.unchanged(before), [], where)
  }
}

/** One suite: the named shapes killed at every step, and aborted at some. */
export const killAll = (
  title: string,
  cases: readonly (readonly [shape: string, victim: Victim])[],
): void => {
  const Kill = suite(title)
  const reason = engineNeeds()
  let box: FaultBox
  Kill.before(async () => {
    if (reason === undefined) box = await openFaultBox()
  })
  Kill.after(async () => {
    if (reason === undefined) await box.close()
  })
  const test = (name: string, body: () => Promise<void>): void => {
    if (reason === undefined) Kill(name, body)
    else Kill.skip(name, reason)
  }
  for (const [name, victim] of cases) {
    const who = victim === 'first' ? 'its first process' : 'the launch child'
    test(`${name}: SIGKILL of ${who} at any step is told by the step and leaves nothing`, async () => {
      const killed = await killEverywhere(box, box.shape(name), victim)
      console.log(`${name}: killed at ${killed} operations`)
      assert.ok(killed > 100, `${killed}`)
    })
    test(`${name}, ${who}: an abort at any step leaves nothing`, () =>
      abortThroughout(box, box.shape(name), 12))
  }
  Kill.run()
}
