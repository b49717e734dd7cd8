// A process that joins a container: planned for exec, and for the probes of a monitor.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import type { EngineError } from '../../model/errors.ts'
import { ownGroups } from '../../model/group-paths.ts'
import type { HostFacts } from '../../model/host-facts.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { DecodedOptions } from '../../model/options-decoded.ts'
import type { PreparedImage } from '../../model/prepared-image.ts'
import type { ResolvedUser } from '../../model/user-db.ts'
import { type CgroupParent, type LaunchInput, type LaunchPlan, planLaunch } from '../../plan/launch/index.ts'
import { PROC_NAMES } from '../../plan/launch/joined.ts'
import type { Lasting } from '../../plan/launch/lasting.ts'
import { everyCapability } from '../../plan/spec/index.ts'
import type { ExecGroup, NextExecGroup } from '../ports/host.ts'
import type { Ports } from '../ports.ts'
import { LASTING, planDetached } from './plan.ts'

export interface JoiningProcess {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
  readonly user?: string | undefined
  readonly tty?: DecodedOptions['tty'] | undefined
  readonly privileged?: boolean | undefined
}

/** What a container tells of itself. */
export interface JoinedContainer extends Pick<ContainerDocument, 'id' | 'options'> {
  /** Absolute, where they are on record; else they are those of its options. */
  readonly groups?: readonly string[] | undefined
}

/** It ends with whoever makes it, and so does everybody in its group. */
export interface Guarded {
  readonly next: NextExecGroup
  /** Whoever makes it may leave it to the container. */
  readonly isReleasable: boolean
}

export interface JoiningPlan {
  readonly plan: LaunchPlan
  readonly spec: Spec
  /** How many groups it joins. */
  readonly groups: number
  /** Its own, where it is guarded. */
  readonly own: ExecGroup | undefined
  /** What its guardian is told. */
  readonly guard: string
}

/** `processDirectory`: of its first process, below /proc. Fails: as a start does. */
export const planJoining = (
  ports: Ports,
  document: JoinedContainer,
  image: PreparedImage,
  processDirectory: string,
  wanted: JoiningProcess,
  user: ResolvedUser | undefined,
  guarded?: Guarded,
): TaskEither<EngineError, JoiningPlan> => {
  let joined: Spec | undefined
  let own: ExecGroup | undefined
  let guard = ''
  const planOf = ({ filter, ...input }: LaunchInput): LaunchPlan => {
    const { privileged = false } = wanted
    const inside = specInside(input.spec, processDirectory)
    joined = privileged ? withEveryRight(inside, document.options, ports.host.facts) : inside
    const isFiltered = filter !== undefined && !(privileged && hasNoOwnFilter(document.options))
    own = guarded?.next(document.id, input.cgroups)
    guard = guarded === undefined ? '' : guardMessage(own)
    return planLaunch({
      ...input,
      ...(isFiltered ? { filter } : {}),
      spec: joined,
      rootfs: { kind: 'directory', path: '/' },
      files: [],
      cgroups: joinedGroups(ports, document, input.cgroups, own),
      init: false,
      lasting: {
        ...JOINING,
        ...(guarded === undefined ? {} : { guardedBy: guard, isReleasable: guarded.isReleasable }),
      },
    })
  }
  const { argv } = wanted
  const options = optionsInside(document.options, wanted)
  return pipe(
    planDetached(
      ports,
      { ...document, image, argv, options, ...(user === undefined ? {} : { user }) },
      planOf,
    ),
    TE.map(({ plan, spec, parents }) => ({
      plan,
      spec: joined ?? spec,
      groups: joinedGroups(ports, document, parents, own).length,
      own,
      guard,
    })),
  )
}

/** With v2 a process is in one group alone: its own is below the container's. */
const joinedGroups = (
  { host: { facts } }: Ports,
  { id, groups }: JoinedContainer,
  parents: readonly CgroupParent[],
  own: ExecGroup | undefined,
): readonly CgroupParent[] => {
  const entered = (groups === undefined ? parents : parentsOf(facts, groups))
    .filter(({ version }) => version !== 2 || own?.parent.version !== 2)
    .map((parent): CgroupParent => ({ ...parent, group: id, isEntered: true }))
  return own === undefined ? entered : [...entered, own.parent]
}

/** As its record has them: with those it was given for limits of later, too. */
const parentsOf = (facts: HostFacts, groups: readonly string[]): readonly CgroupParent[] =>
  ownGroups(facts, groups).map(({ version, controllers, directory }) => {
    const mountpoint =
      facts.cgroup.controllers.find((each) => directory.startsWith(`${each.mountpoint}/`))?.mountpoint ??
      facts.cgroup.unified ??
      ''
    const path = directory.slice(mountpoint.length, directory.lastIndexOf('/'))
    return { version, controllers, mountpoint, path }
  })

/** See guard.cc: all of it is killed with this process, and left alone where it ends by itself, or is left to its container. */
const guardMessage = (own: ExecGroup | undefined): string =>
  own === undefined ? `+@${guests++}` : `+${own.killFile}`

/** Those without a group have a number in its place. */
let guests = 0

/** One more process of a container that is there, with the keyring of whoever makes it. */
const JOINING: Lasting = { ...LASTING, isExec: true, keepsKeyring: true }

/** The container's own, but for what this process has for itself. */
const optionsInside = (
  { tty: _tty, ...own }: DecodedOptions,
  { env, cwd, user, tty }: JoiningProcess,
): DecodedOptions => ({
  ...own,
  // The image's is that of the first process.
  entrypoint: [],
  init: false,
  ...(env === undefined ? {} : { env: { ...own.env, ...env } }),
  ...(cwd === undefined ? {} : { cwd }),
  ...(user === undefined ? {} : { user }),
  ...(tty === undefined ? {} : { tty }),
})

/**
 * Its options cannot say this: a privileged container has other groups, and this process joins those that are there. Without a filter
 * unless the container asked for one of its own.
 */
const withEveryRight = (spec: Spec, options: DecodedOptions, facts: HostFacts): Spec => {
  const { process, linux: { seccomp, ...linux } = {} } = spec
  return {
    ...spec,
    ...(process === undefined
      ? {}
      : { process: { ...process, capabilities: everyCapability(options, process.user.uid, facts) } }),
    linux: { ...linux, ...(seccomp === undefined || hasNoOwnFilter(options) ? {} : { seccomp }) },
  }
}

const hasNoOwnFilter = ({ security }: DecodedOptions): boolean => security?.seccomp === undefined

/** Every namespace the container has, by its first process; nothing is mounted or limited anew. */
const specInside = ({ ociVersion, linux, process }: Spec, processDirectory: string): Spec => ({
  ociVersion,
  root: { path: '/' },
  ...(process === undefined ? {} : { process }),
  linux: {
    namespaces: (linux?.namespaces ?? []).map(({ type }) => ({
      type,
      path: `${processDirectory}/ns/${PROC_NAMES[type]}`,
    })),
    ...(linux?.seccomp === undefined ? {} : { seccomp: linux.seccomp }),
  },
})
