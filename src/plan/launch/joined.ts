// Namespaces of a document that are there already: opened and verified by the engine, entered by the child.
import type { Namespace, NamespaceType, Spec } from '../../model/oci-spec.ts'
import { sysctlNamespace } from '../../model/sysctls.ts'
import {
  AT_FDCWD,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
} from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import type { LaunchInput } from './build.ts'

export const NAMESPACE_FLAGS: Readonly<Record<NamespaceType, number>> = {
  mount: CLONE_NEWNS,
  uts: CLONE_NEWUTS,
  ipc: CLONE_NEWIPC,
  network: CLONE_NEWNET,
  pid: CLONE_NEWPID,
  cgroup: CLONE_NEWCGROUP,
  time: CLONE_NEWTIME,
  user: CLONE_NEWUSER,
}

/** Names below /proc/<pid>/ns. */
export const PROC_NAMES: Readonly<Record<NamespaceType, string>> = {
  mount: 'mnt',
  uts: 'uts',
  ipc: 'ipc',
  network: 'net',
  pid: 'pid',
  cgroup: 'cgroup',
  time: 'time',
  user: 'user',
}

export interface JoinedNamespace {
  readonly type: NamespaceType
  readonly path: string
  readonly fd: Slot
}

export const isJoined = (spec: Spec, type: NamespaceType): boolean =>
  joinedOf(spec).some((each) => each.type === type)

const joinedOf = (spec: Spec): readonly Required<Namespace>[] =>
  (spec.linux?.namespaces ?? []).flatMap(({ type, path }) => (path === undefined ? [] : [{ type, path }]))

/**
 * On the engine's side, before anything is made. A path may name anything: what opening it could do or wait for is ruled out by the
 * flags, and what it is by the kernel's own word. runtime-spec config-linux.md: "MUST generate an error if `path` is not associated
 * with a namespace of type `type`".
 */
export const openJoined = (prepare: Program, { spec }: LaunchInput): JoinedNamespace[] =>
  joinedOf(spec).map(({ type, path }) => {
    const fd = openNamespace(prepare, path)
    const own = isChanged(spec, type)
      ? openNamespace(prepare, `/proc/self/ns/${PROC_NAMES[type]}`)
      : undefined
    prepare.checkNamespace('verify namespace', fd, NAMESPACE_FLAGS[type], own, { path: `${type} ${path}` })
    if (own !== undefined) prepare.call('close', 'close', [own])
    return { type, path, fd }
  })

const openNamespace = (prepare: Program, path: string): Slot => {
  const fd = prepare.slots.next()
  const flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY
  prepare.call('open namespace', 'openat', [AT_FDCWD, prepare.text(path), flags, 0], { into: fd, path })
  return fd
}

/** The document changes something of it, so it must not be the engine's own: that would change the host. */
const isChanged = ({ hostname, domainname, linux }: Spec, type: NamespaceType): boolean =>
  (type === 'uts' && ((hostname ?? '') !== '' || (domainname ?? '') !== '')) ||
  (type === 'network' && Object.keys(linux?.netDevices ?? {}).length > 0) ||
  Object.keys(linux?.sysctl ?? {}).some((name) => sysctlNamespace(name) === type)

/**
 * Those that are entered before anybody is born in them, in that order. With the engine's rights the user namespace comes last: the
 * rights over a namespace belong to the user namespace that owns it, which need not be the one that is joined. An ordinary user has no
 * rights but those it gets in that one, so it is entered first. The time namespace is entered by the child itself.
 */
export const inOrder = (
  joined: readonly JoinedNamespace[],
  { facts }: Pick<LaunchInput, 'facts'>,
): readonly JoinedNamespace[] => {
  const rankHere = (type: NamespaceType): number =>
    type === 'user' && facts.users !== undefined ? -1 : rank(type)
  return joined.filter(({ type }) => type !== 'time').sort((a, b) => rankHere(a.type) - rankHere(b.type))
}

/** Gives the program's own slots, in which it finds their descriptors. Of a pid namespace one becomes no member, but its children do. */
export const enterJoined = (join: Program, entered: readonly JoinedNamespace[]): readonly Slot[] =>
  entered.map(({ type, path }) => {
    const fd = join.slots.next()
    join.call('enter namespace', 'setns', [fd, NAMESPACE_FLAGS[type]], { path: `${type} ${path}` })
    return fd
  })

/** A mount namespace changes what every path means, a user namespace what is allowed. */
const rank = (type: NamespaceType): number => (type === 'user' ? 2 : type === 'mount' ? 1 : 0)

export const enterTimeNamespace = (begin: Program, fd: Slot | undefined): void => {
  if (fd !== undefined) begin.call('enter time namespace', 'setns', [fd, CLONE_NEWTIME], { path: 'time' })
}
