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
import type { Hooks, Process } from './oci-spec.ts'
import { absolute, id, int64, nonEmpty, texts, uint32, uint64, variable } from './oci-spec-decode-values.ts'
import { RLIMIT_TYPES } from './rlimits.ts'

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

const scheduler = object({
  policy: oneOf(
    'SCHED_OTHER',
    'SCHED_FIFO',
    'SCHED_RR',
    'SCHED_BATCH',
    'SCHED_ISO',
    'SCHED_IDLE',
    'SCHED_DEADLINE',
  ),
  nice: optional(integer(-20, 19)),
  priority: optional(integer(0, 99)),
  flags: optional(texts),
  runtime: optional(integer(0)),
  deadline: optional(integer(0)),
  period: optional(integer(0)),
})

const ioPriority = object({
  class: oneOf('IOPRIO_CLASS_RT', 'IOPRIO_CLASS_BE', 'IOPRIO_CLASS_IDLE'),
  priority: optional(integer(0, 7)),
})

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
  execCPUAffinity: optional(object({ initial: optional(nonEmpty), final: optional(nonEmpty) })),
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
