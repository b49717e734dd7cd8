// Sources of bind mounts, as trees that are attached nowhere.
import type { Mount } from '../../model/oci-spec.ts'
import { AT_RECURSIVE, MOUNT_ATTR_NODEV, MS_PRIVATE } from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { setMountAttr } from './build.ts'
import { type MountOptions, parseMountOptions } from './mount-options.ts'
import { openTree, sourceOf } from './trees.ts'

/** A bind mount whose source is already open: sources are opened before the first mount is made (CVE-2021-30465). */
export interface OpenedBind {
  readonly mount: Mount
  readonly options: MountOptions
  readonly tree: Slot
  /** Its attributes are set already. */
  readonly isPrepared?: boolean
}

export const openBind = (program: Program, mount: Mount): OpenedBind =>
  bindOf(mount, openTree(program, sourceOf(mount)))

export const bindOf = (mount: Mount, tree: Slot): OpenedBind => ({
  mount,
  options: parseMountOptions(mount.options),
  tree,
})

/** Propagation and attributes of a tree that is attached nowhere yet. */
export const prepareBind = (
  program: Program,
  { mount, options, tree }: OpenedBind,
  noDevices: boolean,
): void => {
  const where = mount.destination
  const propagation = options.propagation ?? { flag: MS_PRIVATE, recursive: true }
  const deep = propagation.recursive ? AT_RECURSIVE : 0
  setMountAttr(program, 'set propagation', tree, { propagation: propagation.flag }, deep, where)
  changeAttributes(program, tree, options.set, options.clear, 0, where)
  changeAttributes(program, tree, options.recursiveSet, options.recursiveClear, AT_RECURSIVE, where)
  if (noDevices) changeAttributes(program, tree, MOUNT_ATTR_NODEV, 0, AT_RECURSIVE, where)
}

export const changeAttributes = (
  program: Program,
  fd: Slot,
  set: number,
  clear: number,
  deep: number,
  what: string,
): void => {
  if (set !== 0 || clear !== 0) setMountAttr(program, 'set mount attributes', fd, { set, clear }, deep, what)
}
