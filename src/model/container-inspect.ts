// A container in the words of `docker container inspect`: what its record knows, and no more.

export interface InspectContainerOptions {
  /** Also how much it takes on disk. Default: false. */
  readonly size?: boolean
}

export interface ContainerInspect {
  readonly Id: string
  /** RFC 3339, as all times here. */
  readonly Created: string
  /** What was executed, and its arguments. */
  readonly Path: string
  readonly Args: readonly string[]
  readonly State: {
    readonly Status: 'running' | 'exited'
    readonly Running: boolean
    readonly Paused: false
    readonly Restarting: false
    readonly Dead: false
    /** Of the first process as the host sees it; 0 when it has ended. */
    readonly Pid: number
    /** 0 while it runs; null where nobody was there to see the end. */
    readonly ExitCode: number | null
    readonly StartedAt: string
    /** `0001-01-01T00:00:00Z` while it runs, and where nobody saw the end. */
    readonly FinishedAt: string
  }
  /** Image id; `host`; or the directory that is its root. */
  readonly Image: string
  /** With a slash before it, as in Docker. */
  readonly Name: string
  readonly RestartCount: 0
  readonly Platform: 'linux'
  readonly Config: {
    /** As it was asked for. */
    readonly Image: string
    readonly Labels: Readonly<Record<string, string>>
  }
  readonly GraphDriver: {
    readonly Name: 'overlay2'
    /** Null for a directory as its root: the changes are in there. */
    readonly Data: { readonly UpperDir: string } | null
  }
  /** Bytes on disk of the writable layer, as du(1) counts them. With `size`. */
  readonly SizeRw?: number
  /** That, and the uncompressed layers of the image, where it has any. With `size`. */
  readonly SizeRootFs?: number
}
