// The mounts of the options: what each may be, and that no two are at the same place.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { isWithin, normalizePath } from './container-path.ts'
import {
  array,
  boolean,
  check,
  type Decoder,
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
import { lookUp } from './look-up.ts'
import { absolutePath, size } from './options-decode-values.ts'
import type { DecodedMount } from './options-decoded.ts'

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

const target = check(absolutePath, (path) => {
  const place = normalizePath(path)
  if (place === '/') return 'the root itself cannot be mounted over'
  return isWithin(place, '/proc') && !PROC_FILES.has(place) ? 'nothing may be mounted over /proc' : undefined
})

const bind = object({
  type: oneOf('bind'),
  source: absolutePath,
  target,
  readonly: optional(boolean),
  recursive: optional(boolean),
  propagation: optional(oneOf('private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared')),
  createSource: optional(boolean),
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

const FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  bind: new Set(['type', 'source', 'target', 'readonly', 'recursive', 'propagation', 'createSource']),
  tmpfs: new Set(['type', 'target', 'size', 'mode', 'readonly', 'options']),
}

const mount: Decoder<DecodedMount> = (value) => {
  if (!isObject(value)) return mismatch('expected a mount', value)
  const fields = typeof value.type === 'string' ? lookUp(FIELDS, value.type) : undefined
  if (fields === undefined)
    return inside('.type', { where: '', why: 'expected bind or tmpfs', value: value.type })
  const unknown = Object.keys(value).find((name) => !fields.has(name))
  if (unknown !== undefined)
    return mismatch(noSuchName(`field of a ${value.type} mount`, unknown, [...fields]), unknown)
  return normalized(value.type === 'bind' ? bind(value) : tmpfs(value))
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
