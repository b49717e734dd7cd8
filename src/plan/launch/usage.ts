// What a container's groups know at its end: their files are opened beside the start, so that the end only reads them.
import { ENOENT, O_CLOEXEC } from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import type { CgroupParent } from './build.ts'

export interface UsageFile {
  /** e.g. `memory.peak`. */
  readonly file: string
  /** Engine-side slot of the descriptor; -1 in it where this kernel has no such file. */
  readonly slot: number
}

const FILES = {
  1: ['memory.max_usage_in_bytes', 'memory.oom_control', 'cpuacct.usage'],
  2: ['memory.peak', 'memory.events', 'cpu.stat'],
} as const

/** A v1 hierarchy has the files of its controllers alone. */
const filesOf = ({ version, controllers }: CgroupParent): readonly string[] =>
  FILES[version].filter((file) => version === 2 || controllers.includes(file.split('.')[0] ?? ''))

export const openUsageFiles = (program: Program, group: Slot, parent: CgroupParent): UsageFile[] =>
  filesOf(parent).map((file) => {
    const fd = program.slots.next()
    program.call('open cgroup file', 'openat', [group, program.text(file), O_CLOEXEC, 0], {
      into: fd,
      path: file,
      tolerate: [ENOENT],
    })
    return { file, slot: fd.index }
  })
