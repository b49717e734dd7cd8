// Names in index.json: who has which, what a new one displaces, and what a user's text means. Pure.
import * as E from '#fp/Either'
import * as TE from '#fp/TaskEither'
import type { Digest } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import { CONTAINERD_NAME, type Descriptor, nameOf, REF_NAME } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import { fullName, type ImageReference, looksLikeId, parseReference } from '../model/reference.ts'
import type { ContentStore } from './ports/content-store.ts'

/** What index.json calls this reference: by digest alone when it has one, as Docker does. */
export const storedName = (reference: ImageReference): string => {
  const { registry, repository, digest } = reference
  return digest === undefined ? fullName(reference) : fullName({ registry, repository, digest })
}

/**
 * The entries after `name` was given to `target`. An image that loses its last name stays, nameless, until it is removed;
 * the nameless entry of an image that gets a name goes.
 */
export const withName = (
  entries: readonly Descriptor[],
  name: string | undefined,
  target: Descriptor,
): readonly Descriptor[] => {
  const old = entries.find((entry) => name !== undefined && nameOf(entry) === name)
  const others = entries.filter(
    (entry) => entry !== old && !(isNameless(entry) && entry.digest === target.digest),
  )
  const displaced =
    old !== undefined && old.digest !== target.digest && others.every(({ digest }) => digest !== old.digest)
  const kept = displaced ? [...others, nameless(old)] : others
  if (name === undefined && kept.some(({ digest }) => digest === target.digest)) return kept
  return [...kept, name === undefined ? nameless(target) : named(target, name)]
}

/** The entries without these; `keepImage` leaves a nameless entry where an image would lose its last one. */
export const withoutEntries = (
  entries: readonly Descriptor[],
  removed: readonly Descriptor[],
  keepImage: boolean,
): readonly Descriptor[] => {
  const isRemoved = (entry: Descriptor) =>
    removed.some((gone) => gone.digest === entry.digest && nameOf(gone) === nameOf(entry))
  const left = entries.filter((entry) => !isRemoved(entry))
  const lost = removed.filter(({ digest }) => left.every((entry) => entry.digest !== digest))
  return keepImage ? [...left, ...lost.slice(0, 1).map(nameless)] : left
}

/**
 * Entries a user's text means: one by name, else all with (the beginning of) this image id or digest. Fails:
 * InvalidReference, also for an ambiguous id; ImageNotFound.
 */
export const findByText = (
  store: ContentStore,
  text: string,
): TE.TaskEither<EngineError, readonly Descriptor[]> =>
  TE.flatMap((entries: readonly Descriptor[]): TE.TaskEither<EngineError, readonly Descriptor[]> => {
    const reference = parseReference(text)
    const meant = E.isRight(reference) ? findByReference(reference.right, entries) : undefined
    // Another tool's name need not be a full reference.
    const byName = meant ?? entries.find((entry) => nameOf(entry) === text)
    if (byName !== undefined) return TE.right([byName])
    if (!looksLikeId(text)) return TE.left(E.isLeft(reference) ? reference.left : notFound(text))
    return TE.flatMapEither((records: readonly PreparedRecord[]) => findById(text, entries, records))(
      store.records,
    )
  })(store.entries)

const notFound = (reference: string): EngineError => ({
  _tag: 'ImageNotFound',
  reference,
  hint: 'pull or load it first',
})

export const findByReference = (
  reference: ImageReference,
  entries: readonly Descriptor[],
): Descriptor | undefined => {
  const name = storedName(reference)
  const byName = entries.find((entry) => nameOf(entry) === name)
  if (byName !== undefined || reference.digest === undefined) return byName
  // Pulled by tag, asked for by digest: the same repository must have it.
  const repository = `${reference.registry}/${reference.repository}`
  return entries.find((entry) => {
    const rest = nameOf(entry)?.startsWith(repository) ? nameOf(entry)?.slice(repository.length) : undefined
    return rest !== undefined && /^[:@]/.test(rest) && entry.digest === reference.digest
  })
}

export const isNameless = (entry: Descriptor): boolean => nameOf(entry) === undefined

const findById = (
  text: string,
  entries: readonly Descriptor[],
  records: readonly PreparedRecord[],
): E.Either<EngineError, readonly Descriptor[]> => {
  const start = text.startsWith('sha256:') ? text : `sha256:${text}`
  const ids = new Set<Digest>()
  const targets = new Set<string>()
  for (const { imageId, target } of records) {
    const isMeant = imageId.startsWith(start) || target.startsWith(start)
    if (!isMeant || !entries.some(({ digest }) => digest === target)) continue
    ids.add(imageId)
    targets.add(target)
  }
  // Several images of one index are meant by what it is called.
  if (ids.size > 1 && targets.size > 1)
    return E.left({ _tag: 'InvalidReference', reference: text, why: `${ids.size} images have ids like this` })
  const found = entries.filter(({ digest }) => targets.has(digest))
  return found.length === 0 ? E.left(notFound(text)) : E.right(found)
}

const named = (target: Descriptor, name: string): Descriptor => ({
  ...nameless(target),
  annotations: { ...otherAnnotations(target), [REF_NAME]: name, [CONTAINERD_NAME]: name },
})

const nameless = ({ mediaType, digest, size, ...rest }: Descriptor): Descriptor => {
  const annotations = otherAnnotations({ mediaType, digest, size, ...rest })
  const platform = rest.platform === undefined ? {} : { platform: rest.platform }
  return Object.keys(annotations).length === 0
    ? { mediaType, digest, size, ...platform }
    : { mediaType, digest, size, ...platform, annotations }
}

const otherAnnotations = ({ annotations = {} }: Descriptor): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(annotations).filter(([key]) => key !== REF_NAME && key !== CONTAINERD_NAME),
  )
