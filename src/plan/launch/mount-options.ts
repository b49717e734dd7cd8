// The options of a runtime-spec mount, sorted into what the kernel takes in different places.
import { lookUp } from '../../model/look-up.ts'
import type { Mount } from '../../model/oci-spec.ts'
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
  MS_UNBINDABLE,
} from '../kernel.ts'

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
  /** Changes what is mounted there already. */
  readonly remount: boolean
  /** `idmap`: ids of the source appear as others; `ridmap`: in the mounts below it, too. */
  readonly idmap?: { readonly recursive: boolean }
  /** `tmpcopyup`: what the root has at this place is to be in the new file system. */
  readonly copyUp: boolean
  /** False: a symlink as the source, or at the target, is itself what is meant. */
  readonly followSource: boolean
  readonly followTarget: boolean
  /** Left over for the file system itself, e.g. `size=64m`. */
  readonly data: readonly (readonly [key: string, value?: string])[]
}

/** runtime-spec config.md, Mounts: the type of a bind mount is a dummy. */
export const isBind = ({ type, options }: Mount): boolean =>
  type === 'bind' || parseMountOptions(options).bind

/** Later options win over earlier ones, as in mount(8). */
export const parseMountOptions = (options: readonly string[] = []): MountOptions => {
  let bind = false
  let recursiveBind = false
  let own: readonly [number, number] = [0, 0]
  let recursive: readonly [number, number] = [0, 0]
  let propagation: MountOptions['propagation']
  let idmap: MountOptions['idmap']
  const words = new Set<string>()
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
    else if (option === 'idmap' || option === 'ridmap') idmap = { recursive: option === 'ridmap' }
    else if (WORDS.has(option)) words.add(option)
    else if (!IGNORED.has(option)) data.push(keyValue(lookUp(FILE_SYSTEM_NAMES, option) ?? option))
  }
  const found = {
    ...(propagation === undefined ? {} : { propagation }),
    ...(idmap === undefined ? {} : { idmap }),
  }
  return {
    bind,
    recursiveBind,
    set: own[0],
    clear: own[1],
    recursiveSet: recursive[0],
    recursiveClear: recursive[1],
    remount: words.has('remount'),
    copyUp: words.has('tmpcopyup'),
    followSource: !words.has('src-nofollow'),
    followTarget: !words.has('dest-nofollow'),
    data,
    ...found,
  }
}

/** `src-nofollow` and `dest-nofollow` are crun's (crun.1, Mount options). */
const WORDS: ReadonlySet<string> = new Set(['remount', 'tmpcopyup', 'src-nofollow', 'dest-nofollow'])

/** What a new file system has anyway, and what concerns the kernel's log, which fsopen(2) writes nothing to. */
const IGNORED = new Set(['defaults', 'async', 'loud', 'silent', 'noiversion'])

/** Of mount(8), where the file system's own name of the option is another one. */
const FILE_SYSTEM_NAMES: Readonly<Record<string, string>> = { iversion: 'i_version' }

/** Options every file system takes (fs/fs_context.c, common_set_sb_flag). They are the file system's, and no bind mount's. */
export const SUPERBLOCK_OPTIONS: ReadonlySet<string> = new Set([
  'sync',
  'dirsync',
  'lazytime',
  'nolazytime',
  'mand',
  'nomand',
  'i_version',
])

const apply = (
  [set, clear]: readonly [number, number],
  [on, off]: readonly [number, number],
): readonly [number, number] => [(set & ~off) | on, (clear & ~on) | off]

const keyValue = (option: string): readonly [string, string?] => {
  const at = option.indexOf('=')
  return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)]
}

/** Its files appear with other ids. */
export const isMapped = (mount: Mount): boolean =>
  parseMountOptions(mount.options).idmap !== undefined || mount.uidMappings !== undefined
