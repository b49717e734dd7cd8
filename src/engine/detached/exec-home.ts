// The container that a program is executed in: one that outlives its command by its document, any other by its record.
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import { allowed, isSettled, notRunning } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import { type EventContainer, eventContainer } from '../../model/events-of-containers.ts'
import type { ImageSource } from '../../model/options.ts'
import type { DecodedOptions } from '../../model/options-decoded.ts'
import { type ContainerSummary, findContainer, isDetached } from '../containers.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { findContainer as findDocument } from './find.ts'
import { imageOf } from './whole-plan.ts'

export interface Home {
  readonly id: string
  /** Of its first process, as the host counts. */
  readonly pid: number
  readonly image: ImageSource
  readonly options: DecodedOptions
  /** Absolute, of one that has a record. */
  readonly groups: readonly string[] | undefined
  readonly event: EventContainer
  /** A monitor holds it, and may hold what is left to it. */
  readonly hasMonitor: boolean
}

/** Of its id, which stays when its name goes on to another. */
export interface HomeKey {
  readonly id: string
  readonly isAttached: boolean
}

/** Fails: ContainerNotFound, AmbiguousContainer, StateDamaged. */
export const findHome = (ports: Ports, wanted: string): E.Either<EngineError, HomeKey> => {
  const found = findContainer(ports, wanted)
  if (E.isRight(found)) return E.right({ id: found.right.id, isAttached: !isDetached(found.right) })
  if (found.left._tag !== 'ContainerNotFound') return found
  // Its document may be damaged, which is told then.
  return E.map(({ document: { id } }: { readonly document: { readonly id: string } }) => ({
    id,
    isAttached: false,
  }))(findDocument(ports, wanted))
}

/** As it is now. Fails: ContainerNotFound, StateDamaged, WrongStatus, Unsupported. */
export const runningHome = (ports: Ports, { id, isAttached }: HomeKey): TaskEither<EngineError, Home> =>
  isAttached
    ? TE.fromEither(attachedHome(ports, id))
    : pipe(
        ports.detached.settled(id),
        TE.flatMapEither((container) => allowed('exec', container)),
        TE.flatMapEither((container) => firstProcessOf(ports, container)),
        TE.map(({ document, pid }) => ({
          id,
          pid,
          image: imageOf(document),
          options: document.options,
          groups: undefined,
          event: eventContainer(document),
          hasMonitor: true,
        })),
      )

/** Its monitor may be slow to say what follows a start or an end, or have said what cannot be read. */
const firstProcessOf = (
  ports: Ports,
  container: DetachedContainer,
): E.Either<EngineError, { readonly document: ContainerDocument; readonly pid: number }> => {
  const { document, state } = container
  if (state === undefined) {
    const file = path.join(path.dirname(ports.detached.processDirectory(document.id)), 'state')
    return E.left({ _tag: 'StateDamaged', path: file, why: 'does not say which process is the first' })
  }
  return isSettled(container)
    ? E.right({ document, pid: state.pid })
    : E.left(notRunning(document.name, state.status === 'starting' ? 'starting' : 'stopping'))
}

const attachedHome = (ports: Ports, id: string): E.Either<EngineError, Home> => {
  const found = findContainer(ports, id)
  if (E.isLeft(found)) return found
  const { name, image, imageId, labels, status, options, groups } = found.right
  const pid = status === 'running' ? ports.host.firstOf(found.right) : undefined
  if (pid === undefined) return E.left(notRunning(name, status === 'running' ? 'stopped' : status))
  if (options === undefined) return E.left(withoutOptions(found.right))
  return E.right({
    id,
    pid,
    image: imageOf({ image: { id: imageId, reference: image } }),
    options,
    groups,
    event: { id, name, image, labels },
    hasMonitor: false,
  })
}

/** Nobody knows which filter and which rights it has. */
const withoutOptions = ({ name }: ContainerSummary): EngineError => ({
  _tag: 'Unsupported',
  feature: `exec in container ${name}`,
  why: 'an older slipway runs it, and has not noted its options',
})
