// What a monitor decides by, as the bytes that native/init/monitor.h reads. Pure.
import { type EventPieces, eventPieces, type NewEvent } from '../model/events.ts'
import { MOMENTS, type Moment } from '../model/events-of-containers.ts'
import { RESTART_KINDS, type RestartKind } from '../model/monitor-frames.ts'
import { MONITOR_STATE_VERSION } from '../model/monitor-state.ts'
import { ENGINE_SLOTS, type LaunchPlan } from './launch/index.ts'

/**
 * Slots of the monitor's own stage for the descriptors that the engine hands over, in this order: the first client's connection, the
 * directory `containers`, one for each of the launch plan's groups' parents, and, where it adopts, a pidfd of the first process.
 */
export const MONITOR_SLOTS = { client: 1, containers: 2, cgroups: 3 } as const

/** In the run directory: a symlink to the /proc directory of the first process that runs. */
export const MONITOR_PROCESS = 'process'

/** There, too: a table that takes the place of the monitor's, put there by rename(2). */
export const MONITOR_TABLE = 'table'

/** There, too: up to where the events of one whose monitor was killed have been made up for. */
export const MONITOR_TOLD = 'told'

export interface RestartOptions {
  readonly kind: RestartKind
  /** Of `on-failure`; 0: no bound. */
  readonly maximumRetries: number
  /** Pause before the first restart; each one after it is twice as long, up to `longestMs`. */
  readonly firstMs: number
  readonly longestMs: number
  /** Having run for so long, it begins with `firstMs` again. */
  readonly settledMs: number
}

/** moby's numbers: restartmanager.go, defaultTimeout, maxRestartTimeout, and the ten seconds after which it begins anew. */
export const RESTART_PAUSES = { firstMs: 100, longestMs: 60_000, settledMs: 10_000 } as const

export interface LogOptions {
  readonly kind: 'compact' | 'json-file' | 'none'
  /** Of a segment. */
  readonly maxBytes: number
  /** Segments that are kept. */
  readonly maxFiles: number
  /** The application waits where the disk does not keep up, and nothing is dropped. */
  readonly blocking: boolean
}

export const HEALTH_ACTIONS = ['none', 'stop', 'restart', 'kill'] as const

export interface HealthOptions {
  /** One more process of the container; its namespaces are named below MONITOR_PROCESS. 0 is healthy. */
  readonly launch: LaunchPlan
  /** Groups that it enters, by their paths. */
  readonly groups: number
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Failures in it do not count. */
  readonly startPeriodMs: number
  /** In place of `intervalMs` while the start period lasts. */
  readonly startIntervalMs: number
  /** So many failures in a row are unhealthy. */
  readonly retries: number
  /** `restart`: stopped, and the restart policy decides. */
  readonly action: (typeof HEALTH_ACTIONS)[number]
}

/** Where the monitor tells what happens, and in which words. */
export interface JournalPlan {
  /** Absolute. */
  readonly folder: string
  readonly segmentBytes: number
  readonly segments: number
  /** Those of one moment in the order they are told in. */
  readonly events: readonly { readonly moment: Moment; readonly event: NewEvent }[]
}

export interface MonitorOptions {
  readonly id: string
  readonly bootId: string
  /** The container's own group in each hierarchy, absolute: for whoever finds it without a monitor. */
  readonly groupPaths?: readonly string[]
  /** Planned with `lasting`; all of it is carried out anew for each start. */
  readonly launch: LaunchPlan
  /** How many groups' parents it is handed. */
  readonly groups: number
  readonly restart: RestartOptions
  readonly log: LogOptions
  readonly health?: HealthOptions
  readonly stop: { readonly signal: number /** -1: never SIGKILL. */; readonly timeoutMs: number }
  /** The child hands over a terminal, and there are no FIFOs. */
  readonly hasTerminal: boolean
  /** `once`: it ends when the client that has it leaves. */
  readonly stdin: 'none' | 'open' | 'once'
  /** memory.events or memory.oom_control of the container's group. */
  readonly oomFile?: string
  /** cgroup.kill or cgroup.procs; where its pid namespace is not its own. */
  readonly killFile?: string
  /** A plan, run after each end: removes the groups. Slot 0 is the directory `containers`. */
  readonly cleanup: Uint8Array
  /** A plan, run at the last end: it removes the container. Slot 0 as above. */
  readonly removal?: Uint8Array
  /** None: nothing is told. */
  readonly journal?: JournalPlan
  /** Of a table that takes another's place: paths of the groups' parents, which are opened anew. */
  readonly groupParents?: readonly string[]
  /** It runs already. */
  readonly adopts?: { readonly pid: number; readonly begunMs: number; readonly restarts: number }
}

const MAGIC = 0x314d4c53
export const MONITOR_VERSION = 2
const FLAG = {
  hasTerminal: 1,
  hasStdin: 2,
  stdinOnce: 4,
  blockingLog: 8,
  jsonLog: 16,
  noLog: 32,
  adopts: 64,
  autoRemove: 128,
} as const
/** sizeof(MonitorTable), sizeof(EventEntry), sizeof(MonitorLaunch), sizeof(StageEntry). */
const TABLE_BYTES = 296
const EVENT_BYTES = 32
const LAUNCH_BYTES = 104
const STAGE_BYTES = 24
const NO_SLOT = 0xffffffff
const NOT_BORROWED = 0xffff
const WHEN = { early: 0, after: 1, last: 2, later: 3 } as const

export const encodeMonitorTable = (options: MonitorOptions): Uint8Array => {
  const table = new Table()
  const fixed = table.fields(TABLE_BYTES)
  const { restart, log, stop, health, adopts, id, bootId } = options
  fixed.uint32(MAGIC, MONITOR_VERSION)
  const size = fixed.hold()
  fixed.uint32(flagsOf(options))
  const groups = Array.from({ length: options.groups }, (_, index) => MONITOR_SLOTS.cgroups + index)
  putLaunch(fixed, options.launch, groups)
  fixed.uint32(RESTART_KINDS.indexOf(restart.kind), restart.maximumRetries)
  fixed.uint32(restart.firstMs, restart.longestMs, restart.settledMs)
  fixed.uint32(log.maxBytes, log.maxFiles)
  putHealth(fixed, health)
  fixed.uint32(stop.signal, stop.timeoutMs, adopts?.pid ?? 0, adopts?.restarts ?? 0)
  fixed.uint32(0)
  fixed.uint64(adopts?.begunMs ?? 0)
  fixed.text(head({ version: MONITOR_STATE_VERSION, id, bootId, groups: options.groupPaths ?? [] }))
  fixed.text(head({ version: MONITOR_STATE_VERSION, id }))
  fixed.text(options.oomFile)
  fixed.text(options.killFile)
  fixed.section(options.cleanup)
  fixed.section(options.removal)
  putJournal(fixed, options.journal)
  fixed.text(options.groupParents?.join('\0'))
  size(table.size)
  return table.bytes()
}

/** JSON that goes on. */
const head = (value: object): string => JSON.stringify(value).slice(0, -1)

const flagsOf = ({ hasTerminal, stdin, log, adopts, removal }: MonitorOptions): number =>
  (hasTerminal ? FLAG.hasTerminal : 0) |
  (stdin === 'none' ? 0 : FLAG.hasStdin) |
  (stdin === 'once' ? FLAG.stdinOnce : 0) |
  (log.blocking ? FLAG.blockingLog : 0) |
  (log.kind === 'json-file' ? FLAG.jsonLog : 0) |
  (log.kind === 'none' ? FLAG.noLog : 0) |
  (adopts === undefined ? 0 : FLAG.adopts) |
  (removal === undefined ? 0 : FLAG.autoRemove)

/** `groups`: the monitor's slots of their parents. */
const putLaunch = (fields: Fields, plan: LaunchPlan, groups: readonly number[]): void => {
  fields.uint64(plan.cloneFlags)
  fields.uint32(plan.slotCount, plan.cgroupSlot ?? NO_SLOT)
  for (const program of [plan.prepare, plan.inChild, plan.after, plan.layers, plan.network, plan.join])
    fields.section(program?.bytes)
  fields.uint16s(plan.join?.fds ?? [])
  fields.uint32(plan.join?.base ?? 0, plan.stages.length)
  const stages = fields.list(STAGE_BYTES * plan.stages.length)
  for (const { when, base, fds, bytes } of plan.stages) {
    stages.uint32(WHEN[when], base)
    stages.uint16s(fds)
    stages.section(bytes)
  }
  fields.uint16s(borrowedBy(groups))
  fields.uint16s(plan.close)
}

/** Which of the monitor's slots fill those that the engine fills elsewhere. The streams it opens itself. */
const borrowedBy = (groups: readonly number[]): readonly number[] => {
  const { containers, cgroups } = ENGINE_SLOTS
  const before = Array.from({ length: cgroups }, (_, slot) =>
    slot === containers ? MONITOR_SLOTS.containers : NOT_BORROWED,
  )
  return [...before, ...groups]
}

const putHealth = (fields: Fields, health: HealthOptions | undefined): void => {
  fields.uint32(health?.intervalMs ?? 0, health?.timeoutMs ?? 0, health?.startPeriodMs ?? 0)
  fields.uint32(health?.startIntervalMs ?? 0, health?.retries ?? 0)
  fields.uint32(health === undefined ? 0 : HEALTH_ACTIONS.indexOf(health.action))
  const launch = fields.list(health === undefined ? 0 : LAUNCH_BYTES)
  const entered = Array.from({ length: health?.groups ?? 0 }, () => NOT_BORROWED)
  if (health !== undefined) putLaunch(launch, health.launch, entered)
}

const putJournal = (fields: Fields, journal: JournalPlan | undefined): void => {
  const { segmentBytes = 0, segments = 0, folder, events = [] } = journal ?? {}
  fields.uint32(segmentBytes, segments)
  fields.text(folder)
  fields.uint32(events.length, 0)
  const entries = fields.list(EVENT_BYTES * events.length)
  // What a container is called, and its labels, are the same in most of them.
  const shared = entries.shared()
  for (const { moment, event } of events) {
    // Of a volume there is no more to know.
    entries.uint32(MOMENTS.indexOf(moment), Number(event.Type === 'container'))
    const { action, actor, tail }: EventPieces = eventPieces(event)
    for (const piece of [action, actor, tail]) shared(piece)
  }
}

/** Bytes that grow; what has a fixed shape refers to what comes behind it by offset and size. */
class Table {
  #bytes = Buffer.alloc(64 << 10)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** 8-byte aligned. */
  reserve(size: number): number {
    const at = (this.#size + 7) & ~7
    while (at + size > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)])
    this.#size = at + size
    return at
  }

  fields(size: number): Fields {
    return new Fields(this, this.reserve(size))
  }

  put(bytes: Uint8Array): number {
    const at = this.reserve(bytes.length)
    this.#bytes.set(bytes, at)
    return at
  }

  writeUint32(value: number, at: number): void {
    this.#bytes.writeUInt32LE(value >>> 0, at)
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size)
  }
}

class Fields {
  readonly #table: Table
  #at: number

  constructor(table: Table, at: number) {
    this.#table = table
    this.#at = at
  }

  /** Signed ones as two's complement. */
  uint32(...values: readonly number[]): void {
    for (const value of values) {
      this.#table.writeUint32(value, this.#at)
      this.#at += 4
    }
  }

  uint64(value: number): void {
    this.uint32(value % 0x1_0000_0000, Math.floor(value / 0x1_0000_0000))
  }

  /** A number that is known later. */
  hold(): (value: number) => void {
    const at = this.#at
    this.#at += 4
    return (value) => this.#table.writeUint32(value, at)
  }

  section(bytes: Uint8Array | undefined): void {
    const size = bytes?.length ?? 0
    this.uint32(bytes === undefined || size === 0 ? 0 : this.#table.put(bytes), size)
  }

  /** NUL-terminated; its size is without. */
  text(value: string | undefined): void {
    if (value === undefined) this.uint32(0, 0)
    else this.uint32(this.#table.put(Buffer.from(`${value}\0`)), Buffer.byteLength(value))
  }

  /** Puts sections of text, those that are equal once. */
  shared(): (text: string) => void {
    const known = new Map<string, number>()
    return (text) => {
      const at = known.get(text) ?? this.#table.put(Buffer.from(text))
      known.set(text, at)
      this.uint32(at, Buffer.byteLength(text))
    }
  }

  uint16s(values: readonly number[]): void {
    this.section(Buffer.from(Uint16Array.from(values).buffer))
  }

  /** Structures that are filled in by what this returns. */
  list(size: number): Fields {
    const fields = this.#table.fields(size)
    this.uint32(size === 0 ? 0 : fields.#at, size)
    return fields
  }
}
