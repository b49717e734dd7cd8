// What the life cycle of an OCI container is asked to do: decoded, absolute, and without a flag left to be read.

import type { OciId } from './oci-container-id.ts'
import type { LinuxResources, Process, Spec } from './oci-spec.ts'
import type { OciContainer } from './oci-status.ts'

/** Descriptors that become a process's standard streams. */
export interface Streams {
  readonly stdin: number
  readonly stdout: number
  readonly stderr: number
}

/** What a new process gets from its caller. Paths are absolute. */
export interface Handover {
  /** Borrowed. Where it gets a terminal, that takes their place. */
  readonly streams: Streams
  /** A listening unix socket that is sent the terminal's end of the caller (SCM_RIGHTS). */
  readonly consoleSocket?: string
  /** The same for the pidfd of the process. */
  readonly pidfdSocket?: string
  /** A file that is to hold the pid as decimal digits, without a newline; replaced by rename(2). */
  readonly pidFile?: string
  /** Descriptors beyond 2 that are passed on: those of LISTEN_FDS first, then `--preserve-fds`. They are 3, 4 …. */
  readonly extraFds: number
  /** How many of them systemd handed over, sd_listen_fds(3): the process gets LISTEN_FDS and LISTEN_PID of its own. */
  readonly listenFds: number
}

export interface CreateRequest extends Handover {
  readonly id: OciId
  /** Absolute. */
  readonly bundle: string
  readonly spec: Spec
  /** The bytes of the bundle's config.json: kept beside the state, since the bundle's own may change. */
  readonly config: string
  readonly noPivot: boolean
  readonly noNewKeyring: boolean
  /** systemd's socket, where it waits for a message of the service, sd_notify(3). */
  readonly notifySocket?: string
}

export interface RunRequest extends CreateRequest {
  /** Return once it runs, instead of waiting for it. */
  readonly detach: boolean
  /** Do not delete it when it has ended. */
  readonly keep: boolean
  /** Do not become the parent of its orphans while waiting. */
  readonly noSubreaper: boolean
}

export interface StartRequest {
  readonly id: OciId
  readonly notifySocket?: string
}

export interface KillRequest {
  readonly container: OciContainer
  /** 0 only asks whether it could be sent, kill(2). */
  readonly signal: number
  /** To every process of its cgroup. */
  readonly all: boolean
}

export interface DeleteRequest {
  readonly id: OciId
  /** Kill it first, whatever its status. A created container is killed even without. */
  readonly force: boolean
}

export interface ExecRequest extends Handover {
  readonly container: OciContainer
  /** Complete: what the flags leave open is the container's own process. `terminal` says whether it gets one. */
  readonly process: Process
  readonly detach: boolean
  /** Sub-cgroups to run in, by controller; the empty name is v2's. Relative to the container's own. */
  readonly cgroups: Readonly<Record<string, string>>
}

export interface UpdateRequest {
  readonly container: OciContainer
  /** Only what changes. */
  readonly resources: LinuxResources
}

export interface EventsRequest {
  readonly container: OciContainer
  /** Between two `stats` events; absent: one of them, and that is all. */
  readonly intervalMs?: number
}
