// What a monitor does last for a container that is removed at its end: the container goes out of sight in one step.
import type { ContainerDocument } from '../model/container-document.ts'
import { AT_FDCWD, AT_REMOVEDIR, ENOENT, O_CLOEXEC, oDirectory } from './kernel.ts'
import { MONITOR_FILES } from './monitor.ts'
import { type Arch, Program, SlotSpace } from './program.ts'

export interface RemovalPlaces {
  /** Where what is to be deleted waits for whoever sweeps. */
  readonly trash: string
  /** Of links to who has each: `<id>.<engine>`. */
  readonly names: string
  /** The container's own of its monitor, which has emptied it but for its lock and its state. */
  readonly run: string
  /** The file that says it is to remove itself. */
  readonly mark: string
}

/** Slot 0: the directory `containers`. */
export const planRemoval = (
  arch: Arch,
  { trash, names, run, mark }: RemovalPlaces,
  { id }: Pick<ContainerDocument, 'id'>,
): Uint8Array => {
  const slots = new SlotSpace()
  const containers = slots.next()
  const program = new Program(arch, slots)
  const to = `${trash}/${id}`
  program.call('move to trash', 'renameat2', [containers, program.text(id), AT_FDCWD, program.text(to), 0], {
    path: to,
    tolerate: [ENOENT],
  })
  const trashed = slots.next()
  program.call('open directory', 'openat', [AT_FDCWD, program.text(trash), O_CLOEXEC | oDirectory(arch), 0], {
    into: trashed,
    path: trash,
  })
  const named = slots.next()
  program.call('open directory', 'openat', [AT_FDCWD, program.text(names), O_CLOEXEC | oDirectory(arch), 0], {
    into: named,
    path: names,
  })
  // It may have another name by now, and somebody else that one.
  program.removeLinks('free name', named, `${id}.`)
  const tolerate = [ENOENT]
  program.call('remove file', 'unlinkat', [AT_FDCWD, program.text(mark), 0], { path: mark, tolerate })
  // Last of all, so that whoever finds them knows what is still to be done.
  for (const file of [MONITOR_FILES.state, MONITOR_FILES.lock])
    program.call('remove file', 'unlinkat', [AT_FDCWD, program.text(`${run}/${file}`), 0], {
      path: run,
      tolerate,
    })
  program.call('remove directory', 'unlinkat', [AT_FDCWD, program.text(run), AT_REMOVEDIR], {
    path: run,
    tolerate,
  })
  program.removeTree(trashed, id)
  return program.encode()
}
