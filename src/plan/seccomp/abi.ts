// Numbers of the kernel's seccomp and classic BPF interfaces. Sources: uapi linux/seccomp.h, linux/audit.h,
// linux/bpf_common.h, linux/filter.h.
import type { SyscallArch } from '../syscalls/index.ts'

/** What a filter returns; the low 16 bits carry the data of errno and trace. */
export const RET = {
  killProcess: 0x80000000,
  killThread: 0,
  trap: 0x00030000,
  errno: 0x00050000,
  notify: 0x7fc00000,
  trace: 0x7ff00000,
  log: 0x7ffc0000,
  allow: 0x7fff0000,
} as const

/** The flags of seccomp(2) with SECCOMP_SET_MODE_FILTER. */
export const FLAG = { log: 1 << 1, specAllow: 1 << 2, newListener: 1 << 3, waitKillableRecv: 1 << 5 } as const

/** AUDIT_ARCH_*, as struct seccomp_data has it. x32 calls come with that of x86-64. */
export const AUDIT_ARCH: Readonly<Record<SyscallArch, number>> = {
  x64: 0xc000003e,
  x86: 0x40000003,
  x32: 0xc000003e,
  arm64: 0xc00000b7,
  arm: 0x40000028,
}

/** Opcodes of classic BPF that a filter here consists of. All loads are of 32-bit words of struct seccomp_data. */
export const BPF = {
  load: 0x20,
  and: 0x54,
  ja: 0x05,
  jeq: 0x15,
  jgt: 0x25,
  jge: 0x35,
  jset: 0x45,
  ret: 0x06,
} as const

/** Longest program the kernel takes, in instructions: BPF_MAXINSNS. */
export const MAX_INSTRUCTIONS = 4096

/** struct seccomp_data { int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]; }, little endian. */
export const DATA = { nr: 0, arch: 4, ip: 8, args: 16, size: 64 } as const

export const ENOSYS = 38
export const EPERM = 1
