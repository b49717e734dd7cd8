// A plan as the addon's script, and the addon's failures as errors that name a step of the plan.
import type { EngineError } from '../model/errors.ts'
import {
  type LaunchEvent,
  type LaunchScript,
  OP_PROTOCOL,
  PHASE,
  placeOf,
  STAGE_BEFORE_EXEC,
  type StageScript,
} from '../native/addon.ts'
import type { LaunchPlan, PlannedStage } from '../plan/launch/index.ts'
import { HOOK, type OpInfo } from '../plan/program.ts'

export const scriptOf = (plan: LaunchPlan): LaunchScript => ({
  slotCount: plan.slotCount,
  prepare: plan.prepare.bytes,
  after: plan.after.bytes,
  ...(plan.join === undefined ? {} : { join: stageScript(plan.join) }),
  ...(plan.inChild === undefined ? {} : { inChild: plan.inChild.bytes }),
  ...(plan.layers === undefined ? {} : { layers: plan.layers.bytes }),
  ...(plan.network === undefined ? {} : { network: plan.network.bytes }),
  stages: plan.stages.map(stageScript),
  patches: plan.patches,
  cloneFlags: plan.cloneFlags,
  ...(plan.cgroupSlot === undefined ? {} : { cgroupSlot: plan.cgroupSlot }),
  ...(plan.networkSlot === undefined ? {} : { networkSlot: plan.networkSlot }),
  keep: Uint16Array.from(plan.usage, ({ slot }) => slot),
  close: Uint16Array.from(plan.close),
})

export const stageScript = ({ bytes, fds, base, when }: PlannedStage): StageScript => ({
  plan: bytes,
  fds: new Uint16Array(fds),
  base,
  when,
})

/** `say`: what the plan says of its own container, said of the one that was started. */
export const failureOf = (
  plan: LaunchPlan,
  say: (text: string) => string,
  command: string,
  [, phase, stage, op, errno]: Extract<LaunchEvent, readonly ['failed', ...unknown[]]>,
): EngineError => {
  if (phase === PHASE.clone) return { _tag: 'SyscallFailed', step: 'clone3', errno }
  if (phase === PHASE.send) return { _tag: 'SyscallFailed', step: 'send plan', errno }
  const info = infosOf(plan, phase, stage)[op]
  if (op === OP_PROTOCOL || info === undefined) {
    const step = stage === STAGE_BEFORE_EXEC ? 'execute helper' : 'decode plan'
    return { _tag: 'SyscallFailed', step, errno }
  }
  return stepFailure(info.step, info.path === undefined ? undefined : say(info.path), command, errno)
}

/** `command`: what was to be executed, as it was asked for. */
export const stepFailure = (
  step: string,
  path: string | undefined,
  command: string,
  errno: number,
): EngineError => {
  if (step === 'execve') return execFailure(command, errno)
  const hook = /^run (\w+) hook$/.exec(step)?.[1]
  if (hook !== undefined) return { _tag: 'HookFailed', hook, path: path ?? '', why: hookEnd(errno) }
  return { _tag: 'SyscallFailed', step, errno, ...(path === undefined ? {} : { path }) }
}

const ETIMEDOUT = 110
const hookEnd = (errno: number): string => {
  if (errno >= HOOK.signaled) return `ended by signal ${errno - HOOK.signaled}`
  if (errno >= HOOK.exited) return `exit code ${errno - HOOK.exited}`
  return errno === ETIMEDOUT ? 'it ran longer than its timeout' : `errno ${errno}`
}

const infosOf = (plan: LaunchPlan, phase: number, stage: number): readonly OpInfo[] => {
  if (phase === PHASE.prepare) return plan.prepare.infos
  if (phase === PHASE.join) return plan.join?.infos ?? []
  if (phase === PHASE.after) return plan.after.infos
  if (phase === PHASE.layers) return plan.layers?.infos ?? []
  if (phase === PHASE.network) return plan.network?.infos ?? []
  if (stage === STAGE_BEFORE_EXEC) return plan.inChild?.infos ?? []
  return plan.stages[stage]?.infos ?? []
}

/** What the child was doing when it was killed; between two plans it was receiving the next. */
export const lastStep = (
  plan: LaunchPlan,
  say: (text: string) => string,
  reached: number,
): { readonly step: string; readonly path?: string } => {
  const place = placeOf(reached)
  if (place === undefined) return { step: 'execute helper' }
  const info = infosOf(plan, PHASE.child, place.stage)[place.op]
  if (info === undefined) return { step: 'send plan' }
  return { step: info.step, ...(info.path === undefined ? {} : { path: say(info.path) }) }
}

const ENOENT = 2
const ENOTDIR = 20
const execFailure = (command: string, errno: number): EngineError =>
  errno === ENOENT || errno === ENOTDIR
    ? { _tag: 'CommandNotFound', command }
    : { _tag: 'CommandNotExecutable', command, errno }
