// Short engine-side plans: reading files inside a root.
import {
  AT_FDCWD,
  ELOOP,
  ENOENT,
  ENOTDIR,
  EPROTO,
  O_CLOEXEC,
  O_NONBLOCK,
  O_PATH,
  oDirectory,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  S_IFREG,
} from './kernel.ts'
import { OPEN_HOW_SIZE, openHow } from './launch/build.ts'
import { ANY_DEVICE, type Arch, Data, type OpInfo, Program, type Slot, SlotSpace } from './program.ts'

/** Where a file's bytes are after the run: `data.subarray(at, at + size)`, the size being the value of slot `sizeSlot`. */
export interface ReadPlan {
  readonly bytes: Uint8Array
  readonly infos: readonly OpInfo[]
  readonly slotCount: number
  readonly files: readonly { readonly at: number; readonly sizeSlot: number }[]
}

/**
 * Reads regular files inside `root`, symlinks kept inside it; a FIFO or a device is passed over without being opened (opening
 * a watchdog arms it), and no more than `limit` bytes are taken (CVE-2024-9676). A missing file has size -1.
 */
export const planReadInRoot = (
  arch: Arch,
  root: string,
  paths: readonly string[],
  limit: number,
): ReadPlan => {
  const slots = new SlotSpace()
  const program = new Program(arch, slots)
  const directory = slots.next()
  const flags = O_PATH | O_CLOEXEC | oDirectory(arch)
  program.call('open root', 'openat', [AT_FDCWD, program.text(root), flags, 0], {
    into: directory,
    path: root,
  })
  const how = openHow(program, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
  const files = paths.map((path) => {
    const size = slots.next()
    const fd = slots.next()
    const target = program.bytes(new Uint8Array(limit))
    program.setSlot(size, -1)
    const test = program.opCount
    const tolerate = [ENOENT, ENOTDIR, ELOOP]
    const name = program.text(path.replace(/^\/+/, ''))
    program.call('open file', 'openat2', [directory, name, how, OPEN_HOW_SIZE], { into: fd, path, tolerate })
    const check = program.opCount
    program.checkStat('look at file', fd, S_IFREG, ANY_DEVICE, { path, tolerate: [EPROTO] })
    readAgain(program, fd, { target, limit, size, path })
    program.skipOnTolerated(check, program.opCount)
    program.call('close', 'close', [fd])
    program.skipOnTolerated(test, program.opCount)
    return { at: target.offset, sizeSlot: size.index }
  })
  program.call('close', 'close', [directory])
  return { bytes: program.encode(), infos: program.infos, slotCount: slots.count, files }
}

/** One mkdir(2), by path. */
export const planMakeDirectory = (arch: Arch, path: string): Uint8Array => {
  const program = new Program(arch, new SlotSpace())
  program.call('make directory', 'mkdirat', [AT_FDCWD, program.text(path), 0o755], { path })
  return program.encode()
}

const FD_WIDTH = 10

interface Target {
  readonly target: Data
  readonly limit: number
  readonly size: Slot
  readonly path: string
}

/** O_PATH looks without opening; what was looked at is then opened by its descriptor, and nothing can come in between. */
const readAgain = (program: Program, fd: Slot, { target, limit, size, path }: Target): void => {
  const again = program.slots.next()
  const prefix = '/proc/self/fd/'
  const link = program.bytes(Buffer.from(`${prefix}${'/'.repeat(FD_WIDTH)}\0`))
  program.putDecimal(new Data(link.offset + prefix.length), FD_WIDTH, fd)
  const flags = O_CLOEXEC | O_NONBLOCK
  program.call('open file again', 'openat', [AT_FDCWD, link, flags, 0], { into: again, path })
  program.call('read file', 'pread64', [again, target, limit, 0], { into: size, path })
  program.call('close', 'close', [again])
}

/** Slot 0 afterwards: the directory `path` inside `root`, symlinks kept inside it, or -1 where there is none. */
export const planOpenInRoot = (
  arch: Arch,
  root: string,
  path: string,
): { readonly bytes: Uint8Array; readonly infos: readonly OpInfo[] } => {
  const slots = new SlotSpace()
  const program = new Program(arch, slots)
  const [found, top] = [slots.next(), slots.next()]
  const flags = O_PATH | O_CLOEXEC | oDirectory(arch)
  program.setSlot(found, -1)
  program.call('open root', 'openat', [AT_FDCWD, program.text(root), flags, 0], { into: top, path: root })
  const how = openHow(program, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
  const name = program.text(path.replace(/^\/+/, '') || '.')
  const tolerate = [ENOENT, ENOTDIR, ELOOP]
  program.call('open directory', 'openat2', [top, name, how, OPEN_HOW_SIZE], { into: found, path, tolerate })
  program.call('close', 'close', [top])
  return { bytes: program.encode(), infos: program.infos }
}
