// A running container in the hands of its caller: streams, signals, and how it ended.
import type { Writable } from 'node:stream'
import { onAbort } from '../model/abort.ts'
import { SlipwayError } from '../model/errors.ts'
import type { Exit, Timings, Usage } from '../model/exit.ts'
import { signalName, signalNumber } from '../model/signals.ts'
import { killFile } from '../plan/launch/cgroup.ts'
import { nameOf } from './names.ts'
import { dropOwn } from './own-volumes.ts'
import { exitCodeOf, heldStreams } from './payload.ts'
import type { LaunchedProcess, ProcessEnd } from './ports/launcher.ts'
import type { OpenStdio, OutputStream } from './ports/stdio.ts'
import type { Ports } from './ports.ts'
import type { Prepared } from './start.ts'

const SIGKILL = 9
const SIGTERM = 15

export interface Ended {
  readonly exit: Exit
  /** 128+n when a signal ended the payload. */
  readonly exitCode: number
  readonly usage: Usage
  readonly timings: Timings
}

/** Why the engine itself ended a container: it decides the tag of its exit. */
type Reason = Extract<Exit, { _tag: 'TimedOut' | 'Aborted' | 'OutputLimit' }>

export class Container {
  readonly id: string
  readonly name: string
  /** Of the first process, in the host's pid namespace. */
  readonly pid: number
  /** With `stdin: 'pipe'`, or a terminal. */
  readonly stdin: Writable | null
  /** With `stdout: 'pipe'`, or a terminal. */
  readonly stdout: OutputStream | null
  readonly stderr: OutputStream | null
  /** Resolves when the payload has ended and everything it wrote has been passed on; never rejects. */
  readonly exit: Promise<Ended>
  /** Resolves when nothing of the container is left on the host; never rejects. */
  readonly removed: Promise<void>
  readonly #ports: Ports
  readonly #prepared: Prepared
  readonly #process: LaunchedProcess
  readonly #resize: (columns: number, rows: number) => void
  readonly #unguard: () => void
  readonly #timers = new Set<NodeJS.Timeout>()
  #all: OutputStream | undefined
  #reason: Reason | undefined
  #over = false

  constructor(ports: Ports, prepared: Prepared, stdio: OpenStdio, process: LaunchedProcess) {
    this.#ports = ports
    this.#prepared = prepared
    this.#process = process
    this.id = prepared.id
    this.name = nameOf(prepared.record)
    this.pid = process.pid
    const terminal = process.terminal === undefined ? undefined : ports.stdio.terminal(process.terminal)
    const streams = heldStreams(stdio, terminal)
    this.stdin = streams.stdin
    this.stdout = streams.stdout
    this.stderr = streams.stderr
    this.#resize = streams.resize
    const shared = sharedGroup(prepared)
    const killFile = killFileOf(ports, prepared, shared)
    this.#unguard = ports.host.guard(process.pidfd, killFile, process.guardian)
    this.#watchLimits()
    stdio.onBroken((reason) => this.end({ _tag: 'Aborted', reason }))
    let removed: (done: Promise<void>) => void
    this.removed = new Promise((resolve) => {
      removed = resolve
    })
    this.exit = process.end.then((end) => {
      stdio.ended()
      const ended = this.#ended(end, shared)
      removed(ended.removed)
      return stdio.finished.then(() => ended.result)
    })
  }

  /** stdout and stderr as one, in the order their bytes arrive here: read either this or those. Null when neither is a pipe. */
  get all(): OutputStream | null {
    const sources = [this.stdout, this.stderr].filter((stream) => stream !== null)
    if (sources.length > 0) this.#all ??= this.#ports.stdio.merge(sources)
    return this.#all ?? null
  }

  /**
   * Sends a signal, e.g. `'SIGHUP'` or 1, to the first process. True when it was there to receive it. PID 1 of a pid namespace
   * gets only signals it handles, and SIGKILL (pid_namespaces(7)). Throws: InvalidOption for no such signal.
   */
  kill(signal: number | string = SIGTERM): boolean {
    const number = signalNumber(String(signal))
    if (number === undefined)
      throw new SlipwayError({
        _tag: 'InvalidOption',
        option: 'signal',
        value: String(signal),
        why: 'no such signal',
      })
    return !this.#over && this.#process.kill(number) === 0
  }

  /** The size of the container's terminal; without one nothing happens. */
  resize(columns: number, rows: number): void {
    this.#resize(columns, rows)
  }

  /** Ends the whole container, first politely when a grace is given; `exit` will carry the reason. */
  end(reason: Reason): void {
    if (this.#over || this.#reason !== undefined) return
    this.#reason = reason
    const graceMs = this.#prepared.request.options.graceMs ?? 0
    if (graceMs <= 0) {
      this.kill(SIGKILL)
      return
    }
    this.kill(stopSignalOf(this.#prepared))
    this.#timers.add(setTimeout(() => this.kill(SIGKILL), graceMs))
  }

  /** `await using`: kills what still runs, waits until nothing is left, and drops output that nobody has read. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill(SIGKILL)
    await this.removed
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream?.destroy()
  }

  #watchLimits(): void {
    const { timeoutMs, signal } = this.#prepared.request.options
    if (timeoutMs !== undefined) {
      const expire = (): void => this.end({ _tag: 'TimedOut', afterMs: timeoutMs })
      this.#timers.add(setTimeout(expire, timeoutMs))
    }
    if (signal === undefined) return
    const abort = (): void => this.end({ _tag: 'Aborted', reason: signal.reason })
    this.#process.end.then(onAbort(signal, abort))
    if (signal.aborted) abort()
  }

  #ended(
    end: ProcessEnd,
    shared: string | undefined,
  ): { readonly result: Ended; readonly removed: Promise<void> } {
    this.#over = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#unguard()
    const { host } = this.#ports
    const alone = shared === undefined ? undefined : host.killGroup(shared)
    const groups = host.usage(this.#prepared.plan.usage, this.#process.usage)
    const exit = this.#reason ?? exitOf(end, groups.oomKills ?? 0)
    const exitCode = exitCodeOf(end)
    const usage = usageOf(this.#process, end, groups)
    const result = { exit, exitCode, usage, timings: this.#timings(end) }
    return { result, removed: nextTurn().then(() => this.#remove(exitCode, alone)) }
  }

  /** The steps are put together when they are looked at: a start on the hot path does not pay for its own ledger. */
  #timings(end: ProcessEnd): Timings {
    const { calledNs } = this.#prepared
    const { queuedNs, executedNs, steps } = this.#process.times
    return {
      toExecMs: (executedNs - calledNs) / 1e6,
      toExitMs: (end.atNs - calledNs) / 1e6,
      get steps() {
        const decideUs = (queuedNs() - calledNs) / 1000
        const decide = { step: 'decide', side: 'engine' as const, startUs: 0, durationUs: decideUs }
        return [decide, ...steps().map((step) => ({ ...step, startUs: step.startUs + decideUs }))]
      },
    }
  }

  async #remove(exitCode: number, alone: Promise<void> | undefined): Promise<void> {
    const { host } = this.#ports
    await alone
    const { record, cleanup } = this.#prepared
    await host.cleanUp(cleanup, this.id, this.#process.held)
    if (!record.keep) await dropOwn(this.#ports, this.#prepared.volumes)
    if (record.keep) this.#keep(exitCode)
    else if (this.#prepared.request.options.name !== undefined) host.state.freeName(record.name, this.id)
  }

  /** A record that cannot be written, e.g. on a full disk, stays that of a running one: the next sweep ends it. */
  #keep(exitCode: number): void {
    try {
      this.#ports.host.state.write({ ...this.#prepared.record, finishedMs: Date.now(), exitCode })
    } catch {
      // The container itself is gone, which is what was promised.
    }
  }
}

/** Whoever waits for the end is told first; what is left is removed when the event loop has come round. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Set where the end of the first process is not the end of all: no pid namespace of its own. */
const sharedGroup = (prepared: Prepared): string | undefined => {
  const own = prepared.spec.linux?.namespaces?.some(({ type }) => type === 'pid') === true
  return own ? undefined : prepared.record.groups[0]
}

/** For the guardian: the file by which it ends what shares the host's pid namespace. */
const killFileOf = ({ host }: Ports, { parents: [first] }: Prepared, group: string | undefined): string =>
  group === undefined || first === undefined ? '' : `${group}/${killFile(first.version, host.facts.kernel)}`

const stopSignalOf = ({ request, image }: Prepared): number => {
  const wanted = request.options.stopSignal ?? image.config.StopSignal
  return (wanted === undefined ? undefined : signalNumber(wanted)) ?? SIGTERM
}

const exitOf = (end: ProcessEnd, oomKills: number): Exit => {
  if (end.signal === undefined) return { _tag: 'Exited', code: end.code ?? 255 }
  if (end.signal === SIGKILL && oomKills > 0) return { _tag: 'OomKilled' }
  return { _tag: 'Signaled', signal: end.signal, signalName: signalName(end.signal) }
}

const usageOf = (
  process: LaunchedProcess,
  end: ProcessEnd,
  groups: { cpuUs?: number; peakMemoryBytes?: number; oomKills?: number },
): Usage => ({
  wallMs: (end.atNs - process.times.executedNs) / 1e6,
  cpuMs: (groups.cpuUs ?? end.userUs + end.systemUs) / 1000,
  userMs: end.userUs / 1000,
  systemMs: end.systemUs / 1000,
  ...(groups.peakMemoryBytes === undefined ? {} : { peakMemoryBytes: groups.peakMemoryBytes }),
  ...(groups.oomKills === undefined ? {} : { oomKills: groups.oomKills }),
})
