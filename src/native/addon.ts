// The addon's interface. Everything in it is data: plans in, events out. Times are strings that native/times.ts reads.

/** One stage of a launch: a plan for the child, and the slots whose descriptors travel with it. */
export interface StageScript {
  readonly plan: Uint8Array
  /** Slots of the engine's side. */
  readonly fds: Uint16Array
  /** Slot on the child's side of the first descriptor. */
  readonly base: number
  /** `early`: before the clone; `after`: once `after` and `layers` are done; `last`: once `network` is, too; `later`: not now. */
  readonly when: 'early' | 'after' | 'last' | 'later'
}

/** What all starts of one shape share. */
export interface LaunchScript {
  readonly slotCount: number
  readonly prepare?: Uint8Array
  readonly inChild?: Uint8Array
  readonly after?: Uint8Array
  /** Comes before the stages, and is run by another process: it enters namespaces, and the child is born in them. */
  readonly join?: StageScript
  /** Both are run on a second thread while the first one prepares and clones. */
  readonly layers?: Uint8Array
  /** In it the thread may change its network namespace. */
  readonly network?: Uint8Array
  readonly stages: readonly StageScript[]
  /** Rows of four: program (0 prepare, 1 inChild, 2 after, 3 layers, 4 network, 5… the stages), offset in it, offset in the start's own text, length. */
  readonly patches?: Uint32Array
  /** `cloned` and `timings` are told at once, and not with the next event that somebody acts on. */
  readonly eager?: boolean
  /** CLONE_* bits besides VM, VFORK, PIDFD and CLEAR_SIGHAND. */
  readonly cloneFlags: number
  readonly cgroupSlot?: number
  /** Where `network` leaves its namespace. */
  readonly networkSlot?: number
  /** Slots whose descriptors are handed over after a successful start. */
  readonly keep: Uint16Array
  /** Slots closed at the end of the start, however it went. */
  readonly close: Uint16Array
}

/** A script that was checked and copied to the native side. */
export type NativeScript = object

/** Where a start failed: in the child (`stage` and `op` tell), or in the engine's own part. */
export const PHASE = {
  child: 0,
  prepare: 1,
  clone: 2,
  after: 3,
  send: 4,
  layers: 5,
  network: 6,
  join: 7,
  /** A monitor's alone: its state could not be written. */
  monitor: 8,
} as const
/** Stage number of a failure between the clone and the helper's first instruction. */
export const STAGE_BEFORE_EXEC = 0xffffffff
/** Operation number of a failure that is no operation's. */
export const OP_PROTOCOL = 0xffffffff

export type LaunchEvent =
  | readonly ['cloned', pid: number, times: string, ...kept: number[]]
  | readonly ['failed', phase: number, stage: number, op: number, errno: number]
  | readonly ['cancelled']
  /** With the container's own ipc and network namespaces, or -1. */
  | readonly ['waiting', ipc: number, network: number]
  /** The engine's part of what `goOn` asked for is done. */
  | readonly ['wentOn', times: string]
  | readonly ['timings', stage: number, times: string, fd: number]
  | readonly ['fd', tag: number, fd: number]
  | readonly ['executed', atNs: number]
  | readonly [
      'exited',
      siCode: number,
      status: number,
      userUs: number,
      systemUs: number,
      atNs: number,
      /** How far the start had come: see `placeOf`. */
      reached: number,
    ]

/** The last place a start is known to have reached. `stage`: STAGE_BEFORE_EXEC for the clone's own plan. */
export interface Place {
  readonly stage: number
  readonly op: number
}

/** Decodes a word of native/launch/progress.h; undefined when the helper had not begun a stage. */
export const placeOf = (reached: number): Place | undefined => {
  const upper = reached >>> 16
  if (upper === 0) return undefined
  return { stage: upper === 0xffff ? STAGE_BEFORE_EXEC : upper - 1, op: reached & 0xffff }
}

export interface NativeLaunch {
  /** To the first process, by pidfd; before the clone it cancels the start. Returns 0 or a positive errno. */
  kill(signal: number): number
  /** One more stage for a sandbox that waits; `fds` are the engine-side slots of this call. Returns 0 or errno. */
  send(stage: StageScript, fds: Int32Array): number
  /**
   * For one that lacks more than its last stage: the script's `after` runs on the launch thread, its stages are sent, and the last one
   * behind them. `slots` and `own` are as of a launch. Returns 0 or errno.
   */
  goOn(script: NativeScript, slots: Int32Array, own: string, last: StageScript, fds: Int32Array): number
  /**
   * The process speaks on this socket from now on, and no more on the one it was made with: what it says is told as ever, and keeps the
   * event loop alive. Returns 0, and then the descriptor is the launch's, or a positive errno.
   */
  hear(fd: number): number
  /** Closes the engine's end of the control socket: a sandbox that waits exits. */
  abandon(): void
  /** Borrowed; -1 before the clone and after the end. */
  pidfd(): number
  /** After `cloned`: neither the process nor its reports keep the event loop alive any more. */
  unref(): void
  /** Undoes `unref` for the process itself. */
  ref(): void
}

/** Counts are bytes, or a negative errno. */
export interface NativeChannel {
  /** 0 at the end of file. */
  read(buffer: Uint8Array): number
  write(bytes: Uint8Array): number
  /** Keeps the event loop alive until `ready` is called. Returns 0 or a positive errno. */
  wait(toWrite: boolean): number
  close(): void
}

export interface Execution {
  readonly ok: boolean
  /** The operation that failed. */
  readonly op: number
  readonly errno: number
  /** The data section after the run. */
  readonly data: Buffer
  readonly slots: Float64Array
}

/** How a command ended that was timed from outside. */
export interface TimedCommand {
  /** Why nothing was started; 0 or a positive errno. */
  readonly errno: number
  /** As waitpid(2) gives it. */
  readonly waitStatus: number
  readonly timedOut: boolean
  readonly elapsedNs: number
}

export interface Addon {
  readonly Script: new (script: LaunchScript) => NativeScript
  /**
   * `slots`: descriptors this process hands in, as slots 0…; `own`: the text the script's patches take from. `background`: made on
   * threads of low priority, which its process has too until it is sent its last stage; needs CAP_SYS_NICE. `networkFd`: a network
   * namespace in place of what `network` makes, or -1; it is the start's from now on.
   */
  readonly Launch: new (
    script: NativeScript,
    slots: Int32Array,
    own: string,
    onEvent: (...event: LaunchEvent) => void,
    background?: boolean,
    networkFd?: number,
  ) => NativeLaunch
  /** Keeps the helper in a sealed memfd. Returns 0 or a positive errno. */
  sealHelper(bytes: Uint8Array): number
  /** Runs a short plan on the calling thread: only for calls that cannot block. */
  execute(plan: Uint8Array, slots: Int32Array): Execution
  /** The same on a thread of its own, one plan after another. The result lets the event loop end without the answer. */
  executeLater(plan: Uint8Array, slots: Int32Array, done: (result: Execution) => void): () => void
  /** The same on a thread nobody else waits for: for calls that may never return, as on a dead file system. */
  executeApart(plan: Uint8Array, slots: Int32Array, done: (result: Execution) => void): () => void
  /** The same on a thread of low priority, whose network namespace the plan may change: it is home again afterwards. What it leaves open is held, as by `holdFds`. */
  executeInNetwork(plan: Uint8Array, slots: Int32Array, done: (result: Execution) => void): () => void
  /**
   * Runs a command by vfork(2), and times it from before that to after waitpid(2). `fds`: standard input, output and error, and a
   * mount namespace to enter first, or -1. `argv[0]` is a path; `env` has entries `NAME=value`.
   */
  timeCommand(
    argv: readonly string[],
    env: readonly string[],
    fds: Int32Array,
    timeoutMs: number,
    done: (result: TimedCommand) => void,
  ): () => void
  /**
   * A pipe as [read end, write end], close-on-exec; this process's end is non-blocking, the other one belongs to the uid `owner`.
   * Both are held, as by `holdFds`. A negative errno on failure.
   */
  pipe(thisProcessReads: boolean, owner: number): [number, number] | number
  /** How many bytes were written, or a negative errno. */
  writeFd(fd: number, bytes: Uint8Array): number
  /**
   * How this process is told of descriptors from now on: from a thread of ours, or by the host's own event loop. False when this host
   * has not got it.
   */
  watchDescriptors(byThread: boolean): boolean
  /** A non-blocking descriptor, borrowed until `close`. `ready` is called once for each `wait`. */
  readonly Channel: new (
    fd: number,
    ready: (readable: boolean, writable: boolean) => void,
  ) => NativeChannel
  closeFds(fds: Int32Array): void
  /** The first KiB of each file as one character for each byte; undefined for one that cannot be read, e.g. -1. */
  readFiles(fds: Int32Array): (string | undefined)[]
  /** Closed when this JavaScript environment ends, e.g. a worker that is terminated, unless they were closed before. */
  holdFds(fds: Int32Array): void
  /** Undoes `holdFds` for descriptors that a plan given to `executeLater` closes. */
  letGo(fds: Int32Array): void
  /** flock(2), never blocking: 0 or a positive errno, EAGAIN (11) while somebody else holds the lock. */
  flock(fd: number, operation: number): number
  /**
   * A process in a new user namespace of its own, as [pid, pidfd], or a negative errno: it does nothing, and dies with this process.
   * Its maps are the caller's to write.
   */
  cloneIntoUserNamespace(): readonly [pid: number, pidfd: number] | number
  /** Ends such a process, and closes its pidfd. */
  endClone(pidfd: number): void
  /** CLOCK_MONOTONIC. */
  nowNs(): number
}
