// The library as TaskEither: every failure is a value. The Promise API in index.ts is a skin over this one.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { failing } from './adapters/attempt.ts'
import { probeHostFacts } from './adapters/host-facts.ts'
import { type EngineOptions, type LiveEngine, openEngine } from './adapters/live.ts'
import { AttachedEvents } from './engine/attached-events.ts'
import { Container } from './engine/container.ts'
import { type FoundContainer, findFiles, heldStill } from './engine/container-files.ts'
import {
  type ContainerSummary,
  listContainers,
  type RemoveContainerOptions,
  removeContainer,
} from './engine/containers.ts'
import { type CopyVerbs, copyVerbs } from './engine/copy-verbs.ts'
import { readEvents } from './engine/events.ts'
import type { Images } from './engine/images-verbs.ts'
import { inspectContainer } from './engine/inspect-container.ts'
import type { Living } from './engine/living.ts'
import { type LivingVerbs, livingVerbs } from './engine/living-verbs.ts'
import { noteAll } from './engine/note.ts'
import { Pool as PoolProgram } from './engine/pool.ts'
import type { VolumeStore } from './engine/ports/volumes.ts'
import type { Ports } from './engine/ports.ts'
import { run as runProgram } from './engine/run.ts'
import { Session } from './engine/session.ts'
import { type Prepared, prepare, start as startProgram } from './engine/start.ts'
import { Turns } from './engine/turns.ts'
import { type ContainerVerbs, containerVerbs } from './fp-containers.ts'
import { anyOf } from './model/abort.ts'
import type { ContainerInspect, InspectContainerOptions } from './model/container-inspect.ts'
import { decodeOnce } from './model/decode-once.ts'
import type { EngineError } from './model/errors.ts'
import { decodeEventOptions, type EngineEvent, type EventOptions } from './model/events.ts'
import { containerEvent } from './model/events-of-containers.ts'
import type { RunResult } from './model/exit.ts'
import type { HostFacts } from './model/host-facts.ts'
import type {
  CommitOptions,
  DiskUsage,
  ExportOptions,
  FileChange,
  LoadSource,
  MadeImage,
  PruneOptions,
  SaveOptions,
  SaveTarget,
} from './model/image-verbs.ts'
import {
  decodeAskOptions,
  decodeCheckOptions,
  decodeCommitOptions,
  decodeExportOptions,
  decodeImportOptions,
  decodeInspectContainerOptions,
  decodeInspectOptions,
  decodeLoadOptions,
  decodeLoadSource,
  decodeLoginOptions,
  decodePruneOptions,
  decodePullOptions,
  decodePushOptions,
  decodeReference,
  decodeReferences,
  decodeReferrersOptions,
  decodeRemoveOptions,
  decodeSaveOptions,
  decodeSaveTarget,
  decodeSearchOptions,
} from './model/image-verbs-decode.ts'
import { nsOfMs } from './model/moment.ts'
import type { ImageSource, RunOptions, StartOptions } from './model/options.ts'
import {
  decodeArgv,
  decodeImage,
  decodeKeptStart,
  decodePoolOptions,
  decodePoolRun,
  decodePoolSize,
  decodePoolStart,
  decodeRunOptions,
  decodeStartOptions,
} from './model/options-decode.ts'
import type { PoolOptions, PoolRunOptions, PoolSize, PoolStartOptions, PoolStats } from './model/pool.ts'
import {
  type CreateVolumeOptions,
  decodeCreateVolume,
  decodeRemoveVolume,
  decodeVolumeName,
  type PrunedVolumes,
  type RemoveVolumeOptions,
  type VolumeInfo,
} from './model/volume-verbs.ts'
import { withOwnText } from './plan/launch/own-text.ts'

export { type ClientSettings, readClientSettings } from './adapters/docker-config.ts'
export type { EngineOptions, LiveEngine } from './adapters/live.ts'
export type { Ended } from './engine/container.ts'
export type { ContainerSummary, RemoveContainerOptions } from './engine/containers.ts'
export type { CopiedOut } from './engine/copies.ts'
export type { CopyVerbs } from './engine/copy-verbs.ts'
export type { LivingVerbs } from './engine/living-verbs.ts'
export type { LineOptions, OutputStream } from './engine/ports/stdio.ts'
export type { Prepared } from './engine/start.ts'
export type { StatsRound } from './engine/stats.ts'
export type * from './fp-containers.ts'
export type * from './model/container-inspect.ts'
export type {
  Copied,
  CopyEnd,
  CopyFromOptions,
  CopyIntoOptions,
  CopyOptions,
  PathStat,
} from './model/copies.ts'
export { type EngineError, hint, message, SlipwayError } from './model/errors.ts'
export type { EngineEvent, EventOptions, NewEvent } from './model/events.ts'
export type * from './model/exit.ts'
export type { HostFacts } from './model/host-facts.ts'
export type * from './model/image-verbs.ts'
export type { UpdateOptions } from './model/living.ts'
export type {
  LogDamaged,
  LogDropped,
  LogEntry,
  LogLine,
  LogRemoved,
  LogStreamName,
  ReadLogOptions,
} from './model/log.ts'
export type * from './model/options.ts'
export type * from './model/pool.ts'
export type { ContainerRecord } from './model/record.ts'
export type { Registries, RegistrySettings } from './model/registry-settings.ts'
export type { ContainerStats, GroupSample, StatsOptions } from './model/stats.ts'
export type { TopResult } from './model/top.ts'
export type {
  CreateVolumeOptions,
  PrunedVolumes,
  RemoveVolumeOptions,
  VolumeInfo,
} from './model/volume-verbs.ts'
export { Container }

export interface ExtraStartOptions {
  /** Keep the record and the writable layer after the end, as `docker run` does without `--rm`. */
  readonly keep?: boolean
}

/** An engine of its own: its directories, its guardian, its cgroups. Opened with its first use, not before. */
export interface Engine {
  /** Fails before the payload runs; a payload that fails is a result. */
  readonly run: <E extends Encoding = 'utf8', A extends boolean = false>(
    image: ImageSource,
    argv?: readonly string[],
    options?: RunOptionsFor<E, A>,
  ) => TaskEither<EngineError, ResultFor<E, A>>
  /** Resolves when the payload has been executed. */
  readonly start: (
    image: ImageSource,
    argv?: readonly string[],
    options?: StartOptions & ExtraStartOptions,
  ) => TaskEither<EngineError, Container>
  /** The whole start as data, carried out by nobody. */
  readonly plan: (
    image: ImageSource,
    argv?: readonly string[],
    options?: StartOptions,
  ) => TaskEither<EngineError, Prepared>
  /**
   * Sandboxes made ahead: a start from the pool only executes its program. Each gets one program and is then removed. Resolves
   * when the minimum waits. Fails as a start does.
   */
  readonly pool: (options: PoolOptions, size?: Partial<PoolSize>) => TaskEither<EngineError, Pool>
  readonly list: TaskEither<EngineError, readonly ContainerSummary[]>
  /** In the words of `docker container inspect`. Fails: ContainerNotFound; with `size` also as `usage`. */
  readonly inspect: (
    container: string,
    options?: InspectContainerOptions,
  ) => TaskEither<EngineError, ContainerInspect>
  /** By name, id or unique beginning of an id. Gives the full id. Fails: ContainerNotFound, WrongStatus. */
  readonly remove: (container: string, options?: RemoveContainerOptions) => TaskEither<EngineError, string>
  /**
   * An image out of a container that runs or was kept: exactly its changes as one layer. Fails: ContainerNotFound, Unsupported,
   * InvalidReference, InvalidOption, ImageNotFound, LayerRefused, HostUnfit, SyscallFailed, Cancelled.
   */
  readonly commit: (container: string, options?: CommitOptions) => TaskEither<EngineError, MadeImage>
  /** What a container changed of its image. */
  readonly diff: (container: string) => TaskEither<EngineError, readonly FileChange[]>
  /** Everything a container's root shows, but for what is mounted in it, as a tar. */
  readonly export: (
    container: string,
    target: SaveTarget,
    options?: ExportOptions,
  ) => TaskEither<EngineError, void>
  /** What images and containers take on disk. */
  readonly usage: TaskEither<EngineError, DiskUsage>
  readonly images: ImageVerbs
  /** Containers that run or ended, also those that go on without this process. */
  readonly containers: ContainerVerbs & LivingVerbs & CopyVerbs
  /** What happened on this root, and what happens from now on. Iterating fails: SyscallFailed. */
  readonly events: (options?: EventOptions) => TaskEither<EngineError, AsyncIterable<EngineEvent>>
  readonly volumes: VolumeVerbs
  readonly facts: TaskEither<EngineError, HostFacts>
  /** The open engine itself, for the adapters of the command line. */
  readonly open: TaskEither<EngineError, LiveEngine>
  /** Ends what runs, waits until nothing of it is left, then gives up its locks. Afterwards every verb fails: Cancelled. */
  readonly close: () => Promise<void>
}

export interface VolumeVerbs {
  /** One that is there with the same driver options is given as it is. Fails: InvalidOption, VolumeUnfit. */
  readonly create: (options?: CreateVolumeOptions) => TaskEither<EngineError, VolumeInfo>
  readonly list: () => TaskEither<EngineError, readonly VolumeInfo[]>
  /** Fails: VolumeNotFound, StateDamaged. */
  readonly inspect: (name: string) => TaskEither<EngineError, VolumeInfo>
  /** Fails: VolumeNotFound, VolumeInUse. */
  readonly remove: (name: string, options?: RemoveVolumeOptions) => TaskEither<EngineError, void>
  /** Those nobody named and no container has; with `all` every one that no container has. */
  readonly prune: (options?: PruneOptions) => TaskEither<EngineError, PrunedVolumes>
  /** All files of a volume as a tar. Fails: VolumeNotFound, VolumeUnfit, LayerRefused, Cancelled. */
  readonly export: (
    name: string,
    target: SaveTarget,
    options?: ExportOptions,
  ) => TaskEither<EngineError, void>
  /** A tar as the content of a volume that is new, or empty. Fails: VolumeUnfit, LayerRefused, InvalidSpec, Cancelled. */
  readonly import: (
    name: string,
    source: LoadSource,
    options?: ExportOptions,
  ) => TaskEither<EngineError, VolumeInfo>
}

export interface ImageVerbs {
  /** From a registry; plain HTTP only on loopback. */
  readonly pull: (...args: Parameters<Images['pull']>) => ReturnType<Images['pull']>
  /** From an OCI layout, a docker-save archive, or their bytes. */
  readonly load: (...args: Parameters<Images['load']>) => ReturnType<Images['load']>
  readonly list: () => ReturnType<Images['list']>
  readonly remove: (...args: Parameters<Images['remove']>) => ReturnType<Images['remove']>
  /** One more name for an image; taken from another one that has it. */
  readonly tag: (...args: Parameters<Images['tag']>) => ReturnType<Images['tag']>
  /** In the words of `docker image inspect`. */
  readonly inspect: (...args: Parameters<Images['inspect']>) => ReturnType<Images['inspect']>
  /** Which platforms it was made for, and which of them are here. */
  readonly platforms: (reference: string) => ReturnType<Images['platforms']>
  /** Images into a file, a directory or a stream, as docker or as an OCI layout. */
  readonly save: (
    references: string | readonly string[],
    target: SaveTarget,
    options?: SaveOptions,
  ) => TaskEither<EngineError, void>
  /** Removes images without a name, or all that no container uses. */
  readonly prune: (...args: Parameters<Images['prune']>) => ReturnType<Images['prune']>
  /** Verifies every digest, record and unpacked tree, and puts right what can be. */
  readonly check: (...args: Parameters<Images['check']>) => ReturnType<Images['check']>
  /** Of a tar of a root file system. */
  readonly import: (...args: Parameters<Images['import']>) => ReturnType<Images['import']>
  /** What differs between two images, from the first to the second. */
  readonly diff: (...args: Parameters<Images['compare']>) => ReturnType<Images['compare']>
  /** The steps it was made in, newest first. */
  readonly history: (...args: Parameters<Images['history']>) => ReturnType<Images['history']>
  /** To the registry of its name: what is there already is not sent. One result for each tag. */
  readonly push: (...args: Parameters<Images['push']>) => ReturnType<Images['push']>
  /** All tags of a repository in its registry. */
  readonly tags: (...args: Parameters<Images['tags']>) => ReturnType<Images['tags']>
  /** What points at an image in its registry: signatures and the like. */
  readonly referrers: (...args: Parameters<Images['referrers']>) => ReturnType<Images['referrers']>
  /** Repositories by `word`, on Docker Hub, or `host/word`. */
  readonly search: (...args: Parameters<Images['search']>) => ReturnType<Images['search']>
  /** Proves a password to a registry and keeps it where Docker does. */
  readonly login: (...args: Parameters<Images['login']>) => ReturnType<Images['login']>
  /** False when nothing was kept for it. */
  readonly logout: (...args: Parameters<Images['logout']>) => ReturnType<Images['logout']>
}

/** Sandboxes made ahead, each up to the moment before its program is executed; see `Engine.pool`. */
export interface Pool {
  readonly run: <E extends Encoding = 'utf8', A extends boolean = false>(
    argv?: readonly string[],
    options?: PoolRunOptionsFor<E, A>,
  ) => TaskEither<EngineError, ResultFor<E, A>>
  readonly start: (argv?: readonly string[], options?: PoolStartOptions) => TaskEither<EngineError, Container>
  readonly stats: () => PoolStats
  /** Removes what waits; containers that were started live on. Afterwards a start fails: Cancelled. */
  readonly close: () => Promise<void>
}

/** What `run` gives as `stdout` with these options. */
export type OutputOf<O extends RunOptions> = 'encoding' extends keyof O
  ? O['encoding'] extends 'buffer'
    ? Buffer
    : 'buffer' extends O['encoding']
      ? string | Buffer
      : string
  : string

/** What `run` gives for these options: the type of its output, and `all` where it was asked for. */
export type ResultOf<O extends RunOptions> = RunResult<OutputOf<O>> &
  (O extends { readonly all: true } ? { readonly all: OutputOf<O> } : unknown)

type Encoding = NonNullable<RunOptions['encoding']>
/** RunOptions, with what decides the type of the result as type parameters: a whole literal is still checked to its depth. */
export interface RunOptionsFor<E extends Encoding, A extends boolean>
  extends Omit<RunOptions, 'encoding' | 'all'> {
  readonly encoding?: E
  readonly all?: A
}
export interface PoolRunOptionsFor<E extends Encoding, A extends boolean>
  extends Omit<PoolRunOptions, 'encoding' | 'all'> {
  readonly encoding?: E
  readonly all?: A
}
export type ResultFor<E extends Encoding, A extends boolean> = ResultOf<{
  readonly encoding: E
  readonly all: A
}>

/** Nothing is opened before the first use. */
export const createEngine = (options: EngineOptions = {}): Engine => {
  let opened: E.Either<EngineError, LiveEngine> | undefined
  let swept: Promise<void> = Promise.resolve()
  let closed: Promise<void> | undefined
  const session = new Session()
  let attached: AttachedEvents | undefined
  const turns = new Turns()

  const live = (): E.Either<EngineError, LiveEngine> => {
    if (opened !== undefined && E.isRight(opened)) return opened
    opened = openEngine(options, process.env as { SLIPWAY_ROOT?: string })
    if (E.isRight(opened)) {
      const { ports, close, finishRemovals, settled } = opened.right
      if (options.events === true) attached = new AttachedEvents(ports)
      // What dead engines left goes away beside this engine's own work, not before it.
      const away = ports.host.sweep().catch(() => {})
      swept = Promise.all([away.then(finishRemovals), settled()]).then(() => {})
      atExit(close)
    }
    return opened
  }
  const closing = new AbortController()
  const close = async (): Promise<void> => {
    closing.abort(new Error('the engine was closed'))
    await session.close()
    await attached?.settled()
    await swept
    if (opened === undefined || E.isLeft(opened)) return
    notAtExit(opened.right.close)
    await opened.right.close()
  }

  const onStart = (container: Container, prepared: Prepared): void => {
    session.started(container)
    attached?.started(container, prepared)
  }
  const open: TaskEither<EngineError, LiveEngine> = () => Promise.resolve(live())
  const tracked = <A>(what: string, use: (engine: LiveEngine) => TaskEither<EngineError, A>) =>
    session.track(
      what,
      failing(what, async () => {
        const engine = live()
        return E.isLeft(engine) ? engine : use(engine.right)()
      }),
    )
  /** Of those that look at containers: a replacement whose command died is over by then. */
  const settledFirst = <A>(what: string, use: (engine: LiveEngine) => TaskEither<EngineError, A>) =>
    tracked(what, (engine) => () => engine.settled().then(() => use(engine)()))
  /** Of those that decide a start no two share a turn of the event loop. */
  const inTurn = <A>(what: string, use: (engine: LiveEngine) => TaskEither<EngineError, A>) => {
    const task = tracked(what, use)
    return () => turns.take(task)
  }
  const poolOf = (program: PoolProgram, facts: HostFacts, imaged: boolean, forget: () => void): Pool => {
    const asked = <A, B>(
      what: string,
      argv: unknown,
      wanted: E.Either<EngineError, A>,
      use: (request: A & { readonly argv: readonly string[] }) => TaskEither<EngineError, B>,
    ): TaskEither<EngineError, B> => {
      const task = session.track(what, async () => {
        const words = decodeArgv(argv)
        if (E.isLeft(words)) return words
        return E.isLeft(wanted) ? wanted : use({ ...wanted.right, argv: words.right })()
      })
      return () => turns.take(task)
    }
    const decodeRun = decodeOnce((wanted) => decodePoolRun(wanted, facts, imaged))
    const decodeStart = decodeOnce((wanted) => decodePoolStart(wanted, facts, imaged))
    return {
      run: <E extends Encoding, A extends boolean>(
        argv?: readonly string[],
        wanted?: PoolRunOptionsFor<E, A>,
      ) => asked('run', argv, decodeRun(wanted), program.run) as TaskEither<EngineError, ResultFor<E, A>>,
      start: (argv, wanted) => asked('start', argv, decodeStart(wanted), program.start),
      stats: () => program.stats,
      close: () => {
        forget()
        return program.close()
      },
    }
  }
  const livingOf = ({ ports, living, journal }: LiveEngine): TaskEither<EngineError, Living> => {
    session.flush()
    return TE.fromTask(async () => ({ ports, living: await living(), journal: await journal() }))
  }
  const withImages = <A>(what: string, use: (images: Images) => TaskEither<EngineError, A>) =>
    tracked(what, (engine) => pipe(TE.fromTask(engine.images), TE.flatMap(use)))

  type Verbs = typeof import('./engine/volumes.ts')
  /** The programs are loaded with their first use; they see every container that was started, and none that has ended. */
  const volumeVerb =
    <Args extends readonly unknown[], A>(
      what: string,
      use: (
        verbs: Verbs,
        ports: Ports,
        ...args: Args
      ) => E.Either<EngineError, (store: VolumeStore) => TaskEither<EngineError, A>>,
    ) =>
    (...args: Args): TaskEither<EngineError, A> =>
      tracked(what, ({ ports }) => async () => {
        session.flush()
        await session.cleared()
        const program = use(await import('./engine/volumes.ts'), ports, ...args)
        return E.isLeft(program) ? program : program.right(await ports.volumes())()
      })

  /** One that takes two values: what it is about, and options or another of the kind. */
  const imageVerb =
    <A, B, C>(
      what: string,
      first: Decode<A>,
      second: Decode<B>,
      of: (images: Images) => (a: A, b: B) => TaskEither<EngineError, C>,
    ) =>
    (a: unknown, b?: unknown): TaskEither<EngineError, C> =>
      withImages(what, (images) =>
        pipe(
          TE.fromEither(paired(first(a), second(b))),
          TE.flatMap(([one, other]) => of(images)(one, other)),
        ),
      )

  /** A verb on the files of one container, which other containers of this engine are not in the way of. */
  const ofContainer = <O, A>(
    what: string,
    container: unknown,
    wanted: E.Either<EngineError, O>,
    use: (images: Images, found: FoundContainer, options: O, ports: Ports) => TaskEither<EngineError, A>,
  ) =>
    tracked(what, ({ ports, images }) => {
      session.flush()
      return pipe(
        TE.fromEither(paired(wanted, findFiles(ports, String(container)))),
        TE.bindTo('known'),
        TE.bind('images', () => TE.fromTask<Images, EngineError>(images)),
        TE.flatMap(({ known: [options, found], images: verbs }) => use(verbs, found, options, ports)),
      )
    })

  return {
    open: session.track('open', open),
    run: <E extends Encoding, A extends boolean>(
      image: ImageSource,
      argv?: readonly string[],
      wanted?: RunOptionsFor<E, A>,
    ) =>
      inTurn('run', ({ ports, facts }) => {
        const what = whatToRun(image, argv)
        if (E.isLeft(what)) return TE.fromEither(what)
        const options = decodeRunOptions(wanted, facts)
        if (E.isLeft(options)) return TE.fromEither(options)
        return runProgram({ ...what.right, options: options.right, keep: false, onStart })(ports)
      }) as TaskEither<EngineError, ResultFor<E, A>>,
    start: (image, argv, wanted) =>
      inTurn('start', ({ ports, facts }) => {
        const what = whatToRun(image, argv)
        if (E.isLeft(what)) return TE.fromEither(what)
        const decoded = decodeKeptStart(wanted, facts)
        if (E.isLeft(decoded)) return TE.fromEither(decoded)
        return startProgram({ ...what.right, ...decoded.right, onStart })(ports)
      }),
    plan: (image, argv, wanted) =>
      tracked('plan', ({ ports, facts }) =>
        pipe(
          whatToRun(image, argv),
          E.bind('options', () => decodeStartOptions(wanted, facts)),
          TE.fromEither,
          TE.flatMap((what) => prepare({ ...what, keep: false })(ports)),
          TE.map((prepared) => ({ ...prepared, plan: withOwnText(prepared.plan, prepared.own) })),
        ),
      ),
    pool: (wanted, size) =>
      tracked('pool', ({ ports, facts }) => {
        const spec = decodePoolOptions(wanted, facts)
        if (E.isLeft(spec)) return TE.fromEither(spec)
        const bounds = decodePoolSize(size)
        if (E.isLeft(bounds)) return TE.fromEither(bounds)
        const program = new PoolProgram(ports, spec.right, bounds.right, onStart)
        const forget = known(program, session.pooled(program))
        const imaged = spec.right.image !== undefined
        return async () => {
          const made = await program.open()
          if (E.isLeft(made)) forget()
          return E.isLeft(made) ? made : E.right(poolOf(program, facts, imaged, forget))
        }
      }),
    list: settledFirst('list', ({ ports }) =>
      TE.fromIO(() => {
        session.flush()
        return listContainers(ports)
      }),
    ),
    inspect: (container, wanted) =>
      settledFirst('inspect', ({ ports, images }) => {
        session.flush()
        const options = decodeInspectContainerOptions(wanted)
        if (E.isLeft(options)) return TE.fromEither(options)
        return inspectContainer(String(container), options.right.size === true, images)(ports)
      }),
    remove: (container, wanted) =>
      settledFirst('remove', ({ ports }) => async () => {
        session.flush()
        const volumes = wanted?.volumes === true
        // Whoever borrowed them and has ended has them still.
        if (volumes) await session.cleared()
        return removeContainer(String(container), { force: wanted?.force === true, volumes })(ports)()
      }),
    commit: (container, wanted) =>
      ofContainer('commit', container, decodeCommitOptions(wanted), (images, found, options, ports) => {
        const committed = images.commit(found.files, options)
        return pipe(
          options.pause === false ? committed : heldStill(ports, found.summary, committed),
          TE.tapTask(
            ({ id, reference = '' }) =>
              () =>
                noteAll(ports, [
                  containerEvent('commit', found.summary, {
                    comment: options.message ?? '',
                    imageID: id,
                    imageRef: reference,
                  }),
                ]),
          ),
        )
      }),
    diff: (container) =>
      ofContainer('diff', container, E.right(undefined), (images, { files }) => images.changesOf(files)),
    export: (container, target, wanted) =>
      ofContainer(
        'export',
        container,
        paired(decodeSaveTarget(target), decodeExportOptions(wanted)),
        (images, { files, summary }, [to, options], ports) =>
          pipe(
            images.export(files, to, options),
            TE.tapTask(() => () => noteAll(ports, [containerEvent('export', summary)])),
          ),
      ),
    usage: tracked('usage', ({ ports, images }) => {
      session.flush()
      return pipe(
        TE.Do,
        TE.bind('verbs', () => TE.fromTask<Images, EngineError>(images)),
        TE.bind('store', () => TE.fromTask(ports.volumes)),
        TE.bind('known', () => TE.fromTask(() => import('./engine/volumes-of-start.ts'))),
        TE.flatMap(({ verbs, store, known }) =>
          verbs.usage(listContainers(ports), known.namesByVolume(store)),
        ),
      )
    }),
    containers: {
      ...containerVerbs(settledFirst),
      ...livingVerbs(
        (what, use) => settledFirst(what, (engine) => TE.flatMap(use)(livingOf(engine))),
        (what) => settledFirst(what, livingOf),
        closing.signal,
      ),
      ...copyVerbs(
        (what, use) =>
          tracked(what, (engine) => {
            session.flush()
            return pipe(
              TE.fromTask(async () => ({ ports: engine.ports, copies: await engine.copies() })),
              TE.flatMap(use),
            )
          }),
        closing.signal,
      ),
    },
    events: (wanted) =>
      tracked('events', (engine) =>
        pipe(
          TE.fromEither(decodeEventOptions(wanted, nsOfMs(Date.now()))),
          TE.bindTo('request'),
          TE.bind('journal', () => TE.fromTask(engine.journal)),
          TE.map(({ request, journal }) =>
            readEvents(journal, { ...request, signal: anyOf([request.signal, closing.signal]) }, Date.now),
          ),
        ),
      ),
    images: {
      list: () => withImages('list of images', ({ list }) => list()),
      prune: (wanted) =>
        withImages('prune of images', ({ prune }) =>
          pipe(TE.fromEither(decodePruneOptions(wanted)), TE.flatMap(prune)),
        ),
      check: (wanted) =>
        withImages('check', ({ check }) =>
          pipe(TE.fromEither(decodeCheckOptions(wanted)), TE.flatMap(check)),
        ),
      save: (references, target, wanted) =>
        withImages('save', ({ save }) =>
          pipe(
            paired(decodeReferences(references), paired(decodeSaveTarget(target), decodeSaveOptions(wanted))),
            TE.fromEither,
            TE.flatMap(([names, [to, options]]) => save(names, to, options)),
          ),
        ),
      platforms: (reference) =>
        withImages('platforms of image', ({ platforms }) =>
          pipe(TE.fromEither(decodeReference(reference)), TE.flatMap(platforms)),
        ),
      logout: (registry) =>
        withImages('logout', ({ logout }) => pipe(TE.fromEither(decodeHost(registry)), TE.flatMap(logout))),
      pull: imageVerb('pull', decodeReference, decodePullOptions, ({ pull }) => pull),
      load: imageVerb('load', decodeLoadSource, decodeLoadOptions, ({ load }) => load),
      remove: imageVerb('remove image', decodeReference, decodeRemoveOptions, ({ remove }) => remove),
      push: imageVerb('push', decodeReference, decodePushOptions, ({ push }) => push),
      tag: imageVerb('tag', decodeReference, decodeReference, ({ tag }) => tag),
      inspect: imageVerb('inspect image', decodeReference, decodeInspectOptions, ({ inspect }) => inspect),
      history: imageVerb('history of image', decodeReference, decodeInspectOptions, ({ history }) => history),
      import: imageVerb('import', decodeLoadSource, decodeImportOptions, (images) => images.import),
      diff: imageVerb('diff of images', decodeReference, decodeReference, ({ compare }) => compare),
      tags: imageVerb('list of tags', decodeReference, decodeAskOptions, ({ tags }) => tags),
      referrers: imageVerb(
        'list of referrers',
        decodeReference,
        decodeReferrersOptions,
        (images) => images.referrers,
      ),
      search: imageVerb('search', decodeTerm, decodeSearchOptions, ({ search }) => search),
      login: imageVerb('login', decodeHost, decodeLoginOptions, ({ login }) => login),
    },
    volumes: {
      create: volumeVerb('create volume', ({ createVolume }, { host }, wanted?: CreateVolumeOptions) =>
        E.map((options: CreateVolumeOptions) => createVolume(options, host.randomId))(
          decodeCreateVolume(wanted),
        ),
      ),
      list: volumeVerb('list of volumes', ({ listVolumes }) => E.right(listVolumes)),
      inspect: volumeVerb('inspect volume', ({ inspectVolume }, _, name: string) =>
        E.map(inspectVolume)(decodeVolumeName(name)),
      ),
      remove: volumeVerb('remove volume', ({ removeVolume }, _, name: string, wanted?: RemoveVolumeOptions) =>
        E.map(([volume, options]: [string, RemoveVolumeOptions]) => removeVolume(volume, options))(
          paired(decodeVolumeName(name), decodeRemoveVolume(wanted)),
        ),
      ),
      prune: volumeVerb('prune of volumes', ({ pruneVolumes }, _, wanted?: PruneOptions) =>
        E.map(pruneVolumes)(decodePruneOptions(wanted)),
      ),
      export: volumeVerb(
        'export volume',
        ({ exportVolume }, _, name: string, target: SaveTarget, wanted?: ExportOptions) =>
          E.map(([volume, [to, options]]: [string, [SaveTarget, ExportOptions]]) =>
            exportVolume(volume, to, options),
          )(paired(decodeVolumeName(name), paired(decodeSaveTarget(target), decodeExportOptions(wanted)))),
      ),
      import: volumeVerb(
        'import volume',
        ({ importVolume }, _, name: string, source: LoadSource, wanted?: ExportOptions) =>
          E.map(([volume, [from, options]]: [string, [LoadSource, ExportOptions]]) =>
            importVolume(volume, from, options),
          )(paired(decodeVolumeName(name), paired(decodeLoadSource(source), decodeExportOptions(wanted)))),
      ),
    },
    // What is wrong with this host can be told where nothing can be run, and there above all.
    facts: session.track(
      'facts',
      pipe(
        open,
        TE.map(({ facts }) => facts),
        TE.orElse(() => TE.fromIO(() => probeHostFacts())),
      ),
    ),
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

const whatToRun = (
  image: unknown,
  argv: unknown,
): E.Either<EngineError, { readonly image: ImageSource; readonly argv: readonly string[] }> => {
  const from = decodeImage(image)
  if (E.isLeft(from)) return from
  const words = decodeArgv(argv)
  return E.isLeft(words) ? words : E.right({ image: from.right, argv: words.right })
}

type Decode<A> = (value: unknown) => E.Either<EngineError, A>
const decodeHost: Decode<string> = (value) => decodeReference(value, 'registry')
const decodeTerm: Decode<string> = (value) => decodeReference(value, 'term')

const paired = <A, B>(
  a: E.Either<EngineError, A>,
  b: E.Either<EngineError, B>,
): E.Either<EngineError, [A, B]> =>
  pipe(
    a,
    E.flatMap((left) =>
      pipe(
        b,
        E.map((right): [A, B] => [left, right]),
      ),
    ),
  )

/** A process that has nothing else to do ends, and its pools before it. */
const pools = new Set<PoolProgram>()
const closePools = (): void => {
  for (const pool of pools) pool.close()
}
/** The result takes it off all lists. */
const known = (pool: PoolProgram, forget: () => void): (() => void) => {
  if (pools.size === 0) process.on('beforeExit', closePools)
  pools.add(pool)
  return () => {
    forget()
    pools.delete(pool)
    if (pools.size === 0) process.off('beforeExit', closePools)
  }
}

/** One listener for all engines of this thread, however many there are. */
const closers = new Set<() => unknown>()
const atExit = (close: () => unknown): void => {
  if (closers.size === 0) process.once('exit', closeAll)
  closers.add(close)
}
const notAtExit = (close: () => unknown): void => {
  closers.delete(close)
  if (closers.size === 0) process.off('exit', closeAll)
}
const closeAll = (): void => {
  for (const close of closers) close()
}
