// Keeps one guardian alive for this engine process: started with the first container, respawned when it dies.
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import { type Addon, type NativeLaunch, PHASE } from '../native/addon.ts'
import {
  planDismissal,
  planGuardian,
  planRegistration,
  planSocketOptions,
  planSocketPair,
} from '../plan/guardian.ts'
import type { CgroupParent } from '../plan/launch/index.ts'
import type { OpInfo } from '../plan/program.ts'
import type { GuardianLease } from './native-launcher.ts'

/** What a respawned guardian must be told again. */
export interface Guarded {
  /** pidfd of the first process; -1 once it has ended. */
  readonly pidfd: () => number
  /** Path of a cgroup.procs file, for containers that share a pid namespace; behind a `+`, that of an exec; else empty. */
  readonly group: string
}

/** A guardian that does not end, e.g. a stopped one, holds up nobody's end for longer. */
const LAST_WAIT_MS = 1000
const EAGAIN = 11
/** What stands before the file that kills the group of an exec. */
const GUEST = '+'
/** The socket holds some hundred registrations; a new guardian reads them as soon as it runs. */
const FULL_MS = 5

/** One end of a guardian's socket. A start that is under way borrows it: its number must not become another file's. */
interface Connection {
  readonly fd: number
  readonly guardian: number
  users: number
  dead: boolean
}

export class Guardian {
  readonly #addon: Addon
  readonly #facts: HostFacts
  readonly #groups: () => readonly CgroupParent[]
  readonly #guarded = new Set<Guarded>()
  #connection: Connection | undefined
  #count = 0
  #pid = 0
  #closing = false
  #native: NativeLaunch | undefined
  #gone: () => void = () => {}

  constructor(addon: Addon, facts: HostFacts, groups: () => readonly CgroupParent[]) {
    this.#addon = addon
    this.#facts = facts
    this.#groups = groups
  }

  /** This process's end of the guardian's socket; starts the guardian when there is none. Throws an EngineError. */
  lease(): GuardianLease {
    const connection = this.#connection ?? this.#start()
    connection.users++
    const release = (): void => {
      connection.users--
      this.#closeUnused(connection)
    }
    return { socket: connection.fd, guardian: connection.guardian, release }
  }

  /** 0 while no guardian runs. */
  get pid(): number {
    return this.#pid
  }

  /** `known`: the guardian it registered with itself. Another one has taken its place since: that one is told. */
  add(guarded: Guarded, known: number): () => void {
    this.#guarded.add(guarded)
    if (known !== this.#count) this.#tell([guarded])
    return () => {
      this.#guarded.delete(guarded)
      if (guarded.group.startsWith(GUEST)) this.#dismiss(guarded.group.slice(GUEST.length))
    }
  }

  #dismiss(killFile: string): void {
    const connection = this.#connection
    if (connection === undefined) return
    const { ok, errno } = this.#addon.execute(
      planDismissal(this.#facts, killFile),
      Int32Array.of(connection.fd),
    )
    if (ok || errno !== EAGAIN) return
    setTimeout(() => this.#connection === connection && this.#dismiss(killFile), FULL_MS)
  }

  /** End of file on its socket: the guardian kills what is left and ends. Resolves when it has, or after a second. */
  close(): Promise<void> {
    this.#closing = true
    this.#disconnect()
    if (this.#native === undefined) return Promise.resolve()
    this.#native.ref()
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, LAST_WAIT_MS)
      this.#gone = () => {
        clearTimeout(limit)
        resolve()
      }
    })
  }

  #start(): Connection {
    const [mine, theirs] = this.#pair()
    const connection: Connection = { fd: mine, guardian: ++this.#count, users: 0, dead: false }
    const options = planSocketOptions(this.#facts, process.pid)
    const prepared = this.#run(options, [theirs, -1], [mine, theirs])
    const plan = planGuardian(this.#facts, this.#groups())
    this.#connection = connection
    // Told before it lives: what it finds when it looks is all there is.
    this.#tell([...this.#guarded])
    let started = true
    const script = new this.#addon.Script({
      slotCount: 2,
      stages: [{ plan: plan.bytes, fds: Uint16Array.of(0, 1), base: plan.base, when: 'early' }],
      cloneFlags: 0,
      eager: true,
      keep: new Uint16Array(0),
      close: Uint16Array.of(0, 1),
    })
    const native: NativeLaunch = new this.#addon.Launch(
      script,
      Int32Array.of(theirs, prepared.slots[options.pidfd] ?? -1),
      '',
      (...event) => {
        if (event[0] === 'cloned') {
          this.#pid = event[1]
          native.unref()
        }
        if (event[0] === 'failed') started = false
        // A failure of the child's own is followed by its end.
        if (event[0] === 'exited' || (event[0] === 'failed' && event[1] !== PHASE.child))
          this.#died(connection, started)
      },
    )
    this.#native = native
    return connection
  }

  #disconnect(): void {
    const connection = this.#connection
    this.#connection = undefined
    if (connection === undefined) return
    connection.dead = true
    this.#closeUnused(connection)
  }

  #closeUnused({ fd, users, dead }: Connection): void {
    if (dead && users === 0) this.#addon.closeFds(Int32Array.of(fd))
  }

  #pair(): [number, number] {
    const plan = planSocketPair(this.#facts)
    const { data } = this.#run(plan, [], [])
    const pair = [data.readInt32LE(plan.pair.offset), data.readInt32LE(plan.pair.offset + 4)] as const
    this.#addon.holdFds(Int32Array.from(pair))
    return [...pair]
  }

  /** A failure closes `ends`. */
  #run(
    { bytes, infos }: { readonly bytes: Uint8Array; readonly infos: readonly OpInfo[] },
    slots: readonly number[],
    ends: readonly number[],
  ): ReturnType<Addon['execute']> {
    const result = this.#addon.execute(bytes, Int32Array.from(slots))
    if (result.ok) return result
    this.#addon.closeFds(Int32Array.from(ends))
    const step = infos[result.op]?.step ?? 'make guardian socket'
    throw { _tag: 'SyscallFailed', step, errno: result.errno } satisfies EngineError
  }

  /** One that could not be started is not tried again before the next container: what failed now would fail at once again. */
  #died(connection: Connection, started: boolean): void {
    this.#pid = 0
    this.#native = undefined
    this.#gone()
    if (this.#connection !== connection) return
    this.#disconnect()
    if (!started || this.#closing || this.#guarded.size === 0) return
    try {
      this.#start()
    } catch {
      // No descriptor or no memory left: the next container's start tries again, and tells why.
    }
  }

  /** Never waits: while the socket is full the rest is told later. */
  #tell(wanted: readonly Guarded[]): void {
    const connection = this.#connection
    for (const [index, guarded] of wanted.entries()) {
      const pidfd = guarded.pidfd()
      if (connection === undefined || pidfd < 0) continue
      const plan = planRegistration(this.#facts, pidfd, guarded.group)
      const { ok, errno } = this.#addon.execute(plan, Int32Array.of(connection.fd))
      if (ok || errno !== EAGAIN) continue
      const rest = wanted.slice(index)
      setTimeout(() => this.#connection === connection && this.#tell(rest), FULL_MS).unref()
      return
    }
  }
}
