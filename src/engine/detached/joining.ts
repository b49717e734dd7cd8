// A process that joins a container: planned for exec, and for the probes of a monitor.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import type { EngineError } from '../../model/errors.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { DecodedOptions } from '../../model/options-decoded.ts'
import type { PreparedImage } from '../../model/prepared-image.ts'
import type { ResolvedUser } from '../../model/user-db.ts'
import { type CgroupParent, type LaunchInput, type LaunchPlan, planLaunch } from '../../plan/launch/index.ts'
import { PROC_NAMES } from '../../plan/launch/joined.ts'
import type { Lasting } from '../../plan/launch/lasting.ts'
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
  document: ContainerDocument,
  image: PreparedImage,
  processDirectory: string,
  wanted: JoiningProcess,
  user: ResolvedUser | undefined,
  guarded?: Guarded,
): TaskEither<EngineError, JoiningPlan> => {
  let joined: Spec | undefined
  let own: ExecGroup | undefined
  let guard = ''
  const planOf = (input: LaunchInput): LaunchPlan => {
    joined = specInside(input.spec, processDirectory)
    own = guarded?.next(document.id, input.cgroups)
    guard = guarded === undefined ? '' : guardMessage(own)
    return planLaunch({
      ...input,
      spec: joined,
      rootfs: { kind: 'directory', path: '/' },
      files: [],
      cgroups: joinedGroups(input.cgroups, document.id, own),
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
      groups: joinedGroups(parents, document.id, own).length,
      own,
      guard,
    })),
  )
}

/** With v2 a process is in one group alone: its own is below the container's. */
const joinedGroups = (
  parents: readonly CgroupParent[],
  id: string,
  own: ExecGroup | undefined,
): readonly CgroupParent[] => {
  const entered = parents
    .filter(({ version }) => version !== 2 || own?.parent.version !== 2)
    .map((parent): CgroupParent => ({ ...parent, group: id, isEntered: true }))
  return own === undefined ? entered : [...entered, own.parent]
}

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
  { env, cwd, user, tty, privileged }: JoiningProcess,
): DecodedOptions => ({
  ...own,
  // The image's is that of the first process.
  entrypoint: [],
  init: false,
  ...(env === undefined ? {} : { env: { ...own.env, ...env } }),
  ...(cwd === undefined ? {} : { cwd }),
  ...(user === undefined ? {} : { user }),
  ...(tty === undefined ? {} : { tty }),
  ...(privileged === true ? { security: { ...own.security, privileged } } : {}),
})

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
