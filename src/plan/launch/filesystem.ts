// A new instance of a file system of the spec, attached nowhere yet.
import type { Mount } from '../../model/oci-spec.ts'
import { MOUNT_ATTR_RDONLY } from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { type LaunchBuild, type MountOption, newMount } from './build.ts'
import { labelled } from './labels.ts'
import { parseMountOptions } from './mount-options.ts'

/** Made of nothing: what their `source` says is for people, and the kernel only shows it. In the runtime command it does. */
const SOURCELESS: ReadonlySet<string> = new Set([
  'proc',
  'sysfs',
  'tmpfs',
  'devpts',
  'mqueue',
  'cgroup',
  'cgroup2',
])

export const newFilesystem = (build: LaunchBuild, program: Program, mount: Mount): Slot => {
  const { destination, type = 'none', source = '' } = mount
  const options = parseMountOptions(mount.options)
  const isShown = build.input.lasting !== undefined || !SOURCELESS.has(type)
  const from: readonly MountOption[] = source !== '' && isShown ? [['source', source]] : []
  const data = labelled(build.input, type, [...from, ...options.data])
  const attributes = isSealedLate(mount) ? attributesOf(mount) & ~MOUNT_ATTR_RDONLY : attributesOf(mount)
  return newMount(program, type, data, attributes, destination)
}

/** A tmpfs that is read-only in the end: what is mounted in it needs its places to be made, and a /dev its nodes. */
export const isSealedLate = (mount: Mount): boolean =>
  mount.type === 'tmpfs' && (attributesOf(mount) & MOUNT_ATTR_RDONLY) !== 0

/** Like any tmpfs, it is 01777 where nobody says otherwise: shmem_init_fs_context(), mm/shmem.c. */
export const hasMode = ({ options }: Mount): boolean =>
  parseMountOptions(options).data.some(([key]) => key === 'mode')

/** Nothing is mounted below it, so what is for all below is for it alone. */
export const attributesOf = ({ options }: Mount): number => {
  const { set, recursiveClear, recursiveSet } = parseMountOptions(options)
  return (set & ~recursiveClear) | recursiveSet
}
