// Signatures of D-Bus: the types of a message's values. D-Bus specification, "Type System".

export type DbusType =
  | { readonly kind: 'basic'; readonly code: string }
  | { readonly kind: 'variant' }
  | { readonly kind: 'array'; readonly of: DbusType }
  | { readonly kind: 'struct'; readonly of: readonly DbusType[] }

/** Bytes a value's beginning is a multiple of. "Marshaling", "Alignment". */
export const ALIGNMENT: Readonly<Record<string, number>> = {
  y: 1,
  g: 1,
  v: 1,
  n: 2,
  q: 2,
  b: 4,
  i: 4,
  u: 4,
  h: 4,
  s: 4,
  o: 4,
  x: 8,
  t: 8,
  d: 8,
}
const ARRAY_ALIGNMENT = 4
const STRUCT_ALIGNMENT = 8

export const alignmentOf = (type: DbusType): number => {
  switch (type.kind) {
    case 'basic':
      return ALIGNMENT[type.code] ?? 1
    case 'variant':
      return 1
    case 'array':
      return ARRAY_ALIGNMENT
    case 'struct':
      return STRUCT_ALIGNMENT
  }
}

/** What the other side, or the caller, got wrong. */
export class DbusFormatError extends Error {}

/** "Valid Signatures": 255 bytes; 32 arrays and 32 structs in each other. */
const MAX_BYTES = 255
const MAX_DEPTH = 32

/** A list of complete types. A dictionary's entry is a struct of two. Throws a DbusFormatError. */
export const parseSignature = (signature: string): readonly DbusType[] => {
  const refuse = (why: string): never => {
    throw new DbusFormatError(`signature ${JSON.stringify(signature)}: ${why}`)
  }
  if (signature.length > MAX_BYTES) refuse(`longer than ${MAX_BYTES} bytes`)
  let at = 0
  const one = (arrays: number, structs: number): DbusType => {
    if (arrays > MAX_DEPTH || structs > MAX_DEPTH) refuse('nested too deeply')
    const code = signature[at++] ?? refuse('ends in the middle of a type')
    if (code === 'v') return { kind: 'variant' }
    if (code === 'a')
      return { kind: 'array', of: signature[at] === '{' ? entry(arrays, structs) : one(arrays + 1, structs) }
    if (code === '(') return struct(arrays, structs)
    return Object.hasOwn(ALIGNMENT, code)
      ? { kind: 'basic', code }
      : refuse(`no type ${JSON.stringify(code)}`)
  }
  const struct = (arrays: number, structs: number): DbusType => {
    const of: DbusType[] = []
    while (signature[at] !== ')') of.push(one(arrays, structs + 1))
    at++
    return of.length === 0 ? refuse('an empty struct') : { kind: 'struct', of }
  }
  const entry = (arrays: number, structs: number): DbusType => {
    at++
    const key = one(arrays + 1, structs + 1)
    if (key.kind !== 'basic') refuse('the key of a dictionary is no basic type')
    const value = one(arrays + 1, structs + 1)
    if (signature[at++] !== '}') refuse('an entry of a dictionary has two types')
    return { kind: 'struct', of: [key, value] }
  }
  const types: DbusType[] = []
  while (at < signature.length) types.push(one(0, 0))
  return types
}

/** Throws a DbusFormatError unless it is exactly one type. */
export const parseOneType = (signature: string): DbusType => {
  const [type, ...more] = parseSignature(signature)
  if (type === undefined || more.length > 0)
    throw new DbusFormatError(`signature ${JSON.stringify(signature)}: not one complete type`)
  return type
}
