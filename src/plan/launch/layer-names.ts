// Where a container's writable layers are, and how many it has.
import type { Rootfs } from '../../model/prepared-image.ts'

/** Directory names of the private layers below `containers/<id>/`: the root's, then one pair for each further overlay. */
export const layerNames = (index: number): { upper: string; work: string } =>
  index === 0 ? { upper: 'upper', work: 'work' } : { upper: `upper${index}`, work: `work${index}` }

/** The read-only layers of each overlay this root file system needs, the root's own first. */
export const overlaysOf = (rootfs: Rootfs): readonly (readonly string[])[] => {
  if (rootfs.kind === 'directory') return []
  if (rootfs.kind === 'layers') return [rootfs.lowers]
  return [[rootfs.skeleton], ...rootfs.directories.map((directory) => [directory])]
}

export const overlayCount = (rootfs: Rootfs): number => overlaysOf(rootfs).length
