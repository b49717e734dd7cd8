// What a container's root is made of by path: a directory of the host as root, and the sources of bind mounts.
import type { Mount } from '../../model/oci-spec.ts'
import type { Rootfs } from '../../model/prepared-image.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_PATH,
  OPEN_TREE_CLONE,
  oDirectory,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
} from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { type LaunchInput, OPEN_HOW_SIZE, openHow } from './build.ts'
import { isBind, isMapped, parseMountOptions } from './mount-options.ts'

/** A directory or file of the host, to be cloned with or without what is mounted below it. */
export interface TreeSource {
  readonly step: 'open rootfs' | 'open bind source' | 'open cgroup'
  readonly path: string
  readonly recursive: boolean
  /** Where its last part is a symlink. */
  readonly follow: boolean
  /** Below it: what is cloned in its place. Whoever may write there cannot lead it elsewhere. */
  readonly subpath?: string
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

export const sourceOf = ({ source = '', options, subpath }: Mount): TreeSource => {
  const { recursiveBind: recursive, followSource: follow } = parseMountOptions(options)
  const below = subpath === undefined ? {} : { subpath }
  return { step: 'open bind source', path: source, recursive, follow, ...below }
}

/** A tree of its own, attached nowhere. */
export const openTree = (program: Program, source: TreeSource): Slot => {
  const { step, path, recursive, follow, subpath } = source
  if (subpath !== undefined) return openBelow(program, source, subpath)
  const tree = program.slots.next()
  const flags = cloneFlags(recursive) | (follow ? 0 : AT_SYMLINK_NOFOLLOW)
  program.call(step, 'open_tree', [AT_FDCWD, program.text(path), flags], { into: tree, path })
  return tree
}

const cloneFlags = (recursive: boolean): number =>
  OPEN_TREE_CLONE | O_CLOEXEC | (recursive ? AT_RECURSIVE : 0)

/** Symlinks count, but lead nowhere outside: a container that has the volume may swap them at any time (CVE-2023-2728). */
const openBelow = (program: Program, { step, path, recursive }: TreeSource, subpath: string): Slot => {
  const [top, below, tree] = [program.slots.next(), program.slots.next(), program.slots.next()]
  const flags = O_PATH | O_CLOEXEC | oDirectory(program.arch)
  program.call(step, 'openat', [AT_FDCWD, program.text(path), flags, 0], { into: top, path })
  const how = openHow(program, O_PATH | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
  const what = { path: `${path}/${subpath}` }
  const args = [top, program.text(subpath), how, OPEN_HOW_SIZE]
  program.call('open subpath', 'openat2', args, { ...what, into: below })
  program.call('close', 'close', [top])
  const whole = [below, program.text(''), cloneFlags(recursive) | AT_EMPTY_PATH]
  program.call(step, 'open_tree', whole, { ...what, into: tree })
  program.call('close', 'close', [below])
  return tree
}
