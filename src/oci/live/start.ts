// start: lets a created container's payload go, and waits until it has been executed.
import { readFileSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { stepFailure } from '../../adapters/launch-script.ts'
import type { EngineError } from '../../model/errors.ts'
import type { StartRequest } from '../../model/oci-requests.ts'
import { attempt, unless } from '../attempt.ts'
import { START_SOCKET } from '../status-facts.ts'
import { type HandListener, passOn, toAgent } from './agent.ts'
import { configOf } from './config.ts'
import { STEPS_FILE } from './create.ts'
import { runHooks, stateText } from './hooks.ts'
import { locked } from './locked.ts'
import type { Parts } from './parts.ts'
import { untilDead } from './process-handle.ts'
import { connectTo, receive } from './sockets.ts'

/** Fails: WrongStatus, CommandNotFound, CommandNotExecutable, HookFailed, SyscallFailed. */
export const start = (parts: Parts, { container }: StartRequest): Promise<E.Either<EngineError, void>> =>
  locked(parts, container.record.id, 'start', async (now) => {
    const spec = configOf(parts, now)
    if (E.isLeft(spec)) return spec
    const { directory, record } = now
    const { id, bundle, init } = record
    const file = path.join(directory, START_SOCKET)
    const pid = init?.pid ?? 0
    const hand = toAgent(parts, spec.right, { id, status: 'created', pid, bundle })
    const connected = connectTo(parts, file)
    if (E.isLeft(connected)) return connected
    const answer = await letGo(parts, connected.right, pid, hand)
    parts.addon.closeFds(Int32Array.of(connected.right))
    // Who waits for what is not coming ends by itself.
    if (E.isLeft(answer) && init !== undefined) await untilDead(init)
    if (E.isLeft(answer)) return answer
    const reports = reportsIn(answer.right)
    const failure = failureIn(reports)
    if (failure !== undefined) {
      const [step = 'send plan', what] = stepAt(directory, failure.op)
      return E.left(stepFailure(step, what, spec.right.process?.args?.[0] ?? '', failure.errno))
    }
    // Its times are the last it tells before it is executed.
    if (!reports.some(({ type }) => type === TIMINGS)) return E.left(DIED)
    const removed = attempt(() => unless(['ENOENT'], () => unlinkSync(file)))
    if (E.isLeft(removed)) return removed
    const state = stateText(spec.right, { id, status: 'running', pid, bundle })
    const ran = await runHooks('poststart', spec.right.hooks?.poststart, state)
    // runtime-spec runtime.md, Lifecycle: a poststart hook that fails is told, and the container goes on.
    if (E.isLeft(ran))
      parts.log.warn(`${ran.left._tag === 'HookFailed' ? ran.left.path : 'hook'}: poststart hook failed`)
    return E.right(undefined)
  })

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
    const steps = JSON.parse(readFileSync(path.join(directory, STEPS_FILE), 'utf8')) as [
      string,
      string | null,
    ][]
    const [step, what] = steps[op] ?? []
    return [step, what ?? undefined]
  } catch {
    return [undefined, undefined]
  }
}
