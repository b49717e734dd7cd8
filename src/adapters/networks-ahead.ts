// Network namespaces made before they are wanted: making one takes as long as a fifth of a start. Each is given to one container.
import type { Addon } from '../native/addon.ts'
import { planNetworkAhead } from '../plan/launch/index.ts'
import type { Arch } from '../plan/program.ts'

/** An older one is not used: its sysctls are those that the host had when it was made (Documentation/networking/ip-sysctl.rst). */
const MAX_AGE_MS = 10 * 60 * 1000

/** How long a program runs that is no short one. */
const QUIET_MS = 5

interface Ready {
  readonly fd: number
  readonly madeMs: number
}

export class NetworksAhead {
  readonly #addon: Addon
  readonly #arch: Arch
  #plan: ReturnType<typeof planNetworkAhead> | undefined
  readonly #wanted: number
  readonly #ready: Ready[] = []
  readonly #making = new Set<Promise<void>>()
  #closed = false
  #quiet: NodeJS.Timeout | undefined

  /** `wanted`: how many are kept. */
  constructor(addon: Addon, arch: Arch, wanted: number) {
    this.#addon = addon
    this.#arch = arch
    this.#wanted = wanted
  }

  /** A descriptor that is the caller's from now on; -1 when there is none. */
  take(): number {
    for (;;) {
      const oldest = this.#ready.shift()
      if (oldest === undefined) return -1
      if (Date.now() - oldest.madeMs < MAX_AGE_MS) {
        this.#addon.letGo(Int32Array.of(oldest.fd))
        return oldest.fd
      }
      this.#addon.closeFds(Int32Array.of(oldest.fd))
    }
  }

  /**
   * For the starts to come, once the container that got one has `ended`, or runs for a while: a short program is let end first. Nobody
   * waits for it: one that cannot be made is made by its start.
   */
  refillAfter(ended: Promise<unknown>): void {
    this.#quiet = this.#quiet?.refresh() ?? setTimeout(() => this.refill(), QUIET_MS).unref()
    ended.then(() => setImmediate(() => this.refill()))
  }

  refill(): void {
    if (this.#closed || this.#ready.length + this.#making.size >= this.#wanted) return
    const making = this.#make().then((fd) => {
      this.#making.delete(making)
      if (fd >= 0) this.#keep(fd)
    })
    this.#making.add(making)
  }

  /** Resolves when none is left and none in the making. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#quiet)
    this.#addon.closeFds(Int32Array.from(this.#ready.splice(0), ({ fd }) => fd))
    await Promise.all(this.#making)
  }

  /** -1 where it cannot be made. */
  #make(): Promise<number> {
    this.#plan ??= planNetworkAhead(this.#arch)
    const { bytes, namespace } = this.#plan
    return new Promise((resolve) => {
      this.#addon.executeInNetwork(bytes, new Int32Array(0), ({ ok, slots }) => {
        resolve(ok ? (slots[namespace] ?? -1) : -1)
      })
    })
  }

  #keep(fd: number): void {
    if (this.#closed) this.#addon.closeFds(Int32Array.of(fd))
    else this.#ready.push({ fd, madeMs: Date.now() })
    this.refill()
  }
}
