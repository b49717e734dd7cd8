// The OCI runtime as a library, as TaskEither: what slipway-oci does, in this process. runtime.ts is a skin over this.
import path from 'node:path'
import type { Writable } from 'node:stream'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import { Nothing, nativeStdio } from './adapters/stdio.ts'
import { heldStreams } from './engine/payload.ts'
import type { OpenStdio, OutputStream, StdioPort } from './engine/ports/stdio.ts'
import { cancelled, onAbort } from './model/abort.ts'
import { type EngineError, message } from './model/errors.ts'
import { formatJson } from './model/json.ts'
import { type OciId, parseOciId } from './model/oci-container-id.ts'
import type {
  OciCreateOptions,
  OciExecOptions,
  OciProgram,
  OciStateDocument,
  OciStreamOptions,
  RuntimeOptions,
} from './model/oci-options.ts'
import {
  decodeOciCreate,
  decodeOciDelete,
  decodeOciExec,
  decodeOciKill,
  decodeOciProgram,
  decodeOciResources,
  decodeOciText,
  decodeRuntimeOptions,
} from './model/oci-options-decode.ts'
import type { CreateRequest, Handover } from './model/oci-requests.ts'
import type { LinuxResources, Process, Spec } from './model/oci-spec.ts'
import type { OciStats } from './model/oci-stats.ts'
import { allow, type OciContainer, type OciOperation } from './model/oci-status.ts'
import { remember } from './model/remember.ts'
import { parseSignal } from './model/signals.ts'
import { attempt, attempted } from './oci/attempt.ts'
import { type Config, readConfig, withProgram } from './oci/bundle.ts'
import { deleteRest } from './oci/delete-rest.ts'
import { processOfFlags } from './oci/exec-process.ts'
import { features } from './oci/features.ts'
import { defaultRoot } from './oci/globals.ts'
import { pathOf } from './oci/handover.ts'
import { stateDocument } from './oci/list-table.ts'
import { configOf } from './oci/live/config.ts'
import { create, isCreating, type Made } from './oci/live/create.ts'
import { join } from './oci/live/exec.ts'
import type { LastingLaunch } from './oci/live/launch.ts'
import { type Parts, partsOf } from './oci/live/parts.ts'
import { runtimeOf } from './oci/live.ts'
import type { OciRuntime, Outcome } from './oci/runtime.ts'
import { openStateDir } from './oci/state-dir.ts'
import { inUserNamespace } from './oci/user-namespace.ts'
import { ownerOf } from './plan/launch/owner.ts'

export type { EngineError } from './model/errors.ts'
export { hint, message, SlipwayError } from './model/errors.ts'
export type * from './model/oci-options.ts'
export type { LinuxResources, Process, Spec } from './model/oci-spec.ts'
export type { OciStats } from './model/oci-stats.ts'

/** Each verb works on what `slipway-oci --root` finds in the same directory, and the other way round. */
export interface Runtime {
  /** From a bundle, up to the moment before its program is executed. What is half made when it fails is taken down again. */
  readonly create: (
    id: string,
    bundle: string,
    options?: OciCreateOptions,
  ) => TaskEither<EngineError, OciProcess>
  /** Resolves when the program of a created container has been executed. */
  readonly start: (id: string) => TaskEither<EngineError, void>
  /** create, start, the wait for the end, and delete. Gives the exit code, 128 + n after signal n. */
  readonly run: (id: string, bundle: string, options?: OciCreateOptions) => TaskEither<EngineError, number>
  /** One more process in a running container. Resolves when it has been executed. */
  readonly exec: (
    id: string,
    program: OciProgram,
    options?: OciExecOptions,
  ) => TaskEither<EngineError, OciProcess>
  /** To the first process, or to `all`. Default: SIGTERM; 0 asks only, kill(2). */
  readonly kill: (
    id: string,
    signal?: number | string,
    options?: { readonly all?: boolean },
  ) => TaskEither<EngineError, void>
  /** Nothing of the container is left when this resolves. `force`: kill it first. */
  readonly delete: (id: string, options?: { readonly force?: boolean }) => TaskEither<EngineError, void>
  readonly pause: (id: string) => TaskEither<EngineError, void>
  readonly resume: (id: string) => TaskEither<EngineError, void>
  /** Other limits; what is not named stays. */
  readonly update: (id: string, resources: LinuxResources) => TaskEither<EngineError, void>
  /** Pids as this process sees them. */
  readonly ps: (id: string) => TaskEither<EngineError, readonly number[]>
  readonly stats: (id: string) => TaskEither<EngineError, OciStats>
  readonly state: (id: string) => TaskEither<EngineError, OciStateDocument>
  readonly list: TaskEither<EngineError, readonly OciStateDocument[]>
  /** As `slipway-oci features` prints it. */
  readonly features: () => object
  /** Containers live on. */
  readonly close: () => void
}

/** A process of a container that this process is the parent of. It lives on when this process ends. */
export interface OciProcess {
  readonly pid: number
  /** With `'pipe'`, or a terminal that no console socket has got. */
  readonly stdin: Writable | null
  readonly stdout: OutputStream | null
  readonly stderr: OutputStream | null
  /** The exit code, 128 + n after signal n, when it has ended and what it wrote has been passed on; never rejects. */
  readonly exit: Promise<number>
  /** Default: SIGTERM. Nothing happens after its end. */
  readonly kill: (signal?: number | string) => E.Either<EngineError, void>
  /** The size of its terminal; without one nothing happens. */
  readonly resize: (columns: number, rows: number) => void
  /** This process's event loop may end before it. */
  readonly unref: () => void
}

/** Fails: InvalidOption; HostUnfit where there is no addon for this machine. */
export const openRuntime = (options: RuntimeOptions = {}): E.Either<EngineError, Runtime> =>
  pipe(
    decodeRuntimeOptions(options),
    E.flatMap((decoded) => attempt(() => opened(decoded))),
  )

interface Open {
  readonly parts: Parts
  readonly port: OciRuntime
  readonly stdio: StdioPort
}

const opened = ({
  root,
  cgroupManager = 'cgroupfs',
  networksAhead = 1,
  onWarning = () => {},
}: RuntimeOptions): Runtime => {
  const { env } = process
  const euid = process.geteuid?.() ?? 0
  const at = root === undefined ? defaultRoot({ env, euid, inUserNamespace }) : path.resolve(root)
  const globals = {
    root: at,
    rootIsGiven: root !== undefined,
    logFormat: 'text',
    logLevel: 'warning',
    cgroupManager,
    rootless: 'auto',
  } as const
  const log = { error: onWarning, warn: onWarning, debug: () => {} }
  const parts = partsOf({ globals, state: openStateDir(at), log, env }, { networksAhead })
  const nothing = new Nothing(parts.addon)
  const stdio = nativeStdio(parts.addon, parts.facts.arch, nothing)
  return runtimeOn({ parts, port: runtimeOf(parts), stdio }, () => {
    nothing.close()
    void parts.networks.close()
  })
}

const runtimeOn = (open: Open, close: () => void): Runtime => {
  const { parts, port } = open
  /** On a container that is there, in a status the operation works in. */
  const on =
    <A>(operation: OciOperation | undefined, body: (container: OciContainer) => Outcome<A>) =>
    (id: string): TaskEither<EngineError, A> =>
    async () => {
      const found = containerOf(parts, id, operation)
      return E.isLeft(found) ? found : body(found.right)
    }
  const created = (id: string, bundle: string, options?: OciCreateOptions) => () =>
    attempted(() => createOne(open, id, bundle, options))
  const start =
    (id: string): TaskEither<EngineError, void> =>
    async () => {
      const name = idOf(id)
      return E.isLeft(name) ? name : port.start({ id: name.right })
    }
  const remove =
    (id: string, options?: { readonly force?: boolean }): TaskEither<EngineError, void> =>
    async () => {
      const asked = pipe(
        E.Do,
        E.bind('name', () => idOf(id)),
        E.bind('options', () => decodeOciDelete(options)),
      )
      if (E.isLeft(asked)) return asked
      const {
        name,
        options: { force = false },
      } = asked.right
      const deleted = await port.delete({ id: name, force })
      if (E.isRight(deleted) || deleted.left._tag !== 'ContainerNotFound') return deleted
      return removeRest(parts, name, force, deleted.left)
    }
  return {
    create: created,
    start,
    run: (id, bundle, options) => async () => {
      const made = await created(id, bundle, options)()
      if (E.isLeft(made)) return made
      const started = await start(id)()
      if (E.isRight(started)) await made.right.exit
      const removed = await remove(id, { force: true })()
      const failed = E.isLeft(started) ? started : removed
      return E.isLeft(failed) ? failed : E.right(await made.right.exit)
    },
    exec: (id, program, options) => () => attempted(() => execOne(open, id, program, options)),
    kill:
      (id, signal = 'SIGTERM', options = {}) =>
      async () => {
        const asked = pipe(
          E.Do,
          E.bind('number', () => signalOf(signal)),
          E.bind('options', () => decodeOciKill(options)),
        )
        if (E.isLeft(asked)) return asked
        const {
          number,
          options: { all = false },
        } = asked.right
        return on('kill', (container) => port.kill({ container, signal: number, all }))(id)()
      },
    delete: remove,
    pause: on('pause', port.pause),
    resume: on('resume', port.resume),
    update: (id, wanted) => async () => {
      const resources = decodeOciResources(wanted)
      if (E.isLeft(resources)) return resources
      return on('update', (container) => port.update({ container, resources: resources.right }))(id)()
    },
    ps: on(undefined, port.ps),
    stats: on('events', async (container) => {
      const told: OciStats[] = []
      const events = await port.events({ container }, (event) => {
        if (event.type === 'stats') told.push(event.data)
      })
      return E.map(() => told[0] as OciStats)(events)
    }),
    state: (id) => async () => E.map(stateDocument)(containerOf(parts, id, undefined)),
    list: async () => listAll(parts),
    features,
    close,
  }
}

const idOf = (id: unknown): E.Either<EngineError, OciId> => E.flatMap(parseOciId)(decodeOciText('id', id))

/** Where no container was found: what a `create` has left that was killed at its beginning, or another container of that name by now. */
const removeRest = (
  { state }: Parts,
  id: OciId,
  force: boolean,
  missing: EngineError,
): E.Either<EngineError, void> => {
  const found = state.load(id)
  if (E.isRight(found)) return force ? E.right(undefined) : E.left(missing)
  return isCreating(state.directoryOf(id)) ? found : deleteRest(state, id, force, found.left)
}

const containerOf = (
  { state }: Parts,
  id: string,
  operation: OciOperation | undefined,
): E.Either<EngineError, OciContainer> =>
  pipe(
    idOf(id),
    E.flatMap(state.load),
    E.flatMap((found) => (operation === undefined ? E.right(found) : allow(operation, found))),
  )

const ENOENT = 2

/** A root that is not there yet has no containers; what is no container is told, and left out. */
const listAll = ({ state, log }: Parts): E.Either<EngineError, readonly OciStateDocument[]> => {
  const listed = state.list()
  if (E.isLeft(listed)) {
    const { left } = listed
    return left._tag === 'SyscallFailed' && left.errno === ENOENT ? E.right([]) : listed
  }
  for (const { name, error } of listed.right.bad) log.warn(`load container ${name}: ${message(error)}`)
  return E.right(listed.right.found.map(({ container }) => stateDocument(container)))
}

const signalOf = (signal: number | string): E.Either<EngineError, number> =>
  signal === 0 ? E.right(0) : parseSignal(String(signal), 'signal')

const createOne = async (
  { parts, stdio }: Open,
  id: string,
  bundle: string,
  wanted: OciCreateOptions | undefined,
): Outcome<OciProcess> => {
  const asked = pipe(
    E.Do,
    E.bind('id', () => idOf(id)),
    E.bind('bundle', () => E.map((given: string) => path.resolve(given))(decodeOciText('bundle', bundle))),
    E.bind('options', () => decodeOciCreate(wanted)),
    E.bind('document', ({ bundle: directory, options }) => documentFor(parts, directory, options.spec)),
  )
  if (E.isLeft(asked)) return asked
  const { options, document, ...place } = asked.right
  return withStreams(parts, stdio, options, document.spec, async (streams) => {
    const request: CreateRequest = {
      ...place,
      ...document,
      ...handoverFor(options, streams),
      noPivot: options.noPivot === true,
      noNewKeyring: options.noNewKeyring === true,
    }
    return E.map(({ launch }: Made) => launch)(await create(parts, request, true))
  })
}

/** The same text is the same document, so that what was found out about it is found again. */
const documentFor = (
  { documents }: Parts,
  bundle: string,
  given: Spec | undefined,
): E.Either<EngineError, Config> =>
  pipe(
    given === undefined
      ? readConfig(path.join(bundle, 'config.json'), documents)
      : withProgram('spec', { spec: given, config: formatJson(given) }),
    E.map(({ spec, config }) => {
      const known = documents.get(config) ?? spec
      remember(documents, config, known)
      return { spec: known, config }
    }),
  )

const execOne = async (
  { parts, stdio }: Open,
  id: string,
  wanted: OciProgram,
  given: OciExecOptions | undefined,
): Outcome<OciProcess> => {
  const asked = pipe(
    E.Do,
    E.bind('container', () => containerOf(parts, id, 'exec')),
    E.bind('options', () => decodeOciExec(given)),
    E.bind('program', () => decodeOciProgram(wanted)),
    E.bind('config', ({ container }) => configOf(parts, container)),
    E.bind('process', ({ config, options, program }) => processFor(config, program, options)),
  )
  if (E.isLeft(asked)) return asked
  const { container, options, config, process: program } = asked.right
  const { signal } = options
  if (signal?.aborted === true) return E.left(cancelled(signal.reason))
  const begun = (launch: LastingLaunch): void => {
    if (signal !== undefined) launch.end.then(onAbort(signal, () => launch.kill()))
  }
  return withStreams(parts, stdio, options, { ...config, process: program }, async (streams) => {
    const request = {
      container,
      process: program,
      ...handoverFor(options, streams),
      detach: false,
      cgroups: {},
    }
    const joined = await join(parts, request, false, begun)
    return E.isLeft(joined) && signal?.aborted === true ? E.left(cancelled(signal.reason)) : joined
  })
}

/** Fails: InvalidOption. */
const processFor = (
  { process: own }: Spec,
  program: OciProgram,
  { env = {}, cwd, user, tty }: OciExecOptions,
): E.Either<EngineError, Process> => {
  if (!isArguments(program)) {
    const [option] = Object.entries({ cwd, user, tty }).find(([, value]) => value !== undefined) ?? []
    const named = option ?? (Object.keys(env).length > 0 ? 'env' : undefined)
    return named === undefined
      ? E.right(program)
      : E.left({ _tag: 'InvalidOption', option: named, value: '', why: 'a whole document says it already' })
  }
  if (program.length === 0)
    return E.left({ _tag: 'InvalidOption', option: 'program', value: '[]', why: 'is empty' })
  return pipe(
    processOfFlags(
      // A document without a process has never been created.
      own as Process,
      {
        env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
        ...(cwd === undefined ? {} : { cwd }),
        ...(user === undefined ? {} : { user }),
        ...(tty === undefined ? {} : { tty }),
      },
      program,
    ),
    E.mapLeft(withoutDashes),
  )
}

/** An option of the command, under its name here. */
const withoutDashes = (error: EngineError): EngineError =>
  error._tag === 'InvalidOption' ? { ...error, option: error.option.replace(/^--/, '') } : error

const isArguments = (program: OciProgram): program is readonly string[] => Array.isArray(program)

/** Beside its streams the process gets no descriptor of ours. */
const handoverFor = (
  { consoleSocket, pidfdSocket, pidFile }: OciCreateOptions | OciExecOptions,
  { fds }: OpenStdio,
): Handover => ({
  ...pathOf('consoleSocket', consoleSocket, '.'),
  ...pathOf('pidfdSocket', pidfdSocket, '.'),
  ...pathOf('pidFile', pidFile, '.'),
  streams: fds,
  extraFds: 0,
  listenFds: 0,
})

const NO_STREAMS = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const

/** Opens what the process gets, has it begun, and puts both into the caller's hands; what fails leaves nothing open. */
const withStreams = async (
  { addon }: Parts,
  stdio: StdioPort,
  options: OciStreamOptions & { readonly consoleSocket?: string },
  spec: Spec,
  begin: (streams: OpenStdio) => Outcome<LastingLaunch>,
): Outcome<OciProcess> => {
  const { stdin = 'inherit', stdout = 'inherit', stderr = 'inherit', consoleSocket } = options
  const hasTerminal = spec.process?.terminal === true
  if (consoleSocket !== undefined && !hasTerminal)
    return E.left({
      _tag: 'InvalidOption',
      option: 'consoleSocket',
      value: consoleSocket,
      why: 'is for a process with a terminal',
    })
  const streams = stdio.open(hasTerminal ? NO_STREAMS : { stdin, stdout, stderr }, ownerOf(spec))
  if (E.isLeft(streams)) return streams
  const begun = await attempted(() => begin(streams.right))
  if (E.isLeft(begun)) {
    streams.right.abandon()
    return begun
  }
  streams.right.started()
  const { terminal } = begun.right
  const isSent = consoleSocket !== undefined
  if (terminal !== undefined && isSent) addon.closeFds(Int32Array.of(terminal))
  const own = terminal === undefined || isSent ? undefined : stdio.terminal(terminal)
  return E.right(processOf(begun.right, streams.right, own))
}

/** `terminal`: one that nobody else has got. */
const processOf = (
  launch: LastingLaunch,
  streams: OpenStdio,
  terminal?: ReturnType<StdioPort['terminal']>,
): OciProcess => {
  let over = false
  const exit = launch.end.then(async (code) => {
    over = true
    streams.ended()
    await streams.finished
    return code
  })
  streams.onBroken(() => launch.kill())
  return {
    pid: launch.pid,
    ...heldStreams(streams, terminal),
    exit,
    kill: (signal = 'SIGTERM') => {
      const number = parseSignal(String(signal), 'signal')
      if (E.isLeft(number)) return number
      if (!over) launch.kill(number.right)
      return E.right(undefined)
    },
    unref: () => launch.leave(),
  }
}
