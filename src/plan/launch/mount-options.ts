// The options of a runtime-spec mount, sorted into what the kernel takes in different places.
import { lookUp } from '../../model/look-up.ts'
import {
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
} from '../kernel.ts'

const MS_UNBINDABLE = 1 << 17
const ATIME = 0x70

/** [bits to set, bits to clear] by option; the atime modes are one field, so each clears it whole. runtime-spec config.md, Mounts. */
const ATTRIBUTES: Readonly<Record<string, readonly [number, number]>> = {
  ro: [MOUNT_ATTR_RDONLY, 0],
  rw: [0, MOUNT_ATTR_RDONLY],
  nosuid: [MOUNT_ATTR_NOSUID, 0],
  suid: [0, MOUNT_ATTR_NOSUID],
  nodev: [MOUNT_ATTR_NODEV, 0],
  dev: [0, MOUNT_ATTR_NODEV],
  noexec: [MOUNT_ATTR_NOEXEC, 0],
  exec: [0, MOUNT_ATTR_NOEXEC],
  nodiratime: [MOUNT_ATTR_NODIRATIME, 0],
  diratime: [0, MOUNT_ATTR_NODIRATIME],
  nosymfollow: [MOUNT_ATTR_NOSYMFOLLOW, 0],
  symfollow: [0, MOUNT_ATTR_NOSYMFOLLOW],
  relatime: [0, ATIME],
  norelatime: [MOUNT_ATTR_STRICTATIME, ATIME],
  noatime: [MOUNT_ATTR_NOATIME, ATIME],
  atime: [0, ATIME],
  strictatime: [MOUNT_ATTR_STRICTATIME, ATIME],
  nostrictatime: [0, ATIME],
}

const PROPAGATION: Readonly<Record<string, readonly [flag: number, recursive: boolean]>> = {
  private: [MS_PRIVATE, false],
  rprivate: [MS_PRIVATE, true],
  slave: [MS_SLAVE, false],
  rslave: [MS_SLAVE, true],
  shared: [MS_SHARED, false],
  rshared: [MS_SHARED, true],
  unbindable: [MS_UNBINDABLE, false],
  runbindable: [MS_UNBINDABLE, true],
}

export interface MountOptions {
  readonly bind: boolean
  /** `rbind`: mounts below the source come along. */
  readonly recursiveBind: boolean
  /** For the mount itself. */
  readonly set: number
  readonly clear: number
  /** For it and every mount below it (`rro` …). */
  readonly recursiveSet: number
  readonly recursiveClear: number
  readonly propagation?: { readonly flag: number; readonly recursive: boolean }
  /** Left over for the file system itself, e.g. `size=64m`. */
  readonly data: readonly (readonly [key: string, value?: string])[]
}

/** Later options win over earlier ones, as in mount(8). */
export const parseMountOptions = (options: readonly string[] = []): MountOptions => {
  let bind = false
  let recursiveBind = false
  let own: readonly [number, number] = [0, 0]
  let recursive: readonly [number, number] = [0, 0]
  let propagation: MountOptions['propagation']
  const data: (readonly [string, string?])[] = []
  for (const option of options) {
    const plain = lookUp(ATTRIBUTES, option)
    const deep = option.startsWith('r') ? lookUp(ATTRIBUTES, option.slice(1)) : undefined
    const spread = lookUp(PROPAGATION, option)
    if (option === 'bind' || option === 'rbind') {
      bind = true
      recursiveBind = option === 'rbind'
    } else if (plain !== undefined) own = apply(own, plain)
    else if (deep !== undefined) recursive = apply(recursive, deep)
    else if (spread !== undefined) propagation = { flag: spread[0], recursive: spread[1] }
    else if (!IGNORED.has(option)) data.push(keyValue(option))
  }
  const found = propagation === undefined ? {} : { propagation }
  return {
    bind,
    recursiveBind,
    set: own[0],
    clear: own[1],
    recursiveSet: recursive[0],
    recursiveClear: recursive[1],
    data,
    ...found,
  }
}

const IGNORED = new Set(['defaults', 'async', 'loud'])

const apply = (
  [set, clear]: readonly [number, number],
  [on, off]: readonly [number, number],
): readonly [number, number] => [(set & ~off) | on, (clear & ~on) | off]

const keyValue = (option: string): readonly [string, string?] => {
  const at = option.indexOf('=')
  return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)]
}
