// What a caller may ask of a container: the public options, and their decoded form.
import type { Readable, Writable } from 'node:stream'

/** Where the container's userland comes from: an image reference, `'host'`, or an unpacked directory. */
export type ImageSource = string | { readonly rootfs: string }

/** `'64MiB'`, `'1.5g'` or a number of bytes. Suffixes are powers of 1024, as in docker-run(1). */
export type Size = string | number
/** `'2s'`, `'150ms'`, `'1m30s'` or a number of milliseconds. */
export type Duration = string | number

/** Where the payload's standard input comes from. Default `'ignore'`: /dev/null. */
export type StdinOption =
  | 'ignore'
  | 'inherit'
  | 'pipe'
  | string
  | Uint8Array
  | Readable
  | AsyncIterable<string | Uint8Array>
  | { readonly file: string }
  | { readonly fd: number }
/** Where an output stream goes. Default `'pipe'`: a stream for `start`, collected for `run`. */
export type OutputOption =
  | 'pipe'
  | 'ignore'
  | 'inherit'
  | Writable
  | { readonly file: string; readonly append?: boolean }
  | { readonly fd: number }
/** `'stdout'`: wherever standard output goes, like `2>&1`: the order of both is the payload's own. */
export type ErrorOutputOption = OutputOption | 'stdout'

/** Ids of the files of a mount, shown as others. */
export interface MountIdMap {
  /** First id as it is on disk. */
  readonly from: number
  /** First id it is shown as, as the host counts. */
  readonly to: number
  readonly size: number
}

/** `true`: by the maps of the container's own user namespace. mount_setattr(2), MOUNT_ATTR_IDMAP. */
export type MountIdMaps =
  | true
  | { readonly uids: readonly MountIdMap[]; readonly gids: readonly MountIdMap[] }

export type MountOption =
  | {
      readonly type: 'bind'
      /** Absolute path on the host; it must exist. */
      readonly source: string
      readonly target: string
      readonly readonly?: boolean
      /**
       * Default true: mounts below the source come along (`rbind`), and are read-only too where the kernel can do that. `'writable'`:
       * they stay writable. `'readonly'`: a kernel that cannot make them read-only is an error.
       */
      readonly recursive?: boolean | 'writable' | 'readonly'
      readonly propagation?: 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared'
      /** Create the source as a directory when it does not exist (`docker run -v`). Default false. */
      readonly createSource?: boolean
      readonly idmap?: MountIdMaps
    }
  | {
      readonly type: 'volume'
      /** Name of the volume, made when there is none. Default: one of the container's own, which goes with it. */
      readonly source?: string
      readonly target: string
      readonly readonly?: boolean
      /** Leave an empty volume empty. Default false: it begins with what the image has at the target. */
      readonly nocopy?: boolean
      /** Path below the volume's root that is mounted in its place; it must exist. */
      readonly subpath?: string
      readonly idmap?: MountIdMaps
      /** Of the local driver, for a volume that is made now: `type`, `o`, `device`. */
      readonly driverOptions?: Readonly<Record<string, string>>
      /** Of a volume that is made now. */
      readonly labels?: Readonly<Record<string, string>>
      /** The volume is the container's own although it has a name: set by the engine when it draws one. */
      readonly anonymous?: boolean
    }
  | {
      readonly type: 'tmpfs'
      readonly target: string
      readonly size?: Size
      /** Octal mode, e.g. 0o1777 (the default). */
      readonly mode?: number
      readonly readonly?: boolean
      /** Further mount options as mount(8) spells them, e.g. `exec`, `uid=1000`. */
      readonly options?: readonly string[]
    }
  | {
      readonly type: 'image'
      /** A reference; the image must be here. Its files are shown read-only. */
      readonly source: string
      readonly target: string
      /** Path below the image's root that is mounted in its place. */
      readonly subpath?: string
    }

export interface Ulimit {
  /** Without the `RLIMIT_` prefix, lower case, e.g. `nofile`. */
  readonly name: string
  readonly soft: number
  /** Default: the soft limit. -1 is unlimited. */
  readonly hard?: number
}

export interface DeviceOption {
  readonly source: string
  /** Default: the source path. */
  readonly target?: string
  /** Any of `r`, `w`, `m`. Default `rwm`. */
  readonly permissions?: string
}

export interface IdMap {
  readonly containerId: number
  readonly hostId: number
  readonly size: number
}

export interface SecurityOptions {
  readonly privileged?: boolean
  readonly capAdd?: readonly string[]
  readonly capDrop?: readonly string[]
  /** Default false, as in Docker. */
  readonly noNewPrivileges?: boolean
  /** A profile in Docker's JSON form, or `'unconfined'`. Default: Docker's default profile. */
  readonly seccomp?: 'unconfined' | object
  /** `--security-opt systempaths=unconfined`: no masked and no read-only paths. */
  readonly systemPaths?: 'unconfined'
  /** A user namespace of its own with these id maps. */
  readonly userns?: { readonly uidMap: readonly IdMap[]; readonly gidMap: readonly IdMap[] }
}

export interface ContainerOptions {
  /** Default `'none'`: an empty network namespace with `lo` up. */
  readonly network?: 'none' | 'host'
  readonly name?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly entrypoint?: string | readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** `name`, `uid`, `name:group`, `uid:gid`. Default: the image's user. */
  readonly user?: string
  readonly groups?: readonly string[]
  readonly hostname?: string
  readonly domainname?: string
  readonly mounts?: readonly MountOption[]
  /** The bind mounts and volumes of other containers, which run or were kept: `'web'`, `'web:ro'`. */
  readonly volumesFrom?: readonly string[]
  readonly readonly?: boolean
  readonly shmSize?: Size
  readonly memory?: Size
  /** Memory plus swap; -1 is unlimited swap. */
  readonly memorySwap?: Size
  readonly memoryReservation?: Size
  /** Whole and part CPUs, e.g. 0.5. */
  readonly cpus?: number
  readonly cpuShares?: number
  /** e.g. `0-2,7` */
  readonly cpusetCpus?: string
  readonly cpusetMems?: string
  /** -1 is unlimited. */
  readonly pids?: number
  readonly ulimits?: readonly Ulimit[]
  readonly oomScoreAdj?: number
  readonly devices?: readonly DeviceOption[]
  readonly deviceCgroupRules?: readonly string[]
  readonly sysctls?: Readonly<Record<string, string>>
  readonly extraHosts?: readonly string[]
  readonly dns?: readonly string[]
  readonly dnsSearch?: readonly string[]
  readonly dnsOptions?: readonly string[]
  readonly pid?: 'private' | 'host'
  readonly ipc?: 'private' | 'host'
  readonly uts?: 'private' | 'host'
  readonly cgroupns?: 'private' | 'host'
  /** A small PID 1 reaps zombies and forwards signals. Default false: the payload is PID 1. */
  readonly init?: boolean
  readonly tty?: boolean | { readonly columns: number; readonly rows: number }
  /** Signal name or number; default: the image's, else SIGTERM. */
  readonly stopSignal?: string
  readonly security?: SecurityOptions
}

export interface StartOptions extends ContainerOptions {
  readonly stdin?: StdinOption
  readonly stdout?: OutputOption
  readonly stderr?: ErrorOutputOption
  /** Abort kills the whole container. */
  readonly signal?: AbortSignal
  /** Wall-clock limit of the payload; then the whole container is killed. A start that takes as long, and at least a second, is given up. */
  readonly timeout?: Duration
  /** Time between the stop signal and SIGKILL on abort and timeout. Default 0: SIGKILL at once. */
  readonly grace?: Duration
}

export interface RunOptions extends StartOptions {
  /** Largest size of each collected stream. Default 100 MiB; past it the container is killed and `exit` says so. */
  readonly maxOutput?: Size
  /** `'utf8'` (default) gives strings, `'buffer'` gives Buffers. */
  readonly encoding?: 'utf8' | 'buffer'
  /** Also collect both streams interleaved as `all`. */
  readonly all?: boolean
}
