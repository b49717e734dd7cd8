// What a caller of the runtime as a library may say, in JavaScript's own terms.
import type { Process, Spec } from './oci-spec.ts'
import type { CgroupManager } from './oci-state.ts'
import type { ErrorOutputOption, OutputOption, StdinOption } from './options.ts'

export interface RuntimeOptions {
  /** Directory of the state of all containers, as of `slipway-oci --root`. Default: that of the command. */
  readonly root?: string
  /** Default: `cgroupfs`. */
  readonly cgroupManager?: CgroupManager
  /** How many network namespaces are kept ready for the containers to come, 64 at most. Default: 1; 0 for an ordinary user. */
  readonly networksAhead?: number
  /** Told what does not make a verb fail, e.g. a poststop hook that did. */
  readonly onWarning?: (message: string) => void
}

/** Standard streams; each is `'inherit'` by default, as under the command. With a terminal they are its own. */
export interface OciStreamOptions {
  readonly stdin?: StdinOption
  readonly stdout?: OutputOption
  readonly stderr?: ErrorOutputOption
}

export interface OciCreateOptions extends OciStreamOptions {
  /** In place of the bundle's config.json. */
  readonly spec?: Spec
  /** A listening unix socket that is sent the terminal's end of the caller; without one the terminal is `stdin` and `stdout` here. */
  readonly consoleSocket?: string
  readonly pidfdSocket?: string
  /** Gets the pid as decimal digits. */
  readonly pidFile?: string
  /** Enter the root without pivot_root(2), as a root on a ramdisk needs. */
  readonly noPivot?: boolean
  /** Keep the session keyring of this process. */
  readonly noNewKeyring?: boolean
}

export interface OciExecOptions extends OciStreamOptions {
  /** Added to the variables of the container's own process. */
  readonly env?: Readonly<Record<string, string>>
  /** Absolute. */
  readonly cwd?: string
  /** `UID` or `UID:GID`, as numbers. */
  readonly user?: string
  /** Give it a terminal. Default: false. */
  readonly tty?: boolean
  readonly consoleSocket?: string
  readonly pidfdSocket?: string
  readonly pidFile?: string
  /** Abort kills the process. */
  readonly signal?: AbortSignal
}

/** What to execute: an argument list, the rest being that of the container's own process; or a whole document. */
export type OciProgram = readonly string[] | Process

/** What `state` tells. The pid is 0 once it has stopped. */
export interface OciStateDocument {
  readonly ociVersion: string
  readonly id: string
  readonly pid: number
  readonly status: string
  readonly bundle: string
  readonly rootfs: string
  /** RFC 3339, with nanoseconds. */
  readonly created: string
  readonly annotations?: Readonly<Record<string, string>>
}
