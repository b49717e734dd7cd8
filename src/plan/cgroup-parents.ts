// Opens the directories a container's groups are made in, and what tells whether a new cpuset of v1 inherits anything there.
import { AT_FDCWD, O_CLOEXEC, O_PATH, O_RDONLY, oDirectory } from './kernel.ts'
import { type Arch, type OpInfo, Program, type Slot, SlotSpace } from './program.ts'

export interface ParentPlace {
  /** Absolute. */
  readonly directory: string
  /** It is of v1's cpuset. */
  readonly hasCpus: boolean
}

export interface ParentsPlan {
  readonly bytes: Uint8Array
  readonly infos: readonly OpInfo[]
  /** Slots: one for each place, in their order. */
  readonly parents: readonly number[]
  /** Of files that all say something where a new cpuset gets what its parent has: cpusets.rst, 1.9 and clone_children. */
  readonly cpus: readonly number[]
}

/** Files of a cpuset's parent: what it hands down, and whether it does. */
const CLONE_CHILDREN = 'cgroup.clone_children'
const HANDED_DOWN = ['cpuset.cpus', 'cpuset.mems', CLONE_CHILDREN]

export const planOpenParents = (arch: Arch, places: readonly ParentPlace[]): ParentsPlan => {
  const program = new Program(arch, new SlotSpace())
  const open = (at: Slot | number, name: string, flags: number, path: string): Slot => {
    const into = program.slots.next()
    program.call('open cgroup', 'openat', [at, program.text(name), flags | O_CLOEXEC, 0], { into, path })
    return into
  }
  const cpus: number[] = []
  const parents = places.map(({ directory, hasCpus }) => {
    const parent = open(AT_FDCWD, directory, O_PATH | oDirectory(arch), directory)
    if (hasCpus)
      cpus.push(...HANDED_DOWN.map((name) => open(parent, name, O_RDONLY, `${directory}/${name}`).index))
    return parent.index
  })
  return { bytes: program.encode(), infos: program.infos, parents, cpus }
}

/** What the files of `cpus` say, in their order, each undefined where it cannot be read. */
export const handsDownCpus = (texts: readonly (string | undefined)[]): boolean =>
  texts.every((text = '', index) =>
    HANDED_DOWN[index % HANDED_DOWN.length] === CLONE_CHILDREN ? text.trim() === '1' : text.trim() !== '',
  )
