// The launcher port on the addon: turns a plan into its script, and the addon's events into one process or one error.
import * as E from '#fp/Either'
import type {
  ArmedProcess,
  FireFds,
  FireOptions,
  LaunchedProcess,
  Launcher,
  LaunchTimes,
  ProcessEnd,
  Rest,
  StartFds,
  StreamFds,
} from '../engine/ports/launcher.ts'
import { onAbort } from '../model/abort.ts'
import type { EngineError } from '../model/errors.ts'
import type { StepTiming } from '../model/exit.ts'
import {
  type Addon,
  type LaunchEvent,
  type NativeLaunch,
  type NativeScript,
  PHASE,
  type StageScript,
} from '../native/addon.ts'
import { type ChildTimes, type EngineTimes, readChildTimes, readEngineTimes } from '../native/times.ts'
import type { LaunchPlan, PlannedStage } from '../plan/launch/index.ts'
import { renamed } from '../plan/launch/own-text.ts'
import type { OpInfo } from '../plan/program.ts'
import { failureOf, lastStep, scriptOf, stageScript } from './launch-script.ts'
import type { NetworksAhead } from './networks-ahead.ts'

const SIGKILL = 9
const CLD_EXITED = 1
const EPROTO = 71
/** How long an aborted start is waited for: SIGKILL does not reach a process that waits for a dead file system. */
const STUCK_MS = 1000

type Result = E.Either<EngineError, LaunchedProcess>

/** This process's end of the guardian's socket, borrowed for one start. */
export interface GuardianLease {
  readonly socket: number
  readonly guardian: number
  readonly release: () => void
}

/** Starts of one shape share one plan, and its bytes are handed to the native side once. */
export const nativeLauncher = (
  addon: Addon,
  guardian: { lease(): GuardianLease },
  networks: Pick<NetworksAhead, 'take' | 'refillAfter'>,
): Launcher => {
  const scripts = new WeakMap<LaunchPlan, NativeScript>()
  const scriptFor = (plan: LaunchPlan): NativeScript => {
    const known = scripts.get(plan) ?? new addon.Script(scriptOf(plan))
    scripts.set(plan, known)
    return known
  }
  /** Begins an attempt that borrows the guardian's socket until it is over. */
  const attempt = (
    plan: LaunchPlan,
    own: string,
    fds: StreamFds & StartFds,
    background: boolean,
    begun: (attempt: Attempt) => void,
  ): E.Either<EngineError, void> => {
    const lease = leaseOf(guardian)
    if (E.isLeft(lease)) return lease
    const made = new Attempt(addon, scriptFor, plan, own, lease.right.guardian)
    made.over.then(lease.right.release)
    begun(made)
    const network = plan.networkSlot === undefined ? -1 : networks.take()
    made.begin(slotsOf(lease.right.socket, fds), background, network)
    if (plan.networkSlot !== undefined) made.over.then(() => networks.refillAfter(made.end))
    return E.right(undefined)
  }
  return {
    launch: (plan, own, fds, options) => () =>
      new Promise((resolve) => {
        const begun = attempt(plan, own, fds, false, (made) => made.wanted(options, resolve))
        if (E.isLeft(begun)) resolve(begun)
      }),
    arm: (plan, own, fds, background) => () =>
      new Promise((resolve) => {
        const begun = attempt(plan, own, { ...NO_STREAMS, ...fds }, background, (made) => made.armed(resolve))
        if (E.isLeft(begun)) resolve(begun)
      }),
  }
}

const NO_STREAMS: StreamFds = { stdin: -1, stdout: -1, stderr: -1 }

const leaseOf = (guardian: { lease(): GuardianLease }): E.Either<EngineError, GuardianLease> => {
  try {
    return E.right(guardian.lease())
  } catch (error) {
    return E.left(error as EngineError)
  }
}

const slotsOf = (guardian: number, fds: StreamFds & StartFds, trees: readonly number[] = []): Int32Array => {
  const { stdin, stdout, stderr, containers, records, cgroups } = fds
  return Int32Array.of(guardian, stdin, stdout, stderr, containers, records, ...cgroups, ...trees)
}

/**
 * One start. Its events come in order: cloned, timings…, then executed or failed, then exited. A sandbox that waits says `waiting`
 * after the timings of what it has, and goes on when it is fired.
 */
class Attempt {
  readonly #addon: Addon
  readonly #scriptFor: (plan: LaunchPlan) => NativeScript
  readonly #begun: LaunchPlan
  /** Of a sandbox that was fired. */
  #last: PlannedStage | undefined
  #rest: LaunchPlan | undefined
  #stageCount: number
  #own: string
  readonly #say = (text: string): string => renamed(text, this.#plan, this.#own)
  readonly #guardian: number
  #options: FireOptions = { command: '' }
  #resolve: (result: Result) => void = () => {}
  #armed: ((result: E.Either<EngineError, ArmedProcess>) => void) | undefined
  #firedNs: number | undefined
  #native: NativeLaunch | undefined
  #pid = 0
  #kept: readonly number[] = []
  readonly #taken: number[] = []
  #engineTimes = ''
  readonly #childTimes: string[] = []
  #lastStageDone = false
  #terminal: number | undefined
  #failure: EngineError | undefined
  #settled = false
  #abortReason: unknown
  #patience: NodeJS.Timeout | undefined
  #unlisten: (() => void) | undefined
  #ended: (end: ProcessEnd) => void = () => {}
  /** Resolves when nothing of the script is needed any more. */
  readonly over: Promise<void>
  #isOver: () => void = () => {}
  readonly end = new Promise<ProcessEnd>((resolve) => {
    this.#ended = resolve
  })

  constructor(
    addon: Addon,
    scriptFor: (plan: LaunchPlan) => NativeScript,
    plan: LaunchPlan,
    own: string,
    guardian: number,
  ) {
    this.#addon = addon
    this.#scriptFor = scriptFor
    this.#begun = plan
    this.#stageCount = plan.stages.length
    this.#own = own
    this.#guardian = guardian
    this.over = new Promise((done) => {
      this.#isOver = done
    })
  }

  /** The payload's executing is waited for. */
  wanted(options: FireOptions, resolve: (result: Result) => void): void {
    this.#options = options
    this.#resolve = resolve
  }

  /** Only a sandbox is wanted; whatever ends it before it waits is the answer, too. */
  armed(resolve: (result: E.Either<EngineError, ArmedProcess>) => void): void {
    this.#armed = resolve
    this.#resolve = (result) => {
      if (E.isLeft(result)) resolve(result)
    }
  }

  /** `network`: a namespace made ahead, which is this attempt's from now on, or -1. */
  begin(slots: Int32Array, background: boolean, network: number): void {
    const { signal } = this.#options
    if (signal?.aborted === true) {
      this.#addon.closeFds(Int32Array.of(network))
      this.#abortReason = reasonOf(signal)
      this.#endEarly(this.#cancelled())
      return
    }
    try {
      const told = (...event: LaunchEvent): void => this.#onEvent(event)
      const script = this.#scriptFor(this.#begun)
      this.#native = new this.#addon.Launch(script, slots, this.#own, told, background, network)
    } catch {
      // The addon throws for a plan that is not whole: a bug of ours, or somebody else's bytes.
      this.#addon.closeFds(Int32Array.of(network))
      this.#endEarly({ _tag: 'SyscallFailed', step: 'decode plan', errno: EPROTO })
      return
    }
    this.#heed(signal)
  }

  #heed(signal: AbortSignal | undefined): void {
    if (signal === undefined) return
    const abort = (): void => this.#abort(reasonOf(signal))
    this.#unlisten = onAbort(signal, abort)
    if (signal.aborted) abort()
  }

  #abort(reason: unknown): void {
    this.#abortReason = reason
    this.#native?.kill(SIGKILL)
    this.#patience = setTimeout(() => this.#giveUp(), STUCK_MS)
  }

  #onEvent(event: LaunchEvent): void {
    switch (event[0]) {
      case 'cloned':
        ;[, this.#pid, this.#engineTimes, ...this.#kept] = event
        if (this.#settled) this.#addon.closeFds(Int32Array.from(this.#kept))
        return
      case 'timings':
        this.#childTimes.push(event[2])
        if (event[3] >= 0) this.#take(event[3])
        this.#lastStageDone = this.#hasPayload() && event[1] === this.#stageCount - 1
        return
      case 'fd':
        if (this.#settled) this.#addon.closeFds(Int32Array.of(event[2]))
        this.#terminal = event[2]
        return
      case 'failed':
        this.#failure = failureOf(this.#plan, this.#say, this.#options.command, event)
        // Of a sandbox that had been made the end is yet to come.
        if (event[1] !== PHASE.child && this.#firedNs === undefined) this.#endEarly(this.#failure)
        return
      case 'wentOn':
        this.#engineTimes = event[1]
        return
      case 'waiting':
        for (const fd of [event[1], event[2]]) if (fd >= 0) this.#take(fd)
        this.#isOver()
        this.#armed?.(E.right(this.#asArmed()))
        return
      case 'cancelled':
        this.#endEarly(this.#cancelled())
        return
      case 'executed':
        // Without the timings of the last stage the child died before the payload; how, its end will tell.
        // Of one that was aborted meanwhile nobody hears but that: its end is on its way.
        if (this.#lastStageDone && this.#abortReason === undefined) this.#executed(event[1])
        return
      case 'exited':
        this.#exited(event[1], event[2], event[3], event[4], event[5], event[6])
        return
      default:
        return
    }
  }

  /** A sandbox that waits has none: its last stage is yet to come. */
  #hasPayload(): boolean {
    return this.#armed === undefined || this.#firedNs !== undefined
  }

  #asArmed(): ArmedProcess {
    return {
      pid: this.#pid,
      fire: (stage, fds, options, rest) => () =>
        new Promise((resolve) => {
          this.#fire(stage, fds, options, rest, resolve)
        }),
      abandon: () => this.#native?.abandon(),
      end: this.end,
    }
  }

  #fire(
    stage: PlannedStage,
    { stdin, stdout, stderr, mounts }: FireFds,
    options: FireOptions,
    rest: Rest | undefined,
    resolve: (result: Result) => void,
  ): void {
    if (this.#settled) {
      resolve(E.left(this.#failure ?? { _tag: 'LaunchDied', step: 'send plan' }))
      return
    }
    this.wanted(options, resolve)
    this.#firedNs = this.#addon.nowNs()
    this.#last = stage
    this.#rest = rest?.plan
    this.#own = rest?.own ?? this.#own
    this.#engineTimes = ''
    this.#stageCount += 1 + (rest?.plan.stages.length ?? 0)
    this.#lastStageDone = false
    this.#heed(options.signal)
    if (options.signal?.aborted === true) return
    // A sandbox that cannot be sent its stage is one that dies: its end tells.
    const fds = new Int32Array([stdin, stdout, stderr, ...mounts])
    if (this.#send(stageScript(stage), fds, rest) !== 0) this.#native?.kill(SIGKILL)
  }

  #send(stage: StageScript, fds: Int32Array, rest: Rest | undefined): number | undefined {
    if (rest === undefined) return this.#native?.send(stage, fds)
    const slots = slotsOf(-1, { ...NO_STREAMS, ...rest.fds }, rest.trees)
    return this.#native?.goOn(this.#scriptFor(rest.plan), slots, this.#own, stage, fds)
  }

  get #plan(): LaunchPlan {
    if (this.#last === undefined) return this.#begun
    const [begun, rest] = [this.#begun, this.#rest]
    return { ...begun, ...rest, stages: [...begun.stages, ...(rest?.stages ?? []), this.#last] }
  }

  #times(atNs: number): LaunchTimes {
    const fired = this.#firedNs
    if (fired !== undefined)
      return { queuedNs: () => fired, executedNs: atNs, steps: () => this.#stepsSince(fired) }
    let engine: EngineTimes | undefined
    const engineTimes = (): EngineTimes => {
      engine ??= readEngineTimes(this.#engineTimes)
      return engine
    }
    return {
      queuedNs: () => engineTimes().queuedNs,
      executedNs: atNs,
      steps: () => stepsOf(this.#plan, engineTimes(), this.#childTimes.map(readChildTimes)),
    }
  }

  /** Of a sandbox that was fired: what it waited for. */
  #stepsSince(firedNs: number): readonly StepTiming[] {
    const [plan, rest, told] = [this.#plan, this.#rest, this.#engineTimes]
    // The payload may have been executed before the engine's part was told of.
    const engine = rest === undefined || told === '' ? [] : laterSteps(rest, readEngineTimes(told), firedNs)
    const children = this.#childTimes.map(readChildTimes)
    const since = children.filter(({ stage }) => stage >= this.#begun.stages.length)
    return [...engine, ...since.flatMap((times) => childSteps(plan, times, firedNs))]
  }

  #executed(atNs: number): void {
    const terminal = this.#terminal
    this.#settle(
      E.right({
        pid: this.#pid,
        usage: this.#kept,
        held: [...this.#kept, ...this.#taken],
        times: this.#times(atNs),
        ...(terminal === undefined ? {} : { terminal }),
        guardian: this.#guardian,
        end: this.end,
        pidfd: () => this.#native?.pidfd() ?? -1,
        kill: (signal) => this.#native?.kill(signal) ?? 0,
        leave: () => this.#native?.unref(),
        hold: () => this.#native?.ref(),
      }),
    )
  }

  /** No process is left, and there was no payload. */
  #endEarly(error: EngineError): void {
    this.#ended({ userUs: 0, systemUs: 0, atNs: 0 })
    this.#settle(E.left(error))
  }

  /** The signal takes effect when the file system answers or its connection ends; nobody waits for that. */
  #giveUp(): void {
    if (this.#settled) return
    this.#options.onLate?.(this.end.then(() => {}))
    this.#native?.unref()
    this.#settle(E.left(this.#cancelled()))
  }

  #exited(
    siCode: number,
    status: number,
    userUs: number,
    systemUs: number,
    atNs: number,
    reached: number,
  ): void {
    // A sibling between its clone and its exec may still hold this child's end of the socket, so that the end of file comes
    // after the end of the process. The timings were the last thing the child said before the payload.
    if (
      !this.#settled &&
      this.#failure === undefined &&
      this.#abortReason === undefined &&
      this.#lastStageDone
    ) {
      this.#executed(atNs)
    }
    const how = siCode === CLD_EXITED ? { code: status } : siCode === 0 ? {} : { signal: status }
    this.#ended({ ...how, userUs, systemUs, atNs })
    if (this.#settled) return
    if (this.#abortReason !== undefined) {
      this.#settle(E.left(this.#cancelled()))
      return
    }
    const died = how.signal === undefined ? { exitCode: status } : { signal: status }
    const place = lastStep(this.#plan, this.#say, reached)
    this.#settle(E.left(this.#failure ?? { _tag: 'LaunchDied', ...place, ...died }))
  }

  #cancelled(): EngineError {
    const reason = this.#abortReason
    return {
      _tag: 'Cancelled',
      what: 'start',
      why: reason instanceof Error ? reason.message : String(reason ?? 'killed'),
      ...(reason === undefined ? {} : { cause: reason }),
    }
  }

  #settle(result: E.Either<EngineError, LaunchedProcess>): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#patience)
    this.#unlisten?.()
    if (E.isRight(result)) this.#isOver()
    else {
      this.#release()
      this.end.then(() => this.#isOver())
    }
    this.#resolve(result)
  }

  #take(fd: number): void {
    if (this.#settled) this.#addon.closeFds(Int32Array.of(fd))
    else this.#taken.push(fd)
  }

  #release(): void {
    const fds = [...this.#kept, ...this.#taken, ...(this.#terminal === undefined ? [] : [this.#terminal])]
    this.#addon.closeFds(Int32Array.from(fds))
  }
}

const reasonOf = (signal: AbortSignal): unknown => signal.reason ?? new Error('aborted')

/** All steps on one time line that begins with the call. Stamps are counter ticks; two clock readings give their scale. */
const stepsOf = (plan: LaunchPlan, engine: EngineTimes, children: readonly ChildTimes[]): StepTiming[] => {
  const zero = engine.queuedNs
  const scale = (engine.doneNs - engine.begunNs) / Math.max(engine.cycles, 1)
  const own = (infos: readonly OpInfo[], stamps: Uint32Array, fromNs: number): StepTiming[] =>
    timeline('engine', infos, stamps, scale, engine.begunNs - zero, fromNs - engine.begunNs)
  return [
    step('engine', 'wait for launch thread', 0, engine.begunNs - zero),
    ...own(plan.prepare.infos, engine.prepare, engine.begunNs),
    step('engine', 'clone3 until helper runs', engine.preparedNs - zero, engine.clonedNs - engine.preparedNs),
    ...timeline('beside', plan.layers?.infos ?? [], engine.layers, scale, engine.layersNs - zero, 0),
    ...timeline('beside', plan.network?.infos ?? [], engine.network, scale, engine.networkNs - zero, 0),
    ...own(plan.after.infos, engine.after, engine.clonedNs),
    ...children.flatMap((times) => childSteps(plan, times, zero)),
  ]
}

const laterSteps = (rest: LaunchPlan, engine: EngineTimes, zeroNs: number): StepTiming[] => {
  const scale = (engine.doneNs - engine.begunNs) / Math.max(engine.cycles, 1)
  const fromNs = engine.begunNs - zeroNs
  return [
    step('engine', 'wait for launch thread', 0, fromNs),
    ...timeline('engine', rest.after.infos, engine.after, scale, fromNs, 0),
  ]
}

const childSteps = (plan: LaunchPlan, times: ChildTimes, zeroNs: number): StepTiming[] => {
  const ticks = (times.endNs - times.startNs) / Math.max(times.cycles, 1)
  const infos = plan.stages[times.stage]?.infos ?? []
  return timeline('child', infos, times.stamps, ticks, times.startNs - zeroNs, 0)
}

const step = (side: StepTiming['side'], name: string, startNs: number, durationNs: number): StepTiming => ({
  step: name,
  side,
  startUs: startNs / 1000,
  durationUs: durationNs / 1000,
})

const timeline = (
  side: StepTiming['side'],
  infos: readonly OpInfo[],
  stamps: Uint32Array,
  nsPerTick: number,
  zeroNs: number,
  firstNs: number,
): StepTiming[] => {
  const steps: StepTiming[] = []
  let beforeNs = firstNs
  infos.forEach((info, index) => {
    const stamp = stamps[index] ?? 0
    if (stamp === 0) return
    const endNs = stamp * nsPerTick
    const detail = info.path === undefined ? {} : { detail: info.path }
    steps.push({ ...step(side, info.step, zeroNs + beforeNs, endNs - beforeNs), ...detail })
    beforeNs = endNs
  })
  return steps
}
