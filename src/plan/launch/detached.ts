// What the child makes before it has a root: file systems that are attached nowhere yet, and what is in them. On a second
// processor this goes on while the engine makes the container's groups and layers.
import type { Mount } from '../../model/oci-spec.ts'
import {
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  makedev,
  O_CLOEXEC,
  O_CREAT,
  O_WRONLY,
  oNofollow,
  S_IFCHR,
} from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { type LaunchBuild, newMount } from './build.ts'
import { fillDev } from './devices.ts'
import { newFilesystem } from './filesystem.ts'
import { parseMountOptions } from './mount-options.ts'
import { ensureDirectory } from './paths.ts'
import { openHostFile } from './rootfs.ts'

/** File systems that show nothing of the network or cgroup namespace, which come later. */
const INDEPENDENT: ReadonlySet<string> = new Set(['proc', 'tmpfs', 'devpts', 'mqueue'])

/** A file system that is ready to be attached. */
export interface DetachedMount {
  readonly fd: Slot
  /** Its mount point, where that is a directory right below another one of these. */
  readonly target?: Slot
}

export const makeDetached = (build: LaunchBuild): void => {
  const { begin, input } = build
  for (const mount of input.spec.mounts ?? []) makeFilesystem(build, mount)
  if (input.files.length > 0) build.files = makeFiles(build)
  if ((input.spec.linux?.maskedPaths ?? []).length > 0)
    build.masks = { directory: newEmptyStore(begin), file: openNull(begin) }
}

const makeFilesystem = (build: LaunchBuild, mount: Mount): void => {
  const { begin, detached } = build
  const { bind, remount, copyUp } = parseMountOptions(mount.options)
  const { destination, type = 'none' } = mount
  if (bind || remount || copyUp || !(INDEPENDENT.has(type) || isInTurn(build, type))) return
  const fd = newFilesystem(build, begin, mount)
  // In a user namespace /dev is filled once it is attached: what is bound over its files is attached to it.
  if (destination === '/dev' && !build.isNamespaced) fillDev(begin, build, fd)
  const target = build.isNamespaced ? undefined : targetOnOurs(build, destination)
  detached.set(mount, target === undefined ? { fd } : { fd, target })
}

/** See makesNetwork. */
const isInTurn = ({ input, networkComesLater }: LaunchBuild, type: string): boolean =>
  type === 'sysfs' && input.lasting !== undefined && !networkComesLater

const targetOnOurs = ({ begin, detached }: LaunchBuild, destination: string): Slot | undefined => {
  const parent = destination.slice(0, destination.lastIndexOf('/'))
  const above = [...detached].findLast(([{ destination: other }]) => other === parent)?.[1]
  return above && ensureDirectory(begin, 'open mount target', above.fd, destination.slice(parent.length))
}

const SEALED = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC

/** /etc/hosts and the like live on one small tmpfs that is mounted nowhere; only its files are, each over the image's own. */
const makeFiles = ({ begin, input }: LaunchBuild): Slot => {
  const options = [
    ['mode', '755'],
    ['size', '1m'],
  ] as const
  const store = newMount(begin, 'tmpfs', options, SEALED, 'engine files')
  input.files.forEach((file, index) => {
    const fd = begin.slots.next()
    const flags = O_WRONLY | O_CREAT | O_CLOEXEC | oNofollow(begin.arch)
    const name = begin.text(fileName(index))
    begin.call('make engine file', 'openat', [store, name, flags, file.mode], { into: fd, path: file.path })
    const text = begin.bytes(Buffer.from(file.content))
    begin.call('write engine file', 'write', [fd, text, Buffer.byteLength(file.content)], { path: file.path })
  })
  return store
}

/** Name of the engine's file number `index` in its store. */
export const fileName = (index: number): string => `file${index}`

const newEmptyStore = (begin: Program): Slot => {
  const options = [
    ['size', '0'],
    ['mode', '555'],
  ] as const
  return newMount(begin, 'tmpfs', options, MOUNT_ATTR_RDONLY | SEALED, 'masked directories')
}

/** /dev/null of the host, verified: the image's own may be a symlink to anything (CVE-2025-31133). */
const openNull = (begin: Program): Slot => {
  const slot = openHostFile(begin, 'open /dev/null', '/dev/null')
  begin.checkStat('verify /dev/null', slot, S_IFCHR, makedev(1, 3), { path: '/dev/null' })
  return slot
}
