// `tmpcopyup`: a tmpfs that begins with what the root has at its place. Whoever starts the container makes and fills it beforehand.
import type { Mount, Spec } from '../../model/oci-spec.ts'
import { ENOENT, ENOTDIR, O_CLOEXEC, oDirectory } from '../kernel.ts'
import { type Arch, type OpInfo, Program, SlotSpace } from '../program.ts'
import { newMount } from './build.ts'
import { hasMode } from './filesystem.ts'
import { labelled } from './labels.ts'
import { parseMountOptions } from './mount-options.ts'
import { openInRoot } from './paths.ts'

/** The mounts that ask for it, in the order of the document. */
export const copiedUp = ({ mounts = [] }: Spec): readonly Mount[] =>
  mounts.filter(({ options }) => parseMountOptions(options).copyUp)

export interface CopyUpPlan {
  readonly bytes: Uint8Array
  readonly infos: readonly OpInfo[]
  /** Slots afterwards: the new file system, and the directory it is filled from, which may be missing. */
  readonly into: number
  readonly from: number
  /** The options say what mode the new file system's root has. */
  readonly hasMode: boolean
}

/** Slot 0 is the container's root, in which alone symlinks lead anywhere. Attributes are set when it is attached: one may be `ro`. */
export const planCopyUp = (arch: Arch, spec: Spec, mount: Mount): CopyUpPlan => {
  const { destination, options } = mount
  const slots = new SlotSpace()
  const root = slots.next()
  const program = new Program(arch, slots)
  const { data } = parseMountOptions(options)
  const into = newMount(program, 'tmpfs', labelled({ spec }, 'tmpfs', data), 0, destination, true)
  const missing = { tolerate: [ENOENT, ENOTDIR], path: destination }
  const from = openInRoot(
    program,
    'open mount target',
    root,
    destination,
    missing,
    O_CLOEXEC | oDirectory(arch),
  )
  const ends = { into: into.index, from: from.index, hasMode: hasMode(mount) }
  return { bytes: program.encode(), infos: program.infos, ...ends }
}
