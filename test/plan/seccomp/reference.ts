// What a profile means for a call, said as plainly as possible: the second opinion on the compiler and on libseccomp.
import type { LinuxSeccomp, SeccompArg, SeccompSyscall } from '../../../src/model/oci-spec.ts'
import { AUDIT_ARCH, ENOSYS, RET } from '../../../src/plan/seccomp/abi.ts'
import { returnValue } from '../../../src/plan/seccomp/actions.ts'
import type { SeccompData } from '../../../src/plan/seccomp/evaluate.ts'
import { multiplexed } from '../../../src/plan/seccomp/multiplex.ts'
import { type SyscallArch, syscallName, X32_BIT } from '../../../src/plan/syscalls/index.ts'
import { stubOf } from './oracle.ts'

export const referenceAnswer = (profile: LinuxSeccomp): ((call: SeccompData) => number) => {
  const stub = stubOf(profile)
  return (call) => {
    const arch = archOf(profile, call)
    if (stub(call)) return RET.errno | ENOSYS
    if (arch === undefined) return RET.killThread
    return ruleAnswer(profile, arch, call)
  }
}

const archOf = ({ architectures = [] }: LinuxSeccomp, { arch, nr }: SeccompData): SyscallArch | undefined => {
  if (arch === AUDIT_ARCH.x86) return architectures.includes('SCMP_ARCH_X86') ? 'x86' : undefined
  if (arch !== AUDIT_ARCH.x64) return undefined
  const number = nr >>> 0
  if (number < X32_BIT || number === 0xffffffff) return 'x64'
  return architectures.includes('SCMP_ARCH_X32') ? 'x32' : undefined
}

const ruleAnswer = (profile: LinuxSeccomp, arch: SyscallArch, call: SeccompData): number => {
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet)
  const relevant = (profile.syscalls ?? [])
    .map((rule) => ({ rule, action: returnValue(rule.action, rule.errnoRet) }))
    .filter(({ action }) => action !== fallback)
    .flatMap(({ rule, action }) => conditionsFor(rule, arch, call).map((args) => ({ action, args })))
  const bits = arch === 'x64' ? 64 : 32
  const always = relevant.find(({ args }) => args.every((arg) => isVoid(arg, bits)))
  const first = always ?? relevant.find(({ args }) => args.every((arg) => holds(arg, call.args, bits)))
  return first?.action ?? fallback
}

/** The lists of conditions any one of which makes the rule match this call, if it is about this call. */
const conditionsFor = (
  { names, args = [] }: SeccompSyscall,
  arch: SyscallArch,
  { nr }: SeccompData,
): readonly (readonly SeccompArg[])[] => {
  const repeated = new Set(args.map(({ index }) => index)).size < args.length
  const alternatives = repeated ? args.map((arg) => [arg]) : [args]
  const name = syscallName(arch, nr >>> 0)
  return names.flatMap((each) => {
    const direct = each === name ? alternatives : []
    const through = arch === 'x86' ? multiplexed(each) : undefined
    if (through?.nr !== nr >>> 0) return direct
    return [
      ...direct,
      ...alternatives.map((all) => [through.condition, ...all.filter(({ index }) => index > 0)]),
    ]
  })
}

const isVoid = ({ op, value }: SeccompArg, bits: number): boolean =>
  op === 'SCMP_CMP_MASKED_EQ' && BigInt.asUintN(bits, BigInt(value)) === 0n

const holds = (
  { index, op, value, valueTwo = 0 }: SeccompArg,
  args: readonly bigint[],
  bits: number,
): boolean => {
  const cut = (number: bigint | number): bigint => BigInt.asUintN(bits, BigInt(number))
  const actual = cut(args[index] ?? 0n)
  const wanted = cut(value)
  switch (op) {
    case 'SCMP_CMP_NE':
      return actual !== wanted
    case 'SCMP_CMP_LT':
      return actual < wanted
    case 'SCMP_CMP_LE':
      return actual <= wanted
    case 'SCMP_CMP_EQ':
      return actual === wanted
    case 'SCMP_CMP_GE':
      return actual >= wanted
    case 'SCMP_CMP_GT':
      return actual > wanted
    case 'SCMP_CMP_MASKED_EQ':
      return (actual & wanted) === (cut(valueTwo) & wanted)
  }
}
