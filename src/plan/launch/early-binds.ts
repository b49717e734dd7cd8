// Sources of binds that cannot wait for `arm`: what is shared with the host, and what only the engine may give other ids.
import type { Mount } from '../../model/oci-spec.ts'
import { AT_EMPTY_PATH, AT_RECURSIVE, MOUNT_ATTR_IDMAP, MS_SHARED } from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { openBind, prepareBind } from './binds.ts'
import { type LaunchBuild, type LaunchInput, lacksDeviceRules, MOUNT_ATTR_SIZE } from './build.ts'
import { isBind, isMapped, parseMountOptions } from './mount-options.ts'
import { mapText } from './userns.ts'

/** A bind whose tree the engine makes, ids and attributes and all, and hands to the child. */
export interface MappedBind {
  readonly mount: Mount
  readonly tree: Slot
}

const isShared = (mount: Mount): boolean =>
  isBind(mount) && parseMountOptions(mount.options).propagation?.flag === MS_SHARED

/**
 * A copy of a shared mount is a peer of the host's only if it is made before the child's own copies of all mounts are cut off from
 * it; one that was made later would share with nobody.
 */
export const openShared = (build: LaunchBuild): void => {
  const { begin, input, trees } = build
  for (const mount of input.spec.mounts ?? []) {
    if (isShared(mount) && !isMapped(mount)) trees.set(mount, openBind(begin, mount).tree)
  }
}

/**
 * The kernel lets only the owner of the file system give a mount other ids. `own`: the container's user namespace, whose maps are
 * taken where the mount has none of its own. mount_setattr(2), runtime-spec config.md, `idmap`.
 */
export const mapBinds = (after: Program, input: LaunchInput, own: Slot | undefined): MappedBind[] =>
  (input.spec.mounts ?? []).filter(isMapped).map((mount) => {
    const bind = openBind(after, mount)
    const maps = namespaceOf(after, mount)
    const namespace = maps ?? own
    if (namespace !== undefined) mapIds(after, bind.tree, namespace, mount)
    if (maps !== undefined) after.call('close', 'close', [maps])
    prepareBind(after, bind, lacksDeviceRules(input))
    return { mount, tree: bind.tree }
  })

const namespaceOf = (after: Program, { uidMappings, gidMappings }: Mount): Slot | undefined => {
  if (uidMappings === undefined || gidMappings === undefined) return undefined
  const namespace = after.slots.next()
  after.userNamespace('make user namespace of mount', namespace, mapText(uidMappings), mapText(gidMappings))
  return namespace
}

const mapIds = (after: Program, tree: Slot, namespace: Slot, mount: Mount): void => {
  const { idmap, recursiveBind } = parseMountOptions(mount.options)
  const deep = idmap?.recursive === true && recursiveBind ? AT_RECURSIVE : 0
  const attr = after.words([MOUNT_ATTR_IDMAP, 0, 0, 0])
  after.putSlot(attr, 24, namespace)
  const args = [tree, after.text(''), AT_EMPTY_PATH | deep, attr, MOUNT_ATTR_SIZE]
  after.call('map ids of mount', 'mount_setattr', args, { path: mount.source ?? '' })
}
