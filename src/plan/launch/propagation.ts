// linux.rootfsPropagation, and what binds that hear of the host's mounts ask of it.
import type { Mount, RootfsPropagation } from '../../model/oci-spec.ts'
import { AT_RECURSIVE, MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { type LaunchBuild, type LaunchInput, setMountAttr } from './build.ts'
import { parseMountOptions } from './mount-options.ts'

const hears = (mount: Mount): boolean => {
  const flag = parseMountOptions(mount.options).propagation?.flag
  return flag === MS_SLAVE || flag === MS_SHARED
}

const isOf = (propagation: RootfsPropagation | undefined, word: 'slave' | 'shared' | 'unbindable'): boolean =>
  propagation?.endsWith(word) === true

/** Something in the container hears of the host's mounts: a slave, or what is shared with it. */
export const hearsHost = ({ spec }: LaunchInput): boolean => {
  const root = spec.linux?.rootfsPropagation
  return isOf(root, 'slave') || isOf(root, 'shared') || (spec.mounts ?? []).some(hears)
}

/**
 * A root that is to hear nothing, beside a bind that does. It still is attached nowhere. One that stays so is a copy of a mount that
 * nothing was cut off from: what is mounted in it must not come up on the host.
 */
export const keepRootPrivate = (build: LaunchBuild, root: Slot): void => {
  const propagation = build.input.spec.linux?.rootfsPropagation
  const isCutOff = !build.unmounted && !hearsHost(build.input)
  const hears = isOf(propagation, 'slave') || isOf(propagation, 'shared')
  if (isCutOff || (hears && !build.unmounted)) return
  setMountAttr(build.arm, 'set propagation', root, { propagation: MS_PRIVATE }, AT_RECURSIVE, '/')
}

/**
 * After pivot_root, which takes no shared root. Of the root alone: what is mounted in it has the propagation of its own options.
 * A shared root is in a peer group of its own, not in the host's. runtime-spec config-linux.md, Rootfs Mount Propagation.
 */
export const spreadRoot = (build: LaunchBuild, program: Program, root: Slot): void => {
  const propagation = build.input.spec.linux?.rootfsPropagation
  const flag = isOf(propagation, 'shared') ? MS_SHARED : isOf(propagation, 'unbindable') ? MS_UNBINDABLE : 0
  if (flag === 0) return
  for (const { destination, fd } of [{ destination: '/', fd: root }, ...build.rootParts])
    setMountAttr(program, 'set propagation', fd, { propagation: flag }, 0, destination)
}
