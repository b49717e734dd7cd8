// Values as bytes, little endian. D-Bus specification, "Marshaling".
import type { DbusValue, DbusVariant } from '../model/unit-property.ts'
import { alignmentOf, DbusFormatError, type DbusType, parseOneType, parseSignature } from './signature.ts'

/** Of an array, in bytes. "Summary of D-Bus marshaling". */
export const MAX_ARRAY_BYTES = 2 ** 26

/** Offsets count from the first byte, which must come to lie on a multiple of 8. Throws a DbusFormatError. */
export const encodeValues = (signature: string, values: readonly DbusValue[]): Buffer => {
  const types = parseSignature(signature)
  if (types.length !== values.length)
    throw new DbusFormatError(`signature ${JSON.stringify(signature)}: ${values.length} values`)
  const writer = new Writer()
  types.forEach((type, index) => {
    writer.value(type, values[index] as DbusValue)
  })
  return writer.bytes()
}

class Writer {
  readonly #parts: Buffer[] = []
  #size = 0

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  value(type: DbusType, value: DbusValue): void {
    switch (type.kind) {
      case 'basic':
        this.#basic(type.code, value)
        return
      case 'variant':
        this.#variant(value)
        return
      case 'array':
        this.#array(type.of, value)
        return
      case 'struct':
        this.#pad(8)
        this.#each(type.of, elements(value))
    }
  }

  #each(types: readonly DbusType[], values: readonly DbusValue[]): void {
    if (types.length !== values.length) throw new DbusFormatError('a struct with another number of members')
    types.forEach((type, index) => {
      this.value(type, values[index] as DbusValue)
    })
  }

  /** The length does not count what pads the first element. */
  #array(of: DbusType, value: DbusValue): void {
    this.#pad(4)
    const length = this.#add(Buffer.alloc(4))
    this.#pad(alignmentOf(of))
    const start = this.#size
    for (const element of elements(value)) this.value(of, element)
    if (this.#size - start > MAX_ARRAY_BYTES) throw new DbusFormatError('an array of more than 64 MiB')
    length.writeUInt32LE(this.#size - start)
  }

  #variant(value: DbusValue): void {
    if (typeof value !== 'object' || !('signature' in value)) throw new DbusFormatError('no variant')
    const { signature, value: inner } = value as DbusVariant
    const type = parseOneType(signature)
    this.#basic('g', signature)
    this.value(type, inner)
  }

  #basic(code: string, value: DbusValue): void {
    if (code === 's' || code === 'o' || code === 'g') this.#text(code, value)
    else if (code === 'b') this.#number('u', Number(booleanOf(value)))
    else if (code === 'x' || code === 't') this.#long(code, value)
    else this.#number(code, value)
  }

  #text(code: string, value: DbusValue): void {
    if (typeof value !== 'string' || value.includes('\0')) throw new DbusFormatError(`no text for ${code}`)
    const text = Buffer.from(value)
    if (code === 'g') {
      if (text.length > 255) throw new DbusFormatError('a signature of more than 255 bytes')
      this.#add(Buffer.of(text.length))
    } else this.#number('u', text.length)
    this.#add(text)
    this.#add(Buffer.alloc(1))
  }

  #long(code: string, value: DbusValue): void {
    const fits = code === 't' ? BigInt.asUintN : BigInt.asIntN
    if (typeof value !== 'bigint' || fits(64, value) !== value)
      throw new DbusFormatError(`${String(value)} is no ${code}`)
    this.#pad(8)
    this.#add(Buffer.alloc(8)).writeBigUInt64LE(BigInt.asUintN(64, value))
  }

  #number(code: string, value: DbusValue): void {
    const { bytes, min, max, put } = NUMBERS[code] as NumberForm
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw new DbusFormatError(`${String(value)} is no ${code}`)
    if (code !== 'd' && !Number.isInteger(value)) throw new DbusFormatError(`${value} is no ${code}`)
    this.#pad(bytes)
    put(this.#add(Buffer.alloc(bytes)), value)
  }

  #pad(multiple: number): void {
    const rest = this.#size % multiple
    if (rest > 0) this.#add(Buffer.alloc(multiple - rest))
  }

  #add(bytes: Buffer): Buffer {
    this.#parts.push(bytes)
    this.#size += bytes.length
    return bytes
  }
}

interface NumberForm {
  readonly bytes: number
  readonly min: number
  readonly max: number
  readonly put: (bytes: Buffer, value: number) => void
}

const whole = (bytes: 1 | 2 | 4, signed: boolean): NumberForm => ({
  bytes,
  min: signed ? -(2 ** (8 * bytes - 1)) : 0,
  max: 2 ** (8 * bytes - (signed ? 1 : 0)) - 1,
  put: (buffer, value) =>
    void (signed ? buffer.writeIntLE(value, 0, bytes) : buffer.writeUIntLE(value, 0, bytes)),
})
const NUMBERS: Readonly<Record<string, NumberForm>> = {
  y: whole(1, false),
  n: whole(2, true),
  q: whole(2, false),
  i: whole(4, true),
  u: whole(4, false),
  h: whole(4, false),
  d: {
    bytes: 8,
    min: Number.NEGATIVE_INFINITY,
    max: Number.POSITIVE_INFINITY,
    put: (buffer, value) => void buffer.writeDoubleLE(value),
  },
}

const elements = (value: DbusValue): readonly DbusValue[] => {
  if (!Array.isArray(value)) throw new DbusFormatError('no list of values')
  return value
}

const booleanOf = (value: DbusValue): boolean => {
  if (typeof value !== 'boolean') throw new DbusFormatError(`${String(value)} is neither true nor false`)
  return value
}
