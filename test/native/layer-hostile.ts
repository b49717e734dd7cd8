// Archives that try to leave their directory, to confuse, to exhaust or to be half there; and what becomes of each.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { base256, extended, header, padded, paxRecord, seal, type TarEntry, tar } from './layer-tar.ts'

export interface HostileCase {
  readonly name: string
  readonly bytes: Buffer
  /** Refused, with this in the reason; otherwise the lines of the tree. */
  readonly refused?: RegExp
  readonly tree?: readonly string[]
  readonly limits?: { readonly maxEntries?: number; readonly maxBytes?: number; readonly devices?: boolean }
  /** The stack of this one layer is refused, with this in the reason. */
  readonly stackRefused?: RegExp
}

const BLOCK = 512
export const file = (name: string, data = 'x'): TarEntry => ({ name, data })
export const dir = (name: string): TarEntry => ({ name, type: '5' })
export const link = (name: string, target: string): TarEntry => ({ name, type: '2', link: target })
export const hard = (name: string, target: string): TarEntry => ({ name, type: '1', link: target })
const sparse = (pax: TarEntry['pax'], data: string): TarEntry => ({ name: 's', pax: pax ?? {}, data })
const whole = (archive: Buffer): Buffer => archive.subarray(0, archive.length - 2 * BLOCK)
const gnuSparse = (
  segments: readonly (readonly [number, number])[],
  realSize: number,
  data: string,
  more = false,
): TarEntry => ({
  name: 's',
  type: 'S',
  format: 'gnu',
  data,
  edit: (block) => {
    segments.forEach(([offset, size], i) => {
      block.write(
        `${offset.toString(8).padStart(11, '0')}\0${size.toString(8).padStart(11, '0')}\0`,
        386 + i * 24,
        'latin1',
      )
    })
    block[482] = more ? 1 : 0
    block.write(`${realSize.toString(8).padStart(11, '0')}\0`, 483, 'latin1')
  },
})
const many = (count: number, make: (i: number) => TarEntry): readonly TarEntry[] =>
  Array.from({ length: count }, (_, i) => make(i))

/** A tree that no archive may touch. */
export const makeOutside = (outside: string): void => {
  mkdirSync(path.join(outside, 'folder'), { recursive: true })
  writeFileSync(path.join(outside, 'file'), 'keep')
  writeFileSync(path.join(outside, 'folder', 'file'), 'keep too')
  symlinkSync('file', path.join(outside, 'link'))
}

/** @param outside absolute path of what `makeOutside` makes. */
export const hostileCases = (outside: string): readonly HostileCase[] => [
  ...escapes(outside),
  ...hardLinks(outside),
  ...whiteouts(outside),
  ...names,
  ...duplicates,
  ...numbers,
  ...broken,
  ...extendedHeaders,
  ...sparseFiles,
  ...attributes,
  ...bounds,
  ...devices,
]

const LEADS_OUT = /leads out of the layer/
const NO_DIRECTORY = /a symbolic link to no directory of this layer/

const escapes = (outside: string): readonly HostileCase[] => [
  { name: 'a name that starts with ..', bytes: tar(file('../evil')), refused: LEADS_OUT },
  { name: 'a name with .. that stays inside', bytes: tar(file('a/../b')), refused: LEADS_OUT },
  { name: 'a name that climbs out in the middle', bytes: tar(file('a/../../evil')), refused: LEADS_OUT },
  { name: 'the directory ..', bytes: tar(dir('..')), refused: LEADS_OUT },
  { name: 'a name that ends in ..', bytes: tar(dir('a/..')), refused: LEADS_OUT },
  { name: 'an absolute name', bytes: tar(file('/abs')), tree: ['f abs "x"'] },
  {
    name: 'an absolute name of a file outside',
    bytes: tar(file(`${outside}/file`.slice(0, 99))),
    tree: undefinedTree(outside),
  },
  { name: 'a name with many slashes and dots', bytes: tar(file('//a/.//./b')), tree: ['d a ?', 'f a/b "x"'] },
  { name: '.. in a pax path', bytes: tar({ ...file('ok'), pax: { path: '../evil' } }), refused: LEADS_OUT },
  {
    name: '.. in a GNU long name',
    bytes: tar(extended('L', Buffer.from('../evil\0')), file('ok')),
    refused: LEADS_OUT,
  },
  {
    name: '.. in the prefix field',
    bytes: tar({ ...file('evil'), edit: (block) => block.write('..', 345) }),
    refused: LEADS_OUT,
  },
  {
    name: 'through an absolute link to nothing',
    bytes: tar(link('a', '/etc'), file('a/x')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'through an absolute link to a folder outside',
    bytes: tar(link('a', outside), file('a/file')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'through a relative link that climbs out',
    bytes: tar(link('a', `../../../../../../../../../..${outside}`), file('a/file')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'through a link to .. in a subfolder',
    bytes: tar(dir('d/'), link('d/up', '../..'), file('d/up/x')),
    tree: ['d d', 'l d/up -> ../..', 'f x "x"'],
  },
  {
    name: 'through an absolute link to a folder of the layer',
    bytes: tar(dir('etc/'), link('a', '/etc'), file('a/x')),
    tree: ['l a -> /etc', 'd etc', 'f etc/x "x"'],
  },
  {
    name: 'through a chain of links that leaves',
    bytes: tar(link('a', 'b'), link('b', outside), file('a/x')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'through links in a circle',
    bytes: tar(link('a', 'b'), link('b', 'a'), file('a/x')),
    refused: /in a circle/,
  },
  { name: 'through a link to itself', bytes: tar(link('a', 'a'), dir('a/b/')), refused: /in a circle/ },
  {
    name: 'through a link to the root',
    bytes: tar(link('a', '.'), file('a/a/a/x')),
    tree: ['l a -> .', 'f x "x"'],
  },
  {
    name: 'through a magic link',
    bytes: tar(link('a', '/proc/self/root'), file('a/x')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'a directory over a link to outside',
    bytes: tar(link('a', outside), dir('a/'), file('a/file')),
    tree: ['d a', 'f a/file "x"'],
  },
  {
    name: 'a file over a link to a file outside',
    bytes: tar(link('a', `${outside}/file`), file('a')),
    tree: ['f a "x"'],
  },
  {
    name: 'a link over a link to outside',
    bytes: tar(link('a', outside), link('a', 'b')),
    tree: ['l a -> b'],
  },
  {
    name: 'a device over a link to outside',
    bytes: tar(link('a', `${outside}/file`), { name: 'a', type: '6' }),
    tree: ['i a'],
  },
  {
    name: 'a folder swapped for a link while it is being filled',
    bytes: tar(dir('d/'), file('d/1'), link('d', outside), file('d/file')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'a folder above swapped for a link while a deeper one is being filled',
    bytes: tar(dir('d/'), dir('d/e/'), file('d/e/1'), link('d', outside), file('d/e/2')),
    refused: NO_DIRECTORY,
  },
  { name: 'a parent that is a file', bytes: tar(file('a'), file('a/b')), refused: /no directory/ },
  {
    name: 'a parent that is a FIFO',
    bytes: tar({ name: 'a', type: '6' }, file('a/b')),
    refused: /no directory/,
  },
  {
    name: 'a parent that is a device',
    bytes: tar({ name: 'a', type: '3', major: 1, minor: 3 }, file('a/b')),
    refused: /no directory/,
  },
  {
    name: 'a link to a file as parent',
    bytes: tar(file('f'), link('a', 'f'), file('a/b')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'through a hundred links, each to the next',
    bytes: tar(...many(100, (i) => link(`l${i}`, `l${i + 1}`)), file('l0/x')),
    refused: /in a circle/,
  },
  {
    name: 'through a link that changes its target between two entries',
    bytes: tar(dir('d/'), link('a', 'd'), file('a/1'), link('a', outside), file('a/file')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'through a link below a hard link to a link',
    bytes: tar(link('s', outside), hard('h', 's'), file('h/file')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'backslashes and drive letters, which are parts of names here',
    bytes: tar(file('..\\..\\evil'), file('C:\\evil')),
    tree: ['f ..\\..\\evil "x"', 'f C:\\evil "x"'],
  },
  {
    name: 'names of dots that are none of . and ..',
    bytes: tar(file('...'), file('.. /x')),
    tree: ['d ..  ?', 'f .. /x "x"', 'f ... "x"'],
  },
  { name: 'a directory called .. by a slash at its end', bytes: tar(dir('../')), refused: LEADS_OUT },
]

/** An absolute name lies below the layer's root, under the same name. */
const undefinedTree = (outside: string): readonly string[] => {
  const parts = `${outside}/file`.slice(1, 99).split('/')
  return parts.map((_, i) => {
    const name = parts.slice(0, i + 1).join('/')
    return i + 1 < parts.length ? `d ${name} ?` : `f ${name} "x"`
  })
}

const hardLinks = (outside: string): readonly HostileCase[] => [
  {
    name: 'a hard link that climbs out',
    bytes: tar(hard('a', '../../outside/file')),
    refused: /target leads out/,
  },
  { name: 'a hard link without a target', bytes: tar(hard('a', '')), refused: /target leads out/ },
  { name: 'a hard link to the root', bytes: tar(hard('a', '/')), refused: /target leads out/ },
  {
    name: 'a hard link to an absolute name outside',
    bytes: tar(hard('a', `${outside}/file`)),
    tree: ['p a'],
    stackRefused: /which no layer below has/,
  },
  {
    name: 'a hard link to a file that never comes',
    bytes: tar(hard('a', 'b')),
    tree: ['p a'],
    stackRefused: /which no layer below has/,
  },
  {
    name: 'a hard link through a link to outside',
    bytes: tar(link('s', outside), hard('a', 's/file')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'a hard link to a link to outside',
    bytes: tar(link('s', `${outside}/file`), hard('a', 's')),
    tree: [`l a -> ${outside}/file`, 's = a'],
  },
  {
    name: 'a file over a hard link to a link to outside',
    bytes: tar(link('s', `${outside}/file`), hard('a', 's'), file('a', 'mine')),
    tree: ['f a "mine"', `l s -> ${outside}/file`],
  },
  { name: 'a hard link to a directory', bytes: tar(dir('d/'), hard('a', 'd')), refused: /is a directory/ },
  { name: 'a hard link to itself', bytes: tar(file('a'), hard('a', 'a')), refused: /leads to itself/ },
  {
    name: 'a hard link to itself by another spelling',
    bytes: tar(file('a'), hard('a', './a')),
    refused: /leads to itself/,
  },
  {
    name: 'a hard link to the name it is linked to',
    bytes: tar(file('a'), hard('b', 'a'), hard('a', 'b')),
    tree: ['f a "x"', 'b = a'],
  },
  {
    name: 'a hard link to a whiteout',
    bytes: tar(file('.wh.b'), hard('a', 'b')),
    tree: ['p a', 'w b'],
    stackRefused: /no layer below/,
  },
  {
    name: 'a hard link with a size',
    bytes: tar(file('a'), { ...hard('b', 'a'), size: 4096 }, file('c')),
    tree: ['f a "x"', 'b = a', 'f c "x"'],
  },
  {
    name: 'a hard link over a full directory',
    bytes: tar(file('a'), file('d/x'), hard('d', 'a')),
    tree: ['f a "x"', 'd = a'],
  },
  {
    name: 'a hard link to a device, and a file over it',
    bytes: tar({ name: 'c', type: '3', major: 1, minor: 3 }, hard('a', 'c'), file('a', 'mine')),
    tree: ['f a "mine"', 'c c 1:3'],
  },
  {
    name: 'a hard link under a name that climbs out',
    bytes: tar(file('a'), hard('../b', 'a')),
    refused: LEADS_OUT,
  },
  {
    name: 'a hard link whose target climbs out in the middle',
    bytes: tar(file('a'), hard('b', 'x/../../a')),
    refused: /target leads out/,
  },
  {
    name: 'a hard link in a pax record that climbs out',
    bytes: tar(file('a'), { ...hard('b', 'a'), pax: { linkpath: '../outside/file' } }),
    refused: /target leads out/,
  },
  {
    name: 'a hard link through a link to the root',
    bytes: tar(link('s', '/'), file('a'), hard('b', 's/a')),
    tree: ['f a "x"', 'b = a', 'l s -> /'],
  },
]

const whiteouts = (outside: string): readonly HostileCase[] => [
  { name: 'a whiteout of nothing', bytes: tar(file('.wh.')), refused: /must name a file/ },
  { name: 'a whiteout of .', bytes: tar(file('.wh..')), refused: /must name a file/ },
  { name: 'a whiteout of ..', bytes: tar(file('.wh...')), refused: /must name a file/ },
  { name: 'a whiteout outside', bytes: tar(file('../.wh.file')), refused: LEADS_OUT },
  {
    name: 'a whiteout through a link to outside',
    bytes: tar(link('s', outside), file('s/.wh.file')),
    refused: NO_DIRECTORY,
  },
  {
    name: 'an opaque marker through a link to outside',
    bytes: tar(link('s', outside), file('s/.wh..wh..opq')),
    refused: NO_DIRECTORY,
  },
  { name: 'an entry in a whiteout', bytes: tar(file('.wh.a/b')), refused: /a whiteout is no directory/ },
  { name: 'a whiteout with data', bytes: tar(file('.wh.a', 'data')), tree: ['w a'] },
  { name: 'a whiteout that is a directory', bytes: tar(dir('.wh.a/')), tree: ['w a'] },
  { name: 'a whiteout twice', bytes: tar(file('.wh.a'), file('.wh.a')), tree: ['w a'] },
  { name: 'a whiteout, then the file', bytes: tar(file('.wh.a'), file('a')), tree: ['f a "x"'] },
  { name: 'the file, then its whiteout', bytes: tar(file('a'), file('.wh.a')), tree: ['f a "x"'] },
  {
    name: 'a whiteout, then the directory',
    bytes: tar(file('.wh.a'), dir('a/'), file('a/b')),
    tree: ['D a', 'f a/b "x"'],
  },
  {
    name: 'the directory, then its whiteout',
    bytes: tar(dir('a/'), file('a/b'), file('.wh.a')),
    tree: ['D a', 'f a/b "x"'],
  },
  {
    name: 'a whiteout, then a file in the directory',
    bytes: tar(file('.wh.a'), file('a/b')),
    tree: ['D a ?', 'f a/b "x"'],
  },
  {
    name: 'the whiteout of a link to outside',
    bytes: tar(link('s', outside), file('.wh.s')),
    tree: [`l s -> ${outside}`],
  },
  {
    name: 'bookkeeping of AUFS',
    bytes: tar(dir('.wh..wh.plnk/'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs'), file('a')),
    tree: ['f a "x"'],
  },
  { name: 'a hard link to bookkeeping of AUFS', bytes: tar(hard('a', '.wh..wh.plnk/1.2')), refused: /AUFS/ },
  {
    name: 'a whiteout in a folder that climbs out',
    bytes: tar(file('a/../../.wh.file')),
    refused: LEADS_OUT,
  },
  { name: 'a whiteout of a whiteout', bytes: tar(file('.wh..wh.a')), tree: [] },
  {
    name: 'an opaque marker of a file',
    bytes: tar(file('a'), file('a/.wh..wh..opq')),
    refused: /no directory/,
  },
  {
    name: 'an opaque marker, then a file in place of its directory',
    bytes: tar(file('a/.wh..wh..opq'), file('a')),
    tree: ['f a "x"'],
  },
  { name: 'a whiteout that is a link to outside', bytes: tar(link('.wh.a', outside)), tree: ['w a'] },
  {
    name: 'a whiteout that is a hard link',
    bytes: tar(file('b'), hard('.wh.a', 'b')),
    tree: ['w a', 'f b "x"'],
  },
  {
    name: 'a hard link to a name of whiteouts',
    bytes: tar(file('b'), hard('a', '.wh.b')),
    tree: ['p a', 'f b "x"'],
    stackRefused: /no layer below/,
  },
  {
    name: 'a device 0:0 as a whiteout of a directory of the layer',
    bytes: tar(file('a/b'), { name: 'a', type: '3', major: 0, minor: 0 }),
    tree: ['D a ?', 'f a/b "x"'],
  },
]

const names: readonly HostileCase[] = [
  { name: 'no name', bytes: tar(file('')), refused: /name is empty/ },
  { name: 'the root as a file', bytes: tar(file('.')), refused: /root is a directory/ },
  { name: 'the root as a link', bytes: tar(link('./', '/')), refused: /root is a directory/ },
  { name: 'the root as a hard link', bytes: tar(file('a'), hard('/', 'a')), refused: /root is a directory/ },
  { name: 'the root as a directory', bytes: tar(dir('./'), file('./a')), tree: ['f a "x"'] },
  { name: 'NUL in a pax path', bytes: tar({ ...file('a'), pax: { path: 'a\0b' } }), refused: /NUL/ },
  { name: 'NUL in a pax link', bytes: tar({ ...link('a', 'b'), pax: { linkpath: 'a\0b' } }), refused: /NUL/ },
  {
    name: 'NUL in a GNU long name',
    bytes: tar(extended('L', Buffer.from('a\0/../b')), file('ok')),
    tree: ['f a "x"'],
  },
  { name: 'an empty pax path', bytes: tar({ ...file('a'), pax: { path: '' } }), tree: ['f a "x"'] },
  {
    name: 'a part of 255 bytes',
    bytes: tar({ ...file('a'), pax: { path: 'n'.repeat(255) } }),
    tree: [`f ${'n'.repeat(255)} "x"`],
  },
  {
    name: 'a part of 256 bytes',
    bytes: tar({ ...file('a'), pax: { path: 'n'.repeat(256) } }),
    refused: /part of the name is too long/,
  },
  {
    name: 'a path of 4096 bytes',
    bytes: tar({ ...file('a'), pax: { path: `${'ab/'.repeat(1365)}c` } }),
    refused: /name is too long/,
  },
  {
    name: '257 folders deep',
    bytes: tar({ ...file('a'), pax: { path: `${'d/'.repeat(257)}f` } }),
    refused: /nested too deeply/,
  },
  {
    name: 'deeper than allowed by way of links',
    bytes: tar(
      { ...dir('d'), pax: { path: 'd/'.repeat(200) } },
      { ...link('s', ''), pax: { linkpath: 'd/'.repeat(200) } },
      { ...file('f'), pax: { path: `s/${'e/'.repeat(100)}f` } },
    ),
    refused: /nested too deeply/,
  },
  { name: 'a link with no target', bytes: tar(link('a', '')), refused: /target is empty or too long/ },
  {
    name: 'a link with an endless target',
    bytes: tar({ ...link('a', 'b'), pax: { linkpath: 't'.repeat(4096) } }),
    refused: /empty or too long/,
  },
  {
    name: 'names that are not UTF-8',
    bytes: tar({ ...file('a'), edit: (block) => block.write('\xff\xfe', 0, 'latin1') }),
    tree: ['f \xff\xfe "x"'],
  },
  {
    name: 'a file whose name ends with a slash',
    bytes: tar({ ...file('a/', ''), type: '0' }),
    tree: ['d a'],
  },
  {
    name: 'a file with data whose name ends with a slash',
    bytes: tar(file('a/', 'data')),
    refused: /ends with a slash/,
  },
  {
    name: 'a part of 64 KiB',
    bytes: tar({ ...file('a'), pax: { path: 'n'.repeat(65536) } }),
    refused: /name is too long/,
  },
  {
    name: 'a GNU long name of 64 KiB',
    bytes: tar(extended('L', Buffer.alloc(65536, 'n')), file('a')),
    refused: /name is too long/,
  },
  {
    name: '10,000 folders deep',
    bytes: tar({ ...dir('d'), pax: { path: 'd/'.repeat(10_000) } }),
    refused: /name is too long/,
  },
  {
    name: '10,000 folders deep by way of links',
    bytes: tar(
      ...many(40, (i) => ({
        ...dir('d'),
        pax: { path: `${i === 0 ? '' : `s${i - 1}/`}${'d/'.repeat(250)}` },
      })).flatMap((entry, i) => [
        entry,
        { ...link(`s${i}`, ''), pax: { linkpath: `${i === 0 ? '' : `s${i - 1}/`}${'d/'.repeat(250)}` } },
      ]),
    ),
    refused: /nested too deeply/,
  },
  {
    name: 'a pax path of a slash',
    bytes: tar({ ...file('a'), pax: { path: '/' } }),
    refused: /ends with a slash/,
  },
  { name: 'a newline and an escape in a name', bytes: tar(file('a\n\x1b[2J')), tree: ['f a\n\x1b[2J "x"'] },
  {
    name: 'a NUL in the middle of the name field',
    bytes: tar({ ...file('a'), edit: (block) => block.write('a\0/../b', 0) }),
    tree: ['f a "x"'],
  },
]

const duplicates: readonly HostileCase[] = [
  { name: 'a file twice', bytes: tar(file('a', '1'), file('a', '2')), tree: ['f a "2"'] },
  {
    name: 'a file, then a directory',
    bytes: tar(file('a'), dir('a/'), file('a/b')),
    tree: ['d a', 'f a/b "x"'],
  },
  { name: 'a full directory, then a file', bytes: tar(file('a/b/c'), file('a')), tree: ['f a "x"'] },
  { name: 'a full directory, then a link', bytes: tar(file('a/b'), link('a', 'c')), tree: ['l a -> c'] },
  { name: 'a full directory, then a FIFO', bytes: tar(file('a/b'), { name: 'a', type: '6' }), tree: ['i a'] },
  { name: 'a directory twice', bytes: tar(dir('a/'), file('a/b'), dir('a/')), tree: ['d a', 'f a/b "x"'] },
  {
    name: 'a shorter file over a longer one',
    bytes: tar(file('a', 'longer'), file('a', 's')),
    tree: ['f a "s"'],
  },
  {
    name: 'a file over one of two hard links',
    bytes: tar(file('a', '1'), hard('b', 'a'), file('a', '2')),
    tree: ['f a "2"', 'f b "1"'],
  },
  {
    name: 'a link back and forth',
    bytes: tar(dir('d/'), link('a', 'd'), file('a/1'), dir('a/'), file('a/2')),
    tree: ['d a', 'f a/2 "x"', 'd d', 'f d/1 "x"'],
  },
  {
    name: 'a name of every type, one after the other',
    bytes: tar(
      file('a', '1'),
      dir('a/'),
      link('a', 'x'),
      { name: 'a', type: '6' },
      { name: 'a', type: '3', major: 1, minor: 3 },
      { name: 'a', type: '4', major: 7, minor: 0 },
      file('.wh.a'),
      file('a', '2'),
    ),
    tree: ['f a "2"'],
  },
  {
    name: 'one name 1,000 times',
    bytes: tar(...many(1000, (i) => (i % 2 === 0 ? file('a', `${i}`) : dir('a/')))),
    tree: ['d a'],
  },
]

const field = (at: number, bytes: Buffer) => (block: Buffer) => void bytes.copy(block, at)
const numbers: readonly HostileCase[] = [
  {
    name: 'a uid that means "leave it"',
    bytes: tar({ ...file('a'), uid: 0xffffffff }),
    refused: /owner's number/,
  },
  { name: 'a negative uid', bytes: tar({ ...file('a'), uid: -5 }), refused: /owner's number/ },
  {
    name: 'a pax gid beyond 32 bits',
    bytes: tar({ ...file('a'), pax: { gid: '4294967296' } }),
    refused: /owner's number/,
  },
  { name: 'a negative size', bytes: tar({ ...file('a'), size: -1 }), refused: /size is negative/ },
  {
    name: 'a size beyond all files',
    bytes: tar({ ...file('a'), edit: field(124, base256(1n << 62n, 12)) }),
    refused: /size is out of range/,
  },
  {
    name: 'a number of more than 64 bits',
    bytes: tar({ ...file('a'), edit: field(124, base256(1n << 70n, 12)) }),
    refused: /unreadable/,
  },
  {
    name: 'a number that is none',
    bytes: tar({ ...file('a'), edit: (block) => block.write('12x4', 108) }),
    refused: /unreadable/,
  },
  {
    name: 'blanks as numbers',
    bytes: tar({ ...file('a'), edit: (block) => block.fill(' ', 108, 124) }),
    tree: ['f a "x"'],
  },
  {
    name: 'a device number beyond makedev',
    bytes: tar({ name: 'a', type: '3', major: 4096, minor: 0 }),
    refused: /out of range/,
  },
  {
    name: 'a directory with a size',
    bytes: tar({ ...dir('d/'), size: 4096 }, file('a')),
    tree: ['f a "x"', 'd d'],
  },
  {
    name: 'a link with a size',
    bytes: tar({ ...link('l', 't'), size: 4096 }, file('a')),
    tree: ['f a "x"', 'l l -> t'],
  },
  { name: 'a time before 1970', bytes: tar({ ...file('a'), mtime: -1 }), tree: ['f a "x"'] },
  { name: 'a pax time before 1970', bytes: tar({ ...file('a'), pax: { mtime: '-1.5' } }), tree: ['f a "x"'] },
  {
    name: 'a pax time beyond all clocks',
    bytes: tar({ ...file('a'), pax: { mtime: '99999999999999999999' } }),
    refused: /unreadable|out of range/,
  },
  {
    name: 'a pax size beyond 64 bits',
    bytes: tar({ ...file('a'), pax: { size: '18446744073709551617' } }),
    refused: /unreadable|out of range/,
  },
  {
    name: 'a pax size just below 2^63',
    bytes: tar({ ...file('a'), pax: { size: '9223372036854775807' } }),
    refused: /unreadable/,
  },
  {
    name: 'a mode with bits of a type',
    bytes: tar({ ...file('a'), mode: 0o040755 }),
    tree: ['f a "x"'],
  },
]

const whole1 = tar(file('a', 'one'), file('b', 'two'))
const broken: readonly HostileCase[] = [
  { name: 'nothing at all', bytes: Buffer.alloc(0), tree: [] },
  { name: 'no end blocks', bytes: whole(whole1), tree: ['f a "one"', 'f b "two"'] },
  {
    name: 'one end block',
    bytes: whole1.subarray(0, whole1.length - BLOCK),
    tree: ['f a "one"', 'f b "two"'],
  },
  { name: 'no last padding', bytes: whole(whole1).subarray(0, -509), tree: ['f a "one"', 'f b "two"'] },
  { name: 'an end in the data', bytes: whole(whole1).subarray(0, -510), refused: /middle of an entry/ },
  { name: 'an end in a header', bytes: whole1.subarray(0, 700 + BLOCK), refused: /middle of a header/ },
  {
    name: 'an end in an extended header',
    bytes: tar({ ...file('a'), pax: { path: 'b' } }).subarray(0, BLOCK + 5),
    refused: /middle of an entry/,
  },
  {
    name: 'an end after an extended header',
    bytes: tar({ ...file('a'), pax: { path: 'b' } }).subarray(0, 2 * BLOCK),
    refused: /followed by no entry/,
  },
  {
    name: 'zeros after an extended header',
    bytes: tar(extended('L', Buffer.from('name'))),
    refused: /followed by no entry/,
  },
  {
    name: 'more data than the archive has',
    bytes: tar({ ...file('a'), size: 1 << 20 }),
    refused: /middle of an entry/,
  },
  {
    name: 'a wrong checksum',
    bytes: tar({ ...file('a'), spoil: (block) => block.write('7', 148) }),
    refused: /checksum/,
  },
  { name: 'noise instead of an archive', bytes: Buffer.alloc(1024, 0xa5), refused: /checksum|unreadable/ },
  {
    name: 'text instead of an archive',
    bytes: Buffer.from('<html>'.repeat(200)),
    refused: /checksum|unreadable/,
  },
  {
    name: 'a header after one block of zeros',
    bytes: tar(file('a'), Buffer.alloc(BLOCK), file('b')),
    refused: /follows a block of zeros/,
  },
  {
    name: 'noise after the end',
    bytes: Buffer.concat([tar(file('a')), Buffer.alloc(700, 0xa5)]),
    tree: ['f a "x"'],
  },
  {
    name: 'an archive after the end',
    bytes: Buffer.concat([tar(file('a')), tar(file('../evil'))]),
    tree: ['f a "x"'],
  },
  { name: 'an unknown type', bytes: tar({ ...file('a'), type: 'Z' }), refused: /unknown type/ },
  { name: 'a continued volume', bytes: tar({ ...file('a'), type: 'M' }), refused: /unknown type/ },
  { name: "a volume's label", bytes: tar({ name: '../label', type: 'V' }, file('a')), tree: ['f a "x"'] },
  {
    name: 'a GNU dump of a directory',
    bytes: tar({ name: 'd/', type: 'D', format: 'gnu', data: 'Yname\0\0' }, file('a')),
    tree: ['f a "x"', 'd d'],
  },
  {
    name: 'a signed checksum',
    bytes: tar({
      ...file('a'),
      edit: (block) => block.write('\xe9', 0, 'latin1'),
      spoil: (block) => {
        seal(block)
        const signed = block.reduce(
          (sum, byte, i) => sum + (i >= 148 && i < 156 ? 32 : byte > 127 ? byte - 256 : byte),
          0,
        )
        block.write(`${signed.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
      },
    }),
    tree: ['f \xe9 "x"'],
  },
]

const pax = (body: string): Buffer => tar(extended('x', Buffer.from(body)), file('a'))
const extendedHeaders: readonly HostileCase[] = [
  { name: 'a record without its length', bytes: pax('path=b\n'), refused: /malformed/ },
  { name: 'a record of length 0', bytes: pax('0 path=b\n'), refused: /malformed/ },
  { name: 'a record that is too long', bytes: pax('99 path=b\n'), refused: /malformed/ },
  { name: 'a record that is too short', bytes: pax('5 path=b\n'), refused: /malformed/ },
  {
    name: 'a record with an endless length',
    bytes: pax('99999999999999999999999 path=b\n'),
    refused: /malformed/,
  },
  { name: 'a record of negative length', bytes: pax('-9 path=b\n'), refused: /malformed/ },
  { name: 'a record without =', bytes: pax('8 pathb\n'), refused: /malformed/ },
  { name: 'a record without a key', bytes: pax('5 =b\n'), refused: /malformed/ },
  { name: 'a record without an end', bytes: pax('10 path=bb'), refused: /malformed/ },
  { name: 'an unreadable pax uid', bytes: tar({ ...file('a'), pax: { uid: '1e3' } }), refused: /unreadable/ },
  {
    name: 'an unreadable pax time',
    bytes: tar({ ...file('a'), pax: { mtime: '12:30' } }),
    refused: /unreadable/,
  },
  {
    name: 'an unreadable fraction of a time',
    bytes: tar({ ...file('a'), pax: { mtime: '1.5x' } }),
    refused: /unreadable/,
  },
  { name: 'a negative pax size', bytes: tar({ ...file('a'), pax: { size: '-1' } }), refused: /unreadable/ },
  {
    name: 'a pax size that swallows the rest',
    bytes: tar({ ...file('a'), pax: { size: '99999' } }, file('b')),
    refused: /middle of an entry/,
  },
  {
    name: 'an extended header of 2 MiB',
    bytes: tar(extended('x', paxRecord('comment', 'c'.repeat(2 << 20))), file('a')),
    refused: /too large/,
  },
  {
    name: 'a long name of 2 MiB',
    bytes: tar(extended('L', Buffer.alloc(2 << 20, 'n')), file('a')),
    refused: /too large/,
  },
  {
    name: 'the same path for every entry',
    bytes: tar(extended('g', paxRecord('path', '../evil')), file('a')),
    refused: /global header/,
  },
  {
    name: 'the same size for every entry',
    bytes: tar(extended('g', paxRecord('size', '0')), file('a')),
    refused: /global header/,
  },
  {
    name: 'unknown records',
    bytes: tar({ ...file('a'), pax: { comment: 'c', 'VENDOR.thing': '\0' } }),
    tree: ['f a "x"'],
  },
  {
    name: 'the last of two pax paths',
    bytes: tar({
      ...file('a'),
      pax: [
        ['path', '../evil'],
        ['path', 'b'],
      ],
    }),
    tree: ['f b "x"'],
  },
]

const MAP = /map of a sparse file|no size|too many segments|unreadable/
const v1 = (map: string, data: string, size = 20): TarEntry =>
  sparse(
    {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': 's',
      'GNU.sparse.realsize': `${size}`,
    },
    padded(Buffer.from(map)).toString('latin1') + data,
  )
const v01 = (map: string, data: string, size = 20): TarEntry =>
  sparse({ 'GNU.sparse.size': `${size}`, 'GNU.sparse.map': map }, data)
const sparseFiles: readonly HostileCase[] = [
  {
    name: 'an old GNU map that overlaps',
    bytes: tar(
      gnuSparse(
        [
          [0, 4],
          [2, 4],
        ],
        20,
        'aaaabbbb',
      ),
    ),
    refused: MAP,
  },
  { name: 'an old GNU map beyond the file', bytes: tar(gnuSparse([[18, 4]], 20, 'aaaa')), refused: MAP },
  { name: 'an old GNU map with too little data', bytes: tar(gnuSparse([[0, 8]], 20, 'aaaa')), refused: MAP },
  {
    name: 'an old GNU map whose extension is missing',
    bytes: tar(gnuSparse([[0, 4]], 20, 'aaaa', true)).subarray(0, BLOCK),
    refused: /middle of an entry/,
  },
  { name: 'a 0.1 map that goes backwards', bytes: tar(v01('10,2,0,2', 'aabb')), refused: MAP },
  { name: 'a 0.1 map of an odd count', bytes: tar(v01('10,2,0', 'aa')), refused: MAP },
  { name: 'a 0.1 map that is no list', bytes: tar(v01('a,b', 'aa')), refused: MAP },
  { name: 'a 0.1 map without a size', bytes: tar(sparse({ 'GNU.sparse.map': '0,1' }, 'a')), refused: MAP },
  { name: 'a 1.0 map of letters', bytes: tar(v1('two\n', 'aa')), refused: MAP },
  { name: 'a 1.0 map of a million million runs', bytes: tar(v1('1000000000000\n0\n1\n', 'a')), refused: MAP },
  { name: 'a 1.0 map longer than its data', bytes: tar(v1('90\n0\n1\n', '')), refused: MAP },
  { name: 'a 1.0 number without an end', bytes: tar(v1('1'.repeat(400), 'a')), refused: MAP },
  {
    name: 'a 1.0 name that climbs out',
    bytes: tar(
      sparse(
        { 'GNU.sparse.major': '1', 'GNU.sparse.name': '../evil', 'GNU.sparse.realsize': '1' },
        `${padded(Buffer.from('1\n0\n1\n')).toString('latin1')}a`,
      ),
    ),
    refused: LEADS_OUT,
  },
  {
    name: 'a 1.0 map that fits',
    bytes: tar(v1('2\n0\n2\n18\n2\n', 'aabb')),
    tree: [`f s ${JSON.stringify(`aa${'\0'.repeat(16)}bb`)}`],
  },
  {
    name: 'empty runs',
    bytes: tar(v01('0,0,5,0,5,2,20,0', 'aa')),
    tree: [`f s ${JSON.stringify(`${'\0'.repeat(5)}aa${'\0'.repeat(13)}`)}`],
  },
  {
    name: 'a 0.1 map whose end is beyond 2^63',
    bytes: tar(v01('9223372036854775807,9223372036854775807', 'a')),
    refused: MAP,
  },
  { name: 'a 0.1 map whose sum runs over', bytes: tar(v01('18446744073709551614,4', 'aaaa')), refused: MAP },
  {
    name: 'a 1.0 file of 2^62 bytes in one hole',
    bytes: tar(
      sparse(
        { 'GNU.sparse.major': '1', 'GNU.sparse.name': 's', 'GNU.sparse.realsize': `${1n << 62n}` },
        padded(Buffer.from('0\n')).toString('latin1'),
      ),
    ),
    refused: /unreadable/,
  },
  {
    name: 'two 0.1 runs that overlap',
    bytes: tar(v01('0,4,2,4', 'aaaabbbb')),
    refused: MAP,
  },
]

const attribute = (name: string, value: string): TarEntry => ({
  ...file('a'),
  pax: { [`SCHILY.xattr.${name}`]: value },
})
const attributes: readonly HostileCase[] = [
  {
    name: 'a redirect of overlay',
    bytes: tar({ ...dir('d/'), pax: { 'SCHILY.xattr.trusted.overlay.redirect': '/etc' } }),
    tree: ['d d'],
  },
  {
    name: 'an opaque mark as attribute',
    bytes: tar({ ...dir('d/'), pax: { 'SCHILY.xattr.trusted.overlay.opaque': 'y' } }),
    tree: ['d d'],
  },
  {
    name: 'a mark of our own as attribute',
    bytes: tar(attribute('trusted.overlay.slipway.link', '/etc/shadow')),
    tree: ['f a "x"'],
  },
  {
    name: 'a mark of our own in base64',
    bytes: tar({ ...file('a'), pax: { 'LIBARCHIVE.xattr.trusted.overlay.slipway%2elink': 'YQ==' } }),
    tree: ['f a "x"'],
  },
  { name: 'an attribute without a name', bytes: tar(attribute('', 'v')), refused: /attribute's name/ },
  {
    name: 'an attribute with an endless name',
    bytes: tar(attribute(`user.${'n'.repeat(255)}`, 'v')),
    refused: /attribute's name/,
  },
  {
    name: 'an attribute of 70 KB',
    bytes: tar(attribute('user.big', 'v'.repeat(70000))),
    refused: /too large/,
  },
  {
    name: 'an attribute that is not base64',
    bytes: tar({ ...file('a'), pax: { 'LIBARCHIVE.xattr.user.a': '!!' } }),
    refused: /not base64/,
  },
  {
    name: '300 attributes',
    bytes: tar({
      ...file('a'),
      pax: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`SCHILY.xattr.user.${i}`, ''])),
    }),
    refused: /too many extended attributes/,
  },
  {
    name: 'a label of the host',
    bytes: tar(attribute('security.selinux', 'system_u:object_r:shadow_t')),
    tree: ['f a "x"'],
  },
  {
    name: 'a user attribute on a link',
    bytes: tar({ ...link('a', 'b'), pax: { 'SCHILY.xattr.user.x': 'v' } }),
    tree: ['l a -> b'],
  },
  {
    name: 'metadata only of overlay',
    bytes: tar(attribute('trusted.overlay.metacopy', '')),
    tree: ['f a "x"'],
  },
  {
    name: "an ordinary user's opaque mark",
    bytes: tar({ ...dir('d/'), pax: { 'SCHILY.xattr.user.overlay.opaque': 'y' } }),
    tree: ['d d'],
  },
  {
    name: 'the origin and the whiteout mark of overlay',
    bytes: tar({
      ...file('a', ''),
      pax: { 'SCHILY.xattr.trusted.overlay.origin': 'x', 'SCHILY.xattr.trusted.overlay.whiteout': 'y' },
    }),
    tree: ['f a ""'],
  },
  {
    name: 'NUL in the name of an attribute',
    bytes: tar(extended('x', paxRecord('SCHILY.xattr.user.a\0b', 'v')), file('a')),
    refused: /NUL/,
  },
  {
    name: 'an attribute of no name space',
    bytes: tar(attribute('nonsense', 'v')),
    tree: ['f a "x"'],
  },
]

const bounds: readonly HostileCase[] = [
  {
    name: 'more entries than allowed',
    bytes: tar(...many(11, (i) => file(`f${i}`))),
    limits: { maxEntries: 10 },
    refused: /more entries than allowed/,
  },
  {
    name: 'more bytes than allowed',
    bytes: tar(file('a', '12345'), file('b', '678901')),
    limits: { maxBytes: 10 },
    refused: /larger than allowed/,
  },
  {
    name: 'exactly what is allowed',
    bytes: tar(file('a', '12345'), file('b', '67890')),
    limits: { maxBytes: 10, maxEntries: 2 },
    tree: ['f a "12345"', 'f b "67890"'],
  },
]

const devices: readonly HostileCase[] = [
  {
    name: 'device nodes',
    bytes: tar({ name: 'c', type: '3', major: 1, minor: 3 }, { name: 'b', type: '4', major: 7, minor: 0 }),
    tree: ['b b 7:0', 'c c 1:3'],
  },
  {
    name: 'a device where none is allowed',
    bytes: tar({ name: 'c', type: '3', major: 1, minor: 3 }),
    limits: { devices: false },
    refused: /not allowed/,
  },
  {
    name: 'a whiteout in the form of a device',
    bytes: tar({ name: 'c', type: '3', major: 0, minor: 0 }),
    tree: ['w c'],
  },
  {
    name: 'an unreadable device number',
    bytes: tar({ name: 'c', type: '3', edit: (block) => block.write('9', 329) }),
    refused: /device number/,
  },
  { name: 'a header that names no format', bytes: tar({ ...file('a'), format: 'v7' }), tree: ['f a "x"'] },
  {
    name: 'a header without entry behind 600 files',
    bytes: tar(...many(600, (i) => file(`f${i}`, '')), header(file('../evil'))),
    refused: LEADS_OUT,
  },
]
