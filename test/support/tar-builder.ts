// Tar archives from a list, honest or not. POSIX.1-2017 pax, "ustar Interchange Format".

export interface TarFile {
  readonly name: string
  readonly data?: string | Uint8Array
  /** Default `0`, a regular file. */
  readonly type?: string
  readonly linkName?: string
  /** Permission bits, setuid and friends included. Default 0755. */
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Of a device node. */
  readonly device?: readonly [major: number, minor: number]
  /** The size the header tells, when it lies. */
  readonly size?: number
}

const BLOCK = 512

export const tarOf = (files: readonly TarFile[]): Buffer =>
  Buffer.concat([...files.map(entryOf), Buffer.alloc(2 * BLOCK)])

/** Header, contents and padding of one entry. */
export const entryOf = ({
  name,
  data = '',
  type = '0',
  linkName = '',
  size,
  mode = 0o755,
  uid = 0,
  gid = 0,
  device,
}: TarFile): Buffer => {
  const octal = (value: number): string => `${value.toString(8).padStart(7, '0')}\0`
  const bytes = Buffer.from(data as string)
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0, 100)
  header.write(octal(mode), 100)
  header.write(octal(uid), 108)
  header.write(octal(gid), 116)
  header.write(`${(size ?? bytes.length).toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write(type, 156)
  header.write(linkName, 157, 100)
  header.write('ustar\x0000', 257)
  device?.forEach((number, index) => {
    header.write(octal(number), 329 + 8 * index)
  })
  return Buffer.concat([sealed(header), bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)])
}

/** Puts the checksum in. */
export const sealed = (header: Buffer): Buffer => {
  header.fill(0x20, 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
