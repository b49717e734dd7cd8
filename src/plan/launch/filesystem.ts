// A new instance of a file system of the spec, attached nowhere yet.
import type { Mount } from '../../model/oci-spec.ts'
import type { Program, Slot } from '../program.ts'
import { type LaunchBuild, type MountOption, newMount } from './build.ts'
import { labelled } from './labels.ts'
import { parseMountOptions } from './mount-options.ts'

/** Made of nothing: what their `source` says is for people, and the kernel would only show it. */
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
  const from: readonly MountOption[] = source === '' || SOURCELESS.has(type) ? [] : [['source', source]]
  const data = labelled(build.input, type, [...from, ...options.data])
  return newMount(program, type, data, attributesOf(mount), destination)
}

/** Nothing is mounted below it, so what is for all below is for it alone. */
export const attributesOf = ({ options }: Mount): number => {
  const { set, recursiveClear, recursiveSet } = parseMountOptions(options)
  return (set & ~recursiveClear) | recursiveSet
}
