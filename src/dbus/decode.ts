// Bytes as values, in either byte order. Whatever they hold, the result is values or a DbusFormatError.
import type { DbusValue } from '../model/unit-property.ts'
import { MAX_ARRAY_BYTES } from './encode.ts'
import { alignmentOf, DbusFormatError, type DbusType, parseOneType, parseSignature } from './signature.ts'

/** Variants in variants have no signature that would limit them. "Message Protocol": 64 in all. */
const MAX_DEPTH = 64

export interface Decoded {
  readonly values: readonly DbusValue[]
  /** Offset of the first byte behind them. */
  readonly end: number
}

/** The values from offset 0 on. Throws a DbusFormatError. */
export const decodeValues = (signature: string, bytes: Buffer, littleEndian: boolean): Decoded => {
  const reader = new Reader(bytes, littleEndian)
  const values = parseSignature(signature).map((type) => reader.value(type, 0))
  return { values, end: reader.at }
}

/** Throws a DbusFormatError for text that is no UTF-8: "Valid UTF-8 strings" only. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

class Reader {
  readonly #bytes: Buffer
  readonly #little: boolean
  at = 0

  constructor(bytes: Buffer, littleEndian: boolean) {
    this.#bytes = bytes
    this.#little = littleEndian
  }

  value(type: DbusType, depth: number): DbusValue {
    if (depth > MAX_DEPTH) throw new DbusFormatError('values are nested too deeply')
    switch (type.kind) {
      case 'basic':
        return this.#basic(type.code)
      case 'variant': {
        const signature = this.#signature()
        return { signature, value: this.value(parseOneType(signature), depth + 1) }
      }
      case 'array':
        return this.#array(type.of, depth + 1)
      case 'struct':
        this.#pad(8)
        return type.of.map((member) => this.value(member, depth + 1))
    }
  }

  #array(of: DbusType, depth: number): DbusValue {
    const size = this.#uint32()
    if (size > MAX_ARRAY_BYTES) throw new DbusFormatError(`an array of ${size} bytes`)
    this.#pad(alignmentOf(of))
    const end = this.at + size
    if (end > this.#bytes.length) throw new DbusFormatError('an array ends behind the message')
    const values: DbusValue[] = []
    while (this.at < end) values.push(this.value(of, depth))
    if (this.at !== end) throw new DbusFormatError('an array ends inside of an element')
    return values
  }

  #basic(code: string): DbusValue {
    const little = this.#little
    switch (code) {
      case 'y':
        return this.#take(1).readUInt8()
      case 'b':
        return this.#boolean()
      case 'n':
        return little ? this.#take(2).readInt16LE() : this.#take(2).readInt16BE()
      case 'q':
        return little ? this.#take(2).readUInt16LE() : this.#take(2).readUInt16BE()
      case 'i':
        return little ? this.#take(4).readInt32LE() : this.#take(4).readInt32BE()
      case 'u':
      case 'h':
        return this.#uint32()
      case 'x':
        return little ? this.#take(8).readBigInt64LE() : this.#take(8).readBigInt64BE()
      case 't':
        return little ? this.#take(8).readBigUInt64LE() : this.#take(8).readBigUInt64BE()
      case 'd':
        return little ? this.#take(8).readDoubleLE() : this.#take(8).readDoubleBE()
      case 'g':
        return this.#signature()
      default:
        return this.#text(this.#uint32())
    }
  }

  #uint32(): number {
    const bytes = this.#take(4)
    return this.#little ? bytes.readUInt32LE() : bytes.readUInt32BE()
  }

  #boolean(): boolean {
    const number = this.#uint32()
    if (number > 1) throw new DbusFormatError(`a boolean of ${number}`)
    return number === 1
  }

  #signature(): string {
    const text = this.#text(this.#take(1).readUInt8())
    parseSignature(text)
    return text
  }

  #text(size: number): string {
    const bytes = this.#take(size, 1)
    if (this.#take(1, 1).readUInt8() !== 0) throw new DbusFormatError('a text without a NUL behind it')
    if (bytes.includes(0)) throw new DbusFormatError('a text with a NUL in it')
    try {
      return utf8.decode(bytes)
    } catch {
      throw new DbusFormatError('a text that is no UTF-8')
    }
  }

  /** Numbers begin on a multiple of their size. */
  #take(size: number, multiple = size): Buffer {
    this.#pad(multiple)
    if (this.at + size > this.#bytes.length) throw new DbusFormatError('a value ends behind the message')
    const bytes = this.#bytes.subarray(this.at, this.at + size)
    this.at += size
    return bytes
  }

  #pad(multiple: number): void {
    const next = Math.ceil(this.at / multiple) * multiple
    if (this.#bytes.subarray(this.at, next).some((byte) => byte !== 0))
      throw new DbusFormatError('padding that is not zero')
    this.at = next
  }
}
