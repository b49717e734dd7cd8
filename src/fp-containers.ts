// The verbs of containers that outlive whoever starts them, with their options decoded.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { LiveEngine } from './adapters/live.ts'
import type { ContainerSummary } from './engine/containers.ts'
import type { ExecProcess } from './engine/detached/exec.ts'
import type { StartedAgain } from './engine/detached/start-wanted.ts'
import type { StopChoices } from './engine/detached/stop.ts'
import type { Called } from './engine/detached/verbs.ts'
import type { Living } from './engine/living.ts'
import type { AttachedStreams, DetachedContainer } from './engine/ports/detached.ts'
import {
  type DetachedOptions,
  decodeDetachedOptions,
  decodeStopOptions,
  type StopOptions,
} from './model/detached-options.ts'
import type { EngineError } from './model/errors.ts'
import { decodeExecOptions, type ExecOptions } from './model/exec-options.ts'
import { decodeLogOptions } from './model/living.ts'
import { nsOfMs } from './model/moment.ts'
import type { ImageSource } from './model/options.ts'
import { decodeArgv, decodeImage } from './model/options-decode.ts'
import {
  decodeReplaceChanges,
  decodeReplaceOptions,
  type ReplaceChanges,
  type ReplaceOptions,
} from './model/replacement.ts'

export type { ExecProcess } from './engine/detached/exec.ts'
export type { StartedAgain } from './engine/detached/start-wanted.ts'
export type { Called } from './engine/detached/verbs.ts'
export type { AttachedStreams, DetachedContainer } from './engine/ports/detached.ts'
export type { DetachedOptions, LogOptions, RestartPolicy, StopOptions } from './model/detached-options.ts'
export type { ExecOptions } from './model/exec-options.ts'
export type { WaitCondition } from './model/living.ts'
export type { ReplaceChanges, ReplaceOptions } from './model/replacement.ts'

/** What also works on attached containers is in LivingVerbs. Every `container` is a name, an id, or the unique beginning of one. */
export interface ContainerVerbs {
  /** Makes a container and does not start it. Fails: as a start does, NameInUse. */
  readonly create: (
    image: ImageSource,
    argv?: readonly string[],
    options?: DetachedOptions,
  ) => TaskEither<EngineError, Called>
  /**
   * Resolves when its program has been executed. It goes on without this process. One that runs is left as it is. Fails:
   * ContainerNotFound, WrongStatus; as a start does.
   */
  readonly start: (container: string) => TaskEither<EngineError, Called>
  /** As after a reboot: what was to run, and is to run by its policy, is started. */
  readonly startWanted: TaskEither<EngineError, StartedAgain>
  /** The same, and its streams from the first byte on. */
  readonly startAttached: (
    container: string,
    options?: { readonly stdin?: boolean },
  ) => TaskEither<EngineError, AttachedStreams>
  /** All that is known of it. Fails: ContainerNotFound, StateDamaged. */
  readonly inspect: (container: string) => TaskEither<EngineError, DetachedContainer>
  /** Its streams from now on. Fails: ContainerNotFound, WrongStatus, SyscallFailed (EBUSY where another one has its standard input). */
  readonly attach: (
    container: string,
    options?: { readonly stdin?: boolean },
  ) => TaskEither<EngineError, AttachedStreams>
  /**
   * One more process in a container that runs; resolves when it has been executed. It ends with this process unless it is to be
   * detached. Fails: ContainerNotFound, WrongStatus, CommandNotFound, CommandNotExecutable, UnknownUser, InvalidOption.
   */
  readonly exec: (
    container: string,
    argv: readonly string[],
    options?: ExecOptions,
  ) => TaskEither<EngineError, ExecProcess>
  /** Its stop signal, then SIGKILL; resolves when it has ended. No restart follows. */
  readonly stop: (container: string, options?: StopOptions) => TaskEither<EngineError, void>
  readonly restart: (container: string, options?: StopOptions) => TaskEither<EngineError, Called>
  /**
   * A new container, with what changes, takes the place of this one: its name and its volumes. It is stopped, the new one is started, and
   * once that is healthy (without a check: has run for `grace`) the old one is removed; else the old one is put back as it was. One that
   * does not run is replaced without a start. Fails: ContainerNotFound, WrongStatus, Unsupported (attached, or `autoRemove`),
   * ReplaceFailed, Cancelled; as a creation and a start do.
   */
  readonly replace: (
    container: string,
    changes?: ReplaceChanges,
    options?: ReplaceOptions,
  ) => TaskEither<EngineError, Called>
}

type Verbs = typeof import('./engine/detached/verbs.ts') & typeof import('./engine/attached-verbs.ts')

const LAST_LINES = 10

/** Of a container that failed, for whoever wants to know why. Never fails. */
const lastLinesOf =
  (engine: LiveEngine) =>
  async (id: string): Promise<readonly string[]> => {
    try {
      const { containerLog } = await import('./engine/container-log.ts')
      const request = decodeLogOptions({ tail: LAST_LINES }, nsOfMs(Date.now()))
      if (E.isLeft(request)) return []
      const log = containerLog(await livingOf(engine), id, request.right)
      if (E.isLeft(log)) return []
      const lines: string[] = []
      for await (const batch of log.right)
        for (const entry of batch)
          if (entry._tag === 'Line') lines.push(Buffer.from(entry.bytes).toString().trimEnd())
      return lines
    } catch {
      return []
    }
  }

const livingOf = async ({ ports, living, journal }: LiveEngine): Promise<Living> => ({
  ports,
  living: await living(),
  journal: await journal(),
})

const refusing =
  (verb: string, why: string, { refused }: Pick<Verbs, 'refused'>) =>
  (found: ContainerSummary): TaskEither<EngineError, never> =>
    TE.left(refused(verb, found, why))

/** `tracked`: a program of the open engine, known to its session. */
export const containerVerbs = (
  tracked: <A>(
    what: string,
    use: (engine: LiveEngine) => TaskEither<EngineError, A>,
  ) => TaskEither<EngineError, A>,
): ContainerVerbs => {
  /** Loaded with the first use: no attached start needs them. */
  const verb = <A>(
    what: string,
    use: (
      verbs: Verbs,
      engine: LiveEngine,
    ) => E.Either<EngineError, (ports: LiveEngine['ports']) => TaskEither<EngineError, A>>,
  ): TaskEither<EngineError, A> =>
    tracked(what, (engine) => async () => {
      const verbs = {
        ...(await import('./engine/detached/verbs.ts')),
        ...(await import('./engine/attached-verbs.ts')),
      }
      const program = use(verbs, engine)
      return E.isLeft(program) ? program : program.right(engine.ports)()
    })
  return {
    create: (image, argv, options) =>
      verb('create', ({ create }, { facts }) =>
        pipe(
          E.Do,
          E.bind('image', () => decodeImage(image)),
          E.bind('argv', () => decodeArgv(argv)),
          E.bind('wanted', () => decodeDetachedOptions(options, facts)),
          E.map(({ wanted, ...what }) => create({ ...what, ...wanted })),
        ),
      ),
    start: (container) =>
      verb('start', ({ start, orAttached, startAttachedOne }) =>
        E.right(orAttached(String(container), start(String(container)), startAttachedOne)),
      ),
    startWanted: verb('start', ({ startWanted }) => E.right(startWanted)),
    startAttached: (container, { stdin = false } = {}) =>
      verb('start', (verbs) =>
        E.right(
          verbs.orAttached(
            String(container),
            verbs.startAttached(String(container), { stdin, output: true }),
            refusing('attach', verbs.WHY_NO_STREAMS, verbs),
          ),
        ),
      ),
    inspect: (container) =>
      verb('inspect', (verbs) =>
        E.right(
          verbs.orAttached(
            String(container),
            verbs.inspect(String(container)),
            refusing('inspect', verbs.WHY_NO_DOCUMENT, verbs),
          ),
        ),
      ),
    attach: (container, options) =>
      verb('attach', (verbs) =>
        E.right(
          verbs.orAttached(
            String(container),
            verbs.attach(String(container), options),
            refusing('attach', verbs.WHY_NO_STREAMS, verbs),
          ),
        ),
      ),
    exec: (container, argv, options) =>
      verb('exec', ({ exec }, { facts }) =>
        pipe(
          E.Do,
          E.bind('argv', () => decodeArgv(argv)),
          E.bind('wanted', () => decodeExecOptions(options, facts)),
          E.map((given) => exec(String(container), { ...given.wanted, argv: given.argv })),
        ),
      ),
    stop: (container, options) =>
      verb('stop', ({ stop, orAttached, stopAttached }, engine) =>
        E.map((choices: StopChoices) =>
          orAttached(String(container), stop(String(container), choices), (found) =>
            pipe(
              TE.fromTask(() => livingOf(engine)),
              TE.flatMap(stopAttached(found, choices)),
            ),
          ),
        )(decodeStopOptions(options)),
      ),
    restart: (container, options) =>
      verb('restart', (verbs) =>
        E.map((choices: StopChoices) =>
          verbs.orAttached(
            String(container),
            verbs.restart(String(container), choices),
            refusing('restart', verbs.WHY_NO_RESTART, verbs),
          ),
        )(decodeStopOptions(options)),
      ),
    replace: (container, changes, options) =>
      verb('replace', ({ replace }, engine) =>
        pipe(
          E.Do,
          E.bind('changes', () => decodeReplaceChanges(changes, engine.facts)),
          E.bind('gate', () => decodeReplaceOptions(options)),
          E.map((given) =>
            replace(
              String(container),
              { ...given.gate, changes: given.changes },
              { lastLines: lastLinesOf(engine) },
            ),
          ),
        ),
      ),
  }
}
