// Decoders of a runtime spec's process and hooks. runtime-spec config.md, Process and POSIX-platform Hooks.
import {
  array,
  boolean,
  check,
  type Decoder,
  firstRepeated,
  integer,
  object,
  oneOf,
  optional,
  text,
} from './decode.ts'
import type { Hooks, Process, Scheduler } from './oci-spec.ts'
import { absolute, id, int64, numbers, texts, uint32, uint64, variable } from './oci-spec-decode-values.ts'
import { IO_CLASSES, SCHEDULER_FLAGS, SCHEDULER_POLICIES } from './oci-spec-scheduling.ts'
import { RLIMIT_TYPES } from './rlimits.ts'

/** The kernel takes no notice of a number its policy has no use for: sched(7). */
const schedulerProblem = (scheduler: Scheduler): string | undefined => {
  const { policy, priority = 0, runtime = 0, deadline = 0, period = 0 } = scheduler
  if (priority !== 0 && policy !== 'SCHED_FIFO' && policy !== 'SCHED_RR')
    return `${policy} has no priority: it is for SCHED_FIFO and SCHED_RR`
  return policy !== 'SCHED_DEADLINE' && runtime + deadline + period > 0
    ? `${policy} has no runtime, deadline or period: they are for SCHED_DEADLINE`
    : undefined
}

const user = object({
  uid: id,
  gid: id,
  umask: optional(integer(0, 0o777)),
  additionalGids: optional(array(id)),
})

/** Names nobody knows are let through: the specification asks for a warning, not a failure. */
const capabilities = object({
  bounding: optional(texts),
  effective: optional(texts),
  inheritable: optional(texts),
  permitted: optional(texts),
  ambient: optional(texts),
})

const rlimit = check(
  object({ type: oneOf(...RLIMIT_TYPES), soft: uint64, hard: uint64 }),
  ({ soft, hard }) => (soft > hard ? 'the soft limit is above the hard one' : undefined),
)
const rlimits = check(array(rlimit), (limits) =>
  firstRepeated(limits, ({ type }) => type) < 0 ? undefined : 'the same limit is given twice',
)

const scheduler = check(
  object({
    policy: oneOf(...SCHEDULER_POLICIES),
    nice: optional(integer(-20, 19)),
    priority: optional(integer(0, 99)),
    flags: optional(array(oneOf(...SCHEDULER_FLAGS))),
    runtime: optional(integer(0)),
    deadline: optional(integer(0)),
    period: optional(integer(0)),
  }),
  schedulerProblem,
)

const ioPriority = object({ class: oneOf(...IO_CLASSES), priority: optional(integer(0, 7)) })

const commandLine = check(texts, (args) =>
  args.length === 0 ? 'at least one argument is required' : undefined,
)

export const process: Decoder<Process> = object({
  terminal: optional(boolean),
  consoleSize: optional(object({ height: uint32, width: uint32 })),
  user,
  args: optional(commandLine),
  env: optional(array(variable)),
  cwd: absolute,
  capabilities: optional(capabilities),
  rlimits: optional(rlimits),
  noNewPrivileges: optional(boolean),
  apparmorProfile: optional(text),
  selinuxLabel: optional(text),
  oomScoreAdj: optional(integer(-1000, 1000)),
  scheduler: optional(scheduler),
  ioPriority: optional(ioPriority),
  execCPUAffinity: optional(object({ initial: optional(numbers), final: optional(numbers) })),
})

const hook = object({
  path: absolute,
  args: optional(texts),
  env: optional(array(variable)),
  timeout: optional(check(int64, (seconds) => (seconds > 0 ? undefined : 'must be above zero'))),
})
const hookList = optional(array(hook))

const hookLists = {
  prestart: hookList,
  createRuntime: hookList,
  createContainer: hookList,
  startContainer: hookList,
  poststart: hookList,
  poststop: hookList,
}
/** In the order they are called in. */
export const HOOK_NAMES: readonly string[] = Object.keys(hookLists)
export const hooks: Decoder<Hooks> = object(hookLists)
