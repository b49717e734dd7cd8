// An engine in a process of its own, to be killed by the tests. Arguments: data directory, root file system, wishes as JSON.
// Prints one line of JSON when the container runs, or when its start stands at the wanted operation.

import { createEngine, type ExtraStartOptions, type StartOptions } from '../../src/index.ts'
import type { LaunchPlan } from '../../src/plan/launch/index.ts'
import {
  blockedAt,
  blockedChild,
  descendants,
  editPlans,
  type Spot,
  sleepingAt,
  spotsOf,
} from '../support/fault.ts'

interface Wishes {
  readonly argv: string[]
  readonly options: StartOptions & ExtraStartOptions
  /** The operation to stop at: the first of this step, in the engine's own part or in the child's. */
  readonly stop?: { readonly engine: boolean; readonly step: string }
}

const [, , root = '', rootfs = '', text = '{}'] = process.argv
const engine = createEngine({ root })
const { argv, options, stop } = JSON.parse(text) as Wishes
const live = await engine.open()

const spotOf = (plan: LaunchPlan, at: NonNullable<Wishes['stop']>): Spot => {
  const spot = spotsOf(plan).find(
    ({ part, info }) => (typeof part === 'string') === at.engine && info.step === at.step,
  )
  if (spot === undefined) throw new Error(`no ${at.step}`)
  return spot
}
const tell = (pid: number): void => {
  process.stdout.write(`${JSON.stringify({ pid, guardian: live.guardianPid() })}\n`)
}
const wanted: StartOptions & ExtraStartOptions =
  options.tty === undefined ? { ...options, stdout: 'ignore', stderr: 'ignore' } : options

if (stop === undefined) {
  const running = await engine.start({ rootfs }, argv, wanted)
  tell(running.pid)
} else {
  // The guardian is there before.
  await engine.run({ rootfs }, ['true'])
  const edit = stop.engine ? sleepingAt : blockedAt
  editPlans(live.ports, (plan) => edit(plan, spotOf(plan, stop), live.facts.arch))
  engine.start({ rootfs }, argv, wanted).catch(() => {})
  const guardian = live.guardianPid()
  if (!stop.engine) tell((await blockedChild(live.facts.arch, new Set([guardian]))) ?? 0)
  else setTimeout(() => tell(descendants(process.pid).find((pid) => pid !== guardian) ?? 0), 150)
}
setInterval(() => {}, 1000)
