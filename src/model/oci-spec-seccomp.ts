// The seccomp part of the OCI runtime specification. runtime-spec config-linux.md, Seccomp.

export type SeccompAction =
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_TRACE'
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_LOG'
  | 'SCMP_ACT_NOTIFY'
export type SeccompOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ'
export interface SeccompArg {
  readonly index: number
  readonly value: bigint | number
  readonly valueTwo?: bigint | number
  readonly op: SeccompOperator
}
export interface SeccompSyscall {
  readonly names: readonly string[]
  readonly action: SeccompAction
  readonly errnoRet?: number
  readonly args?: readonly SeccompArg[]
}
export interface LinuxSeccomp {
  readonly defaultAction: SeccompAction
  readonly defaultErrnoRet?: number
  readonly architectures?: readonly string[]
  readonly flags?: readonly string[]
  readonly listenerPath?: string
  readonly listenerMetadata?: string
  readonly syscalls?: readonly SeccompSyscall[]
}
