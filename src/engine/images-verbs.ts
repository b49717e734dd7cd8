// The image programs as verbs over one set of ports.
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type {
  AskOptions,
  CheckOptions,
  CommitOptions,
  DiskUsage,
  ExportOptions,
  FileChange,
  FoundRepositories,
  ImageHistoryEntry,
  ImageInspect,
  ImagePlatform,
  ImageSummary,
  ImportOptions,
  InspectOptions,
  LoadedImage,
  LoadOptions,
  LoadSource,
  LoggedIn,
  LoginOptions,
  MadeImage,
  PrunedImages,
  PruneOptions,
  PulledImage,
  PullOptions,
  PushedImage,
  PushOptions,
  Referrer,
  ReferrersOptions,
  RemovedImage,
  RemoveOptions,
  SaveOptions,
  SaveTarget,
  SearchOptions,
  StoreReport,
} from '../model/image-verbs.ts'
import { checkStore } from './check.ts'
import { type ContainerFiles, changesOf, commit, compareImages, exportFiles } from './commit.ts'
import { imageHistory } from './history.ts'
import { imagePlatforms } from './image-platforms.ts'
import { imageUsage, type UsingContainer } from './image-usage.ts'
import { listImages } from './images.ts'
import { importImage } from './import.ts'
import { inspectImage } from './inspect-image.ts'
import { load } from './load.ts'
import type { ImagePorts, ResolveImage } from './ports/images.ts'
import { pruneImages } from './prune.ts'
import { pull } from './pull.ts'
import { push } from './push.ts'
import { listReferrers, listTags, login, logout, search } from './registry-verbs.ts'
import { imageResolver } from './resolve-image.ts'
import { removeImage } from './rmi.ts'
import { save } from './save.ts'
import { tagImage } from './tag.ts'

/** Written out, since a declaration that a compiler infers names modules of fp-ts in a way Node cannot find. */
export interface Images {
  readonly pull: (reference: string, options?: PullOptions) => TaskEither<EngineError, PulledImage>
  readonly load: (
    source: LoadSource,
    options?: LoadOptions,
  ) => TaskEither<EngineError, readonly LoadedImage[]>
  readonly list: () => TaskEither<EngineError, readonly ImageSummary[]>
  readonly remove: (reference: string, options?: RemoveOptions) => TaskEither<EngineError, RemovedImage>
  readonly tag: (source: string, name: string) => TaskEither<EngineError, void>
  readonly inspect: (reference: string, options?: InspectOptions) => TaskEither<EngineError, ImageInspect>
  readonly history: (
    reference: string,
    options?: InspectOptions,
  ) => TaskEither<EngineError, readonly ImageHistoryEntry[]>
  readonly platforms: (reference: string) => TaskEither<EngineError, readonly ImagePlatform[]>
  readonly save: (
    references: readonly string[],
    target: SaveTarget,
    options?: SaveOptions,
  ) => TaskEither<EngineError, void>
  readonly import: (source: LoadSource, options?: ImportOptions) => TaskEither<EngineError, MadeImage>
  readonly commit: (files: ContainerFiles, options?: CommitOptions) => TaskEither<EngineError, MadeImage>
  readonly changesOf: (files: ContainerFiles) => TaskEither<EngineError, readonly FileChange[]>
  readonly export: (
    files: ContainerFiles,
    target: SaveTarget,
    options?: ExportOptions,
  ) => TaskEither<EngineError, void>
  readonly compare: (before: string, after: string) => TaskEither<EngineError, readonly FileChange[]>
  readonly prune: (options?: PruneOptions) => TaskEither<EngineError, PrunedImages>
  readonly usage: (
    containers: readonly UsingContainer[],
    volumeUsers: ReadonlyMap<string, readonly string[]>,
  ) => TaskEither<EngineError, DiskUsage>
  readonly check: (options?: CheckOptions) => TaskEither<EngineError, StoreReport>
  readonly push: (reference: string, options?: PushOptions) => TaskEither<EngineError, readonly PushedImage[]>
  readonly tags: (repository: string, options?: AskOptions) => TaskEither<EngineError, readonly string[]>
  readonly referrers: (
    reference: string,
    options?: ReferrersOptions,
  ) => TaskEither<EngineError, readonly Referrer[]>
  readonly search: (term: string, options?: SearchOptions) => TaskEither<EngineError, FoundRepositories>
  readonly login: (registry: string, options: LoginOptions) => TaskEither<EngineError, LoggedIn>
  readonly logout: (registry: string) => TaskEither<EngineError, boolean>
  readonly resolve: ResolveImage
  /** Drops idle connections. */
  readonly close: () => void
}

/** Holds a memory of resolved names and nothing else. */
export const imageVerbs = (ports: ImagePorts): Images => ({
  pull: (reference, options) => pull(reference, options)(ports),
  load: (source, options) => load(source, options)(ports),
  list: () => listImages(ports),
  remove: (reference, options) => removeImage(reference, options)(ports),
  tag: (source, name) => tagImage(source, name)(ports),
  inspect: (reference, options) => inspectImage(reference, options)(ports),
  history: (reference, options) => imageHistory(reference, options)(ports),
  platforms: (reference) => imagePlatforms(reference)(ports),
  save: (references, target, options) => save(references, target, options)(ports),
  import: (source, options) => importImage(source, options)(ports),
  commit: (files, options) => commit(files, options)(ports),
  changesOf: (files) => changesOf(files)(ports),
  export: (files, target, options) => exportFiles(files, target, options)(ports),
  compare: (before, after) => compareImages(before, after)(ports),
  prune: (options) => pruneImages(options)(ports),
  usage: (containers, volumeUsers) => imageUsage(containers, volumeUsers)(ports),
  check: (options) => checkStore(options)(ports),
  push: (reference, options) => push(reference, options)(ports),
  tags: (repository, options) => listTags(repository, options)(ports),
  referrers: (reference, options) => listReferrers(reference, options)(ports),
  search: (term, options) => search(term, options)(ports),
  login: (registry, options) => login(registry, options)(ports),
  logout: (registry) => logout(registry)(ports),
  resolve: imageResolver(ports),
  close: () => ports.registry.close(),
})
