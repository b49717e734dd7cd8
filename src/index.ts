// The library as Promises: a thin skin over fp.ts. A failure is thrown as a SlipwayError that carries the tagged error.
import type { TaskEither } from '#fp/TaskEither'
import {
  type AskOptions,
  type AttachedStreams,
  type Called,
  type CheckOptions,
  type CommitOptions,
  type Container,
  type ContainerInspect,
  type ContainerSummary,
  type Copied,
  type CopiedOut,
  type CopyEnd,
  type CopyFromOptions,
  type CopyIntoOptions,
  type CopyOptions,
  type CreateVolumeOptions,
  createEngine as createFpEngine,
  type DetachedContainer,
  type DetachedOptions,
  type DiskUsage,
  type EngineError,
  type EngineEvent,
  type EngineOptions,
  type EventOptions,
  type ExecOptions,
  type ExportOptions,
  type ExtraStartOptions,
  type FileChange,
  type FoundRepositories,
  type Engine as FpEngine,
  type ExecProcess as FpExecProcess,
  type Pool as FpPool,
  type HostFacts,
  type ImageHistoryEntry,
  type ImageInspect,
  type ImagePlatform,
  type ImageSource,
  type ImageSummary,
  type ImportOptions,
  type InspectContainerOptions,
  type InspectOptions,
  type LiveEngine,
  type LoadedImage,
  type LoadOptions,
  type LoadSource,
  type LogEntry,
  type LoggedIn,
  type LoginOptions,
  type MadeImage,
  type PathStat,
  type PoolOptions,
  type PoolRunOptionsFor,
  type PoolSize,
  type PoolStartOptions,
  type PoolStats,
  type Prepared,
  type PrunedImages,
  type PrunedVolumes,
  type PruneOptions,
  type PulledImage,
  type PullOptions,
  type PushedImage,
  type PushOptions,
  type ReadLogOptions,
  type Referrer,
  type ReferrersOptions,
  type RemoveContainerOptions,
  type RemovedImage,
  type RemoveOptions,
  type RemoveVolumeOptions,
  type ReplaceChanges,
  type ReplaceOptions,
  type ResultFor,
  type RunOptions,
  type RunOptionsFor,
  type SaveOptions,
  type SaveTarget,
  type SearchOptions,
  SlipwayError,
  type StartedAgain,
  type StartOptions,
  type StatsOptions,
  type StatsRound,
  type StopOptions,
  type StoreReport,
  type TopResult,
  type UpdateOptions,
  type VolumeInfo,
  type WaitCondition,
} from './fp.ts'

export type {
  ContainerRecord,
  ContainerStats,
  ContainerSummary,
  Copied,
  CopiedOut,
  CopyEnd,
  CopyFromOptions,
  CopyIntoOptions,
  CopyOptions,
  CreateVolumeOptions,
  Ended,
  EngineEvent,
  EngineOptions,
  EventOptions,
  ExtraStartOptions,
  GroupSample,
  HostFacts,
  LineOptions,
  LogDamaged,
  LogDropped,
  LogEntry,
  LogLine,
  LogRemoved,
  LogStreamName,
  NewEvent,
  OutputOf,
  OutputStream,
  PathStat,
  Prepared,
  PrunedVolumes,
  ReadLogOptions,
  Registries,
  RegistrySettings,
  RemoveContainerOptions,
  RemoveVolumeOptions,
  ResultFor,
  ResultOf,
  RunOptionsFor,
  StatsOptions,
  StatsRound,
  TopResult,
  UpdateOptions,
  VolumeInfo,
} from './fp.ts'
export { Container, type EngineError, hint, message, SlipwayError } from './fp.ts'
export type {
  AttachedStreams,
  Called,
  ContainerVerbs,
  DetachedContainer,
  DetachedOptions,
  ExecOptions,
  LogOptions,
  ReplaceChanges,
  ReplaceOptions,
  StartedAgain,
  StopOptions,
  WaitCondition,
} from './fp-containers.ts'
export type * from './model/container-inspect.ts'
export type * from './model/exit.ts'
export type * from './model/image-verbs.ts'
export type * from './model/options.ts'
export type * from './model/pool.ts'

type Encoding = NonNullable<RunOptions['encoding']>

/** An engine of its own. `await using engine = createEngine({ root })` ends, with its scope, whatever it still runs. */
export interface Engine {
  /**
   * Runs a program in a fresh container and collects its output.
   * @example const { stdout } = await engine.run('host', ['uname', '-r'], { memory: '64MiB', timeout: '2s' })
   */
  run<E extends Encoding = 'utf8', A extends boolean = false>(
    image: ImageSource,
    argv?: readonly string[],
    options?: RunOptionsFor<E, A>,
  ): Promise<ResultFor<E, A>>
  /**
   * Starts a program in a fresh container; resolves when it has been executed.
   * @example await using box = await engine.start('host', ['cat'], { stdin: 'pipe' })
   */
  start(
    image: ImageSource,
    argv?: readonly string[],
    options?: StartOptions & ExtraStartOptions,
  ): Promise<Container>
  /** The whole start as data, carried out by nobody. */
  plan(image: ImageSource, argv?: readonly string[], options?: StartOptions): Promise<Prepared>
  /**
   * Sandboxes made ahead, each up to the moment before its program is executed. One that got a program is never used again.
   * @example await using pool = await engine.pool({ image: 'host', memory: '64MiB' }, { min: 2, max: 8 })
   */
  pool(options: PoolOptions, size?: Partial<PoolSize>): Promise<Pool>
  /** Containers that go on without this process. */
  readonly containers: Containers
  list(): Promise<readonly ContainerSummary[]>
  /** A container in Docker's words: what its record knows. */
  inspect(container: string, options?: InspectContainerOptions): Promise<ContainerInspect>
  remove(container: string, options?: RemoveContainerOptions): Promise<string>
  /**
   * Makes an image of a container that runs or was kept: exactly its changes, as one layer over its image. One that runs is held still
   * meanwhile.
   * @example await engine.commit('web', { name: 'me/app:2', changes: ['CMD ["node", "srv.js"]'] })
   */
  commit(container: string, options?: CommitOptions): Promise<MadeImage>
  /** What a container added to its image, changed in it, and deleted from it. */
  diff(container: string): Promise<readonly FileChange[]>
  /** Writes everything a container's root shows into a tar, but for what is mounted in it. */
  export(container: string, target: SaveTarget, options?: ExportOptions): Promise<void>
  /** Makes an image of a tar of a root file system: `{ path }` or `{ stream }`. */
  import(source: LoadSource, options?: ImportOptions): Promise<MadeImage>
  /** Removes images that have no name, or with `all` every one that no container uses. */
  pruneImages(options?: PruneOptions): Promise<PrunedImages>
  /** What images and containers take on disk, as du(1) counts it. */
  usage(): Promise<DiskUsage>
  /** Verifies every digest, record and unpacked tree of the store, and puts right what can be. */
  check(options?: CheckOptions): Promise<StoreReport>
  /** What differs between two images, from the first to the second. */
  diffImages(before: string, after: string): Promise<readonly FileChange[]>
  /** Pulls an image from a registry; `onProgress` is told of each layer's bytes. */
  pull(reference: string, options?: PullOptions): Promise<PulledImage>
  /** Loads an OCI layout or a docker-save archive: `{ path }` or `{ stream }`. */
  load(source: LoadSource, options?: LoadOptions): Promise<readonly LoadedImage[]>
  images(): Promise<readonly ImageSummary[]>
  removeImage(reference: string, options?: RemoveOptions): Promise<RemovedImage>
  /** A place for data that outlives containers. One that is there with the same driver options is given as it is. */
  createVolume(options?: CreateVolumeOptions): Promise<VolumeInfo>
  /** All volumes, by name. */
  volumes(): Promise<readonly VolumeInfo[]>
  inspectVolume(name: string): Promise<VolumeInfo>
  /** Never one that a container has. */
  removeVolume(name: string, options?: RemoveVolumeOptions): Promise<void>
  /** Removes volumes nobody named and no container has; with `all` every one that no container has. */
  pruneVolumes(options?: PruneOptions): Promise<PrunedVolumes>
  /** Writes all files of a volume into a tar. */
  exportVolume(name: string, target: SaveTarget, options?: ExportOptions): Promise<void>
  /** Makes a tar the content of a volume that is new, or empty: all of it or nothing. */
  importVolume(name: string, source: LoadSource, options?: ExportOptions): Promise<VolumeInfo>
  /** Gives an image one more name; another image that has it loses it. */
  tag(source: string, name: string): Promise<void>
  inspectImage(reference: string, options?: InspectOptions): Promise<ImageInspect>
  /**
   * Writes images into a file, a directory or a stream: by default as `docker save` does, which is an OCI layout, too.
   * @example await engine.save(['app:1', 'app:2'], { path: 'app.tar' })
   */
  save(references: string | readonly string[], target: SaveTarget, options?: SaveOptions): Promise<void>
  /** Which platforms an image was made for, and which of them are here. */
  imagePlatforms(reference: string): Promise<readonly ImagePlatform[]>
  /** The steps an image was made in, newest first. */
  imageHistory(reference: string, options?: InspectOptions): Promise<readonly ImageHistoryEntry[]>
  /** Pushes an image to the registry of its name; one result for each tag, which is one but for `allTags`. */
  push(reference: string, options?: PushOptions): Promise<readonly PushedImage[]>
  /** All tags of a repository in its registry. */
  tags(repository: string, options?: AskOptions): Promise<readonly string[]>
  /** What points at an image in its registry: signatures and the like. */
  referrers(reference: string, options?: ReferrersOptions): Promise<readonly Referrer[]>
  /** Repositories by `word`, on Docker Hub, or `host/word`. */
  search(term: string, options?: SearchOptions): Promise<FoundRepositories>
  /** Proves a password to a registry and keeps it where Docker does. */
  login(registry: string, options: LoginOptions): Promise<LoggedIn>
  /** False when nothing was kept for it. */
  logout(registry: string): Promise<boolean>
  /**
   * What happens on this root: pulls, tags, removals, and whatever else is noted.
   * @example for await (const { Action, Actor } of engine.events({ since: '1h', follow: false })) console.log(Action, Actor.ID)
   */
  events(options?: EventOptions): AsyncIterable<EngineEvent>
  facts(): Promise<HostFacts>
  /** The open engine itself, for tools that look inside. */
  open(): Promise<LiveEngine>
  /** Ends what runs, waits until nothing of it is left, then gives up its locks. Afterwards every verb fails. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** One more process of a container. */
export interface ExecProcess extends Omit<FpExecProcess, 'detach'> {
  /** Leaves it to its container, with its terminal: it goes on when this process ends. Rejects where it has no terminal. */
  detach(): Promise<void>
}

/** Containers that go on without this process. Every `container` is a name, an id, or the unique beginning of one. */
export interface Containers {
  /**
   * Makes a container and does not start it.
   * @example const { id } = await engine.containers.create('app:1', [], { name: 'web', restart: 'unless-stopped' })
   */
  create(image: ImageSource, argv?: readonly string[], options?: DetachedOptions): Promise<Called>
  /** Resolves when its program has been executed. One that runs is left as it is. */
  start(container: string): Promise<Called>
  /** As after a reboot: what was to run, and is to run by its policy, is started. */
  startWanted(): Promise<StartedAgain>
  /** The same, and its streams from the first byte on. */
  startAttached(container: string, options?: { readonly stdin?: boolean }): Promise<AttachedStreams>
  /** Its streams from now on. */
  attach(container: string, options?: { readonly stdin?: boolean }): Promise<AttachedStreams>
  /** One more process in a container that runs; it ends with this process unless it is to be detached. */
  exec(container: string, argv: readonly string[], options?: ExecOptions): Promise<ExecProcess>
  /** Its stop signal, then SIGKILL; resolves when it has ended. No restart follows. */
  stop(container: string, options?: StopOptions): Promise<void>
  restart(container: string, options?: StopOptions): Promise<Called>
  /**
   * A new container takes the place of this one, with its name and its volumes, once it is healthy; else the old one is put back.
   * @example await engine.containers.replace('web', { image: 'app:2' }, { timeout: '30s' })
   */
  replace(container: string, changes?: ReplaceChanges, options?: ReplaceOptions): Promise<Called>
  /** All that is known of it. */
  inspect(container: string): Promise<DetachedContainer>
  /**
   * What a container wrote, line by line; with `follow` until it is over.
   * @example for await (const entry of engine.containers.logs('web', { tail: 10, follow: true })) console.log(entry)
   */
  logs(container: string, options?: ReadLogOptions): AsyncIterable<LogEntry>
  /**
   * What the named containers use, or all that run: one round, or with `stream` one every second.
   * @example for await (const { stats } of engine.containers.stats(['web'])) console.log(stats[0].cpuPercent)
   */
  stats(containers?: readonly string[], options?: StatsOptions): AsyncIterable<StatsRound>
  /** Its processes, as ps(1) of this host shows them with these words. */
  top(container: string, ps?: readonly string[]): Promise<TopResult>
  /** Resolves with its exit code when it has ended, at once when it has; -1 where that is unknown. */
  wait(container: string, condition?: WaitCondition): Promise<number>
  /** Sends a signal, SIGKILL by default, to its first process. Gives the full id, as the following do. */
  kill(container: string, signal?: string | number): Promise<string>
  /** Holds all its processes still. */
  pause(container: string): Promise<string>
  unpause(container: string): Promise<string>
  rename(container: string, name: string): Promise<string>
  /** Other limits, while it runs. */
  update(container: string, options: UpdateOptions): Promise<string>
  /**
   * Files from this machine into a container or out of it, by the rules of `docker cp`, whether it runs or not.
   * @example await engine.containers.copy('./site', { container: 'web', path: '/srv' })
   */
  copy(from: CopyEnd, to: CopyEnd, options?: CopyOptions): Promise<Copied>
  /** What is at a path of a container. */
  stat(container: string, path: string): Promise<PathStat>
  /**
   * A path of a container as a tar. What is read is to be read to its end, or stopped: until then a container that does not run cannot
   * be started.
   * @example const { tar } = await engine.containers.copyFrom('web', '/etc'); await pipeline(tar, createWriteStream('etc.tar'))
   */
  copyFrom(container: string, path: string, options?: CopyFromOptions): Promise<CopiedOut>
  /** A tar, also one by gzip or zstd, into a directory of a container. */
  copyInto(
    container: string,
    directory: string,
    tar: AsyncIterable<Uint8Array>,
    options?: CopyIntoOptions,
  ): Promise<void>
}

/** See `Engine.pool`. */
export interface Pool {
  /** Runs a program in a sandbox that waits, and collects its output. A pool that has none makes one first. */
  run<E extends Encoding = 'utf8', A extends boolean = false>(
    argv?: readonly string[],
    options?: PoolRunOptionsFor<E, A>,
  ): Promise<ResultFor<E, A>>
  start(argv?: readonly string[], options?: PoolStartOptions): Promise<Container>
  readonly stats: PoolStats
  /** Removes what waits, and resolves when nothing of it is left. Containers that were started live on. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export const createEngine = (options: EngineOptions = {}): Engine => {
  const engine = createFpEngine(options)
  return {
    run: (image, argv, wanted) => promised(engine.run(image, argv, wanted)),
    start: (image, argv, wanted) => promised(engine.start(image, argv, wanted)),
    plan: (image, argv, wanted) => promised(engine.plan(image, argv, wanted)),
    pool: async (wanted, size) => poolOf(await promised(engine.pool(wanted, size))),
    containers: containersOf(engine.containers),
    list: () => promised(engine.list),
    inspect: (container, wanted) => promised(engine.inspect(container, wanted)),
    remove: (container, wanted) => promised(engine.remove(container, wanted)),
    commit: (container, wanted) => promised(engine.commit(container, wanted)),
    diff: (container) => promised(engine.diff(container)),
    export: (container, target, wanted) => promised(engine.export(container, target, wanted)),
    import: (source, wanted) => promised(engine.images.import(source, wanted)),
    pruneImages: (wanted) => promised(engine.images.prune(wanted)),
    usage: () => promised(engine.usage),
    check: (wanted) => promised(engine.images.check(wanted)),
    diffImages: (before, after) => promised(engine.images.diff(before, after)),
    pull: (reference, wanted) => promised(engine.images.pull(reference, wanted)),
    load: (source, wanted) => promised(engine.images.load(source, wanted)),
    images: () => promised(engine.images.list()),
    removeImage: (reference, wanted) => promised(engine.images.remove(reference, wanted)),
    save: (references, target, wanted) => promised(engine.images.save(references, target, wanted)),
    tag: (source, name) => promised(engine.images.tag(source, name)),
    inspectImage: (reference, wanted) => promised(engine.images.inspect(reference, wanted)),
    imagePlatforms: (reference) => promised(engine.images.platforms(reference)),
    imageHistory: (reference, wanted) => promised(engine.images.history(reference, wanted)),
    push: (reference, wanted) => promised(engine.images.push(reference, wanted)),
    tags: (repository, wanted) => promised(engine.images.tags(repository, wanted)),
    referrers: (reference, wanted) => promised(engine.images.referrers(reference, wanted)),
    search: (term, wanted) => promised(engine.images.search(term, wanted)),
    login: (registry, wanted) => promised(engine.images.login(registry, wanted)),
    logout: (registry) => promised(engine.images.logout(registry)),
    events: async function* (wanted) {
      yield* await promised(engine.events(wanted))
    },
    createVolume: (wanted) => promised(engine.volumes.create(wanted)),
    volumes: () => promised(engine.volumes.list()),
    inspectVolume: (name) => promised(engine.volumes.inspect(name)),
    removeVolume: (name, wanted) => promised(engine.volumes.remove(name, wanted)),
    pruneVolumes: (wanted) => promised(engine.volumes.prune(wanted)),
    exportVolume: (name, target, wanted) => promised(engine.volumes.export(name, target, wanted)),
    importVolume: (name, source, wanted) => promised(engine.volumes.import(name, source, wanted)),
    facts: () => promised(engine.facts),
    open: () => promised(engine.open),
    close: engine.close,
    [Symbol.asyncDispose]: engine.close,
  }
}

const containersOf = (verbs: FpEngine['containers']): Containers => ({
  create: (image, argv, wanted) => promised(verbs.create(image, argv, wanted)),
  start: (container) => promised(verbs.start(container)),
  startWanted: () => promised(verbs.startWanted),
  startAttached: (container, wanted) => promised(verbs.startAttached(container, wanted)),
  attach: (container, wanted) => promised(verbs.attach(container, wanted)),
  exec: async (container, argv, wanted) => {
    const process = await promised(verbs.exec(container, argv, wanted))
    return { ...process, detach: () => promised(process.detach) }
  },
  stop: (container, wanted) => promised(verbs.stop(container, wanted)),
  restart: (container, wanted) => promised(verbs.restart(container, wanted)),
  replace: (container, changes, wanted) => promised(verbs.replace(container, changes, wanted)),
  inspect: (container) => promised(verbs.inspect(container)),
  async *logs(container, wanted) {
    for await (const batch of await promised(verbs.logs(container, wanted))) yield* batch
  },
  async *stats(containers, wanted) {
    yield* await promised(verbs.stats(containers, wanted))
  },
  top: (container, ps) => promised(verbs.top(container, ps)),
  wait: (container, condition) => promised(verbs.wait(container, condition)),
  kill: (container, signal) => promised(verbs.kill(container, signal)),
  pause: (container) => promised(verbs.pause(container)),
  unpause: (container) => promised(verbs.unpause(container)),
  rename: (container, name) => promised(verbs.rename(container, name)),
  update: (container, wanted) => promised(verbs.update(container, wanted)),
  copy: (from, to, wanted) => promised(verbs.copy(from, to, wanted)),
  stat: (container, at) => promised(verbs.stat(container, at)),
  copyFrom: (container, at, wanted) => promised(verbs.copyFrom(container, at, wanted)),
  copyInto: (container, directory, tar, wanted) =>
    promised(verbs.copyInto(container, directory, tar, wanted)),
})

const poolOf = (pool: FpPool): Pool => ({
  run: (argv, wanted) => promised(pool.run(argv, wanted)),
  start: (argv, wanted) => promised(pool.start(argv, wanted)),
  get stats() {
    return pool.stats()
  },
  close: pool.close,
  [Symbol.asyncDispose]: pool.close,
})

const promised = async <A>(task: TaskEither<EngineError, A>): Promise<A> => {
  const result = await task()
  if (result._tag === 'Left') throw new SlipwayError(result.left)
  return result.right
}

let shared: Engine | undefined
/** The engine behind `run` and `start` below: the system's own root, opened with the first call. */
const defaultEngine = (): Engine => {
  shared ??= createEngine()
  return shared
}

/**
 * Runs a program in a fresh container and collects its output. Resolves whatever the program's exit code is.
 * @example const { exitCode, stdout } = await run('debian:bookworm', ['echo', 'hi'], { memory: '64MiB' })
 */
export const run = <E extends Encoding = 'utf8', A extends boolean = false>(
  image: ImageSource,
  argv?: readonly string[],
  options?: RunOptionsFor<E, A>,
): Promise<ResultFor<E, A>> => defaultEngine().run(image, argv, options)

/** Starts a program in a fresh container; resolves when it has been executed. */
export const start = (
  image: ImageSource,
  argv?: readonly string[],
  options?: StartOptions & ExtraStartOptions,
): Promise<Container> => defaultEngine().start(image, argv, options)
