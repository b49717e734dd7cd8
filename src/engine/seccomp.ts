// The filter of a container: which profile, compiled once, and proved to let the rest of the start through.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { resolveCapabilities } from '../model/capabilities.ts'
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { LinuxSeccomp, Spec } from '../model/oci-spec.ts'
import type { PlannedOptions } from '../model/options-decoded.ts'
import type { Arch } from '../plan/arch.ts'
import { notifies } from '../plan/seccomp/actions.ts'
import { compileSeccomp, seccompKey } from '../plan/seccomp/compile.ts'
import type { ProfileFacts } from '../plan/seccomp/conditional.ts'
import { defaultFilterKey, defaultProfile } from '../plan/seccomp/default-profile.ts'
import { dockerProfileToOci } from '../plan/seccomp/docker-profile.ts'
import { firstRefused } from '../plan/seccomp/evaluate.ts'
import { syscallName, syscallNumber } from '../plan/syscalls/index.ts'
import type { HostPort } from './ports/host.ts'
import type { Ports } from './ports.ts'

export interface CompiledFilter {
  readonly instructions: Uint8Array
  readonly count: number
  readonly flags: number
}

/** What the options ask for: a profile of their own, or Docker's default for the container's capabilities. */
export const profileFor = (
  { host, profiles }: Ports,
  options: PlannedOptions,
): E.Either<EngineError, LinuxSeccomp | undefined> => {
  const { security = {} } = options
  const { facts } = host
  const asked = security.seccomp
  if (asked === 'unconfined') return E.right(undefined)
  if (security.privileged === true && asked === undefined) return E.right(undefined)
  if (facts.seccompActions.length === 0) return withoutSeccomp(asked)
  return pipe(
    resolveCapabilities({
      add: security.capAdd ?? [],
      drop: security.capDrop ?? [],
      privileged: security.privileged === true,
      lastCap: host.facts.lastCap,
    }),
    E.map((caps) => ({ arch: facts.arch, caps, kernel: facts.kernel })),
    E.flatMap((profileFacts) =>
      asked === undefined
        ? E.right(knownDefault(profiles, profileFacts))
        : dockerProfileToOci(asked, profileFacts),
    ),
  )
}

/** One object for each set of capabilities, so that its filter is found again. */
const knownDefault = (profiles: Map<string, LinuxSeccomp>, facts: ProfileFacts): LinuxSeccomp => {
  const key = facts.caps.join()
  const known = profiles.get(key) ?? defaultProfile(facts)
  profiles.set(key, known)
  return known
}

/** A default the kernel lacks is told by `doctor`; a request it cannot meet is an error. */
const withoutSeccomp = (asked: object | undefined): E.Either<EngineError, undefined> =>
  asked === undefined
    ? E.right(undefined)
    : E.left({ _tag: 'HostUnfit', need: 'seccomp', why: 'this kernel is built without it' })

/** Fails: InvalidSpec, Unsupported where the profile would stop the start itself. */
export const filterFor = (
  ports: Ports,
  spec: Spec,
  init: boolean,
): E.Either<EngineError, CompiledFilter | undefined> => {
  const profile = spec.linux?.seccomp
  if (profile === undefined) return E.right(undefined)
  if (notifies(profile)) return E.left(NO_AGENT)
  return pipe(
    compiled(ports, profile),
    E.flatMap((filter) => letsStart(filter, ports.host.facts, spec, init)),
  )
}

/** Without a listener every call that is to be answered fails with ENOSYS: seccomp_unotify(2). */
const NO_AGENT: EngineError = {
  _tag: 'Unsupported',
  feature: 'SCMP_ACT_NOTIFY',
  why: 'no agent is told of what a container of the engine calls; slipway-oci does that',
}

/** The same for every process; undefined for a profile of somebody's own. */
const defaultKeyOf = ({ profiles, host }: Ports, profile: LinuxSeccomp): string | undefined => {
  const { arch, kernel } = host.facts
  for (const [caps, known] of profiles)
    if (known === profile) return defaultFilterKey({ arch, kernel, caps: caps === '' ? [] : caps.split(',') })
  return undefined
}

/** By identity: the same options give the same profile again, and its text is long. */
const compiled = (ports: Ports, profile: LinuxSeccomp): E.Either<EngineError, CompiledFilter> => {
  const { filters, host } = ports
  const known = filters.get(profile)
  if (known !== undefined) return E.right(known)
  const { arch } = host.facts
  const key = defaultKeyOf(ports, profile) ?? seccompKey(profile, arch)
  const made = storedFilter(host.filters, key, profile, arch)
  if (E.isRight(made)) filters.set(profile, made.right)
  return made
}

/** A new process finds what an earlier one compiled by everything that went into it. Fails: InvalidSpec, Unsupported. */
export const storedFilter = (
  store: HostPort['filters'],
  key: string,
  profile: LinuxSeccomp,
  arch: Arch,
): E.Either<EngineError, CompiledFilter> => {
  const saved = store.read(key)
  if (saved !== undefined) return E.right(saved)
  const made = compileSeccomp(profile, arch)
  if (E.isRight(made)) store.write(key, made.right)
  return made
}

/** The filter, unless it would stop the start itself. Fails: Unsupported. */
export const letsStart = (
  filter: CompiledFilter,
  facts: HostFacts,
  spec: Spec,
  init: boolean,
): E.Either<EngineError, CompiledFilter> => {
  const refused = refusedCall(filter, facts, spec, init)
  return refused === undefined
    ? E.right(filter)
    : E.left({
        _tag: 'Unsupported',
        feature: 'this seccomp profile',
        why: `it refuses ${refused}, which the start needs after the filter is loaded`,
      })
}

/** `--init` goes on under the filter, too. */
const INIT_CALLS = ['clone', 'wait4', 'rt_sigtimedwait', 'kill', 'close_range', 'rt_sigprocmask']

/** A call that is yet to come once the filter is loaded, and that it refuses. */
const refusedCall = (
  filter: CompiledFilter,
  { arch }: HostFacts,
  spec: Spec,
  init: boolean,
): string | undefined => {
  const early = spec.process?.noNewPrivileges !== true
  const names = ['execve', ...(early ? ['capset'] : []), ...(init ? INIT_CALLS : [])]
  const calls = names.flatMap((name) => {
    const nr = syscallNumber(arch, name)
    return nr === undefined ? [] : [{ nr, args: name === 'clone' ? [SIGCHLD] : [] }]
  })
  const refused = firstRefused(filter, arch, calls, true)
  return refused === undefined ? undefined : syscallName(arch, refused.nr)
}
const SIGCHLD = 17n
