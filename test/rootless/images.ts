// An image whose files belong to many users, in two layers, as an archive in a folder that everybody can read.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { buildImage, layoutFiles } from '../support/image-builder.ts'
import { findProgram } from '../support/needs.ts'
import { type TarFile, tarOf } from '../support/tar-builder.ts'

const directory = (name: string, more: Partial<TarFile> = {}): TarFile => ({
  name: `${name}/`,
  type: '5',
  ...more,
})

const APPLETS = [
  'sh',
  'cat',
  'id',
  'ls',
  'stat',
  'touch',
  'mkdir',
  'chown',
  'chmod',
  'sleep',
  'true',
  'su',
  'env',
  'mknod',
  'grep',
  'rm',
  'test',
]

const base = (): readonly TarFile[] => [
  directory('bin'),
  { name: 'bin/busybox', data: readFileSync(findProgram('busybox') ?? '/bin/busybox') },
  ...APPLETS.map((name): TarFile => ({ name: `bin/${name}`, type: '2', linkName: 'busybox' })),
  directory('etc'),
  {
    name: 'etc/passwd',
    data: 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n',
    mode: 0o644,
  },
  { name: 'etc/group', data: 'root:x:0:\napp:x:1000:\nextra:x:2000:app\n', mode: 0o644 },
]

/** Everything a layer can have that an ordinary user has no right to. */
const owned = (): readonly TarFile[] => [
  directory('home'),
  directory('home/app', { uid: 1000, gid: 1000, mode: 0o700 }),
  { name: 'home/app/mine', data: 'mine', uid: 1000, gid: 1000, mode: 0o600 },
  { name: 'home/app/link', type: '2', linkName: 'mine', uid: 1000, gid: 1000 },
  { name: 'home/last', data: 'last', uid: 65_535, gid: 65_534, mode: 0o640 },
  { name: 'home/setuid', data: 'x', uid: 33, gid: 34, mode: 0o6755 },
  directory('home/closed', { uid: 7, gid: 7, mode: 0 }),
  { name: 'home/closed/inside', data: 'inside', uid: 8, gid: 8, mode: 0 },
  directory('home/opaque', { uid: 9, gid: 9 }),
  { name: 'home/opaque/below', data: 'below', uid: 9, gid: 9 },
  { name: 'home/gone', data: 'gone', uid: 10, gid: 10 },
  { name: 'home/twice', data: 'twice', uid: 11, gid: 11 },
  { name: 'home/device', type: '3', device: [1, 3], mode: 0o666 },
  { name: 'home/fifo', type: '6', uid: 12, gid: 12, mode: 0o620 },
]

const above = (): readonly TarFile[] => [
  directory('home/opaque', { uid: 9, gid: 9 }),
  { name: 'home/opaque/.wh..wh..opq' },
  { name: 'home/opaque/above', data: 'above', uid: 13, gid: 13 },
  { name: 'home/.wh.gone' },
  { name: 'home/again', type: '1', linkName: 'home/twice' },
  { name: 'home/app/added', data: 'added', uid: 1000, gid: 1000, mode: 0o600 },
]

export interface Archives {
  /** `many:1`, files of many users. */
  readonly many: string
  /** `plain:1`, files of root alone. */
  readonly plain: string
  /** `far:1`, a file of uid 70000, which 65,537 ids do not hold. */
  readonly far: string
}

export const writeArchives = (folder: string): Archives => {
  const write = (name: string, layers: readonly (readonly TarFile[])[]): string => {
    const file = path.join(folder, `${name}.tar`)
    const config = { Cmd: ['id'], Env: ['PATH=/bin'] }
    const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
    writeFileSync(file, tarOf(layoutFiles([[buildImage({ layers, config, architecture }), `${name}:1`]])))
    chmodSync(file, 0o644)
    return file
  }
  return {
    many: write('many', [base(), owned(), above()]),
    plain: write('plain', [base()]),
    far: write('far', [base(), [{ name: 'far', data: 'far', uid: 70_000, gid: 70_000 }]]),
  }
}
