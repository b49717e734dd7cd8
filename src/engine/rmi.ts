// rmi: takes names away, and the image with its last one.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as O from '#fp/Option'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, nameOf } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import type { RemovedImage, RemoveOptions } from '../model/image-verbs.ts'
import { parseReference } from '../model/reference.ts'
import { findByReference, findByText, withoutEntries } from './images-names.ts'
import { printable } from './images-open.ts'
import { type Swept, sweep } from './images-sweep.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

/** Fails: InvalidReference, ImageNotFound, ImageInUse. */
export const removeImage =
  (text: string, { force = false }: RemoveOptions = {}): ImageProgram<RemovedImage> =>
  (ports) =>
    pipe(
      TE.Do,
      TE.bind('found', () => findByText(ports.store, text)),
      TE.bind('entries', () => ports.store.entries),
      TE.bind('records', () => ports.store.records),
      TE.bind('inUse', ({ found, records }) => usersOf(ports, found, records)),
      TE.map((facts): Facts => ({ ...facts, text, force })),
      TE.flatMap((facts) => remove(ports, facts)),
    )

interface Facts {
  readonly text: string
  readonly force: boolean
  /** What `text` means. */
  readonly found: readonly Descriptor[]
  readonly entries: readonly Descriptor[]
  readonly records: readonly PreparedRecord[]
  readonly inUse: readonly string[]
}

const remove = (ports: ImagePorts, facts: Facts): TE.TaskEither<EngineError, RemovedImage> => {
  const { found, inUse } = facts
  const refusal = refusalOf(facts)
  if (refusal !== undefined) return TE.left(refusal)
  const keepsImage = inUse.length > 0
  return pipe(
    ports.store.update((entries) => E.right(withoutEntries(entries, found, keepsImage))),
    TE.flatMap((left) => (goesAway(found, left) ? sweep(ports) : TE.right(O.none))),
    TE.map((swept) => ({
      untagged: found.flatMap((entry) => nameOf(entry) ?? []).map(printable),
      deleted: O.isSome(swept) ? idsFirst(facts, swept.value) : [],
    })),
  )
}

/** As Docker: the last name of an image in use needs force; an id needs it when several names would go. */
const refusalOf = ({ text, force, found, entries, inUse }: Facts): EngineError | undefined => {
  const byName = isName(text, entries)
  if (!byName && found.length > 1 && !force)
    return {
      _tag: 'ImageInUse',
      reference: text,
      by: found.flatMap((entry) => nameOf(entry) ?? []).map(printable),
      hint: 'it has several names; remove them one by one, or use --force',
    }
  if (inUse.length === 0 || !goesAway(found, withoutEntries(entries, found, false))) return undefined
  if (byName && force) return undefined
  const hint = byName
    ? 'remove the container first, or --force to take only the name away'
    : 'remove the container first'
  return { _tag: 'ImageInUse', reference: text, by: inUse.map((id) => `container ${id}`), hint }
}

const isName = (text: string, entries: readonly Descriptor[]): boolean => {
  const reference = parseReference(text)
  return E.isRight(reference) && findByReference(reference.right, entries) !== undefined
}

/** True when nothing points at the image any more. */
const goesAway = (found: readonly Descriptor[], left: readonly Descriptor[]): boolean =>
  found.some(({ digest }) => left.every((entry) => entry.digest !== digest))

const usersOf = (
  ports: ImagePorts,
  found: readonly Descriptor[],
  records: readonly PreparedRecord[],
): TE.TaskEither<EngineError, readonly string[]> => {
  const targets = new Set<string>(found.map(({ digest }) => digest))
  const ids = records.filter(({ target }) => targets.has(target)).map(({ imageId }) => imageId)
  return pipe(
    [...new Set(ids)],
    TE.traverseSeqArray((id) => ports.inUse(id)),
    TE.map((uses) => uses.flat()),
  )
}

const idsFirst = ({ found, records }: Facts, swept: Swept): Swept => {
  const targets = new Set<string>(found.map(({ digest }) => digest))
  const ids = new Set<string>(
    records.filter(({ target }) => targets.has(target)).map(({ imageId }) => imageId),
  )
  return [...swept.filter((id) => ids.has(id)), ...swept.filter((id) => !ids.has(id))]
}
