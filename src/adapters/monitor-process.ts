// A helper that is to become a monitor: it is cloned, executed and on its own before its container is planned.
import * as E from '#fp/Either'
import { type Addon, type LaunchEvent, type NativeLaunch, type NativeScript, PHASE } from '../native/addon.ts'
import type { MonitorStage } from '../plan/monitor.ts'

/** Why there is no monitor: where it failed, or that it died of something else and said nothing. */
export type NoMonitor = Extract<LaunchEvent, readonly ['failed', ...unknown[]]> | 'died'

/** What such processes are made by, the same for all. */
export interface ProcessPlan {
  readonly stage: MonitorStage
  readonly script: NativeScript
}

export const processPlan = (addon: Addon, stage: MonitorStage): ProcessPlan => ({
  stage,
  script: new addon.Script({
    slotCount: 0,
    stages: [{ plan: stage.bytes, fds: new Uint16Array(0), base: stage.base, when: 'early' }],
    cloneFlags: 0,
    eager: true,
    keep: new Uint16Array(0),
    close: new Uint16Array(0),
  }),
})

/** A promise, and what resolves it. */
interface Deferred<A> {
  readonly promise: Promise<A>
  readonly resolve: (value: A) => void
}
const deferred = <A>(): Deferred<A> => {
  let resolve: (value: A) => void = () => {}
  const promise = new Promise<A>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

export class WaitingProcess {
  /** The stage that it has begun with: failures name it as stage 0. */
  readonly stage: MonitorStage
  readonly #native: NativeLaunch
  #isTaken = false
  #isOver = false
  readonly #cloned = deferred<void>()
  readonly #gone = deferred<void>()
  readonly #became = deferred<E.Either<NoMonitor, void>>()

  constructor(addon: Addon, { stage, script }: ProcessPlan) {
    this.stage = stage
    this.#native = new addon.Launch(script, new Int32Array(0), '', (...event: LaunchEvent) => {
      switch (event[0]) {
        case 'cloned':
          if (!this.#isTaken) this.#native.unref()
          return this.#cloned.resolve()
        case 'waiting':
          // It is in no namespaces of its own.
          addon.closeFds(Int32Array.of(event[1], event[2]))
          // To wait lets the event loop end, but its stage may have been sent meanwhile.
          return this.#isTaken ? this.#native.ref() : undefined
        case 'executed':
          // Not before: until then its answer is all that a caller may be waiting for.
          this.#native.unref()
          return this.#became.resolve(E.right(undefined))
        case 'failed':
          this.#became.resolve(E.left(event))
          // A failure of the process's own is followed by its end.
          return event[1] === PHASE.child ? undefined : this.#over()
        case 'cancelled':
        case 'exited':
          return this.#over()
        default:
          return undefined
      }
    })
  }

  #over(): void {
    this.#isOver = true
    this.#became.resolve(E.left('died'))
    this.#cloned.resolve()
    this.#gone.resolve()
  }

  /** Once. `fds` are borrowed until this resolves, which it does when it is a monitor. */
  async become({ bytes, base }: MonitorStage, fds: readonly number[]): Promise<E.Either<NoMonitor, void>> {
    this.#isTaken = true
    await this.#cloned.promise
    const stage = { plan: bytes, fds: Uint16Array.from(fds.keys()), base, when: 'later' } as const
    // One that cannot be sent its stage is one that has died: its end, or what it said before, tells.
    if (!this.#isOver && this.#native.send(stage, Int32Array.from(fds)) !== 0) this.#native.kill(SIGKILL)
    return this.#became.promise
  }

  async dismiss(): Promise<void> {
    if (this.#isTaken) return
    this.#isTaken = true
    await this.#cloned.promise
    if (!this.#isOver) this.#native.abandon()
    await this.#gone.promise
  }
}

const SIGKILL = 9
