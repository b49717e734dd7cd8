// start: lets a created container's payload go, and waits until it has been executed.
import { readFileSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { stepFailure } from '../../adapters/launch-script.ts'
import type { EngineError } from '../../model/errors.ts'
import type { StartRequest } from '../../model/oci-requests.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { OciRecord } from '../../model/oci-state.ts'
import type { OciContainer } from '../../model/oci-status.ts'
import { attempt, unless } from '../attempt.ts'
import { stopsAfterPoststart } from '../spec-version.ts'
import { STEPS } from '../state-dir.ts'
import { START_SOCKET } from '../status-facts.ts'
import { wording } from '../wording.ts'
import { type HandListener, passOn, toAgent } from './agent.ts'
import { configOf, keyOf } from './config.ts'
import { runHooks, stateText } from './hooks.ts'
import type { LastingLaunch } from './launch.ts'
import { locked } from './locked.ts'
import type { Parts } from './parts.ts'
import { signalProcess, untilDead } from './process-handle.ts'
import { connectTo, receive } from './sockets.ts'

/** Fails: WrongStatus, CommandNotFound, CommandNotExecutable, HookFailed, SyscallFailed. */
export const start = (parts: Parts, { id }: StartRequest): Promise<E.Either<EngineError, void>> =>
  locked(parts, id, 'start', async (now, lock) => {
    const spec = configOf(parts, now)
    if (E.isLeft(spec)) return spec
    const { directory, record } = now
    const { bundle, init } = record
    const file = path.join(directory, START_SOCKET)
    const pid = init?.pid ?? 0
    const hand = toAgent(parts, spec.right, { id, status: 'created', pid, bundle })
    const connected = connectTo(parts, lock, file)
    if (E.isLeft(connected)) return connected
    const launch = parts.waiting.get(keyOf(record))
    const executed = await (launch === undefined
      ? executedElsewhere(parts, connected.right, now, spec.right, hand)
      : executedHere(launch, connected.right, hand))
    if (E.isLeft(executed)) return executed
    const removed = attempt(() => unless(['ENOENT'], () => unlinkSync(file)))
    if (E.isLeft(removed)) return removed
    return runPoststart(parts, record, spec.right)
  })

/** Of a process that this one has made: it is heard as one of `exec` is. */
const executedHere = async (
  launch: LastingLaunch,
  socket: number,
  hand: HandListener,
): Promise<E.Either<EngineError, void>> => {
  launch.hear(socket, hand)
  return E.map(() => undefined)(await launch.next())
}

const executedElsewhere = async (
  parts: Parts,
  socket: number,
  { directory, record: { init } }: OciContainer,
  spec: Spec,
  hand: HandListener,
): Promise<E.Either<EngineError, void>> => {
  const answer = await letGo(parts, socket, init?.pid ?? 0, hand)
  parts.addon.closeFds(Int32Array.of(socket))
  // Who waits for what is not coming ends by itself.
  if (E.isLeft(answer) && init !== undefined) await untilDead(parts, init)
  if (E.isLeft(answer)) return answer
  const reports = reportsIn(answer.right)
  const failure = failureIn(reports)
  if (failure !== undefined) {
    const [step = 'send plan', what] = stepAt(directory, failure.op)
    return E.left(stepFailure(step, what, spec.process?.args?.[0] ?? '', failure.errno))
  }
  // Its times are the last it tells before it is executed.
  return reports.some(({ type }) => type === TIMINGS) ? E.right(undefined) : E.left(DIED)
}

/** One that fails stops the container, or is logged and the others run: that is for the document's version to say. */
const runPoststart = async (
  parts: Parts,
  { id, bundle, init }: OciRecord,
  spec: Spec,
): Promise<E.Either<EngineError, void>> => {
  const state = stateText(spec, { id, status: 'running', pid: init?.pid ?? 0, bundle })
  for (const hook of spec.hooks?.poststart ?? []) {
    const ran = await runHooks('poststart', [hook], state)
    if (E.isRight(ran)) continue
    if (stopsAfterPoststart(spec.ociVersion)) {
      if (init !== undefined) signalProcess(parts, init, SIGKILL)
      if (init !== undefined) await untilDead(parts, init)
      return ran
    }
    parts.log.warn(wording(ran.left))
  }
  return E.right(undefined)
}

const SIGKILL = 9

/**
 * All the payload's process has said, up to the end of file: it has been executed, or has ended. A listener that comes on the way goes to
 * its agent, and the process goes on when it is there; where it cannot be handed over, the process ends once `socket` is closed.
 */
const letGo = async (
  parts: Parts,
  socket: number,
  pid: number,
  hand: HandListener,
): Promise<E.Either<EngineError, Buffer>> => {
  const said: Buffer[] = []
  for (;;) {
    const received = await receive(parts, socket)
    if (E.isLeft(received)) return received
    const { bytes, fd } = received.right
    if (fd !== undefined) {
      const handed = await passOn(parts, hand, { fd, pid }, () => parts.addon.writeFd(socket, GO_ON))
      if (E.isLeft(handed)) return handed
    } else if (bytes.length === 0) return E.right(Buffer.concat(said))
    said.push(bytes)
  }
}

const GO_ON = Uint8Array.of(1)

const DIED: EngineError = { _tag: 'LaunchDied', step: 'wait for start' }

const FAILED = 1
const TIMINGS = 2
const HEAD_BYTES = 8

interface Report {
  readonly type: number
  readonly body: Buffer
}

/** As native/launch/protocol.h has them: type, size, body. One that is not whole is none. */
const reportsIn = (bytes: Buffer): readonly Report[] => {
  const reports: Report[] = []
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const [type, size] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)]
    at += HEAD_BYTES + size
    if (at <= bytes.length) reports.push({ type, body: bytes.subarray(at - size, at) })
  }
  return reports
}

/** The body of a failure is stage, operation, errno. */
const failureIn = (
  reports: readonly Report[],
): { readonly op: number; readonly errno: number } | undefined => {
  const body = reports.find(({ type }) => type === FAILED)?.body
  return body === undefined || body.length < 12
    ? undefined
    : { op: body.readUInt32LE(4), errno: body.readInt32LE(8) }
}

const stepAt = (
  directory: string,
  op: number,
): readonly [step: string | undefined, path: string | undefined] => {
  try {
    const steps = JSON.parse(readFileSync(path.join(directory, STEPS), 'utf8')) as [string, string | null][]
    const [step, what] = steps[op] ?? []
    return [step, what ?? undefined]
  } catch {
    return [undefined, undefined]
  }
}
