// What the seccomp tests share: capability sets, compiled filters, calls by name.
import * as E from '#fp/Either'
import { message } from '../../../src/model/errors.ts'
import type { LinuxSeccomp, SeccompSyscall } from '../../../src/model/oci-spec.ts'
import type { Arch } from '../../../src/plan/arch.ts'
import { AUDIT_ARCH } from '../../../src/plan/seccomp/abi.ts'
import {
  type CompiledFilter,
  compileSeccomp,
  defaultProfile,
  evaluate,
} from '../../../src/plan/seccomp/index.ts'
import { type SyscallArch, syscallNumber } from '../../../src/plan/syscalls/index.ts'

/** Docker's fourteen. */
export const DOCKER_CAPS =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
    .split(' ')
    .map((name) => `CAP_${name}`)

export const docker = (arch: Arch = 'x64', caps: readonly string[] = DOCKER_CAPS): LinuxSeccomp =>
  defaultProfile({ arch, caps, kernel: [6, 18] })

export const compiled = (profile: LinuxSeccomp, arch: Arch = 'x64'): CompiledFilter => {
  const result = compileSeccomp(profile, arch)
  if (E.isLeft(result)) throw new Error(message(result.left))
  return result.right
}

/** A profile of x86-64 alone that refuses with EPERM but for these rules. */
export const refusing = (...syscalls: readonly SeccompSyscall[]): LinuxSeccomp => ({
  defaultAction: 'SCMP_ACT_ERRNO',
  architectures: ['SCMP_ARCH_X86_64'],
  syscalls,
})

/** What the filter answers to a call, by name or number, of an architecture. */
export const answer = (
  filter: CompiledFilter,
  arch: SyscallArch,
  call: string | number,
  ...args: readonly bigint[]
): number => {
  const nr = typeof call === 'number' ? call : syscallNumber(arch, call)
  if (nr === undefined) throw new Error(`no ${call} on ${arch}`)
  return evaluate(filter, { nr, arch: AUDIT_ARCH[arch], args })
}
