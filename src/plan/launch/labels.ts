// linux.mountLabel: the SELinux context of the container's own file systems.
import type { LaunchInput, MountOption } from './build.ts'

/** Kernel interfaces have the labels of the policy, and take none from a mount. */
const UNLABELLED: ReadonlySet<string> = new Set(['proc', 'sysfs', 'mqueue', 'cgroup', 'cgroup2'])

/** The options of a new file system, with `context=` where it is to have one: every file in it has that label then. mount(8). */
export const labelled = (
  { spec }: Pick<LaunchInput, 'spec'>,
  type: string,
  options: readonly MountOption[],
): readonly MountOption[] => {
  const label = spec.linux?.mountLabel ?? ''
  return label === '' || UNLABELLED.has(type) ? options : [...options, ['context', label]]
}
