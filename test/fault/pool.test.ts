// Pools: every operation a sandbox waits behind, and every one of its last stage, fails once by its own name and leaves nothing.
import type { Pool } from '../../src/index.ts'
import type { ArmedPlan, LaunchPlan, PlannedStage } from '../../src/plan/launch/index.ts'
import { failingAt, type Spot, spotsOf } from '../support/fault.ts'
import { failure, librarySuite, restingCensus, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('fault/pool')

const EREMOTEIO = 121
const OPTIONS = { memory: '64MiB', security: { noNewPrivileges: true } } as const
const openPool = (): Promise<Pool> =>
  box().engine.pool({ image: { rootfs: box().rootfs }, ...OPTIONS }, { min: 1, max: 1 })

interface Edits {
  readonly arm?: (plan: ArmedPlan) => ArmedPlan
  readonly fire?: (plan: LaunchPlan, stage: PlannedStage) => PlannedStage
}

/** The result undoes it. */
const edited = async ({ arm = (plan) => plan, fire = (_, stage) => stage }: Edits): Promise<() => void> => {
  const { ports } = await box().engine.open()
  const open = ports as { launcher: typeof ports.launcher }
  const real = open.launcher
  open.launcher = {
    ...real,
    arm: (plan, own, fds, background) => async () => {
      const made = await real.arm(arm(plan), own, fds, background)()
      if (made._tag === 'Left') return made
      const { right } = made
      return {
        ...made,
        right: {
          ...right,
          fire: (stage, streams, options) => right.fire(fire(plan, stage), streams, options),
        },
      }
    },
  }
  return () => {
    open.launcher = real
  }
}

const withStage = (plan: LaunchPlan, stage: PlannedStage): LaunchPlan => ({
  ...plan,
  stages: [...plan.stages, stage],
})
const spotsOfLast = (plan: LaunchPlan): readonly Spot[] =>
  spotsOf(plan).filter(({ part }) => part === plan.stages.length - 1)

test('what every payload has in common', async () => {
  let spots: readonly Spot[] = []
  const look = await edited({
    arm: (plan) => {
      spots = spotsOfLast(plan)
      return plan
    },
  })
  await (await openPool()).close()
  look()
  const before = await restingCensus(box())
  assert.ok(spots.length > 20, String(spots.length))
  for (const spot of spots) {
    const undo = await edited({ arm: (plan) => ({ ...plan, ...failingAt(plan, spot, EREMOTEIO) }) })
    const { error } = await failure(openPool())
    undo()
    const { step, path } = spot.info
    assert.equal(error, {
      _tag: 'SyscallFailed',
      step,
      errno: EREMOTEIO,
      ...(path === undefined ? {} : { path }),
    })
    assert.equal(await box().unchanged(before), [], step)
  }
})

test('the last stage', async () => {
  let spots: readonly Spot[] = []
  const look = await edited({
    fire: (plan, stage) => {
      spots = spotsOfLast(withStage(plan, stage))
      return stage
    },
  })
  const pool = await openPool()
  await pool.run(['/bin/true'])
  // The thread that makes sandboxes ahead holds a descriptor from its first one on.
  await until('another one waits', () => pool.stats.waiting === 1)
  await pool.close()
  look()
  const before = await restingCensus(box())
  assert.ok(spots.length > 15, String(spots.length))
  // The last operation says why execve failed: it is reached only then.
  for (const spot of spots.slice(0, -1).filter(({ skippable }) => !skippable)) {
    const undo = await edited({
      fire: (plan, stage) => failingAt(withStage(plan, stage), spot, EREMOTEIO).stages.at(-1) ?? stage,
    })
    const failing = await openPool()
    const { error } = await failure(failing.run(['/bin/true']))
    const { step, path } = spot.info
    if (step === 'execve') assert.is(error._tag, 'CommandNotExecutable')
    else
      assert.equal(error, {
        _tag: 'SyscallFailed',
        step,
        errno: EREMOTEIO,
        ...(path === undefined ? {} : { path }),
      })
    undo()
    await failing.close()
    assert.equal(await box().unchanged(before), [], step)
  }
})

run()
