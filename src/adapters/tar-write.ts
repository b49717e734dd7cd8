// The bytes of a tar of plain files that says nothing of who made it, or when: the same files are the same bytes. POSIX.1-2017 pax.

const BLOCK = 512
const NAME_BYTES = 100
/** Eleven octal digits. */
const MAX_OCTAL_SIZE = 8 ** 11 - 1

export interface TarContent {
  readonly name: string
  /** Bytes. What `content` gives must be as many. */
  readonly size: number
  readonly content: () => AsyncIterable<Uint8Array>
}

export async function* writeTar(files: readonly TarContent[]): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    yield headerOf(file)
    yield* file.content()
    yield Buffer.alloc(padding(file.size))
  }
  yield Buffer.alloc(2 * BLOCK)
}

/** What a header has no room for goes into an extended one before it. */
const headerOf = ({ name, size }: TarContent): Uint8Array => {
  const isLong = Buffer.byteLength(name) > NAME_BYTES
  const records = [
    ...(isLong ? [paxRecord('path', name)] : []),
    ...(size > MAX_OCTAL_SIZE ? [paxRecord('size', String(size))] : []),
  ].join('')
  const header = block(isLong ? name.slice(-NAME_BYTES) : name, '0', size > MAX_OCTAL_SIZE ? 0 : size)
  if (records === '') return header
  const body = Buffer.from(records)
  return Buffer.concat([block('pax', 'x', body.length), body, Buffer.alloc(padding(body.length)), header])
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
const paxRecord = (key: string, value: string): string => {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  if (rest + String(length).length !== length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

const block = (name: string, type: string, size: number): Buffer => {
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0, NAME_BYTES)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write(type, 156)
  header.write('ustar\x0000', 257)
  header.fill(0x20, 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
