// The program every engine is given: a static ELF of a hundred-odd bytes that only exits, so that no start hides behind a libc's own.
import type { HostFacts } from '../model/host-facts.ts'

const MACHINE = { x64: 62, arm64: 183 } as const

/** exit_group(0) in machine code. */
const CODE = {
  // xor edi, edi; mov eax, 231; syscall
  x64: [0x31, 0xff, 0xb8, 0xe7, 0x00, 0x00, 0x00, 0x0f, 0x05],
  // mov x0, #0; mov x8, #94; svc #0
  arm64: [0x00, 0x00, 0x80, 0xd2, 0xc8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
} as const

const ADDRESS = 0x400000n
const HEADER_BYTES = 64
const SEGMENT_BYTES = 56
/** Of a page on any kernel of these machines. */
const ALIGNMENT = 0x10000n

/** elf(5): the header, one program header, and the code, loaded as one segment. */
export const payload = (arch: HostFacts['arch']): Uint8Array => {
  const code = CODE[arch]
  const start = HEADER_BYTES + SEGMENT_BYTES
  const size = BigInt(start + code.length)
  const file = Buffer.alloc(start + code.length)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 0)
  file.writeUInt16LE(2, 16) // ET_EXEC
  file.writeUInt16LE(MACHINE[arch], 18)
  file.writeUInt32LE(1, 20)
  file.writeBigUInt64LE(ADDRESS + BigInt(start), 24)
  file.writeBigUInt64LE(BigInt(HEADER_BYTES), 32)
  file.writeUInt16LE(HEADER_BYTES, 52)
  file.writeUInt16LE(SEGMENT_BYTES, 54)
  file.writeUInt16LE(1, 56)
  file.writeUInt32LE(1, HEADER_BYTES) // PT_LOAD
  file.writeUInt32LE(5, HEADER_BYTES + 4) // readable and executable
  file.writeBigUInt64LE(ADDRESS, HEADER_BYTES + 16)
  file.writeBigUInt64LE(ADDRESS, HEADER_BYTES + 24)
  file.writeBigUInt64LE(size, HEADER_BYTES + 32)
  file.writeBigUInt64LE(size, HEADER_BYTES + 40)
  file.writeBigUInt64LE(ALIGNMENT, HEADER_BYTES + 48)
  file.set(code, start)
  return file
}
