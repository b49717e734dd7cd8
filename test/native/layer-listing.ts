// A directory tree as sorted lines, so that two trees compare with one assertion.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'

/** `trusted.overlay.opaque` as getfattr prints it, by path; Node has no call for extended attributes. */
const attributes = (root: string): string =>
  execFileSync('getfattr', ['-R', '-h', '-d', '-m', '-', '-e', 'text', '--absolute-names', root], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })

/** Paths below `root` with this attribute. */
const having = (text: string, root: string, name: string): ReadonlySet<string> =>
  new Set(
    text
      .split('\n\n')
      .filter((block) => block.includes(`\n${name}=`))
      .map((block) => path.relative(root, (block.split('\n')[0] ?? '').replace('# file: ', ''))),
  )

/** Names are bytes: latin1 keeps each of them as one character. */
const file = (root: string, name: string): Buffer => Buffer.from(path.join(root, name), 'latin1')

const walk = (root: string, at = ''): readonly string[] =>
  readdirSync(file(root, at), 'latin1')
    .sort()
    .flatMap((name) => {
      const relative = path.join(at, name)
      const below = lstatSync(file(root, relative)).isDirectory() ? walk(root, relative) : []
      return [relative, ...below]
    })

/**
 * What an unpacked layer holds: `d` directory, `D` opaque one, `f` file with its content, `l` link, `w` whiteout,
 * `p` link to a layer below, `c`/`b` device, `i` FIFO. Implicit directories end in ` ?`, further names of a file in ` = first`.
 */
export const layerListing = (root: string): readonly string[] => {
  const text = attributes(root)
  const opaque = having(text, root, 'trusted.overlay.opaque')
  const implicit = having(text, root, 'trusted.overlay.slipway.implicit')
  const pending = having(text, root, 'trusted.overlay.slipway.link')
  const first = new Map<number, string>()
  const line = (name: string): string => {
    const at = file(root, name)
    const status = lstatSync(at)
    if (status.isDirectory())
      return `${opaque.has(name) ? 'D' : 'd'} ${name}${implicit.has(name) ? ' ?' : ''}`
    if (status.isCharacterDevice() && status.rdev === 0) return `w ${name}`
    if (pending.has(name)) return `p ${name}`
    const known = first.get(status.ino)
    if (known !== undefined) return `${name} = ${known}`
    first.set(status.ino, name)
    if (status.isSymbolicLink()) return `l ${name} -> ${readlinkSync(at)}`
    if (status.isCharacterDevice() || status.isBlockDevice()) {
      return `${status.isBlockDevice() ? 'b' : 'c'} ${name} ${status.rdev >> 8}:${status.rdev & 255}`
    }
    if (status.isFIFO()) return `i ${name}`
    const data = status.size > 64 ? `${status.size} bytes` : JSON.stringify(readFileSync(at, 'utf8'))
    return `f ${name} ${data}`
  }
  return walk(root).map(line)
}

/** Everything about a tree that an escape could change, data and times included. */
export const censusOf = (root: string): readonly string[] =>
  ['.', ...walk(root)].map((name) => {
    const at = file(root, name)
    const s = lstatSync(at, { bigint: true })
    const data = s.isFile() ? readFileSync(at, 'base64') : s.isSymbolicLink() ? readlinkSync(at) : ''
    return [name, s.ino, s.mode, s.uid, s.gid, s.nlink, s.size, s.mtimeNs, s.ctimeNs, data].join(' ')
  })

/**
 * Everything a program could see of a tree: types, modes, owners, sizes, times to the nanosecond, data, link groups, device
 * numbers, extended attributes. Overlay's own attributes are left out, which only its mounts interpret.
 */
export const fullListing = (root: string): readonly string[] => {
  const first = new Map<bigint, string>()
  const line = (name: string): string => {
    const at = file(root, name)
    const s = lstatSync(at, { bigint: true })
    const known = first.get(s.ino)
    if (known !== undefined && !s.isDirectory()) return `${name} = ${known}`
    first.set(s.ino, name)
    const data = s.isFile() ? sha256(readFileSync(at)) : s.isSymbolicLink() ? readlinkSync(at, 'latin1') : ''
    const size = s.isDirectory() ? '' : s.size
    return [name, s.mode.toString(8), s.uid, s.gid, size, s.rdev, s.mtimeNs, data].join(' ')
  }
  return [...['.', ...walk(root)].map(line), ...attributeBlocks(root)]
}

const attributeBlocks = (root: string): readonly string[] =>
  execFileSync('getfattr', ['-R', '-h', '-d', '-m', '-', '-e', 'hex', '.'], { cwd: root, encoding: 'latin1' })
    .split('\n\n')
    .map((block) => block.split('\n').filter((text) => !text.startsWith('trusted.overlay.')))
    .filter((block) => block.length > 1)
    .map((block) => block.join(' '))
    .sort()

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
