// The devices cgroup of v2 is a BPF program (BPF_PROG_TYPE_CGROUP_DEVICE). This makes one that decides as v1 would.
// Instruction format: Documentation/bpf/standardization/instruction-set.rst; context: struct bpf_cgroup_dev_ctx.
import { ALL_ACCESS, type DeviceException, type DeviceList } from './device-list.ts'

const TYPES = { b: 1, c: 2 } as const

const R0 = 0
const R1 = 1
const R2 = 2
const R3 = 3
const R4 = 4
const R5 = 5

interface Instruction {
  readonly code: number
  readonly dst: number
  readonly src: number
  readonly offset: number
  readonly imm: number
}

const instruction = (code: number, dst: number, src: number, offset: number, imm: number): Instruction => ({
  code,
  dst,
  src,
  offset,
  imm,
})
/** dst = *(u32 *)(src + offset) */
const load = (dst: number, src: number, offset: number): Instruction => instruction(0x61, dst, src, offset, 0)
const move = (dst: number, src: number): Instruction => instruction(0xbf, dst, src, 0, 0)
const moveImm = (dst: number, imm: number): Instruction => instruction(0xb7, dst, 0, 0, imm)
const andImm = (dst: number, imm: number): Instruction => instruction(0x54, dst, 0, 0, imm)
const shiftRight = (dst: number, imm: number): Instruction => instruction(0x74, dst, 0, 0, imm)
type Jump = (skip: number) => Instruction
/** Jumps when the lower halves differ, or are equal. */
const unlessEqual =
  (dst: number, imm: number): Jump =>
  (skip) =>
    instruction(0x56, dst, 0, skip, imm | 0)
const ifEqual =
  (dst: number, imm: number): Jump =>
  (skip) =>
    instruction(0x16, dst, 0, skip, imm | 0)
const exit = instruction(0x95, 0, 0, 0, 0)

/** A verdict is 1 to let pass, 0 for EPERM. */
export const compileDeviceProgram = ({ allowed, exceptions }: DeviceList): Uint8Array =>
  encode([
    load(R2, R1, 0),
    move(R3, R2),
    andImm(R2, 0xffff), // type
    shiftRight(R3, 16), // access asked for
    load(R4, R1, 4), // major
    load(R5, R1, 8), // minor
    ...exceptions.flatMap((exception) => testException(exception, allowed)),
    moveImm(R0, allowed ? 1 : 0),
    exit,
  ])

/** Tests first, each jumping past the verdict when it does not hold. */
const testException = (
  { type, major, minor, access }: DeviceException,
  allowed: boolean,
): readonly Instruction[] => {
  const asked = testAccess(access, allowed)
  const tests: readonly Jump[] = [
    ...asked.tests,
    unlessEqual(R2, TYPES[type]),
    ...(major === undefined ? [] : [unlessEqual(R4, major)]),
    ...(minor === undefined ? [] : [unlessEqual(R5, minor)]),
  ]
  const verdict = [moveImm(R0, allowed ? 0 : 1), exit]
  return [
    ...asked.before,
    ...tests.map((test, index) => test(tests.length - index - 1 + verdict.length)),
    ...verdict,
  ]
}

/** Against a default that allows any bit will do; against one that denies the exception has to cover them all. */
const testAccess = (
  access: number,
  allowed: boolean,
): { readonly before: readonly Instruction[]; readonly tests: readonly Jump[] } => {
  if (access === ALL_ACCESS) return { before: [], tests: [] }
  // The context pointer in r1 is not needed any more.
  const before = (mask: number) => [move(R1, R3), andImm(R1, mask)]
  return allowed
    ? { before: before(access), tests: [ifEqual(R1, 0)] }
    : { before: before(ALL_ACCESS & ~access), tests: [unlessEqual(R1, 0)] }
}

const encode = (program: readonly Instruction[]): Uint8Array => {
  const bytes = Buffer.alloc(8 * program.length)
  program.forEach(({ code, dst, src, offset, imm }, index) => {
    bytes.writeUInt8(code, 8 * index)
    bytes.writeUInt8((src << 4) | dst, 8 * index + 1)
    bytes.writeInt16LE(offset, 8 * index + 2)
    bytes.writeInt32LE(imm, 8 * index + 4)
  })
  return bytes
}
