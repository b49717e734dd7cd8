// What is asked of a registry without the store: tags, referrers, search, and who we are to it.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { Digest } from '../model/digest.ts'
import type { EngineError } from '../model/errors.ts'
import type { Descriptor } from '../model/image.ts'
import type {
  AskOptions,
  FoundRepositories,
  LoggedIn,
  LoginOptions,
  Referrer,
  ReferrersOptions,
  SearchOptions,
} from '../model/image-verbs.ts'
import { HUB, type ImageReference, parseReference, parseRegistry } from '../model/reference.ts'
import type { ImageProgram } from './ports/images.ts'
import type { FetchedManifest, KeptLogin } from './ports/registry.ts'

const DEFAULT_LIMIT = 25

/** All tags of a repository. Fails: InvalidReference, ImageNotFound, RegistryFailed. */
export const listTags =
  (text: string, { signal }: AskOptions = {}): ImageProgram<readonly string[]> =>
  ({ registry }) =>
    pipe(
      TE.fromEither(parseReference(text)),
      TE.flatMap((reference) => registry.tags(reference, signal)),
    )

/** What points at the document a name means, by tag or digest. Fails: InvalidReference, ImageNotFound, RegistryFailed. */
export const listReferrers =
  (text: string, { artifactType, signal }: ReferrersOptions = {}): ImageProgram<readonly Referrer[]> =>
  ({ registry }) =>
    pipe(
      TE.fromEither(parseReference(text)),
      TE.flatMap(
        (reference): TE.TaskEither<EngineError, ImageReference & { readonly digest: Digest }> =>
          reference.digest === undefined
            ? TE.map(({ digest }: FetchedManifest) => ({ ...reference, digest }))(
                registry.manifest(reference, signal),
              )
            : TE.right({ ...reference, digest: reference.digest }),
      ),
      TE.flatMap((reference) => registry.referrers(reference, artifactType, signal)),
      TE.map((descriptors) => descriptors.map(referrerOf)),
    )

const referrerOf = ({ digest, mediaType, size, artifactType, annotations = {} }: Descriptor): Referrer => ({
  digest,
  mediaType,
  sizeBytes: size,
  annotations,
  ...(artifactType === undefined ? {} : { artifactType }),
})

/** `word`, on Docker Hub, or `host/word`. Fails: InvalidOption, Unsupported where a registry offers no search, RegistryFailed. */
export const search =
  (text: string, { limit = DEFAULT_LIMIT, signal }: SearchOptions = {}): ImageProgram<FoundRepositories> =>
  ({ registry }) =>
    pipe(
      TE.fromEither(termIn(text)),
      TE.flatMap(({ host, term }) => registry.search(host, term, limit, signal)),
    )

const termIn = (text: string): E.Either<EngineError, { readonly host: string; readonly term: string }> => {
  const slash = text.indexOf('/')
  const host = slash < 0 ? undefined : parseRegistry(text.slice(0, slash))
  const term = host === undefined ? text : text.slice(slash + 1)
  return term === '' && (host === undefined || host === HUB)
    ? E.left({ _tag: 'InvalidOption', option: 'term', value: text, why: 'a search needs a word' })
    : E.right({ host: host ?? HUB, term })
}

/** Fails: InvalidOption for what is no host or no user name, RegistryFailed for a refusal; then nothing is kept. */
export const login =
  (server: string, { username, password, signal }: LoginOptions): ImageProgram<LoggedIn> =>
  (ports) =>
    pipe(
      TE.fromEither(hostOf(server)),
      TE.flatMapEither((host) =>
        username === '' || username.includes(':') ? E.left(oddName(username)) : E.right(host),
      ),
      TE.flatMap((host) =>
        TE.map((kept: KeptLogin) => ({ registry: host, ...kept }))(
          ports.registry.login(host, { username, password }, signal),
        ),
      ),
    )

/** False when nothing was kept for it. */
export const logout =
  (server: string): ImageProgram<boolean> =>
  ({ registry }) =>
    pipe(
      TE.fromEither(hostOf(server)),
      TE.flatMap((host) => registry.logout(host)),
    )

const hostOf = (server: string): E.Either<EngineError, string> => {
  const host = parseRegistry(server)
  return host === undefined
    ? E.left({
        _tag: 'InvalidOption',
        option: 'registry',
        value: server,
        why: 'is not the host of a registry',
      })
    : E.right(host)
}

/** RFC 7617 §2: a colon would end it. */
const oddName = (value: string): EngineError => ({
  _tag: 'InvalidOption',
  option: 'username',
  value,
  why: value === '' ? 'is empty' : 'a user name has no colon',
})
