// Pools: every operation a sandbox waits behind, and every one of its last stage, fails once by its own name and leaves nothing.
import type { Pool } from '../../src/index.ts'
import type { ArmedPlan, LaunchPlan, PlannedStage, RestPlan } from '../../src/plan/launch/index.ts'
import { failingAt, type Spot, spotsOf } from '../support/fault.ts'
import { failure, librarySuite, restingCensus, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('fault/pool')

const EREMOTEIO = 121
const OPTIONS = { memory: '64MiB', security: { noNewPrivileges: true } } as const
const MAP = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
const openPool = (): Promise<Pool> =>
  box().engine.pool({ image: { rootfs: box().rootfs }, ...OPTIONS }, { min: 1, max: 1 })

interface Edits {
  readonly arm?: (plan: ArmedPlan) => ArmedPlan
  /** What a sandbox without a root lacks. */
  readonly rest?: (plan: RestPlan) => RestPlan
  readonly fire?: (plan: LaunchPlan, stage: PlannedStage) => PlannedStage
}

/** The result undoes it. */
const edited = async ({
  arm = (plan) => plan,
  rest = (plan) => plan,
  fire = (_, stage) => stage,
}: Edits): Promise<() => void> => {
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
          fire: (stage, streams, options, more) =>
            right.fire(fire(plan, stage), streams, options, more && { ...more, plan: rest(more.plan) }),
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

/** Its stages come after those of the first half. */
const restSpots = (plan: LaunchPlan): readonly Spot[] => spotsOf(plan).filter(({ skippable }) => !skippable)

for (const [name, options] of [
  ['what a sandbox without a root is given', {}],
  ['what one in a user namespace is given', { security: { userns: { uidMap: MAP, gidMap: MAP } } }],
] as const)
  test(
    name,
    async () => {
      const image = 'host'
      const open = (): Promise<Pool> => box().engine.pool({ ...OPTIONS, ...options }, { min: 1, max: 1 })
      let spots: readonly Spot[] = []
      const look = await edited({
        rest: (plan) => {
          spots = restSpots(plan)
          return plan
        },
      })
      const pool = await open()
      await pool.run(['/bin/true'], { image })
      await until('another one waits', () => pool.stats.waiting === 1)
      await pool.close()
      look()
      const before = await restingCensus(box())
      assert.ok(new Set(spots.map(({ part }) => part)).size === 2 && spots.length > 80, String(spots.length))
      for (const spot of spots) {
        const undo = await edited({ rest: (plan) => ({ ...plan, ...failingAt(plan, spot, EREMOTEIO) }) })
        const failing = await open()
        const { step } = spot.info
        const { error } = await failure(failing.run(['/bin/true'], { image }), step)
        undo()
        assert.equal('step' in error && 'errno' in error ? [error.step, error.errno] : error, [
          step,
          EREMOTEIO,
        ])
        await failing.close()
        assert.equal(await box().unchanged(before), [], step)
      }
    },
    'linux:6.15',
  )

run()
