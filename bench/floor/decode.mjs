// Reads a launch plan's bytes (native/launch/plan.h) back into operations.

const HEADER_BYTES = 24
const OP_BYTES = 80
const NO_SLOT = 0xffffffff
const KINDS = [
  'syscall',
  'checkStat',
  'fail',
  'resetSignals',
  'init',
  'guard',
  'sendFd',
  'report',
  'putPid',
  'setSlot',
  'putSlot',
  'refuseFs',
  'putDecimal',
  'closeOthers',
]
const ARG_KINDS = ['number', 'slot', 'data']

const decodeOp = (bytes, at) => {
  const argKinds = bytes.readUInt32LE(at + 12)
  const resultSlot = bytes.readUInt32LE(at + 8)
  const tolerated = [0, 1, 2, 3].map((index) => bytes.readUInt16LE(at + 16 + 2 * index))
  return {
    kind: KINDS[bytes.readUInt16LE(at)],
    rememberDenied: (bytes.readUInt16LE(at + 2) & 1) !== 0,
    nr: bytes.readUInt32LE(at + 4),
    resultSlot: resultSlot === NO_SLOT ? undefined : resultSlot,
    tolerated: tolerated.slice(0, [...tolerated, 0].indexOf(0)),
    skipOnSuccess: bytes.readUInt16LE(at + 24),
    skipOnTolerated: bytes.readUInt16LE(at + 26),
    args: [0, 1, 2, 3, 4, 5].map((index) => ({
      kind: ARG_KINDS[(argKinds >> (4 * index)) & 0xf],
      value: bytes.readBigInt64LE(at + 32 + 8 * index),
    })),
  }
}

/** `{ ops, slotCount, dataAt, relocationsAt, relocationCount, data }` of one encoded program. */
export const decodePlan = (bytes) => {
  const [magic, version, opCount, slotCount, relocationCount, dataSize] = [0, 4, 8, 12, 16, 20].map((at) =>
    bytes.readUInt32LE(at),
  )
  if (magic !== 0x31504c53 || version !== 1) throw new Error('not a plan of version 1')
  const relocationsAt = HEADER_BYTES + OP_BYTES * opCount
  const dataAt = (relocationsAt + 4 * relocationCount + 7) & ~7
  const ops = Array.from({ length: opCount }, (_, index) => decodeOp(bytes, HEADER_BYTES + OP_BYTES * index))
  return {
    ops,
    slotCount,
    dataAt,
    relocationsAt,
    relocationCount,
    data: bytes.subarray(dataAt, dataAt + dataSize),
  }
}

/** The NUL-terminated text at an offset of a plan's data. */
export const textAt = (plan, offset) => {
  const from = Number(offset)
  return plan.data.subarray(from, plan.data.indexOf(0, from)).toString()
}
