// Short engine-side plans on one process by its pidfd: opened, signalled, and asked how it ended.
import { AT_FDCWD, O_CLOEXEC, O_PATH, oDirectory } from './kernel.ts'
import { type Arch, type OpInfo, Program, SlotSpace } from './program.ts'
import type { Step } from './steps.ts'

/** Slot 0 is the pidfd afterwards. */
export const planOpenProcess = (arch: Arch, pid: number): Uint8Array => {
  const program = new Program(arch, new SlotSpace())
  program.call('open process', 'pidfd_open', [pid, 0], { into: program.slots.next() })
  return program.encode()
}

/** Where the slots of `planOpenRoot` are. */
export const ROOT_SLOTS = { process: 0, mountNamespace: 1, root: 2, userNamespace: 3 } as const

/**
 * The root of a process and its user namespace, both of the very process the pidfd stands for: it lived still when they were open, so
 * that its number was nobody else's. As long as its mount namespace is open all that is mounted stays where it is, whoever ends: without,
 * what is reached below the root would be the directories that volumes were mounted on.
 */
export const planOpenRoot = (arch: Arch, pid: number): PlannedRoot => {
  const program = new Program(arch, new SlotSpace())
  const open = (step: Step, name: string, flags: number): void => {
    const file = `/proc/${pid}/${name}`
    program.call(step, 'openat', [AT_FDCWD, program.text(file), flags | O_CLOEXEC, 0], {
      into: program.slots.next(),
      path: file,
    })
  }
  const process = program.slots.next()
  program.call('open process', 'pidfd_open', [pid, 0], { into: process })
  open('open namespace', 'ns/mnt', 0)
  open('open root of process', 'root', O_PATH | oDirectory(arch))
  open('open user namespace', 'ns/user', 0)
  program.call('send signal', 'pidfd_send_signal', [process, 0, 0, 0])
  return { bytes: program.encode(), infos: program.infos }
}

export interface PlannedRoot {
  readonly bytes: Uint8Array
  readonly infos: readonly OpInfo[]
}

/** Slot 0 is the pidfd. */
export const planSignal = (arch: Arch, signal: number): Uint8Array => {
  const slots = new SlotSpace()
  const process = slots.next()
  const program = new Program(arch, slots)
  program.call('send signal', 'pidfd_send_signal', [process, signal, 0, 0])
  return program.encode()
}

/** _IOWR(0xFF, 11, struct pidfd_info) with its first 64 bytes: linux/pidfd.h. */
const PIDFD_GET_INFO = 0xc040ff0b
const PIDFD_INFO_EXIT = 8n
const INFO_BYTES = 64
const EXIT_CODE_AT = 60

export interface ExitPlan {
  readonly bytes: Uint8Array
  /** In the data afterwards: 64 bits of what is known, and the status as waitpid(2) has it. */
  readonly mask: number
  readonly status: number
}

/** Slot 0 is the pidfd of a process that was reaped by whoever. Linux 6.15; ENOTTY or EINVAL before. */
export const planExitStatus = (arch: Arch): ExitPlan => {
  const slots = new SlotSpace()
  const process = slots.next()
  const program = new Program(arch, slots)
  const info = Buffer.alloc(INFO_BYTES)
  info.writeBigUInt64LE(PIDFD_INFO_EXIT)
  const at = program.bytes(info)
  program.call('ask for exit status', 'ioctl', [process, PIDFD_GET_INFO, at])
  return { bytes: program.encode(), mask: at.offset, status: at.offset + EXIT_CODE_AT }
}

/** The exit code of a program that ended so, 128 + n by signal n. Undefined where the kernel did not say. */
export const exitCodeIn = (data: Buffer, { mask, status }: ExitPlan): number | undefined => {
  if ((data.readBigUInt64LE(mask) & PIDFD_INFO_EXIT) === 0n) return undefined
  const wait = data.readInt32LE(status)
  const signal = wait & 0x7f
  return signal === 0 ? (wait >> 8) & 0xff : 128 + signal
}
