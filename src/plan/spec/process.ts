// The process of a container: what runs, as whom, with which environment, rights and limits.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { resolveCapabilities } from '../../model/capabilities.ts'
import type { EngineError } from '../../model/errors.ts'
import { filtersDevices, type HostFacts } from '../../model/host-facts.ts'
import type { LinuxCapabilities, Process, Rlimit, Uint64, User } from '../../model/oci-spec.ts'
import type { Ulimit } from '../../model/options.ts'
import type { PlannedOptions } from '../../model/options-decoded.ts'
import { givesGroup } from '../../model/own-users.ts'
import { RLIM_INFINITY, rlimitType } from '../../model/rlimits.ts'
import { specEnv } from './env.ts'
import type { SpecInput } from './input.ts'

export const specProcess = (input: SpecInput): Either<EngineError, Process> => {
  const args = specArgs(input)
  if (E.isLeft(args)) return args
  const capabilities = specCapabilities(input)
  if (E.isLeft(capabilities)) return capabilities
  const rlimits = specRlimits(input.options.ulimits ?? [], input.facts)
  if (E.isLeft(rlimits)) return rlimits
  const { security } = input.options
  const oomScoreAdj = specOomScore(input)
  return E.right({
    ...terminal(input),
    user: specUser(input),
    args: args.right,
    env: specEnv(input),
    cwd: workingDirectory(input),
    capabilities: capabilities.right,
    rlimits: rlimits.right,
    ...(security?.noNewPrivileges === true ? { noNewPrivileges: true } : {}),
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
  })
}

/** A service that is spared when memory runs out must not pass that on to what it runs; Docker writes 0, too. */
const specOomScore = ({ options, facts }: SpecInput): number | undefined =>
  options.oomScoreAdj ?? (facts.oomScoreAdj === undefined ? undefined : Math.max(0, facts.oomScoreAdj))

const terminal = ({ options }: SpecInput): Pick<Process, 'terminal' | 'consoleSize'> => {
  const { tty } = options
  if (tty === undefined || tty === false) return {}
  return tty === true
    ? { terminal: true }
    : { terminal: true, consoleSize: { height: tty.rows, width: tty.columns } }
}

/** An entry point of one's own drops the image's command; arguments replace it. moby daemon/commit.go, merge. */
const specArgs = ({ image, argv, options }: SpecInput): Either<EngineError, readonly string[]> => {
  const own = options.entrypoint
  const entrypoint = own ?? image.config.Entrypoint ?? []
  const command = argv.length > 0 || own !== undefined ? argv : (image.config.Cmd ?? [])
  const args = [
    ...entrypoint.filter((word) => own === undefined || word !== '' || entrypoint.length > 1),
    ...command,
  ]
  if (args.length === 0) {
    const why = `no command given, and ${image.reference} has none of its own`
    return E.left({ _tag: 'InvalidOption', option: 'command', value: '', why })
  }
  return args[0] === '' ? E.left({ _tag: 'CommandNotFound', command: '' }) : E.right(args)
}

/** 0022: what a login gives, and what moby and runc leave unless told otherwise. */
const UMASK = 0o022
const specUser = ({ user: { uid, gid, additionalGids }, facts: { users } }: SpecInput): User => ({
  uid,
  gid,
  umask: UMASK,
  // Those that were asked for by number or name are there, or the start is refused (unfit.ts); the image's own are had where they can.
  additionalGids:
    users === undefined ? additionalGids : additionalGids.filter((group) => givesGroup(users, group)),
})

/** Always absolute: an image may name a directory relative to the root. */
const workingDirectory = ({ image, options }: SpecInput): string => {
  const cwd = options.cwd ?? image.config.WorkingDir ?? ''
  return cwd.startsWith('/') ? cwd : `/${cwd}`
}

/** A user other than root has none in effect, only the bound: what execve(2) would leave it (moby daemon/pkg/oci/oci.go). */
const specCapabilities = ({ options, user, facts }: SpecInput): Either<EngineError, LinuxCapabilities> => {
  const { privileged, capAdd, capDrop } = options.security ?? {}
  const wish = {
    lastCap: facts.lastCap,
    ...givableCapabilities(options, facts),
    ...(privileged === undefined ? {} : { privileged }),
    ...(capAdd === undefined ? {} : { add: capAdd }),
    ...(capDrop === undefined ? {} : { drop: capDrop }),
  }
  return E.map((bounding: readonly string[]) => boundedBy(bounding, user.uid))(resolveCapabilities(wish))
}

const boundedBy = (bounding: readonly string[], uid: number): LinuxCapabilities => {
  const held = uid === 0 ? bounding : []
  return { bounding, effective: held, permitted: held, inheritable: [], ambient: [] }
}

/** All that can be given to one privileged process of a container, which need not be so itself. */
export const everyCapability = (
  { security }: Pick<PlannedOptions, 'security'>,
  uid: number,
  facts: HostFacts,
): LinuxCapabilities => {
  const options: PlannedOptions = { security: { ...security, privileged: true } }
  const wish = { lastCap: facts.lastCap, privileged: true, ...givableCapabilities(options, facts) }
  return boundedBy(E.getOrElse((): readonly string[] => [])(resolveCapabilities(wish)), uid)
}

/** Only root without a user namespace passes its own on; whoever makes a user namespace has them all inside. */
const givableCapabilities = (options: PlannedOptions, facts: HostFacts): { readonly available?: bigint } =>
  facts.euid === 0 && options.security?.userns === undefined
    ? { available: mayMakeNodes(options, facts) ? facts.effectiveCaps : facts.effectiveCaps & ~CAP_MKNOD }
    : {}

/** Whoever can make a node can use it, unless a devices cgroup is in the way. A privileged container may use them all. */
const mayMakeNodes = ({ security }: PlannedOptions, { cgroup }: HostFacts): boolean =>
  filtersDevices(cgroup) || security?.privileged === true
const CAP_MKNOD = 1n << 27n

/** Docker's soft limit. Node.js raises its own to the hard one, so this is always said. */
const NOFILE_SOFT = 1024 * 1024

const specRlimits = (
  ulimits: readonly Ulimit[],
  facts: HostFacts,
): Either<EngineError, readonly Rlimit[]> => {
  const asked = ulimits.flatMap(rlimit)
  const nofile = asked.find(({ type }) => type === 'RLIMIT_NOFILE')
  if (nofile === undefined) return E.right([defaultNofile(facts), ...asked])
  if (facts.canRaiseLimits || nofile.hard <= facts.nofileHard) return E.right(asked)
  return E.left({
    _tag: 'HostUnfit',
    need: nofile.hard === RLIM_INFINITY ? 'no nofile limit' : `a nofile limit of ${nofile.hard}`,
    why: `the hard limit of this process is ${facts.nofileHard} and it may not raise it`,
    remedy: `ask for at most ${facts.nofileHard}, or start with CAP_SYS_RESOURCE`,
  })
}

const defaultNofile = ({ nofileHard }: HostFacts): Rlimit => ({
  type: 'RLIMIT_NOFILE',
  soft: Math.min(NOFILE_SOFT, nofileHard),
  hard: nofileHard,
})

const rlimit = ({ name, soft, hard }: Ulimit): Rlimit[] => {
  const type = rlimitType(name)
  return type === undefined ? [] : [{ type, soft: limit(soft), hard: limit(hard ?? soft) }]
}
const limit = (value: number): Uint64 => (value < 0 ? RLIM_INFINITY : value)
