// Verbs of containers that outlive their command, on one that is attached: it can be stopped, and what cannot be done says why.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { containerEvent } from '../model/events-of-containers.ts'
import { signalNumber } from '../model/signals.ts'
import { type ContainerSummary, findContainer, hasProcesses, isDetached } from './containers.ts'
import type { StopChoices } from './detached/stop.ts'
import type { Called } from './detached/verbs.ts'
import { imageOf } from './detached/whole-plan.ts'
import { killContainer, type Living, waitForEnd } from './living.ts'
import type { Ports } from './ports.ts'

const SIGKILL = 9
const DEFAULT_SIGNAL = 'SIGTERM'
const DEFAULT_STOP_MS = 10_000

/** What was looked for among those that outlive their command, and is none of them. `otherwise` is given it. */
export const orAttached =
  <A>(
    wanted: string,
    verb: (ports: Ports) => TaskEither<EngineError, A>,
    otherwise: (found: ContainerSummary) => TaskEither<EngineError, A>,
  ) =>
  (ports: Ports): TaskEither<EngineError, A> =>
    pipe(
      verb(ports),
      TE.orElse((error) => {
        const found = error._tag === 'ContainerNotFound' ? findContainer(ports, wanted) : undefined
        return found !== undefined && E.isRight(found) && !isDetached(found.right)
          ? otherwise(found.right)
          : TE.left(error)
      }),
    )

/**
 * Its stop signal to the first process, and after a while SIGKILL; resolves when its engine has told its end, or is dead. Fails:
 * InvalidOption, SyscallFailed.
 */
export const stopAttached =
  (found: ContainerSummary, choices: StopChoices = {}) =>
  (tools: Living): TaskEither<EngineError, void> =>
    hasProcesses(found)
      ? pipe(
          stopSignal(tools.ports, found, choices.signal),
          TE.flatMap((signal) => signalled(tools, found, signal)),
          TE.flatMap(() => TE.fromTask(() => ended(tools, found, choices.timeoutMs))),
          TE.map(() => tools.journal.note(containerEvent('stop', found))),
        )
      : TE.right(undefined)

/** As asked, else its own, its image's, or SIGTERM. */
const stopSignal = (
  ports: Ports,
  { options, image, imageId }: ContainerSummary,
  asked: string | undefined,
): TaskEither<EngineError, number> =>
  pipe(
    asked !== undefined || options?.stopSignal !== undefined
      ? TE.right(asked ?? options?.stopSignal)
      : pipe(
          ports.host.prepareImage(imageOf({ image: { id: imageId, reference: image } })),
          TE.map(({ config }) => config.StopSignal),
        ),
    TE.flatMapEither((wanted = DEFAULT_SIGNAL) => {
      const signal = signalNumber(wanted)
      return signal === undefined
        ? E.left<EngineError>({
            _tag: 'InvalidOption',
            option: 'signal',
            value: wanted,
            why: 'no such signal',
          })
        : E.right(signal)
    }),
  )

/** One that has ended meanwhile needs no signal. */
const signalled = (tools: Living, found: ContainerSummary, signal: number): TaskEither<EngineError, void> =>
  pipe(
    killContainer(found.id, signal)(tools),
    TE.map(() => tools.journal.note(containerEvent('kill', found, { signal: String(signal) }))),
    TE.orElse((error) =>
      error._tag === 'WrongStatus' || error._tag === 'ContainerNotFound'
        ? TE.right(undefined)
        : TE.left(error),
    ),
  )

const ended = async (tools: Living, found: ContainerSummary, asked: number | undefined): Promise<void> => {
  const graceMs = asked ?? found.options?.graceMs ?? DEFAULT_STOP_MS
  const isOver = new AbortController()
  const end = waitForEnd(found.id, 'not-running', isOver.signal)(tools)().then(() => true)
  if (graceMs < 0) {
    await end
    return
  }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), graceMs)
  })
  const isEnded = await Promise.race([end, late])
  clearTimeout(timer)
  if (isEnded) return
  await signalled(tools, found, SIGKILL)()
  await end
}

/** One that runs already is left as it is. */
export const startAttachedOne = (found: ContainerSummary): TaskEither<EngineError, Called> =>
  hasProcesses(found)
    ? TE.right({ id: found.id, name: found.name })
    : TE.left(
        refused(
          'start',
          found,
          'it belonged to the command or the process that ran it, which has its streams: make one that can be started again by slipway create',
        ),
      )

export const refused = (verb: string, { name }: ContainerSummary, why: string): EngineError => ({
  _tag: 'Unsupported',
  feature: `${verb} of container ${name}`,
  why,
})

export const WHY_NO_RESTART =
  'it is attached: only the command or the process that runs it could start it again'
export const WHY_NO_STREAMS =
  'it is attached: its streams are those of the command or the process that runs it'
export const WHY_NO_DOCUMENT =
  'it is attached: it has no document and no monitor; slipway inspect tells what is known'
