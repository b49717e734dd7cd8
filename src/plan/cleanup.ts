// What follows every container's end, and every failed start: its groups and directories go, the record last.
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  EACCES,
  EBADF,
  EBUSY,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  O_CLOEXEC,
  O_PATH,
} from './kernel.ts'
import { layerNames } from './launch/layer-names.ts'
import { type Arch, Program, type Slot, SlotSpace } from './program.ts'

export interface Cleanup {
  readonly id: string
  /** Groups in each hierarchy, absolute. */
  readonly groups: readonly string[]
  /** Overlays the container had: as many pairs of directories. */
  readonly overlays: number
  /** Absolute path of the runtime record. */
  readonly record: string
  /** The writable layers and the record stay. */
  readonly keep: boolean
}

/** Descriptors a container's engine may hold: its groups' files, and its mount namespace. */
export const MAX_HELD = 8

/** Pauses before another try to remove a group the kernel still finds busy, in milliseconds; together half a second. */
const RETRIES_MS = [1, 2, 5, 10, 20, 50, 100, 300]

/**
/**
 * Slot 0: the directory `containers`. Slots from `held` on: what is closed first, -1 for nothing; the last of a namespace's
 * holders unmounts what is in it. Slot `moved` becomes 0 when the container's own directory lies at `trash` now. The record
 * goes last: as long as it is there, a sweep finds what could not be removed.
 */
export const planCleanup = (
  arch: Arch,
  cleanup: Cleanup,
  trash: string,
): { readonly bytes: Uint8Array; readonly moved: number } => {
  const slots = new SlotSpace()
  const containers = slots.next()
  const held = Array.from({ length: MAX_HELD }, () => slots.next())
  const moved = slots.next()
  const program = new Program(arch, slots)
  for (const fd of held) program.call('close', 'close', [fd], { tolerate: [EBADF] })
  program.setSlot(moved, -1)
  if (!cleanup.keep && cleanup.overlays > 0) removeLayers(program, containers, cleanup, trash, moved)
  for (const group of cleanup.groups) removeGroup(program, group)
  if (!cleanup.keep) {
    program.call('remove record', 'unlinkat', [AT_FDCWD, program.text(cleanup.record), 0], {
      tolerate: [ENOENT],
      path: cleanup.record,
    })
  }
  return { bytes: program.encode(), moved: moved.index }
}

const removeGroup = (program: Program, group: string): void => {
  const name = program.text(group)
  const tests: number[] = []
  const remove = (rest: readonly number[]): void => {
    const [pause, ...later] = rest
    program.call('remove cgroup', 'unlinkat', [AT_FDCWD, name, AT_REMOVEDIR], {
      path: group,
      tolerate: pause === undefined ? [ENOENT] : [ENOENT, EBUSY],
      ...(pause === undefined ? {} : { otherwise: () => again(pause, later) }),
    })
  }
  const again = (pause: number, later: readonly number[]): void => {
    if (pause === RETRIES_MS[0]) unlessThere()
    program.call('wait', 'nanosleep', [program.words([0, pause * 1_000_000]), 0])
    remove(later)
  }
  // A start that failed early has no group: that is not worth a wait.
  const unlessThere = (): void => {
    const fd = program.slots.next()
    tests.push(program.opCount)
    program.call('open cgroup', 'openat', [AT_FDCWD, name, O_PATH | O_CLOEXEC, 0], {
      path: group,
      tolerate: [ENOENT],
      into: fd,
    })
    program.call('close', 'close', [fd])
  }
  remove(RETRIES_MS)
  for (const test of tests) program.skipOnTolerated(test, program.opCount)
}

/**
 * An unused writable layer is a handful of empty directories; anything more is left to a walk of the tree. Renamed before
 * that, so that a deletion that is cut short leaves nothing under the container's name.
 */
const removeLayers = (
  program: Program,
  containers: Slot,
  { id, overlays }: Cleanup,
  trash: string,
  moved: Slot,
): void => {
  // EACCES: overlayfs makes its own work directory without any rights, which only root passes over.
  const tolerate = [ENOENT, ENOTEMPTY, ENOTDIR, EACCES]
  const unlink = (path: string): void =>
    program.call('remove file', 'unlinkat', [containers, program.text(`${id}/${path}`), 0], {
      path,
      tolerate: [ENOENT, ENOTDIR, EACCES],
    })
  const remove = (path: string): void =>
    program.call('remove directory', 'unlinkat', [containers, program.text(`${id}/${path}`), AT_REMOVEDIR], {
      path,
      tolerate,
    })
  for (let index = 0; index < overlays; index++) {
    const { upper, work } = layerNames(index)
    // What overlayfs itself leaves in its work directory (fs/overlayfs/super.c, ovl_make_workdir).
    unlink(`${work}/work/incompat/volatile/dirty`)
    for (const path of [
      `${work}/work/incompat/volatile`,
      `${work}/work/incompat`,
      `${work}/incompat/volatile`,
      `${work}/incompat`,
      `${work}/work`,
      work,
      upper,
    ])
      remove(path)
  }
  program.call('remove directory', 'unlinkat', [containers, program.text(id), AT_REMOVEDIR], {
    path: id,
    tolerate,
    otherwise: () =>
      program.call(
        'move to trash',
        'renameat2',
        [containers, program.text(id), AT_FDCWD, program.text(trash), 0],
        { path: trash, tolerate: [ENOENT], into: moved },
      ),
  })
}
