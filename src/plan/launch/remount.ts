// `remount`: other attributes and options for what is mounted at a place already. mount(8), runtime-spec config.md, Linux mount options.
import type { Mount } from '../../model/oci-spec.ts'
import {
  FSCONFIG_CMD_RECONFIGURE,
  FSPICK_CLOEXEC,
  FSPICK_EMPTY_PATH,
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
} from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { configure, setMountAttr } from './build.ts'
import { type MountOptions, parseMountOptions } from './mount-options.ts'
import { openInOurs } from './paths.ts'

const ATTRIBUTES =
  MOUNT_ATTR_RDONLY |
  MOUNT_ATTR_NOSUID |
  MOUNT_ATTR_NODEV |
  MOUNT_ATTR_NOEXEC |
  MOUNT_ATTR_NODIRATIME |
  MOUNT_ATTR_NOSYMFOLLOW

/** As mount(2) has it: an attribute that is not named is off afterwards; the atime mode is kept unless one is named. */
export const remount = (program: Program, root: Slot, mount: Mount): void => {
  const { destination } = mount
  const options = parseMountOptions(mount.options)
  // No symlink of the image may lead to another mount, which would lose attributes it has for a reason.
  const place = openInOurs(program, 'open mount target', root, destination)
  const clear = (ATTRIBUTES & ~options.set) | (options.clear & MOUNT_ATTR__ATIME)
  setMountAttr(program, 'remount', place, { set: options.set, clear }, 0, destination)
  reconfigure(program, place, mount, options)
}

const reconfigure = (program: Program, place: Slot, mount: Mount, { data }: MountOptions): void => {
  if (data.length === 0) return
  const { destination, type = '' } = mount
  const context = program.slots.next()
  const args = [place, program.text(''), FSPICK_CLOEXEC | FSPICK_EMPTY_PATH]
  program.call('fspick', 'fspick', args, { into: context, path: destination })
  for (const option of data) configure(program, type, context, option)
  program.call('reconfigure file system', 'fsconfig', [context, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0], {
    path: destination,
  })
}
