// The sandboxes of a pool that wait: how many there are, and when another one is made.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { PoolSize } from '../model/pool.ts'
import type { Container } from './container.ts'
import type { Sandbox } from './pool-sandbox.ts'

/** An older sandbox is replaced: what the host has changed meanwhile need not be known to be left behind. */
const MAX_AGE_MS = 10 * 60 * 1000
/** How often ages are looked at, and how long a pool that is larger than its minimum waits before it shrinks. */
const TICK_MS = 10_000
/** Percent of the last ten seconds somebody waited for memory: then nothing is made ahead (Documentation/accounting/psi.rst). */
const MAX_PRESSURE = 5
const PRESSURE_PAUSE_MS = 1000
/** Without a start for so long, the next sandbox is made. */
const QUIET_MS = 5

export interface SupplyParts {
  /** Makes one for later. Undefined before anything is known to make. */
  readonly arm: () => Promise<E.Either<EngineError, Sandbox>> | undefined
  /** It is what would be made now. */
  readonly isCurrent: (sandbox: Sandbox) => boolean
  /** Resolves when nothing of it is left. Never fails. */
  readonly discard: (sandbox: Sandbox) => Promise<void>
  /** Percent. */
  readonly memoryPressure: () => number | undefined
}

export class Supply {
  readonly #parts: SupplyParts
  readonly #size: PoolSize
  readonly #waiting: Sandbox[] = []
  /** On their way out. */
  readonly #leaving = new Set<Promise<unknown>>()
  /** Containers that have ended and are being removed. */
  #removing = 0
  #target: number
  #arming: Promise<unknown> | undefined
  #firing = 0
  #missed = false
  #dropped = 0
  #closed = false
  #ticker: NodeJS.Timeout | undefined
  #pause: NodeJS.Timeout | undefined
  /** Runs from the last start on. */
  #quiet: NodeJS.Timeout | undefined
  #isQuiet = true

  constructor(size: PoolSize, parts: SupplyParts) {
    this.#size = size
    this.#target = size.min
    this.#parts = parts
  }

  get stats(): { readonly waiting: number; readonly target: number; readonly dropped: number } {
    return { waiting: this.#waiting.length, target: this.#target, dropped: this.#dropped }
  }

  /** From now on it keeps itself full. */
  open(): void {
    if (!this.#closed) this.#ticker = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** Removes what waits; resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#ticker)
    clearTimeout(this.#pause)
    clearTimeout(this.#quiet)
    for (const sandbox of this.#waiting.splice(0)) this.#discard(sandbox)
    await this.#arming
    await Promise.all(this.#leaving)
  }

  /** The oldest that is still as it should be. */
  take(): Sandbox | undefined {
    for (;;) {
      const sandbox = this.#waiting.shift()
      if (sandbox === undefined || this.#isFresh(sandbox)) return sandbox
      this.drop(sandbox)
    }
  }

  /** A start found none. */
  missed(): void {
    this.#missed = true
    this.#target = Math.min(this.#size.max, Math.max(1, 2 * this.#target))
  }

  /** Waits from now on, until it is taken or its process ends by itself. */
  keep(sandbox: Sandbox): void {
    if (this.#closed) {
      this.#discard(sandbox)
      return
    }
    this.#waiting.push(sandbox)
    sandbox.process.end.then(() => {
      const at = this.#waiting.indexOf(sandbox)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      this.drop(sandbox)
      this.#refill()
    })
  }

  drop(sandbox: Sandbox): void {
    this.lost()
    this.#discard(sandbox)
  }

  /** Gone by itself. */
  lost(): void {
    this.#dropped++
  }

  dropAll(): void {
    for (const sandbox of this.#waiting.splice(0)) this.drop(sandbox)
  }

  /** Nothing is made beside a start. The result ends that, and says what came of it. */
  firing(): (started: Container | undefined) => void {
    this.#firing++
    return (started) => {
      this.#firing--
      this.#refillAfter(started)
    }
  }

  /** What it leaves is waited for. */
  watch(container: Container): void {
    container.exit.then(() => this.#removing++)
    container.removed.then(() => {
      this.#removing--
      this.#refill()
    })
  }

  #isFresh(sandbox: Sandbox): boolean {
    return this.#parts.isCurrent(sandbox) && Date.now() - sandbox.createdMs < MAX_AGE_MS
  }

  #discard(sandbox: Sandbox): void {
    const gone = this.#parts.discard(sandbox)
    this.#leaving.add(gone)
    gone.then(() => {
      this.#leaving.delete(gone)
      this.#refill()
    })
  }

  /**
   * A short program is let end first, and while enough sandboxes wait, so is a burst of starts: what is made for later would take
   * the processors from what is wanted now.
   */
  #refillAfter(started: Container | undefined): void {
    this.#isQuiet = false
    if (!this.#closed) this.#quiet = this.#quiet?.refresh() ?? this.#startQuiet()
    if (started === undefined) this.#refill()
    else started.exit.then(() => setImmediate(() => this.#refill()))
  }

  #startQuiet(): NodeJS.Timeout {
    const over = (): void => {
      this.#isQuiet = true
      this.#refill()
    }
    return setTimeout(over, QUIET_MS).unref()
  }

  /** One at a time, and not beside a start: a sandbox for later takes nothing from one that is wanted now. */
  #refill(): void {
    if (this.#closed || this.#arming !== undefined || this.#firing > 0) return
    if (this.#waiting.length >= this.#target) return
    if (!this.#isQuiet && this.#waiting.length * 2 > this.#target) return
    // What leaves still has its namespaces and groups; those that come must not outrun it.
    if (this.#leaving.size + this.#removing > 2 * this.#size.max) return
    if ((this.#parts.memoryPressure() ?? 0) >= MAX_PRESSURE) {
      this.#pause ??= setTimeout(() => {
        this.#pause = undefined
        this.#refill()
      }, PRESSURE_PAUSE_MS)
      this.#pause.unref()
      return
    }
    this.#arming = this.#parts.arm()?.then((sandbox) => {
      this.#arming = undefined
      // One that cannot be made now is asked for again by the next start, which then tells why.
      if (E.isLeft(sandbox)) return
      if (this.#parts.isCurrent(sandbox.right)) this.keep(sandbox.right)
      else this.drop(sandbox.right)
      this.#refill()
    })
  }

  #tick(): void {
    if (!this.#missed) this.#target = Math.max(this.#size.min, this.#target - 1)
    this.#missed = false
    const limitMs = Date.now() - MAX_AGE_MS
    while (this.#waiting.length > this.#target || (this.#waiting[0]?.createdMs ?? limitMs + 1) <= limitMs) {
      const oldest = this.#waiting.shift()
      if (oldest !== undefined) this.drop(oldest)
    }
    this.#refill()
  }
}
