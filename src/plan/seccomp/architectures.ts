// The architectures of a profile, as far as calls of a machine can be of them.
import { lookUp } from '../../model/look-up.ts'
import type { SyscallArch } from '../syscalls/index.ts'

const NAMES: Readonly<Record<string, SyscallArch>> = {
  SCMP_ARCH_X86_64: 'x64',
  SCMP_ARCH_X86: 'x86',
  SCMP_ARCH_X32: 'x32',
  SCMP_ARCH_AARCH64: 'arm64',
  SCMP_ARCH_ARM: 'arm',
}

/** Named by the runtime specification; calls of these never happen on a machine slipway runs on. */
const OTHERS: ReadonlySet<string> = new Set(
  'MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB'
    .split(' ')
    .map((name) => `SCMP_ARCH_${name}`),
)

const OF_MACHINE: Readonly<Record<'x64' | 'arm64', readonly SyscallArch[]>> = {
  x64: ['x64', 'x86', 'x32'],
  arm64: ['arm64', 'arm'],
}

export const isKnownArchitecture = (name: string): boolean =>
  lookUp(NAMES, name) !== undefined || OTHERS.has(name)

/** Those of the listed architectures this machine can run, its own first; its own is always among them, as in libseccomp. */
export const architecturesOf = (
  machine: 'x64' | 'arm64',
  listed: readonly string[] = [],
): readonly SyscallArch[] => {
  const wanted = new Set<SyscallArch | undefined>(listed.map((name) => lookUp(NAMES, name)))
  return OF_MACHINE[machine].filter((arch) => arch === machine || wanted.has(arch))
}
