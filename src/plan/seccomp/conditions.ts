// Tests of a call's arguments: 64-bit comparisons out of loads and tests of 32-bit words.
import type { SeccompArg, SeccompOperator } from '../../model/oci-spec.ts'
import { BPF, DATA } from './abi.ts'
import type { Graph, Node } from './graph.ts'

/** One comparison that can come out either way. Values are unsigned 64-bit. */
export interface Condition {
  readonly index: number
  readonly op: SeccompOperator
  /** The mask for MASKED_EQ, else what is compared with. */
  readonly value: bigint
  /** What the masked argument is compared with. */
  readonly valueTwo: bigint
}

const WORD = 0xffffffffn

/** How wide an argument is: 32-bit calls (i386, x32, arm) have only the low word looked at, as libseccomp does. */
export type ArgBits = 32 | 64

/** From the spec's form. libseccomp ignores the bits of a masked value that its mask leaves out, and so do we. */
export const condition = ({ index, op, value, valueTwo }: SeccompArg, bits: ArgBits): Condition => {
  const first = BigInt.asUintN(bits, BigInt(value))
  const second = BigInt.asUintN(bits, BigInt(valueTwo ?? 0))
  return { index, op, value: first, valueTwo: op === 'SCMP_CMP_MASKED_EQ' ? first & second : 0n }
}

/** A comparison under a mask of no bits is always true. */
export const isAlwaysTrue = ({ op, value }: Condition): boolean => op === 'SCMP_CMP_MASKED_EQ' && value === 0n

/** The test of one condition, from a call whose arguments are not loaded yet. */
export const testCondition = (
  graph: Graph,
  { index, op, value, valueTwo }: Condition,
  bits: ArgBits,
  yes: Node,
  no: Node,
): Node => {
  const low = DATA.args + 8 * index
  const words: Words = { graph, low, high: bits === 64 ? low + 4 : undefined }
  switch (op) {
    case 'SCMP_CMP_EQ':
      return equal(words, value, 0xffffffffffffffffn, yes, no)
    case 'SCMP_CMP_NE':
      return equal(words, value, 0xffffffffffffffffn, no, yes)
    case 'SCMP_CMP_MASKED_EQ':
      return equal(words, valueTwo, value, yes, no)
    case 'SCMP_CMP_GT':
      return above(words, BPF.jgt, value, yes, no)
    case 'SCMP_CMP_GE':
      return above(words, BPF.jge, value, yes, no)
    case 'SCMP_CMP_LE':
      return above(words, BPF.jgt, value, no, yes)
    case 'SCMP_CMP_LT':
      return above(words, BPF.jge, value, no, yes)
  }
}

interface Words {
  readonly graph: Graph
  readonly low: number
  /** Undefined where only the low word counts. */
  readonly high: number | undefined
}

const lowWord = (value: bigint): number => Number(value & WORD)
const highWord = (value: bigint): number => Number(value >> 32n)

/** A word under a mask of no bits needs no test: what it is compared with is 0 too. */
const equal = ({ graph, low, high }: Words, value: bigint, mask: bigint, yes: Node, no: Node): Node => {
  const word = (offset: number, k: number, bits: number, next: Node): Node =>
    bits === 0 ? next : graph.load(offset, graph.test(BPF.jeq, k, next, no), bits)
  const rest = word(low, lowWord(value), lowWord(mask), yes)
  return high === undefined ? rest : word(high, highWord(value), highWord(mask), rest)
}

/** Greater in the high word, or equal there and greater (or equal) in the low one. */
const above = (
  { graph, low, high }: Words,
  op: typeof BPF.jgt | typeof BPF.jge,
  value: bigint,
  yes: Node,
  no: Node,
): Node => {
  const inLow = graph.load(low, graph.test(op, lowWord(value), yes, no))
  if (high === undefined) return inLow
  const sameHigh = graph.test(BPF.jeq, highWord(value), inLow, no)
  return graph.load(high, graph.test(BPF.jgt, highWord(value), yes, sameHigh))
}
