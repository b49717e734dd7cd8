// Every way an operation can fail, as one tagged union, and the one line each becomes for people.
import { errnoName, errnoText } from './errno.ts'
import { hint } from './hints.ts'

export { hint } from './hints.ts'

/** A system call of a plan failed. docs/errors.md lists the steps. */
export interface SyscallFailed {
  readonly _tag: 'SyscallFailed'
  readonly step: string
  /** Positive Linux number; 2 is ENOENT. */
  readonly errno: number
  readonly path?: string
  readonly hint?: string
}
/** An OCI document (runtime spec, image config, manifest …) is not what its specification says. */
export interface InvalidSpec {
  readonly _tag: 'InvalidSpec'
  /** Which document, e.g. `config.json` or `manifest sha256:…`. */
  readonly document: string
  /** JSON path of the offending value, e.g. `$.process.rlimits[2].hard`. */
  readonly where: string
  readonly why: string
}
/** An option of the library or a flag of the command line has an unusable value. */
export interface InvalidOption {
  readonly _tag: 'InvalidOption'
  readonly option: string
  readonly value: string
  readonly why: string
}
export interface InvalidReference {
  readonly _tag: 'InvalidReference'
  readonly reference: string
  readonly why: string
}
export interface ImageNotFound {
  readonly _tag: 'ImageNotFound'
  readonly reference: string
  readonly hint?: string
}
/** Parts of an image that an operation needs are not in the store. */
export interface ImageIncomplete {
  readonly _tag: 'ImageIncomplete'
  readonly reference: string
  /** Each by what it is, e.g. `linux/arm64 (manifest sha256:…)`, `layer sha256:…`. */
  readonly missing: readonly string[]
  readonly hint?: string
}
/** Containers were made from the image, so it stays. */
export interface ImageInUse {
  readonly _tag: 'ImageInUse'
  readonly reference: string
  readonly by: readonly string[]
  readonly hint?: string
}
/** The image exists, but not for this machine. */
export interface PlatformMismatch {
  readonly _tag: 'PlatformMismatch'
  readonly reference: string
  readonly wanted: string
  readonly found: readonly string[]
}
export interface DigestMismatch {
  readonly _tag: 'DigestMismatch'
  /** What was read, e.g. `layer`, `manifest`, `layer diffID`. */
  readonly what: string
  readonly expected: string
  readonly actual: string
}
/** A layer was refused: a broken archive, or an entry that must not be unpacked. */
export interface LayerRefused {
  readonly _tag: 'LayerRefused'
  readonly digest: string
  /** Name of the archive entry, when one is to blame. */
  readonly entry?: string
  readonly why: string
}
export interface RegistryFailed {
  readonly _tag: 'RegistryFailed'
  readonly registry: string
  /** HTTP status, when an answer came at all. */
  readonly status?: number
  readonly why: string
  readonly hint?: string
}
/** The program to run does not exist in the container: exit code 127 by convention. */
export interface CommandNotFound {
  readonly _tag: 'CommandNotFound'
  readonly command: string
}
/** The program to run cannot be executed: exit code 126 by convention. */
export interface CommandNotExecutable {
  readonly _tag: 'CommandNotExecutable'
  readonly command: string
  readonly errno: number
}
export interface UnknownUser {
  readonly _tag: 'UnknownUser'
  readonly user: string
  readonly why: string
}
export interface ContainerNotFound {
  readonly _tag: 'ContainerNotFound'
  readonly container: string
}
/** The beginning of an id that several containers have. */
export interface AmbiguousContainer {
  readonly _tag: 'AmbiguousContainer'
  readonly container: string
  /** Names and short ids, newest first. */
  readonly candidates: readonly string[]
}
/** A runtime's container is known by its id, and this one is taken. */
export interface ContainerExists {
  readonly _tag: 'ContainerExists'
  readonly container: string
}
export interface VolumeNotFound {
  readonly _tag: 'VolumeNotFound'
  readonly volume: string
}
/** Containers have the volume mounted, or will when they are started again. */
export interface VolumeInUse {
  readonly _tag: 'VolumeInUse'
  readonly volume: string
  /** Their names. */
  readonly by: readonly string[]
}
/** The volume is there, and is not what the operation can work on. */
export interface VolumeUnfit {
  readonly _tag: 'VolumeUnfit'
  readonly volume: string
  readonly why: string
  readonly hint?: string
}
/** What is there, or what comes, cannot be copied so. */
export interface CopyRefused {
  readonly _tag: 'CopyRefused'
  /** `web:/etc/hosts`, or a path of this machine. */
  readonly path: string
  readonly why: string
}
export interface NameInUse {
  readonly _tag: 'NameInUse'
  readonly name: string
  readonly by: string
}
/** The container is in a state the operation does not allow. */
export interface WrongStatus {
  readonly _tag: 'WrongStatus'
  readonly container: string
  readonly status: string
  readonly wanted: string
}
/** The new container was not good enough; what became of the old one. */
export interface ReplaceFailed {
  readonly _tag: 'ReplaceFailed'
  readonly container: string
  /** What the new one did. */
  readonly why: string
  /** The last lines it wrote. */
  readonly log: readonly string[]
  /** The old one is as it was; else `cause` says why not. */
  readonly isBack: boolean
  /** Both failures, where the old one could not be put back. */
  readonly cause?: readonly EngineError[]
}
/** Understood, but not built yet or never to be built; `why` says which. */
export interface Unsupported {
  readonly _tag: 'Unsupported'
  readonly feature: string
  readonly why: string
}
/** This host lacks something that was asked for: a privilege, a kernel feature, a writable cgroup tree. */
export interface HostUnfit {
  readonly _tag: 'HostUnfit'
  readonly need: string
  readonly why: string
  readonly remedy?: string
}
/** A file of slipway's own state is unusable. */
export interface StateDamaged {
  readonly _tag: 'StateDamaged'
  readonly path: string
  readonly why: string
}
/** A program of a runtime document that is to run at a certain moment. */
export interface HookFailed {
  readonly _tag: 'HookFailed'
  /** Which moment, e.g. `createRuntime`. */
  readonly hook: string
  readonly path: string
  readonly why: string
}
/** systemd refused what a container's unit needs, or could not be asked. */
export interface SystemdFailed {
  readonly _tag: 'SystemdFailed'
  /** The method, e.g. `StartTransientUnit`. */
  readonly call: string
  readonly unit?: string
  /** Name of the D-Bus error, e.g. `org.freedesktop.systemd1.UnitExists`; none where no answer came. */
  readonly name?: string
  readonly why: string
}
/** The launch child died before it could execute the payload or say why not. */
export interface LaunchDied {
  readonly _tag: 'LaunchDied'
  /** The last step known to be reached, and what it acts on. */
  readonly step: string
  readonly path?: string
  readonly signal?: number
  readonly exitCode?: number
  readonly hint?: string
}
/** The caller's AbortSignal fired, or its time limit passed, before the operation had a result. */
export interface Cancelled {
  readonly _tag: 'Cancelled'
  readonly what: string
  readonly why: string
  /** What the AbortSignal was aborted with. */
  readonly cause?: unknown
}

export type EngineError =
  | SyscallFailed
  | InvalidSpec
  | InvalidOption
  | InvalidReference
  | ImageNotFound
  | ImageIncomplete
  | ImageInUse
  | PlatformMismatch
  | DigestMismatch
  | LayerRefused
  | RegistryFailed
  | CommandNotFound
  | CommandNotExecutable
  | UnknownUser
  | ContainerNotFound
  | AmbiguousContainer
  | ContainerExists
  | VolumeNotFound
  | VolumeInUse
  | VolumeUnfit
  | CopyRefused
  | NameInUse
  | WrongStatus
  | ReplaceFailed
  | Unsupported
  | HostUnfit
  | StateDamaged
  | HookFailed
  | SystemdFailed
  | LaunchDied
  | Cancelled

/**
 * One line, lower case, no full stop: what was attempted, on what, why. Names and answers of others are in it, so that what would steer
 * a terminal is escaped.
 */
export const message = (error: EngineError): string => plain(words(error))

/** Control characters of C0 and C1 (ECMA-48), as JSON writes them. */
const plain = (text: string): string =>
  text.replace(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)

const words = (error: EngineError): string => {
  switch (error._tag) {
    case 'SyscallFailed':
      return join(error.step, error.path, errnoText(error.errno))
    case 'InvalidSpec':
      return join(error.document, error.where, error.why)
    case 'InvalidOption':
      return `${error.option}: ${quote(error.value)}: ${error.why}`
    case 'InvalidReference':
      return `invalid reference ${quote(error.reference)}: ${error.why}`
    case 'ImageNotFound':
      return `no such image: ${error.reference}`
    case 'ImageIncomplete':
      return `${error.reference}: not here: ${error.missing.join(', ')}`
    case 'ImageInUse':
      return `${error.reference}: in use by ${error.by.join(', ')}`
    case 'PlatformMismatch':
      return `${error.reference}: no image for ${error.wanted}; it has ${error.found.join(', ') || 'none'}`
    case 'DigestMismatch':
      return `${error.what}: expected ${error.expected}, got ${error.actual}`
    case 'LayerRefused':
      return join(
        `layer ${error.digest}`,
        error.entry === undefined ? undefined : quote(error.entry),
        error.why,
      )
    case 'RegistryFailed':
      return join(error.registry, error.status === undefined ? undefined : `HTTP ${error.status}`, error.why)
    case 'CommandNotFound':
      return `${error.command || '""'}: command not found in the container`
    case 'CommandNotExecutable':
      return `${error.command}: cannot execute: ${errnoText(error.errno)}`
    case 'UnknownUser':
      return `user ${quote(error.user)}: ${error.why}`
    case 'ContainerNotFound':
      return `no such container: ${error.container}`
    case 'AmbiguousContainer':
      return `${error.container}: several containers have ids that begin so: ${error.candidates.join(', ')}`
    case 'ContainerExists':
      return `a container with the id ${quote(error.container)} exists already`
    case 'VolumeNotFound':
      return `no such volume: ${error.volume}`
    case 'VolumeInUse':
      return `volume ${error.volume}: in use by ${error.by.join(', ')}`
    case 'VolumeUnfit':
      return `volume ${error.volume}: ${error.why}`
    case 'CopyRefused':
      return `copy: ${error.path}: ${error.why}`
    case 'NameInUse':
      return `the name ${quote(error.name)} is in use by container ${error.by}`
    case 'WrongStatus':
      return error.wanted === `not ${error.status}`
        ? `container ${error.container} is already ${error.status}`
        : `container ${error.container} is ${error.status}, not ${error.wanted}`
    case 'ReplaceFailed':
      return replaceFailed(error)
    case 'Unsupported':
      return `${error.feature}: not supported: ${error.why}`
    case 'HostUnfit':
      return `${error.need}: not available on this host: ${error.why}`
    case 'StateDamaged':
      return `${error.path}: damaged: ${error.why}`
    case 'HookFailed':
      return `${error.hook} hook: ${error.path}: ${error.why}`
    case 'SystemdFailed':
      return join(`systemd: ${error.call}`, error.unit, error.name, error.why)
    case 'LaunchDied':
      return join(`the container died while starting, at ${error.step}`, error.path, ending(error))
    case 'Cancelled':
      return `${error.what}: cancelled: ${error.why}`
  }
}

/** The exit code a command line gives for a failure to run (docker-run(1), Exit Status). */
export const exitCodeOf = (error: EngineError): number => {
  if (error._tag === 'CommandNotFound') return 127
  return error._tag === 'CommandNotExecutable' ? 126 : 125
}

/**
 * The same value as a throwable, for the Promise API. It can be printed like the result of a run: `exitCode`, `stdout` and
 * `stderr` are there, and `message` is the reason.
 */
export class SlipwayError extends Error {
  override readonly name = 'SlipwayError'
  readonly _tag: EngineError['_tag']
  /** The tagged error with all its fields. */
  readonly error: EngineError
  /** The symbolic errno, e.g. `ENOENT`, where the failure has one. */
  declare readonly code?: string
  /** What can be done about it, when we know. */
  declare readonly hint?: string

  constructor(error: EngineError) {
    super(message(error), 'cause' in error ? { cause: error.cause } : undefined)
    this.error = error
    this._tag = error._tag
    if ('errno' in error) this.code = errnoName(error.errno)
    const advice = hint(error)
    if (advice !== undefined) this.hint = advice
  }

  /** What a command line would exit with: 127 and 126 for a command that cannot be run, else 125 (docker-run(1)). */
  get exitCode(): number {
    return exitCodeOf(this.error)
  }
  /** Nothing ran, so nothing was written. */
  get stdout(): string {
    return ''
  }
  get stderr(): string {
    return ''
  }

  /** An Error's own message would be missing in JSON. */
  toJSON(): object {
    const { name, message: reason, exitCode, code, hint: advice, error } = this
    return { name, message: reason, exitCode, code, hint: advice, ...error }
  }
}

const replaceFailed = ({ container, why, log, isBack, cause = [] }: ReplaceFailed): string => {
  const last = log.at(-1)
  const said = last === undefined ? '' : `; it wrote last: ${last}`
  const old = isBack
    ? 'the old one is back'
    : `the old one could not be put back: ${cause.map(words).join('; ')}`
  return `replace of ${container}: the new container ${why}${said}; ${old}`
}

const join = (...parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined).join(': ')
const quote = (text: string): string => JSON.stringify(text)

const ending = (death: LaunchDied): string => {
  if (death.signal !== undefined) return `killed by signal ${death.signal}`
  return death.exitCode === undefined ? 'no status' : `exit status ${death.exitCode}`
}
