// Messages of D-Bus as bytes. D-Bus specification, "Message Format".
import type { DbusValue, DbusVariant } from '../model/unit-property.ts'
import { decodeValues } from './decode.ts'
import { encodeValues } from './encode.ts'
import { DbusFormatError } from './signature.ts'

export interface MethodCall {
  /** Absent on a connection without a bus. */
  readonly destination?: string
  readonly path: string
  readonly interface: string
  readonly member: string
  readonly signature?: string
  readonly values?: readonly DbusValue[]
}

export type ReceivedKind = 'call' | 'return' | 'error' | 'signal'

export interface Received {
  /** Undefined: of a kind that is not known, and to be passed over. */
  readonly kind: ReceivedKind | undefined
  readonly serial: number
  readonly replySerial?: number
  readonly path?: string
  readonly interface?: string
  readonly member?: string
  readonly errorName?: string
  readonly sender?: string
  readonly values: readonly DbusValue[]
}

const METHOD_CALL = 1
const KINDS: readonly (ReceivedKind | undefined)[] = [undefined, 'call', 'return', 'error', 'signal']
const LITTLE = 0x6c // l
const BIG = 0x42 // B
const PROTOCOL = 1
/** "Header Fields". */
const FIELD = {
  path: 1,
  interface: 2,
  member: 3,
  errorName: 4,
  replySerial: 5,
  destination: 6,
  sender: 7,
  signature: 8,
} as const
/** Byte order, kind, flags, protocol, body size, serial, and the size of the fields. */
const FIXED_BYTES = 16
const HEADER = 'yyyyuua(yv)'
/** The specification's limit is 128 MiB; no answer of a manager comes near this one. */
export const MAX_MESSAGE_BYTES = 2 ** 24

/** `serial`: not 0. Throws a DbusFormatError. */
export const encodeCall = (call: MethodCall, serial: number): Buffer => {
  const { destination, path, member, signature = '', values = [] } = call
  const body = encodeValues(signature, values)
  const fields: DbusValue[] = [
    field(FIELD.path, 'o', path),
    field(FIELD.interface, 's', call.interface),
    field(FIELD.member, 's', member),
    ...(destination === undefined ? [] : [field(FIELD.destination, 's', destination)]),
    ...(signature === '' ? [] : [field(FIELD.signature, 'g', signature)]),
  ]
  const header = encodeValues(HEADER, [LITTLE, METHOD_CALL, 0, PROTOCOL, body.length, serial, fields])
  return Buffer.concat([header, Buffer.alloc(padding(header.length)), body])
}

const field = (code: number, signature: string, value: DbusValue): DbusValue => [code, { signature, value }]
const padding = (size: number): number => (8 - (size % 8)) % 8

/** How long the message is that begins here; undefined while too little of it is there. Throws a DbusFormatError. */
export const messageSize = (bytes: Buffer): number | undefined => {
  if (bytes.length < FIXED_BYTES) return undefined
  const little = isLittle(bytes)
  if (bytes[3] !== PROTOCOL) throw new DbusFormatError(`a message of protocol ${bytes[3]}`)
  const word = (at: number): number => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
  const header = FIXED_BYTES + word(12)
  const size = header + padding(header) + word(4)
  if (size > MAX_MESSAGE_BYTES) throw new DbusFormatError(`a message of ${size} bytes`)
  return size
}

const isLittle = ([first]: Buffer): boolean => {
  if (first !== LITTLE && first !== BIG) throw new DbusFormatError(`a message that begins with ${first}`)
  return first === LITTLE
}

/** Exactly one message. Throws a DbusFormatError. */
export const decodeMessage = (bytes: Buffer): Received => {
  const little = isLittle(bytes)
  const { values, end } = decodeValues(HEADER, bytes, little)
  const [, kind, , , bodySize, serial, fields] = values as [
    number,
    number,
    number,
    number,
    number,
    number,
    readonly (readonly [number, DbusVariant])[],
  ]
  const start = end + padding(end)
  if (serial === 0 || bytes.length !== start + bodySize)
    throw new DbusFormatError('a header that does not fit its message')
  const of = fieldsOf(fields)
  // A copy on a boundary of its own: padding counts from the body's first byte.
  const body = decodeValues(of.signature ?? '', bytes.subarray(start), little)
  if (body.end !== bodySize) throw new DbusFormatError('a body that does not fit its signature')
  return { kind: KINDS[kind], serial, ...of, values: body.values }
}

type Fields = Omit<Received, 'kind' | 'serial' | 'values'> & { readonly signature?: string }

const TYPES: Readonly<Record<number, readonly [name: keyof Fields, signature: string]>> = {
  [FIELD.path]: ['path', 'o'],
  [FIELD.interface]: ['interface', 's'],
  [FIELD.member]: ['member', 's'],
  [FIELD.errorName]: ['errorName', 's'],
  [FIELD.replySerial]: ['replySerial', 'u'],
  [FIELD.sender]: ['sender', 's'],
  [FIELD.signature]: ['signature', 'g'],
}

/** Unknown fields are to be passed over. */
const fieldsOf = (fields: readonly (readonly [number, DbusVariant])[]): Fields =>
  Object.fromEntries(
    fields.flatMap(([code, { signature, value }]) => {
      const [name, wanted] = TYPES[code] ?? []
      if (name === undefined) return []
      if (signature !== wanted) throw new DbusFormatError(`a header whose ${name} is of type ${signature}`)
      return [[name, value]]
    }),
  )
