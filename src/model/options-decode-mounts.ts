// The mounts of the options: what each may be, and that no two are at the same place.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { isWithin, normalizePath } from './container-path.ts'
import {
  array,
  boolean,
  check,
  type Decoder,
  exactObject,
  firstRepeated,
  inside,
  integer,
  isObject,
  type Mismatch,
  mismatch,
  noSuchName,
  object,
  oneOf,
  optional,
  text,
} from './decode.ts'
import type { MountIdMaps } from './options.ts'
import { absolutePath, labels, size } from './options-decode-values.ts'
import type { BindMount, DecodedMount } from './options-decoded.ts'
import { driverOptions, volumeName } from './volume.ts'

/**
 * A mount over /proc would stand between the engine and the kernel: attributes and sysctls would be written to a fake
 * (CVE-2019-19921, CVE-2025-52881). These few files are harmless: what lxcfs provides (runc libcontainer/rootfs_linux.go).
 */
const PROC_FILES: ReadonlySet<string> = new Set([
  '/proc/cpuinfo',
  '/proc/diskstats',
  '/proc/loadavg',
  '/proc/meminfo',
  '/proc/net/dev',
  '/proc/slabinfo',
  '/proc/stat',
  '/proc/swaps',
  '/proc/uptime',
])

/** Why nothing may be mounted there. */
export const refuseTarget = (path: string): string | undefined => {
  const place = normalizePath(path)
  if (place === '/') return 'the root itself cannot be mounted over'
  return isWithin(place, '/proc') && !PROC_FILES.has(place) ? 'nothing may be mounted over /proc' : undefined
}

const target = check(absolutePath, refuseTarget)

const MAX_ID = 2 ** 32 - 2
const idMaps = check(
  array(exactObject({ from: integer(0, MAX_ID), to: integer(0, MAX_ID), size: integer(1, MAX_ID) })),
  (maps) => (maps.length === 0 ? 'has no map' : undefined),
)
const ownMaps = exactObject({ uids: idMaps, gids: idMaps })
const idmap: Decoder<MountIdMaps> = (value) => (value === true ? E.right(value) : ownMaps(value))

/** Resolved below its root by the kernel, wherever its symlinks would lead: only what is no path below it at all is told here. */
const subpath = check(text, (path) =>
  path === '' || path.startsWith('/') || path.split('/').includes('..')
    ? 'expected a path below the root, without .. and a leading slash'
    : undefined,
)

const bind = object({
  type: oneOf('bind'),
  source: absolutePath,
  target,
  readonly: optional(boolean),
  recursive: optional<boolean | 'writable' | 'readonly'>((value) =>
    typeof value === 'boolean' ? E.right(value) : oneOf('writable', 'readonly')(value),
  ),
  propagation: optional(oneOf('private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared')),
  createSource: optional(boolean),
  idmap: optional(idmap),
})

const volume = object({
  type: oneOf('volume'),
  source: optional(volumeName),
  target,
  readonly: optional(boolean),
  nocopy: optional(boolean),
  subpath: optional(subpath),
  idmap: optional(idmap),
  driverOptions: optional(driverOptions),
  labels: optional(labels),
  anonymous: optional(boolean),
})

const tmpfs = object({
  type: oneOf('tmpfs'),
  target,
  size: optional(size),
  mode: optional(integer(0, 0o7777)),
  readonly: optional(boolean),
  options: optional(
    array(
      check(text, (word) => (/^[a-z_]+(?:=[^,\s]*)?$/.test(word) ? undefined : 'expected one mount option')),
    ),
  ),
})

const image = object({
  type: oneOf('image'),
  source: check(text, (reference) => (reference === '' ? 'is empty' : undefined)),
  target,
  subpath: optional(subpath),
})

const KINDS = { bind, volume, tmpfs, image } as const

const FIELDS: Readonly<Record<keyof typeof KINDS, readonly string[]>> = {
  bind: ['type', 'source', 'target', 'readonly', 'recursive', 'propagation', 'createSource', 'idmap'],
  volume: [
    'type',
    'source',
    'target',
    'readonly',
    'nocopy',
    'subpath',
    'idmap',
    'driverOptions',
    'labels',
    'anonymous',
  ],
  tmpfs: ['type', 'target', 'size', 'mode', 'readonly', 'options'],
  image: ['type', 'source', 'target', 'subpath'],
}

const isKind = (type: unknown): type is keyof typeof KINDS =>
  typeof type === 'string' && Object.hasOwn(KINDS, type)

const mount: Decoder<DecodedMount> = (value) => {
  if (!isObject(value)) return mismatch('expected a mount', value)
  const { type } = value
  if (!isKind(type))
    return inside('.type', { where: '', why: 'expected bind, volume, tmpfs or image', value: type })
  const unknown = Object.keys(value).find((name) => !FIELDS[type].includes(name))
  if (unknown !== undefined)
    return mismatch(
      noSuchName(`field of ${type === 'image' ? 'an' : 'a'} ${type} mount`, unknown, FIELDS[type]),
      unknown,
    )
  const decoded: Either<Mismatch, DecodedMount> = KINDS[type](value)
  const why = E.isLeft(decoded) ? undefined : contradiction(decoded.right)
  return why === undefined ? normalized(decoded) : E.left(why)
}

/** Fields that are each fine. */
const contradiction = (mount: DecodedMount): Mismatch | undefined => {
  if (mount.type === 'bind') return bindContradiction(mount)
  if (mount.type !== 'volume' || mount.source !== undefined) return undefined
  return mount.subpath === undefined
    ? undefined
    : { where: '.subpath', why: 'a volume that is made for the container is empty', value: mount.subpath }
}

/** moby volume/mounts/linux_parser.go: what must be read-only to its depth must stay so. */
const bindContradiction = ({ readonly, recursive, propagation }: BindMount): Mismatch | undefined => {
  const value = recursive
  if ((recursive === 'writable' || recursive === 'readonly') && readonly !== true)
    return { where: '.recursive', why: 'needs readonly: true', value }
  return recursive === 'readonly' && propagation !== undefined && propagation !== 'rprivate'
    ? { where: '.propagation', why: "recursive: 'readonly' needs rprivate", value: propagation }
    : undefined
}

const normalized = (decoded: Either<Mismatch, DecodedMount>): Either<Mismatch, DecodedMount> =>
  E.isLeft(decoded) ? decoded : E.right({ ...decoded.right, target: normalizePath(decoded.right.target) })

export const mounts: Decoder<readonly DecodedMount[]> = (value) => {
  const decoded = array(mount)(value)
  if (E.isLeft(decoded)) return decoded
  const again = firstRepeated(decoded.right, ({ target: place }) => place)
  if (again < 0) return decoded
  return inside(`[${again}].target`, {
    where: '',
    why: 'is mounted twice',
    value: decoded.right[again]?.target,
  })
}

/** `CONTAINER[:ro|:rw]`. docker-run(1), --volumes-from. */
export const volumesFrom: Decoder<readonly string[]> = array(
  check(text, (from) =>
    /^[^:]+(?::(?:ro|rw))?$/.test(from) ? undefined : 'expected a container, and perhaps :ro or :rw',
  ),
)
