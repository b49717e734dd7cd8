// Fails every operation of one shape's plan in turn.
import type { Container, EngineError, SlipwayError } from '../../src/index.ts'
import type { LaunchPlan } from '../../src/plan/launch/index.ts'
import { engineNeeds } from '../support/engine.ts'
import { editPlans, failingAt, pathAt, type Spot, spotsOf } from '../support/fault.ts'
import { assert, suite } from '../support/suite.ts'
import { type FaultBox, openFaultBox, type Shape } from './shapes.ts'

/** EXDEV, EDOM, ENOTUNIQ, EBADFD, EUCLEAN, EREMOTEIO, EOWNERDEAD: no step tolerates one of them or fails with it by itself. */
const ERRNOS = [18, 33, 76, 77, 117, 121, 130]

/** What was launched last: the plan, after the edit. */
export interface Attempted {
  readonly plan: LaunchPlan
  /** The start's own text: plan/launch/own-text.ts. */
  readonly own: string
  readonly error: EngineError | undefined
}

/** One start with an edited plan; a container that starts all the same is waited for and removed. */
export const attempt = async (
  box: FaultBox,
  shape: Shape,
  edit: (plan: LaunchPlan) => LaunchPlan,
): Promise<Attempted> => {
  const { ports } = await box.engine.open()
  let plan: LaunchPlan | undefined
  let own = ''
  const undo = editPlans(ports, (planned, text) => {
    plan = edit(planned)
    own = text
    return plan
  })
  let error: EngineError | undefined
  try {
    await finish(box, await box.engine.start(shape.image, shape.argv, shape.options))
  } catch (thrown) {
    error = (thrown as SlipwayError).error
    if (error === undefined) throw thrown
  } finally {
    undo()
  }
  if (plan === undefined) throw new Error(`nothing was launched: ${JSON.stringify(error)}`)
  return { plan, own, error }
}

const finish = async (box: FaultBox, container: Container): Promise<void> => {
  container.stdout?.resume()
  await container.exit
  await container.removed
  if ((await box.engine.list()).some(({ id }) => id === container.id)) await box.engine.remove(container.id)
}

export interface Injected {
  readonly reached: readonly Spot[]
  readonly unreached: readonly Spot[]
}

/** Fails each operation of the named shapes, one test for each shape. */
export const injectAll = (title: string, names: readonly string[]): void => {
  const Inject = suite(title)
  const reason = engineNeeds()
  let box: FaultBox
  Inject.before(async () => {
    if (reason === undefined) box = await openFaultBox()
  })
  Inject.after(async () => {
    if (reason === undefined) await box.close()
  })
  for (const name of names) {
    if (reason !== undefined) Inject.skip(name, reason)
    else
      Inject(`${name}: every operation fails by its own name and leaves nothing`, async () => {
        const { reached, unreached } = await failEveryOperation(box, box.shape(name))
        console.log(`${name}: ${reached.length} operations fail, ${unreached.length} do not run here`)
        assert.ok(reached.length > 150, `${reached.length}`)
      })
  }
  Inject.run()
}

/** Every operation fails once; after each failure the host is as it was. */
export const failEveryOperation = async (box: FaultBox, shape: Shape): Promise<Injected> => {
  // What an engine makes once, for all containers of a shape, is there from now on.
  const { plan } = await attempt(box, shape, (planned) => planned)
  const before = box.census()
  const reached: Spot[] = []
  const unreached: Spot[] = []
  for (const [index, spot] of spotsOf(plan).entries()) {
    const errno = ERRNOS[index % ERRNOS.length] ?? 0
    const {
      plan: tried,
      own,
      error,
    } = await attempt(box, shape, (planned) => failingAt(planned, spot, errno))
    const where = `${shape.name}: ${spot.part} ${spot.op}, ${spot.info.step}`
    assert.equal(await box.unchanged(before), [], where)
    if (error === undefined) {
      assert.ok(
        spot.skippable || spot.info.step === 'execve',
        `${where}: runs, but its failure does not matter`,
      )
      unreached.push(spot)
      continue
    }
    assert.equal(error, expected(tried, own, spot, shape, errno), where)
    reached.push(spot)
  }
  return { reached, unreached }
}

/** A failing execve is told as what the caller's command is not. */
const expected = (plan: LaunchPlan, own: string, spot: Spot, shape: Shape, errno: number): EngineError => {
  const { step } = spot.info
  if (step === 'execve') return { _tag: 'CommandNotExecutable', command: shape.argv[0] ?? '', errno }
  const at = pathAt(plan, own, spot)
  return { _tag: 'SyscallFailed', step, errno, ...(at === undefined ? {} : { path: at }) }
}
