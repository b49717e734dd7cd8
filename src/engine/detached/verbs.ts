// The verbs of containers that outlive their engine, by whatever a caller calls the container.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../../model/errors.ts'
import { noteOf } from '../note.ts'
import type { AttachedStreams, DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { type AttachChoices, attachContainer, hasInput, told } from './attach.ts'
import { type CreateRequest, createContainer } from './create.ts'
import { findContainer } from './find.ts'
import { rewrite } from './renew.ts'
import { type StartChoices, type StartedContainer, startContainer } from './start.ts'
import { type StopChoices, stopContainer } from './stop.ts'

/** What a container is called. */
export interface Called {
  readonly id: string
  readonly name: string
}

export const create =
  (request: CreateRequest) =>
  (ports: Ports): TaskEither<EngineError, Called> =>
    pipe(
      createContainer(request)(ports),
      TE.map(({ id, name }) => ({ id, name })),
    )

const called =
  <A>(wanted: string, verb: (id: string) => (ports: Ports) => TaskEither<EngineError, A>) =>
  (ports: Ports): TaskEither<EngineError, A> =>
    pipe(
      TE.fromEither(idOf(ports, wanted)),
      TE.flatMap((id) => verb(id)(ports)),
    )

/** A verb reads its container once it has it for itself: of one that is called by its whole id there is nothing to look up before. */
const idOf = (ports: Ports, wanted: string): E.Either<EngineError, string> =>
  ports.detached.has(wanted)
    ? E.right(wanted)
    : E.map(({ document }: DetachedContainer) => document.id)(findContainer(ports, wanted))

/** Nobody hears its output but its log. */
export const start =
  (wanted: string) =>
  (ports: Ports): TaskEither<EngineError, Called> =>
    called(wanted, (id) => (inner) => pipe(startContainer(id)(inner), TE.map(left)))(ports)

const left = ({ document: { id, name }, connection }: StartedContainer): Called => {
  connection?.close()
  return { id, name }
}

/** Its streams from the first byte on; of one that runs already, from now on. */
export const startAttached =
  (wanted: string, attach: NonNullable<StartChoices['attach']>) =>
  (ports: Ports): TaskEither<EngineError, AttachedStreams> =>
    called(
      wanted,
      (id) => (inner) =>
        pipe(
          startContainer(id, { attach })(inner),
          TE.flatMap(({ document, connection }) =>
            connection === undefined
              ? attachContainer(id, { stdin: attach.stdin })(inner)
              : pipe(
                  inner.monitors.streams(connection, { stdin: attach.stdin && hasInput(document) }),
                  TE.flatMap((streams) => told(inner, document, streams)),
                ),
          ),
        ),
    )(ports)

export const inspect =
  (wanted: string) =>
  (ports: Ports): TaskEither<EngineError, DetachedContainer> =>
    TE.fromEither(findContainer(ports, wanted))

export const stop = (wanted: string, choices: StopChoices = {}) =>
  called(wanted, (id) => stopContainer(id, choices))

export const restart = (wanted: string, choices: StopChoices = {}) =>
  called(
    wanted,
    (id) => (ports) =>
      pipe(
        stayingOver(ports, id, stopContainer(id, choices)(ports)),
        TE.flatMap(() => startContainer(id)(ports)),
        TE.tap(({ document }) => noteOf(ports, 'restart', document)),
        TE.map(left),
      ),
  )

/** One that removes itself stays over this end, and goes at the next. Where we die in between it is one that stays. */
const stayingOver =
  (ports: Ports, id: string, stop: TaskEither<EngineError, void>): TaskEither<EngineError, void> =>
  async () => {
    const stays = await removingItself(ports, id, false)()
    if (E.isLeft(stays) || !stays.right) return E.isLeft(stays) ? stays : stop()
    const stopped = await stop()
    const goes = await removingItself(ports, id, true)()
    return E.isLeft(stopped) ? stopped : E.map(() => undefined)(goes)
  }

/** True where that was changed. */
const removingItself = (ports: Ports, id: string, autoRemove: boolean): TaskEither<EngineError, boolean> =>
  ports.detached.locked(id, async (container) => {
    const { document } = container
    if (document.policies.autoRemove === autoRemove) return E.right(false)
    const changed = { ...document, policies: { ...document.policies, autoRemove } }
    return E.map(() => true)(await rewrite(ports, container, changed)())
  })

export const attach = (wanted: string, choices: AttachChoices = {}) =>
  called(wanted, (id) => attachContainer(id, choices))

export { execIn as exec } from './exec.ts'
export { replaceContainer as replace } from './replace.ts'
export { startWanted } from './start-wanted.ts'
