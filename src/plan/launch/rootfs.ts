// The container's root: an overlay of the image's layers under a private writable one, or a directory as it is.

import {
  AT_FDCWD,
  AT_RECURSIVE,
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_PRIVATE,
  MS_SLAVE,
  O_CLOEXEC,
  O_PATH,
} from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import type { Step } from '../steps.ts'
import {
  attach,
  type LaunchBuild,
  type LaunchInput,
  MOUNT_ATTR_SIZE,
  type MountOption,
  mountAttr,
  newMount,
  type ReceivedLayers,
  setMountAttr,
} from './build.ts'
import { layerNames, overlaysOf } from './layer-names.ts'
import { ensureDirectory } from './paths.ts'
import { hearsHost, keepRootPrivate } from './propagation.ts'
import { openTree, treesOf } from './trees.ts'
import { openPrivateLayer } from './userns.ts'

/**
 * No mount event of the host reaches the child's copies but where it is asked for, and none of ours reaches the host. One that waits
 * without a root follows the host meanwhile, where the host shares its mounts: what is unmounted there must not live on in it.
 */
export const detachPropagation = (build: LaunchBuild): void => {
  const hears = hearsHost(build.input)
  setPropagation(build.begin, hears || build.waits === 'half' ? MS_SLAVE : MS_PRIVATE)
  if (!hears && build.waits === 'half') setPropagation(build.arm, MS_PRIVATE)
}

const setPropagation = (program: Program, propagation: number): void => {
  const attr = mountAttr(program, { propagation })
  const args = [AT_FDCWD, program.text('/'), AT_RECURSIVE, attr, MOUNT_ATTR_SIZE]
  program.call('make mounts private', 'mount_setattr', args, { path: '/' })
}

/** Mounts the root and attaches it to the scratch directory. Returns the descriptor every later path is resolved from. */
export const mountRoot = (build: LaunchBuild): Slot => {
  const { arm, input } = build
  const [tree] = treesOf(input)
  const root =
    input.rootfs.kind === 'directory' && tree !== undefined
      ? (build.given[0] ?? openTree(arm, tree))
      : overlayRoot(build)
  keepRootPrivate(build, root)
  if (!build.unmounted) {
    const args = [root, arm.text(''), AT_FDCWD, arm.text(build.scratch), MOVE_MOUNT_F_EMPTY_PATH]
    arm.call('attach rootfs', 'move_mount', args, { path: build.scratch })
  }
  if (input.rootfs.kind === 'host') mountHostDirectories(build, root, input.rootfs.directories)
  if (build.noDevices) {
    for (const { destination, fd } of [{ destination: '/', fd: root }, ...build.rootParts])
      setMountAttr(arm, 'set mount attributes', fd, { set: MOUNT_ATTR_NODEV }, AT_RECURSIVE, destination)
  }
  return root
}

const overlayRoot = (build: LaunchBuild): Slot => {
  const { arm, input } = build
  const [made] = build.overlays ?? []
  if (made !== undefined) return made
  if (build.received === undefined) {
    arm.call('chdir to engine root', 'chdir', [arm.text(input.root)], { path: input.root })
  } else attachLayers(build, build.received)
  return overlay(build, 0, '/')
}

const mountHostDirectories = (build: LaunchBuild, root: Slot, directories: readonly string[]): void => {
  directories.forEach((directory, index) => {
    const mount = build.overlays?.[index + 1] ?? overlay(build, index + 1, directory)
    build.rootParts.push({ destination: directory, fd: mount })
    attach(build.arm, mount, ensureDirectory(build.arm, 'open mount target', root, directory), directory)
  })
}

/** `volatile`: nothing of a container that is removed at its end needs to reach the disk (Linux 5.10). */
const mountOverlay = (
  program: Program,
  input: LaunchInput,
  layers: readonly MountOption[],
  what: string,
  closing = false,
): Slot =>
  newMount(
    program,
    'overlay',
    [
      ...layers,
      ...(input.keep ? [] : [['volatile'] as const]),
      ...(input.facts.users === undefined ? [] : [['userxattr'] as const]),
    ],
    0,
    what,
    closing,
  )

const overlay = (build: LaunchBuild, index: number, what: string): Slot => {
  const layers =
    build.received === undefined ? namedLayers(build.input, index, relativeTo) : receivedLayers(build, index)
  return mountOverlay(build.arm, build.input, layers, what)
}

type NameOf = (root: string, path: string) => string

const namedLayers = (input: LaunchInput, index: number, nameOf: NameOf): MountOption[] => {
  const { upper, work } = layerNames(index)
  const own = `${input.root}/containers/${input.id}`
  const names = (overlaysOf(input.rootfs)[index] ?? []).map((lower) => nameOf(input.root, lower))
  const lowers = input.facts.overlayLowerPlus
    ? names.map((name): MountOption => ['lowerdir+', name])
    : [['lowerdir', names.join(':')] as const]
  return [
    ...lowers,
    ['upperdir', nameOf(input.root, `${own}/${upper}`)],
    ['workdir', nameOf(input.root, `${own}/${work}`)],
  ]
}

/** A string of fsconfig(2) ends at 256 bytes, the NUL among them. */
const MAX_OPTION_BYTES = 255
/** Characters that mean nothing to overlayfs, which reads colons, commas and backslashes. */
const PLAIN = /^[\w./-]+$/

/**
 * The overlays mounted by the engine, beside the child, which gets them as descriptors: they belong to no mount namespace, so
 * the host sees none of them. Undefined where only the child can do it: in a user namespace, or with names that are short and plain
 * only when they are relative to a directory that a threaded process cannot change to.
 */
export const engineOverlays = (after: Program, input: LaunchInput): readonly Slot[] | undefined => {
  const { rootfs } = input
  if (rootfs.kind === 'directory') return undefined
  const layers = overlaysOf(rootfs).map((_, index) => namedLayers(input, index, (_root, path) => path))
  const names = layers.flat().map(([, name]) => name)
  const fits = names.every(
    (name) => typeof name === 'string' && PLAIN.test(name) && Buffer.byteLength(name) <= MAX_OPTION_BYTES,
  )
  if (!fits || !input.facts.overlayLowerPlus) return undefined
  const places = ['/', ...(rootfs.kind === 'host' ? rootfs.directories : [])]
  return layers.map((options, index) => mountOverlay(after, input, options, places[index] ?? '/', true))
}

/**
 * overlayfs copies only mounts of a namespace its mounter rules (clone_private_mount, Linux 6.17), so those that came from
 * outside are attached first: one on top of the other, since only their descriptors are used, and all gone with the old root.
 */
const attachLayers = ({ arm, scratch }: LaunchBuild, received: readonly ReceivedLayers[]): void => {
  const trees = new Set(received.flatMap(({ own, lowers }) => [own, ...lowers]))
  for (const tree of trees) {
    const args = [tree, arm.text(''), AT_FDCWD, arm.text(scratch), MOVE_MOUNT_F_EMPTY_PATH]
    arm.call('attach layer', 'move_mount', args, { path: scratch })
  }
}

/** Layers that came as descriptors. In a user namespace overlayfs keeps its notes in user.* attributes. */
const receivedLayers = ({ arm, received }: LaunchBuild, index: number): MountOption[] => {
  const layers = received?.[index]
  if (layers === undefined) return []
  const { upper, work } = layerNames(index)
  return [
    ...layers.lowers.map((lower): MountOption => ['lowerdir+', lower]),
    ['upperdir', openPrivateLayer(arm, layers.own, upper)],
    ['workdir', openPrivateLayer(arm, layers.own, work)],
    ['userxattr'],
  ]
}

const relativeTo = (root: string, path: string): string =>
  path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path

/**
 * The last change to the root itself, after every mount target has been made in it. The host image's root is several
 * mounts, and each has the flag for itself.
 */
export const makeRootReadonly = (build: LaunchBuild, root: Slot): void => {
  if (build.input.spec.root?.readonly !== true) return
  for (const { destination, fd } of [{ destination: '/', fd: root }, ...build.rootParts]) {
    setMountAttr(build.settle, 'make rootfs read-only', fd, { set: MOUNT_ATTR_RDONLY }, 0, destination)
  }
}

/**
 * "." over "." stacks the old root under the new one, so no directory for it is needed (pivot_root(2), NOTES). It comes last, since
 * the masks of files are taken from the old root.
 */
export const enterRoot = (build: LaunchBuild, settle: Program, root: Slot): void => {
  if (build.unmounted) {
    changeRoot(settle, root)
    return
  }
  const here = settle.text('.')
  settle.call('chdir to rootfs', 'fchdir', [root], { path: build.scratch })
  settle.call('pivot_root', 'pivot_root', [here, here], { path: build.scratch })
  settle.call('detach old root', 'umount2', [here, MNT_DETACH], { path: '/' })
  settle.call('chdir to new root', 'chdir', [settle.text('/')], { path: '/' })
}

/** In a mount namespace of others, whose root stays. chroot(2). */
export const changeRoot = (program: Program, root: Slot): void => {
  program.call('chdir to rootfs', 'fchdir', [root], { path: '/' })
  program.call('chroot', 'chroot', [program.text('.')], { path: '/' })
}

/** Opens a file of the host before anything is mounted, without following a last symlink into somewhere else. */
export const openHostFile = (program: Program, step: Step, path: string): Slot => {
  const slot = program.slots.next()
  program.call(step, 'openat', [AT_FDCWD, program.text(path), O_PATH | O_CLOEXEC, 0], { into: slot, path })
  return slot
}
