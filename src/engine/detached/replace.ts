// replace: a new container takes the place of one, once it is good enough; else the old one is put back.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { cancelled } from '../../model/abort.ts'
import type { ContainerDocument } from '../../model/container-document.ts'
import { runs, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import {
  changedRequest,
  type DecodedChanges,
  type DecodedReplace,
  type Replacement,
  verdictOf,
} from '../../model/replacement.ts'
import { findContainer } from '../containers.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { ReplacementLock } from '../ports/replacements.ts'
import type { Ports } from '../ports.ts'
import { createContainer } from './create.ts'
import { putBack, putInPlace } from './settle.ts'
import { startContainer } from './start.ts'
import { stopContainer } from './stop.ts'
import type { Called } from './verbs.ts'

/** What has been done by then. */
export type ReplaceStep = 'noted' | 'created' | 'stopped' | 'started' | 'good' | 'named'

export interface ReplaceTools {
  /** The last lines a container wrote. Never fails. */
  readonly lastLines: (id: string) => Promise<readonly string[]>
  /** For tests: called behind each step. */
  readonly onStep?: (step: ReplaceStep) => Promise<void>
}

export interface ReplaceRequest extends DecodedReplace {
  readonly changes: DecodedChanges
}

/** Between two looks at a new container. */
const LOOK_MS = 50

/**
 * Resolves with the new one. Fails: ContainerNotFound, WrongStatus (somebody replaces it, or it is paused), Unsupported (attached, or
 * one that removes itself), ReplaceFailed, Cancelled, and as a creation and a start do; the old one is as it was then.
 */
export const replaceContainer =
  (wanted: string, request: ReplaceRequest, tools: ReplaceTools) =>
  (ports: Ports): TaskEither<EngineError, Called> =>
  async () => {
    const id = replaceable(ports, wanted)
    if (E.isLeft(id)) return id
    const taken = ports.replacements.take(id.right)
    if (E.isLeft(taken)) return taken
    const lock = taken.right
    if (lock === undefined) return alreadyReplaced(wanted)
    return replacing(ports, id.right, request, { tools, lock })
  }

const alreadyReplaced = (container: string): E.Either<EngineError, never> =>
  E.left({ _tag: 'WrongStatus', container, status: 'being replaced', wanted: 'not being replaced' })

const replaceable = (ports: Ports, wanted: string): E.Either<EngineError, string> =>
  pipe(
    findContainer(ports, wanted),
    E.filterOrElse(
      ({ engine }) => engine === '',
      (): EngineError => ({
        _tag: 'Unsupported',
        feature: `replace of ${wanted}`,
        why: 'it is attached: it ends with the command that started it, which has its streams',
      }),
    ),
    E.map(({ id }) => id),
  )

/** As it is while the lock is held. */
const fit = (ports: Ports, id: string): E.Either<EngineError, DetachedContainer> => {
  const found = ports.detached.read(id)
  if (E.isLeft(found)) return found
  const container = found.right
  if (container === undefined) return E.left({ _tag: 'ContainerNotFound', container: id.slice(0, 12) })
  const { name, policies } = container.document
  if (policies.autoRemove)
    return E.left({
      _tag: 'Unsupported',
      feature: `replace of ${name}`,
      why: 'it is removed when it ends (--rm), so nothing could be put back',
    })
  if (statusOf(container) === 'paused')
    return E.left({ _tag: 'WrongStatus', container: name, status: 'paused', wanted: 'running or stopped' })
  return E.right(container)
}

interface Hold {
  readonly tools: ReplaceTools
  readonly lock: ReplacementLock
}

const replacing = async (
  ports: Ports,
  id: string,
  request: ReplaceRequest,
  { tools, lock }: Hold,
): Promise<E.Either<EngineError, Called>> => {
  const old = fit(ports, id)
  if (E.isLeft(old)) {
    lock.done()
    return old
  }
  const { document } = old.right
  const replacement: Replacement = {
    version: 1,
    old: id,
    temporary: `${document.name}.${ports.host.randomId().slice(0, 8)}`,
    ran: runs(statusOf(old.right)),
  }
  const made = await steps(ports, document, replacement, request, { tools, lock })()
  if (E.isLeft(made)) {
    const back = await putBack(ports, replacement)
    if (E.isRight(back)) lock.done()
    else lock.leave()
    return E.isLeft(back) ? E.left(notPutBack(document, made.left, back.left)) : made
  }
  // From the new one's name on there is no way back.
  const settled = await putInPlace(ports, made.right, replacement)
  if (E.isLeft(settled)) lock.leave()
  else lock.done()
  return settled
}

const notPutBack = ({ name }: ContainerDocument, why: EngineError, cause: EngineError): EngineError => ({
  _tag: 'ReplaceFailed',
  container: name,
  why: why._tag === 'ReplaceFailed' ? why.why : 'failed',
  log: why._tag === 'ReplaceFailed' ? why.log : [],
  isBack: false,
  cause: [why, cause],
})

/** All up to the moment the new one has the name. */
const steps = (
  ports: Ports,
  old: ContainerDocument,
  replacement: Replacement,
  request: ReplaceRequest,
  { tools, lock }: Hold,
): TaskEither<EngineError, ContainerDocument> => {
  const { changes, signal } = request
  const { ran, temporary } = replacement
  const after =
    (step: ReplaceStep) =>
    <A>(value: A): TaskEither<EngineError, A> =>
    async () => {
      await tools.onStep?.(step)
      return signal?.aborted === true ? E.left(cancelled(signal.reason, 'replace')) : E.right(value)
    }
  const image = changes.image ?? sourceOf(old)
  const onlyIf = (holds: boolean, program: TaskEither<EngineError, unknown>) =>
    holds ? program : TE.right(undefined)
  return pipe(
    TE.fromEither(lock.write(replacement)),
    TE.flatMap(after('noted')),
    TE.flatMap(() => createContainer({ ...changedRequest(old, changes, temporary), image })(ports)),
    TE.flatMap(after('created')),
    TE.tap(() => onlyIf(ran, stopContainer(old.id)(ports))),
    TE.flatMap(after('stopped')),
    TE.flatMap((next) =>
      pipe(
        onlyIf(ran, begun(ports, next, old.name, request, tools)),
        TE.flatMap(() => after('good')(next)),
        TE.flatMap(() => named(ports, next.id, old.id)),
        TE.tapIO(() => () => tools.onStep?.('named')),
      ),
    ),
  )
}

/** What its reference means by now; a directory is what it was. */
const sourceOf = ({ image }: ContainerDocument): string | { readonly rootfs: string } =>
  image.id.startsWith('/') ? { rootfs: image.id } : image.reference

const begun = (
  ports: Ports,
  next: ContainerDocument,
  name: string,
  request: ReplaceRequest,
  tools: ReplaceTools,
): TaskEither<EngineError, void> =>
  pipe(
    startContainer(next.id)(ports),
    TE.tapIO(
      ({ connection }) =>
        () =>
          connection?.close(),
    ),
    TE.tapIO(() => () => tools.onStep?.('started')),
    TE.flatMap(() => () => untilGood(ports, next.id, name, request, tools)),
  )

const untilGood = async (
  ports: Ports,
  id: string,
  name: string,
  { timeoutMs, graceMs, signal }: ReplaceRequest,
  tools: ReplaceTools,
): Promise<E.Either<EngineError, void>> => {
  const failed = async (why: string): Promise<E.Either<EngineError, never>> =>
    E.left({ _tag: 'ReplaceFailed', container: name, why, log: await tools.lastLines(id), isBack: true })
  for (const deadline = performance.now() + timeoutMs; ; await look()) {
    if (signal?.aborted === true) return E.left(cancelled(signal.reason, 'replace'))
    const found = ports.detached.read(id)
    if (E.isLeft(found)) return found
    if (found.right === undefined) return failed('was removed by somebody')
    const verdict = verdictOf(found.right, graceMs, Date.now())
    if (verdict?.good === true) return E.right(undefined)
    if (verdict !== undefined) return failed(verdict.why)
    if (performance.now() > deadline) return failed(`was not healthy within ${timeoutMs / 1000} s`)
  }
}

const look = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_MS))

/** The one moment the name passes on: from here on whoever lists containers sees the new one in place of the old one. */
const named = (ports: Ports, id: string, old: string): TaskEither<EngineError, ContainerDocument> =>
  ports.detached.locked(old, (before) =>
    ports.detached.locked(id, async ({ document }) => {
      const { name } = before.document
      const next = { ...document, name, options: { ...document.options, name }, supersedes: old }
      return E.map(() => next)(ports.detached.write(next))
    })(),
  )
