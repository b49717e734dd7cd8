// The programs on containers that run as verbs that take untyped options, over one open engine.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { anyOf } from '../model/abort.ts'
import { array, text } from '../model/decode.ts'
import type { EngineError } from '../model/errors.ts'
import { containerEvent } from '../model/events-of-containers.ts'
import {
  decodeCondition,
  decodeContainer,
  decodeLogOptions,
  decodeName,
  decodeSignal,
  decodeStatsOptions,
  decodeUpdateOptions,
  type UpdateOptions,
  type WaitCondition,
} from '../model/living.ts'
import type { LogEntry, ReadLogOptions } from '../model/log.ts'
import { nsOfMs } from '../model/moment.ts'
import type { StatsOptions } from '../model/stats.ts'
import type { TopResult } from '../model/top.ts'
import { containerLog } from './container-log.ts'
import { type ContainerSummary, findContainer, isDetached } from './containers.ts'
import {
  killContainer,
  type Living,
  pauseContainer,
  renameContainer,
  topOf,
  unpauseContainer,
  updateContainer,
  waitForEnd,
} from './living.ts'
import { checkNames, type StatsRound, statsRounds } from './stats.ts'

/** On containers of this root, whichever process they run in; each by name, id or unique beginning of an id. */
export interface LivingVerbs {
  /** What it wrote, in batches that are there at once; with `follow` until it is over. Iterating fails: SyscallFailed. */
  readonly logs: (
    container: string,
    options?: ReadLogOptions,
  ) => TaskEither<EngineError, AsyncIterable<readonly LogEntry[]>>
  /** What the named containers use, or all that run. */
  readonly stats: (
    containers?: readonly string[],
    options?: StatsOptions,
  ) => TaskEither<EngineError, AsyncIterable<StatsRound>>
  /** Its processes, as ps(1) of this host shows them with these words. */
  readonly top: (container: string, ps?: readonly string[]) => TaskEither<EngineError, TopResult>
  /** Resolves with its exit code when it has ended, at once when it has; -1 where that is unknown. */
  readonly wait: (container: string, condition?: WaitCondition) => TaskEither<EngineError, number>
  /** A signal to its first process. Gives the full id, as the following do. */
  readonly kill: (container: string, signal?: string | number) => TaskEither<EngineError, string>
  readonly pause: (container: string) => TaskEither<EngineError, string>
  readonly unpause: (container: string) => TaskEither<EngineError, string>
  readonly rename: (container: string, name: string) => TaskEither<EngineError, string>
  /** Other limits, while it runs. */
  readonly update: (container: string, options: UpdateOptions) => TaskEither<EngineError, string>
}

/** `task`: what each of them runs in, and is refused by where the engine is closed. `closing`: ends what waits. */
export const livingVerbs = (
  task: <A>(what: string, use: (living: Living) => TaskEither<EngineError, A>) => TaskEither<EngineError, A>,
  open: (what: string) => TaskEither<EngineError, Living>,
  closing: AbortSignal,
): LivingVerbs => {
  const verb = <A, B>(
    what: string,
    container: unknown,
    options: E.Either<EngineError, A>,
    program: (container: string, options: A) => (living: Living) => TaskEither<EngineError, B>,
  ): TaskEither<EngineError, B> => {
    const name = decodeContainer(container)
    return task(what, (living) =>
      pipe(
        TE.fromEither(
          E.flatMap((wanted: string) => E.map((given: A) => [wanted, given] as const)(options))(name),
        ),
        TE.flatMap(([wanted, given]) => program(wanted, given)(living)),
      ),
    )
  }
  /** One that changes something: it is noted, and gives the container's id. `more`: attributes of its event. */
  const act = <A>(
    what: string,
    container: unknown,
    options: E.Either<EngineError, A>,
    program: (container: string, options: A) => (living: Living) => TaskEither<EngineError, ContainerSummary>,
    more: (before: ContainerSummary, options: A) => Readonly<Record<string, string>> = () => ({}),
  ): TaskEither<EngineError, string> =>
    verb(
      what,
      container,
      options,
      (name, given) => (living) =>
        pipe(
          program(name, given)(living),
          TE.map((found) => {
            const { name: own, ...others } = { name: found.name, ...more(found, given) }
            if (!isToldElsewhere(what, found))
              living.journal.note(containerEvent(what, { ...found, name: own }, others))
            return found.id
          }),
        ),
    )
  const none = E.right(undefined)
  return {
    // Waiting and reading go on for as long as the caller likes: the engine is closed without waiting for that.
    wait: (container, wanted) =>
      pipe(
        open('wait'),
        TE.bindTo('living'),
        TE.bind('name', () => TE.fromEither(decodeContainer(container))),
        TE.bind('condition', () => TE.fromEither(decodeCondition(wanted))),
        TE.flatMap(({ living, name, condition }) => waitForEnd(name, condition, closing)(living)),
      ),
    logs: (container, wanted) =>
      verb(
        'logs',
        container,
        E.right(undefined),
        (name) => (living) =>
          pipe(
            TE.fromEither(decodeLogOptions(wanted, nsOfMs(living.living.nowMs()))),
            TE.flatMapEither((request) =>
              containerLog(living, name, { ...request, signal: anyOf([request.signal, closing]) }),
            ),
          ),
      ),
    stats: (containers, wanted) =>
      task('stats', (living) =>
        TE.fromEither(
          pipe(
            decodeNames(containers),
            E.tap((names) => checkNames(living, names)),
            E.bindTo('names'),
            E.bind('options', () => decodeStatsOptions(wanted)),
            E.map(({ names, options }) =>
              statsRounds(living, names, { ...options, signal: anyOf([options.signal, closing]) }),
            ),
          ),
        ),
      ),
    top: (container, words) => verb('top', container, decodeWords(words), toldTop),
    kill: (container, wanted) =>
      act('kill', container, decodeSignal(wanted), killContainer, (_, signal) => ({
        signal: String(signal),
      })),
    pause: (container) => act('pause', container, none, pauseContainer),
    unpause: (container) => act('unpause', container, none, unpauseContainer),
    rename: (container, name) =>
      act('rename', container, decodeName(name), renameContainer, (before, newName) => ({
        oldName: before.name,
        name: newName,
      })),
    update: (container, wanted) => act('update', container, decodeUpdateOptions(wanted), updateContainer),
  }
}

const toldTop =
  (wanted: string, words: readonly string[]) =>
  (living: Living): TaskEither<EngineError, TopResult> =>
    pipe(
      TE.fromEither(findContainer(living.ports, wanted)),
      TE.flatMap((found) =>
        pipe(
          topOf(found.id, words)(living),
          TE.tapIO(() => () => living.journal.note(containerEvent('top', found))),
        ),
      ),
    )

/** A monitor tells what it has sent its container: before the end that may follow. */
const isToldElsewhere = (what: string, found: ContainerSummary): boolean =>
  what === 'kill' && isDetached(found)

const textsOf =
  (option: string) =>
  (given: unknown = []): E.Either<EngineError, readonly string[]> =>
    E.mapLeft(
      ({ where, why }: { readonly where: string; readonly why: string }): EngineError => ({
        _tag: 'InvalidOption',
        option: `${option}${where}`,
        value: String(given),
        why,
      }),
    )(array(text)(given))
const decodeNames = textsOf('containers')
const decodeWords = textsOf('ps')
