// What a container's root is made of by path: a directory of the host as root, and the sources of bind mounts.
import type { Mount } from '../../model/oci-spec.ts'
import type { Rootfs } from '../../model/prepared-image.ts'
import { AT_FDCWD, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, OPEN_TREE_CLONE } from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import type { LaunchInput } from './build.ts'
import { isBind, isMapped, parseMountOptions } from './mount-options.ts'

/** A directory or file of the host, to be cloned with or without what is mounted below it. */
export interface TreeSource {
  readonly step: 'open rootfs' | 'open bind source' | 'open cgroup'
  readonly path: string
  readonly recursive: boolean
  /** Where its last part is a symlink. */
  readonly follow: boolean
}

/** The root comes first. */
export const treesOf = ({ rootfs, spec }: Pick<LaunchInput, 'rootfs' | 'spec'>): readonly TreeSource[] => [
  ...rootTree(rootfs),
  ...(spec.mounts ?? []).filter(isOpened).map(sourceOf),
]

/** Not a change of a mount that is there, nor one that the engine makes itself. */
export const isOpened = (mount: Mount): boolean =>
  isBind(mount) && !parseMountOptions(mount.options).remount && !isMapped(mount)

const rootTree = (rootfs: Rootfs): readonly TreeSource[] =>
  rootfs.kind === 'directory'
    ? [{ step: 'open rootfs', path: rootfs.path, recursive: true, follow: true }]
    : []

export const sourceOf = ({ source = '', options }: Mount): TreeSource => {
  const { recursiveBind: recursive, followSource: follow } = parseMountOptions(options)
  return { step: 'open bind source', path: source, recursive, follow }
}

/** A tree of its own, attached nowhere. */
export const openTree = (program: Program, { step, path, recursive, follow }: TreeSource): Slot => {
  const tree = program.slots.next()
  const flags =
    OPEN_TREE_CLONE | O_CLOEXEC | (recursive ? AT_RECURSIVE : 0) | (follow ? 0 : AT_SYMLINK_NOFOLLOW)
  program.call(step, 'open_tree', [AT_FDCWD, program.text(path), flags], { into: tree, path })
  return tree
}
