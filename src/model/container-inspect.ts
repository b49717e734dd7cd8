// A container in the words of `docker container inspect`: what is known of it, and no more.

export interface InspectContainerOptions {
  /** Also how much it takes on disk. Default: false. */
  readonly size?: boolean
}

export interface ContainerInspect {
  readonly Id: string
  /** RFC 3339, as all times here. */
  readonly Created: string
  /** What is executed, and its arguments. */
  readonly Path: string
  readonly Args: readonly string[]
  readonly State: ContainerInspectState
  /** Image id; `host`; or the directory that is its root. */
  readonly Image: string
  /** With a slash before it, as in Docker. */
  readonly Name: string
  readonly RestartCount: number
  /** The folder of its segments; empty where nothing is kept. */
  readonly LogPath: string
  readonly Driver: 'overlay2'
  readonly Platform: 'linux'
  /** No profile and no label is applied. */
  readonly AppArmorProfile: ''
  readonly MountLabel: ''
  readonly ProcessLabel: ''
  readonly Config: ContainerInspectConfig
  readonly GraphDriver: {
    readonly Name: 'overlay2'
    /** Null for a directory as its root: the changes are in there. */
    readonly Data: { readonly UpperDir: string } | null
  }
  /** Of one that outlives its command; the options of any other are not kept. */
  readonly HostConfig?: ContainerInspectHost
  /** As with HostConfig. */
  readonly Mounts?: readonly ContainerInspectMount[]
  /** Bytes on disk of the writable layer, as du(1) counts them. With `size`. */
  readonly SizeRw?: number
  /** That, and the uncompressed layers of the image, where it has any. With `size`. */
  readonly SizeRootFs?: number
}

export interface ContainerInspectState {
  readonly Status: 'created' | 'running' | 'paused' | 'restarting' | 'exited'
  /** Also of one that is paused. */
  readonly Running: boolean
  readonly Paused: boolean
  readonly Restarting: boolean
  readonly Dead: false
  /** Of one that outlives its command: how it ended last. */
  readonly OOMKilled?: boolean
  /** Of one that has a health check. `unhealthy` once it has ended, as in Docker. */
  readonly Health?: {
    readonly Status: 'starting' | 'healthy' | 'unhealthy'
    /** Checks that failed, one after another. */
    readonly FailingStreak: number
    /** The last five, oldest first: of the run that goes on. */
    readonly Log: readonly {
      readonly Start: string
      readonly End: string
      /** -1: it took too long, or was not started. */
      readonly ExitCode: number
      /** The first 4 KiB. */
      readonly Output: string
    }[]
  }
  /** Of the first process as the host sees it; 0 when there is none. */
  readonly Pid: number
  /** 0 until it has ended; null where nobody was there to see the end. */
  readonly ExitCode: number | null
  /** Why its last start failed; empty where it did not. */
  readonly Error: string
  /** `0001-01-01T00:00:00Z` where it has never run. */
  readonly StartedAt: string
  /** The same while it runs, and where nobody saw the end. */
  readonly FinishedAt: string
}

export interface ContainerInspectConfig {
  /** As it was asked for. */
  readonly Image: string
  /** Its image's, and its own over them. */
  readonly Labels: Readonly<Record<string, string>>
  // What follows is known as HostConfig is: what was asked for, over what the image says.
  readonly Hostname?: string
  readonly Domainname?: string
  readonly User?: string
  readonly Tty?: boolean
  readonly OpenStdin?: boolean
  readonly Env?: readonly string[]
  readonly Cmd?: readonly string[] | null
  readonly Entrypoint?: readonly string[] | null
  readonly ExposedPorts?: Readonly<Record<string, object>> | null
  readonly Volumes?: Readonly<Record<string, object>> | null
  readonly WorkingDir?: string
  /** Times in nanoseconds, as an image config has them. Absent: nobody looks. */
  readonly Healthcheck?: {
    readonly Test: readonly string[]
    readonly Interval: number
    readonly Timeout: number
    readonly StartPeriod: number
    readonly StartInterval: number
    readonly Retries: number
  }
  readonly StopSignal?: string
  /** Seconds; -1 waits for ever. */
  readonly StopTimeout?: number
}

export interface ContainerInspectMount {
  readonly Type: 'bind' | 'image' | 'tmpfs' | 'volume'
  /** Of a volume; empty for others. */
  readonly Name: string
  readonly Source: string
  readonly Destination: string
  /** `local` of a volume; empty for others. */
  readonly Driver: string
  readonly Mode: string
  readonly RW: boolean
  readonly Propagation: string
}

/** Sizes in bytes; 0 and empty texts and lists stand for what was not asked for, as in Docker. */
export interface ContainerInspectHost {
  readonly Binds: readonly string[] | null
  readonly Tmpfs: Readonly<Record<string, string>> | null
  readonly LogConfig: { readonly Type: string; readonly Config: Readonly<Record<string, string>> }
  readonly NetworkMode: string
  readonly RestartPolicy: { readonly Name: string; readonly MaximumRetryCount: number }
  readonly AutoRemove: boolean
  readonly Privileged: boolean
  readonly ReadonlyRootfs: boolean
  readonly Init: boolean
  readonly CapAdd: readonly string[] | null
  readonly CapDrop: readonly string[] | null
  readonly SecurityOpt: readonly string[] | null
  readonly GroupAdd: readonly string[] | null
  readonly ExtraHosts: readonly string[] | null
  readonly Dns: readonly string[]
  readonly DnsSearch: readonly string[]
  readonly DnsOptions: readonly string[]
  readonly PidMode: string
  readonly IpcMode: string
  readonly UTSMode: string
  /** Empty is the host's. */
  readonly UsernsMode: '' | 'private'
  readonly CgroupnsMode: string
  readonly ShmSize: number
  readonly Memory: number
  readonly MemorySwap: number
  readonly MemoryReservation: number
  readonly NanoCpus: number
  /** 0: a quota is told as the share of processors it stands for. */
  readonly CpuPeriod: 0
  readonly CpuQuota: 0
  readonly CpuShares: number
  readonly CpusetCpus: string
  readonly CpusetMems: string
  /** Null: none was asked for. */
  readonly PidsLimit: number | null
  readonly OomScoreAdj: number
  readonly OomKillDisable: false
  /** Null: what others lent is among the mounts. */
  readonly VolumesFrom: null
  readonly Ulimits: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[] | null
  readonly Devices: readonly {
    readonly PathOnHost: string
    readonly PathInContainer: string
    readonly CgroupPermissions: string
  }[]
  readonly DeviceCgroupRules: readonly string[] | null
  readonly Sysctls: Readonly<Record<string, string>> | null
}
