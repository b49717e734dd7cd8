// The state directory: <root>/<id>/ with state.json and a copy of config.json. Every file is replaced as a whole.
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { EngineError } from '../model/errors.ts'
import { type OciId, parseOciId } from '../model/oci-container-id.ts'
import { decodeOciRecord, encodeOciRecord, type OciRecord } from '../model/oci-state.ts'
import { type OciContainer, statusOf } from '../model/oci-status.ts'
import { remember } from '../model/remember.ts'
import { attempt, unless } from './attempt.ts'
import { statusFacts } from './status-facts.ts'

export interface Listed {
  readonly container: OciContainer
  /** Of its directory. */
  readonly ownerUid: number
}

/** A directory that is no container's, and why. */
export interface Unreadable {
  readonly name: string
  readonly error: EngineError
}

export interface StateDir {
  readonly root: string
  readonly directoryOf: (id: OciId) => string
  /** Makes the container's directory, empty, and the root before it. Fails: ContainerExists, SyscallFailed. */
  readonly reserve: (id: OciId) => Either<EngineError, string>
  /** Replaces state.json. Fails: SyscallFailed. */
  readonly save: (state: OciRecord) => Either<EngineError, void>
  /** The same in two steps: the first writes, and nobody sees it before the second. Fails: SyscallFailed. */
  readonly prepare: (state: OciRecord) => Either<EngineError, Commit>
  /** Fails: ContainerNotFound, StateDamaged, SyscallFailed. */
  readonly load: (id: OciId) => Either<EngineError, OciContainer>
  /** Keeps the bytes of config.json beside the state, before that has a process: nobody reads them until then. Fails: SyscallFailed. */
  readonly saveConfig: (id: OciId, text: string) => Either<EngineError, void>
  /** Everything below the directory, and itself; nothing where there is none. Fails: SyscallFailed. */
  readonly remove: (id: OciId) => Either<EngineError, void>
  /** By name. Fails: SyscallFailed, where there is no root, too. */
  readonly list: () => Either<
    EngineError,
    { readonly found: readonly Listed[]; readonly bad: readonly Unreadable[] }
  >
}

/** What `prepare` has written becomes the state. Fails: SyscallFailed. */
export type Commit = () => Either<EngineError, void>

const STATE = 'state.json'
/** The copy of the bundle's config.json in the container's directory. */
export const CONFIG = 'config.json'
/** The steps of its program, for whoever starts it: a failure is told by number. */
export const STEPS = 'steps.json'

/** What every container's root is attached to for a moment, in that one's own mount namespace: it stays empty. */
export const SCRATCH = '~root'
/** Compiled seccomp profiles. */
export const FILTERS = '~filters'
/** Such a name is no id's: what it stands for lies beside the containers' directories. */
const isOurs = (name: string): boolean => name.startsWith('~')

export const openStateDir = (root: string): StateDir => {
  const directoryOf = (id: OciId): string => `${root}/${id}`
  const known = new Map<string, Known>()
  const load = (id: OciId): Either<EngineError, OciContainer> => {
    const file = `${directoryOf(id)}/${STATE}`
    return pipe(
      attempt(() => versionAt(file)),
      E.flatMap((version) => {
        const before = known.get(id)
        if (before !== undefined && before.version === version) return E.right(before.record)
        return pipe(
          readState(id, file),
          E.flatMap((text) => decodeOciRecord(text, file)),
          E.map((record) => {
            if (version !== undefined) remember(known, id, { version, record })
            return record
          }),
        )
      }),
      E.flatMap((record) => withStatus(id, record, directoryOf(id))),
    )
  }
  const prepare = (record: OciRecord): Either<EngineError, Commit> =>
    attempt(() => {
      const directory = directoryOf(record.id)
      const version = writeBeside(directory, STATE, encodeOciRecord(record))
      return () =>
        attempt(() => {
          takePlace(directory, STATE)
          remember(known, record.id, { version, record })
        })
    })
  return {
    root,
    directoryOf,
    load,
    reserve: (id) => reserve(root, id),
    prepare,
    save: (record) => E.flatMap((commit: Commit) => commit())(prepare(record)),
    saveConfig: (id, text) =>
      attempt(() => writeFileSync(`${directoryOf(id)}/${CONFIG}`, text, { mode: 0o600 })),
    remove: (id) => attempt(() => removeDirectory(directoryOf(id))),
    list: () => attempt(() => listAll(root, load)),
  }
}

interface Known {
  readonly version: string
  readonly record: OciRecord
}

/** Another one after every change: the file is replaced, never written to. Undefined where there is none. */
const versionAt = (file: string): string | undefined => {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false })
  return found && versionOf(found)
}

const versionOf = ({ ino, mtimeNs, size }: BigIntStats): string => `${ino} ${mtimeNs} ${size}`

const readState = (id: OciId, file: string): Either<EngineError, string> =>
  pipe(
    attempt(() => unless(['ENOENT', 'ENOTDIR'], () => readFileSync(file, 'utf8'))),
    // What a machine that died was about to write is empty, or zeros; then nothing of the container is left but its directory.
    E.flatMap((text) =>
      text === undefined || /^\0*$/.test(text)
        ? E.left<EngineError, string>({ _tag: 'ContainerNotFound', container: id })
        : E.right(text),
    ),
  )

/** A directory that was moved would give its container two ids. */
const withStatus = (id: OciId, record: OciRecord, directory: string): Either<EngineError, OciContainer> => {
  if (record.id !== id)
    return E.left({ _tag: 'StateDamaged', path: `${directory}/${STATE}`, why: `is that of ${record.id}` })
  return attempt(() => ({ record, directory, status: statusOf(statusFacts(record, directory)) }))
}

/** mkdir(2) succeeds for exactly one of those who want the id. */
const reserve = (root: string, id: OciId): Either<EngineError, string> =>
  pipe(
    attempt(() => {
      const directory = `${root}/${id}`
      const make = (): string | undefined =>
        unless(['EEXIST'], () => {
          mkdirSync(directory, { mode: 0o700 })
          return directory
        })
      if (!existsSync(root)) makeRoot(root)
      return make()
    }),
    E.flatMap((directory) =>
      directory === undefined
        ? E.left<EngineError, string>({ _tag: 'ContainerExists', container: id })
        : E.right(directory),
    ),
  )

/** Below $XDG_RUNTIME_DIR what is not sticky may be swept when it gets old (XDG base directory specification). */
const makeRoot = (root: string): void => {
  const isNew = mkdirSync(root, { recursive: true, mode: 0o700 }) !== undefined
  if (isNew) chmodSync(root, 0o1700)
}

/**
 * A reader sees the old file or the new one, whenever the writer dies. Nothing waits for the disk: what a machine that died has written
 * tells of containers that died with it. Whoever writes holds the container's lock, or has just reserved it.
 */
export const replaceFile = (directory: string, name: string, text: string): void => {
  writeBeside(directory, name, text)
  takePlace(directory, name)
}

const besideOf = (directory: string, name: string): string => `${directory}/.${name}.new`

/** The version it will have. */
const writeBeside = (directory: string, name: string, text: string): string => {
  const file = besideOf(directory, name)
  const fd = openSync(file, 'w', 0o600)
  try {
    writeFileSync(fd, text)
    return versionOf(fstatSync(fd, { bigint: true }))
  } catch (error) {
    unlinkSync(file)
    throw error
  } finally {
    closeSync(fd)
  }
}

const takePlace = (directory: string, name: string): void => {
  try {
    renameSync(besideOf(directory, name), `${directory}/${name}`)
  } catch (error) {
    unlinkSync(besideOf(directory, name))
    throw error
  }
}

/** What is in it when a container that was started is deleted. */
const USUAL = [STATE, CONFIG, STEPS]

const removeDirectory = (directory: string): void => {
  for (const name of USUAL) unless(['ENOENT'], () => unlinkSync(`${directory}/${name}`))
  const isGone = unless(['ENOTEMPTY'], () => unless(['ENOENT'], () => rmdirSync(directory)) ?? true)
  if (isGone === undefined) rmSync(directory, { recursive: true, force: true })
}

const listAll = (root: string, load: StateDir['load']) => {
  const found: Listed[] = []
  const bad: Unreadable[] = []
  const entries = readdirSync(root, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    if (!entry.isDirectory() || isOurs(entry.name)) continue
    const container = E.flatMap(load)(parseOciId(entry.name))
    if (E.isLeft(container)) bad.push({ name: entry.name, error: container.left })
    else listOne(root, container.right, found)
  }
  return { found, bad }
}

/** One that is deleted meanwhile is not told. */
const listOne = (root: string, container: OciContainer, found: Listed[]): void => {
  const stat = unless(['ENOENT'], () => statSync(`${root}/${container.record.id}`))
  if (stat !== undefined) found.push({ container, ownerUid: stat.uid })
}
