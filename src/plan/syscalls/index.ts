// Names and numbers of system calls on each architecture a filter or a plan can speak of.
import { SYSCALLS_ARM_TEXT } from './table-arm.ts'
import { SYSCALLS_ARM64_TEXT } from './table-arm64.ts'
import { SYSCALLS_X32_TEXT } from './table-x32.ts'
import { SYSCALLS_X64_TEXT } from './table-x64.ts'
import { SYSCALLS_X86_TEXT } from './table-x86.ts'

/** Node's names (`process.arch`) where it has one; `x86` is i386, `x32` the 32-bit pointer mode of x86-64. */
export type SyscallArch = 'x64' | 'x86' | 'x32' | 'arm64' | 'arm'

/** Every x32 call has this bit in its number: __X32_SYSCALL_BIT, uapi asm/unistd.h. */
export const X32_BIT = 0x40000000

interface Table {
  readonly numbers: ReadonlyMap<string, number>
  readonly names: ReadonlyMap<number, string>
}

/**
 * The number of a call, or undefined where the architecture has no call of that name. arm64 never had the calls that
 * take no directory descriptor or no flags (open, mkdir, pipe, dup2, fork, poll …). An x32 number has its bit set.
 */
export const syscallNumber = (arch: SyscallArch, name: string): number | undefined =>
  table(arch).numbers.get(name)

/** The name of a call, or undefined for a number the architecture does not use. */
export const syscallName = (arch: SyscallArch, nr: number): string | undefined => table(arch).names.get(nr)

/** Every name of an architecture and its number. */
export const syscallsOf = (arch: SyscallArch): ReadonlyMap<string, number> => table(arch).numbers

const texts: Readonly<Record<SyscallArch, string>> = {
  x64: SYSCALLS_X64_TEXT,
  x86: SYSCALLS_X86_TEXT,
  x32: SYSCALLS_X32_TEXT,
  arm64: SYSCALLS_ARM64_TEXT,
  arm: SYSCALLS_ARM_TEXT,
}

// Read on first use: a start needs one table for its plan, and the others only to compile a filter.
const tables = new Map<SyscallArch, Table>()
const table = (arch: SyscallArch): Table => {
  const known = tables.get(arch)
  if (known !== undefined) return known
  const made = parse(texts[arch], arch === 'x32' ? X32_BIT : 0)
  tables.set(arch, made)
  return made
}

/** A number in the text is that of the name after it; the names that follow count on. */
const parse = (text: string, bit: number): Table => {
  const numbers = new Map<string, number>()
  const names = new Map<number, string>()
  let next = 0
  for (const word of text.trim().split(/\s+/)) {
    if (/^\d/.test(word)) {
      next = Number(word)
      continue
    }
    const nr = next++ | bit
    numbers.set(word, nr)
    names.set(nr, word)
  }
  return { numbers, names }
}
