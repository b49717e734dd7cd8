// libseccomp as the judge of our compiler: oracle.c, built and asked.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { LinuxSeccomp, SeccompArg, SeccompSyscall } from '../../../src/model/oci-spec.ts'
import { AUDIT_ARCH, ENOSYS, RET } from '../../../src/plan/seccomp/abi.ts'
import { returnValue } from '../../../src/plan/seccomp/actions.ts'
import { evaluate, type Instructions, type SeccompData } from '../../../src/plan/seccomp/evaluate.ts'
import { type SyscallArch, syscallNumber, syscallsOf, X32_BIT } from '../../../src/plan/syscalls/index.ts'

/** Why libseccomp cannot be asked here, or undefined. */
export const oracleLacking = (): string | undefined => {
  if (process.arch !== 'x64') return 'the profiles are for x86-64'
  if (!existsSync('/usr/include/seccomp.h')) return 'needs libseccomp-dev'
  return spawnSync('cc', ['--version']).status === 0 ? undefined : 'needs a C compiler'
}

/** Builds oracle.c in `dir`. */
export const buildOracle = (dir: string): string => {
  const program = path.join(dir, 'oracle')
  execFileSync('cc', ['-o', program, path.join('test', 'plan', 'seccomp', 'oracle.c'), '-lseccomp'])
  return program
}

const ARCH_TOKENS: Readonly<Record<string, number>> = {
  SCMP_ARCH_X86_64: AUDIT_ARCH.x64,
  SCMP_ARCH_X86: AUDIT_ARCH.x86,
  SCMP_ARCH_X32: 0x4000003e,
}
const OPERATORS = ['', 'NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ']

/** The BPF libseccomp makes of a profile; throws with its complaint where it refuses one. */
export const askOracle = (program: string, profile: LinuxSeccomp, optimize: 0 | 1 | 2): Instructions => {
  const input = oracleInput(profile, optimize)
  const { status, stdout, stderr } = spawnSync(program, { input, maxBuffer: 1 << 20 })
  if (status !== 0) throw new Error(`libseccomp: ${stderr}`)
  return { instructions: stdout }
}

export const oracleInput = (profile: LinuxSeccomp, optimize: 0 | 1 | 2): string => {
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet)
  const lines = [`optimize ${optimize}`, `default ${fallback >>> 0}`]
  for (const name of profile.architectures ?? []) lines.push(`arch ${ARCH_TOKENS[name]}`)
  for (const syscall of profile.syscalls ?? []) {
    const action = returnValue(syscall.action, syscall.errnoRet)
    if (action !== fallback) lines.push(...ruleLines(syscall, action))
  }
  return `${lines.join('\n')}\n`
}

/** As runc adds them: one rule for each condition where two are about one argument. */
const ruleLines = ({ names, args = [] }: SeccompSyscall, action: number): readonly string[] => {
  const distinct = new Set(args.map(({ index }) => index)).size === args.length
  const alternatives = distinct ? [args] : args.map((arg) => [arg])
  return names.flatMap((name) =>
    alternatives.map((all) => [`rule ${action >>> 0} ${name}`, ...all.map(argWords)].join(' ')),
  )
}
const argWords = ({ index, op, value, valueTwo }: SeccompArg): string =>
  [index, OPERATORS.indexOf(op.replace('SCMP_CMP_', '')), value, valueTwo ?? 0].join(' ')

/** The names of our tables this libseccomp does not know: it is older than they are. */
export const unknownNames = (program: string): ReadonlySet<string> => {
  const names = new Set((['x64', 'x86', 'x32'] as const).flatMap((arch) => [...syscallsOf(arch).keys()]))
  const { stdout } = spawnSync(program, ['names'], { input: `${[...names].join('\n')}\n`, encoding: 'utf8' })
  return new Set(stdout.split('\n').filter((name) => name !== ''))
}

const MULTIPLEXED = new Set(
  'socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg semop semget semctl semtimedop msgsnd msgrcv msgget msgctl shmat shmdt shmget shmctl'.split(
    ' ',
  ),
)

/** The highest number runc finds for the names of a profile, or 0. */
const highest = ({ syscalls = [] }: LinuxSeccomp, arch: SyscallArch): number => {
  const known = syscalls
    .flatMap(({ names }) => names)
    .filter((name) => arch !== 'x86' || !MULTIPLEXED.has(name))
    .map((name) => syscallNumber(arch, name) ?? 0)
  return Math.max(0, ...known)
}

/** The stub runc puts before a filter of libseccomp: true where it answers ENOSYS. */
export const stubOf = (profile: LinuxSeccomp): ((call: SeccompData) => boolean) => {
  if (/ALLOW|LOG|TRACE/.test(profile.defaultAction)) return () => false
  const top = { x64: highest(profile, 'x64'), x86: highest(profile, 'x86'), x32: highest(profile, 'x32') }
  const listed = profile.architectures ?? []
  return ({ nr, arch }) => {
    const number = nr >>> 0
    const above = (limit: number): boolean => limit > 0 && number > limit
    if (arch === AUDIT_ARCH.x86) return listed.includes('SCMP_ARCH_X86') && above(top.x86)
    if (arch !== AUDIT_ARCH.x64) return false
    if ((number & X32_BIT) === 0) return above(top.x64)
    return listed.includes('SCMP_ARCH_X32') && above(top.x32)
  }
}

/** What runc's filter, libseccomp's with the stub before it, answers. */
export const runcAnswer = (
  filter: Instructions,
  stub: (call: SeccompData) => boolean,
  call: SeccompData,
): number => (stub(call) ? RET.errno | ENOSYS : evaluate(filter, call))
