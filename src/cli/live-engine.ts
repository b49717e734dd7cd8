// The command line's engine: the library's own, through the same verbs.
import { arch } from 'node:os'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import {
  type Container,
  createEngine,
  type DetachedContainer,
  type Engine,
  readClientSettings,
} from '../fp.ts'
import type { EngineError } from '../model/errors.ts'
import type { ImageSource } from '../model/options.ts'
import {
  formatPlatform,
  type Platform,
  parsePlatform,
  platformMatches,
  platformOfNodeArch,
} from '../model/platform.ts'
import { signalNumber } from '../model/signals.ts'
import type { CliStartOptions, EngineForCli, RunningContainer } from './engine.ts'
import { invalidPlatform } from './platform-flag.ts'

export const liveEngine = (
  root: string | undefined,
  env: { readonly SLIPWAY_ROOT?: string },
  onMade: (how: 'attached' | 'detached') => void = () => {},
): EngineForCli => {
  const chosen = root ?? env.SLIPWAY_ROOT
  // A command makes one container: nothing is made for another.
  const engine = createEngine({
    networksAhead: 0,
    events: true,
    ...(chosen === undefined ? {} : { root: chosen }),
  })
  return {
    start: (image, argv, options) =>
      pipe(
        withImage(engine, image, options, engine.start(image, argv, libraryOptions(options))),
        TE.map((container) => {
          onMade('attached')
          return runningContainer(container)
        }),
      ),
    create: (image, argv, options, pull) =>
      pipe(
        withImage(engine, image, pull, engine.containers.create(image, argv, options)),
        TE.map((made) => {
          onMade('detached')
          return made
        }),
      ),
    replace: (container, changes, options, pull) =>
      pipe(
        changes.image === undefined && pull.pull === 'always'
          ? TE.map(({ document }: DetachedContainer): ImageSource => document.image.reference)(
              engine.containers.inspect(container),
            )
          : TE.right<EngineError, ImageSource>(changes.image ?? 'host'),
        TE.flatMap((image) =>
          withImage(engine, image, pull, engine.containers.replace(container, changes, options)),
        ),
      ),
    list: () => engine.list,
    remove: (container, options) => engine.remove(container, options),
    inspect: engine.inspect,
    commit: engine.commit,
    diff: engine.diff,
    export: engine.export,
    usage: engine.usage,
    clientSettings: () => readClientSettings(),
    containers: engine.containers,
    events: engine.events,
    images: engine.images,
    volumes: engine.volumes,
    facts: () => engine.facts,
    store: () =>
      pipe(
        TE.Do,
        TE.bind('live', () => engine.open),
        TE.bind('containers', () => engine.list),
        TE.bind('images', () => engine.images.list()),
        TE.map(({ live, containers, images }) => ({
          root: live.root,
          runtimeDir: live.runtime,
          images: images.length,
          containers: containers.length,
          running: containers.filter(({ status }) => status === 'running').length,
        })),
      ),
    close: engine.close,
  }
}

/** Starts once the image is here: `always` asks the registry first, `missing` only when the store has no such image. */
const withImage = <A>(
  engine: Engine,
  image: ImageSource,
  {
    pull = 'missing',
    platform,
    onProgress,
    signal,
  }: Pick<CliStartOptions, 'pull' | 'platform' | 'onProgress' | 'signal'>,
  start: TE.TaskEither<EngineError, A>,
): TE.TaskEither<EngineError, A> => {
  const wanted = platform === undefined ? undefined : parsePlatform(platform)
  const unfit = platform === undefined ? undefined : unfitPlatform(platform, wanted)
  if (unfit !== undefined) return TE.left(unfit)
  if (typeof image !== 'string' || image === 'host' || pull === 'never') return start
  const pulled = engine.images.pull(image, {
    ...(wanted === undefined ? {} : { platform: wanted }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(signal === undefined ? {} : { signal }),
  })
  const pullThenStart = TE.flatMap(() => start)(pulled)
  if (pull === 'always') return pullThenStart
  return TE.orElse((error: EngineError) => (error._tag === 'ImageNotFound' ? pullThenStart : TE.left(error)))(
    start,
  )
}

const unfitPlatform = (text: string, platform: Platform | undefined): EngineError | undefined => {
  if (platform === undefined) return invalidPlatform(text)
  const own = platformOfNodeArch(arch())
  if (platformMatches(own, platform)) return undefined
  return {
    _tag: 'Unsupported',
    feature: `--platform ${text}`,
    why: `this machine runs ${formatPlatform(own)}`,
  }
}

const libraryOptions = ({
  pull: _pull,
  platform: _platform,
  quiet: _quiet,
  onProgress: _onProgress,
  ...options
}: CliStartOptions) => options

const runningContainer = (container: Container): RunningContainer => ({
  id: container.id,
  pid: container.pid,
  stdin: container.stdin,
  stdout: container.stdout,
  stderr: container.stderr,
  kill: (signal) => {
    const number = signalNumber(signal)
    if (number !== undefined) container.kill(number)
  },
  resize: (columns, rows) => container.resize(columns, rows),
  hangUp: () => container.stdout?.destroy(),
  exit: container.exit,
})
