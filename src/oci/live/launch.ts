// One start of a process that may outlive this one: the addon's events as the moments the life cycle waits for.
import * as E from '#fp/Either'
import { failureOf, lastStep, scriptOf, stageScript } from '../../adapters/launch-script.ts'
import type { EngineError } from '../../model/errors.ts'
import {
  type Addon,
  type LaunchEvent,
  type NativeLaunch,
  type NativeScript,
  PHASE,
  type StageScript,
} from '../../native/addon.ts'
import type { LaunchPlan } from '../../plan/launch/index.ts'
import { CREATED_TAG, LISTENER_TAG } from '../../plan/launch/lasting.ts'
import { type HandListener, passOn } from './agent.ts'
import type { OwnPlan } from './plans.ts'

/** `paused`: it waits for its last stage. `created`: for `start`. `executed`: the payload runs. */
export type Moment = 'paused' | 'created' | 'executed'
export type Reached = E.Either<EngineError, Moment>

const scripts = new WeakMap<LaunchPlan, NativeScript>()
/** A plan's bytes are handed to the native side once. */
const scriptFor = (addon: Addon, plan: LaunchPlan, eager: boolean): NativeScript => {
  const script = scripts.get(plan) ?? new addon.Script({ ...scriptOf(plan), eager })
  scripts.set(plan, script)
  return script
}

/** An answer: a stage that asks for nothing. */
const NOTHING_MORE: StageScript = { plan: new Uint8Array(0), fds: new Uint16Array(0), base: 0, when: 'later' }
const SIGKILL = 9
const CLD_EXITED = 1

export class LastingLaunch {
  readonly #addon: Addon
  readonly #plan: OwnPlan
  readonly #command: string
  readonly #born: (() => void) | undefined
  readonly #native: NativeLaunch
  #release: () => void
  readonly #reached: Reached[] = []
  #wanted: ((reached: Reached) => void) | undefined
  #failure: EngineError | undefined
  #lastStageDone = false
  #ended: (code: number) => void = () => {}
  #hand: HandListener | undefined
  /** 0 before the clone. */
  pid = 0
  /** The engine's end of a terminal that was made. */
  terminal: number | undefined
  /** The exit code, 128 + n after signal n. */
  readonly end = new Promise<number>((resolve) => {
    this.#ended = resolve
  })

  /**
   * `slots`: what the plan's first slots are, borrowed until `release`. `born`: called at once when the process is there. `hand`: for a
   * filter that is loaded before `executed`. Throws for a plan the addon does not take.
   */
  constructor(
    addon: Addon,
    plan: OwnPlan,
    slots: readonly number[],
    command: string,
    release: () => void,
    { born, hand }: { readonly born?: (() => void) | undefined; readonly hand?: HandListener } = {},
  ) {
    this.#addon = addon
    this.#hand = hand
    this.#release = release
    this.#plan = plan
    this.#command = command
    this.#born = born
    const told = (...event: LaunchEvent): void => this.#onEvent(event)
    const script = scriptFor(addon, plan.plan, born !== undefined)
    this.#native = new addon.Launch(script, Int32Array.from(slots), plan.own, told)
  }

  /** The next moment, or why it is not reached any more; after a failure the process has ended. */
  next(): Promise<Reached> {
    const known = this.#reached.shift()
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve) => {
      this.#wanted = resolve
    })
  }

  /** The last stage, for one that is paused. */
  goOn(fds: readonly number[]): void {
    const stage = this.#plan.plan.stages.find(({ when }) => when === 'later')
    if (stage === undefined || this.#native.send(stageScript(stage), Int32Array.from(fds)) !== 0) this.kill()
  }

  /** What it has said is seen to: it goes on. One that is gone shows that by its end. */
  answer(): void {
    this.#native.send(NOTHING_MORE, new Int32Array(0))
  }

  /** It is `created`, and `socket` is where it waits: it goes on, and its next moment is `executed`. `hand`: see the constructor. */
  hear(socket: number, hand: HandListener): void {
    this.#hand = hand
    if (this.#native.hear(socket) !== 0) this.#addon.closeFds(Int32Array.of(socket))
  }

  kill(signal = SIGKILL): void {
    this.#native.kill(signal)
  }

  /** Borrowed; -1 after its end. */
  pidfd(): number {
    return this.#native.pidfd()
  }

  /** It lives on when this process ends. */
  leave(): void {
    this.#native.unref()
  }

  #giveBack(): void {
    this.#release()
    this.#release = () => {}
  }

  #reach(moment: Reached): void {
    this.#giveBack()
    const wanted = this.#wanted
    this.#wanted = undefined
    if (wanted === undefined) this.#reached.push(moment)
    else wanted(moment)
  }

  #onEvent(event: LaunchEvent): void {
    switch (event[0]) {
      case 'cloned':
        this.pid = event[1]
        this.#addon.closeFds(Int32Array.from(event.slice(3) as number[]))
        // The launch thread is done with them, and nobody waits for this.
        this.#giveBack()
        this.#born?.()
        return
      case 'timings':
        this.#addon.closeFds(Int32Array.of(event[3]))
        this.#lastStageDone = event[1] === this.#plan.plan.stages.length - 1
        return
      case 'fd':
        this.#onDescriptor(event[1], event[2])
        return
      case 'waiting':
        this.#addon.closeFds(Int32Array.of(event[1], event[2]))
        // Should a hook fail, its end is waited for.
        this.#native.ref()
        this.#reach(E.right('paused'))
        return
      case 'failed':
        this.#failure = failureOf(this.#plan.plan, this.#plan.say, this.#command, event)
        if (event[1] === PHASE.child) return
        // No process is left, and no end will be told.
        this.#ended(1)
        this.#reach(E.left(this.#failure))
        return
      case 'executed':
        if (this.#lastStageDone) this.#reach(E.right('executed'))
        return
      case 'exited':
        this.#exited(event[1], event[2], event[6])
        return
      default:
        return
    }
  }

  #onDescriptor(tag: number, fd: number): void {
    if (tag === LISTENER_TAG) {
      void this.#passOn(fd)
      return
    }
    if (tag !== CREATED_TAG) {
      this.terminal = fd
      return
    }
    this.#addon.closeFds(Int32Array.of(fd))
    this.#reach(E.right('created'))
  }

  /** The process waits meanwhile. A failure is told when nothing is left of it. */
  async #passOn(fd: number): Promise<void> {
    const hand = this.#hand ?? (async () => E.right(undefined))
    const handed = await passOn({ addon: this.#addon }, hand, { fd, pid: this.pid }, () => this.answer())
    if (E.isRight(handed)) return
    this.#failure ??= handed.left
    this.kill()
  }

  /** A program that ended at once has been executed: the last times are the last it said before. */
  #exited(siCode: number, status: number, reached: number): void {
    this.#ended(siCode === CLD_EXITED ? status : 128 + status)
    if (this.#lastStageDone && this.#failure === undefined) this.#reach(E.right('executed'))
    const died = siCode === CLD_EXITED ? { exitCode: status } : { signal: status }
    const at = lastStep(this.#plan.plan, this.#plan.say, reached)
    this.#reach(E.left(this.#failure ?? { _tag: 'LaunchDied', ...at, ...died }))
  }
}
