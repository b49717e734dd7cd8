// What a compiled filter answers to a call: the kernel's classic BPF machine, as far as filters here use it.
import { AUDIT_ARCH, BPF, DATA, MAX_INSTRUCTIONS, RET } from './abi.ts'

/** Anything with the bytes of a struct sock_filter[]; a whole compiled filter is one. */
export interface Instructions {
  readonly instructions: Uint8Array
}

/** struct seccomp_data. */
export interface SeccompData {
  /** As the register has it, 32 bits; -1 and 0xffffffff are the same. */
  readonly nr: number
  /** AUDIT_ARCH_*. */
  readonly arch: number
  readonly args: readonly bigint[]
  readonly ip?: bigint
}

/**
 * The SECCOMP_RET value of the filter for a call, unsigned. Throws on a program the kernel would not load (an unknown
 * instruction, a jump past the end): a bug of the compiler, never of a profile.
 */
export const evaluate = ({ instructions }: Instructions, call: SeccompData): number => {
  const program = viewOf(instructions)
  const data = encodeData(call)
  let a = 0
  for (let pc = 0, steps = 0; pc * 8 < program.byteLength && steps < MAX_INSTRUCTIONS; pc++, steps++) {
    const code = program.getUint16(pc * 8, true)
    const k = program.getUint32(pc * 8 + 4, true)
    if (code === BPF.ret) return k
    if (code === BPF.load) a = data.getUint32(k, true)
    else if (code === BPF.and) a = (a & k) >>> 0
    else if (code === BPF.ja) pc += k
    else pc += program.getUint8(pc * 8 + (holds(code, a, k) ? 2 : 3))
  }
  throw new Error('the filter ends without an answer')
}

const holds = (code: number, a: number, k: number): boolean => {
  switch (code) {
    case BPF.jeq:
      return a === k
    case BPF.jgt:
      return a > k
    case BPF.jge:
      return a >= k
    case BPF.jset:
      return (a & k) !== 0
    default:
      throw new Error(`no such instruction: 0x${code.toString(16)}`)
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const encodeData = ({ nr, arch, args, ip = 0n }: SeccompData): DataView => {
  const data = new DataView(new ArrayBuffer(DATA.size))
  data.setUint32(DATA.nr, nr, true)
  data.setUint32(DATA.arch, arch, true)
  data.setBigUint64(DATA.ip, ip, true)
  for (let index = 0; index < 6; index++) data.setBigUint64(DATA.args + 8 * index, args[index] ?? 0n, true)
  return data
}

/** A call of the machine's own architecture; arguments it leaves out are 0. */
export interface PlannedCall {
  readonly nr: number
  readonly args?: readonly bigint[]
}

/**
 * The first of `calls` the filter would not let through (allow or log), or undefined: the filter admits them all. `asks`: what an agent
 * is asked about counts as let through, since it is the agent's to say.
 */
export const firstRefused = (
  filter: Instructions,
  arch: 'x64' | 'arm64',
  calls: readonly PlannedCall[],
  asks = false,
): PlannedCall | undefined =>
  calls.find(({ nr, args = [] }) => {
    const answer = evaluate(filter, { nr, arch: AUDIT_ARCH[arch], args })
    return answer !== RET.allow && answer !== RET.log && !(asks && answer === RET.notify)
  })

/** Whether the filter lets every one of `calls` through. */
export const admits = (filter: Instructions, arch: 'x64' | 'arm64', calls: readonly PlannedCall[]): boolean =>
  firstRefused(filter, arch, calls) === undefined
