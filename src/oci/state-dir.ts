// The state directory: <root>/<id>/ with state.json and a copy of config.json. Every file is replaced as a whole.
import {
  chmodSync,
  mkdirSync,
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
  /** Fails: ContainerNotFound, StateDamaged, SyscallFailed. */
  readonly load: (id: OciId) => Either<EngineError, OciContainer>
  /** Keeps the bytes of config.json beside the state. Fails: SyscallFailed. */
  readonly saveConfig: (id: OciId, text: string) => Either<EngineError, void>
  /** Everything below the directory, and itself; nothing where there is none. Fails: SyscallFailed. */
  readonly remove: (id: OciId) => Either<EngineError, void>
  /** By name. Fails: SyscallFailed, where there is no root, too. */
  readonly list: () => Either<
    EngineError,
    { readonly found: readonly Listed[]; readonly bad: readonly Unreadable[] }
  >
}

const STATE = 'state.json'
/** The copy of the bundle's config.json in the container's directory. */
export const CONFIG = 'config.json'

/** Beside the containers' directories; no id has such a name. */
export const FILTERS = '~filters'

export const openStateDir = (root: string): StateDir => {
  const directoryOf = (id: OciId): string => `${root}/${id}`
  const known = new Map<string, Known>()
  const load = (id: OciId): Either<EngineError, OciContainer> => {
    const file = `${directoryOf(id)}/${STATE}`
    return pipe(
      attempt(() => versionOf(file)),
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
  return {
    root,
    directoryOf,
    load,
    reserve: (id) => reserve(root, id),
    save: (record) => attempt(() => replaceFile(directoryOf(record.id), STATE, encodeOciRecord(record))),
    saveConfig: (id, text) => attempt(() => replaceFile(directoryOf(id), CONFIG, text)),
    remove: (id) => attempt(() => removeDirectory(directoryOf(id))),
    list: () => attempt(() => listAll(root, load)),
  }
}

interface Known {
  readonly version: string
  readonly record: OciRecord
}

/** Another one after every change: the file is replaced, never written to. Undefined where there is none. */
const versionOf = (file: string): string | undefined => {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false })
  return found && `${found.ino} ${found.mtimeNs} ${found.size}`
}

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
      const isNew = mkdirSync(root, { recursive: true, mode: 0o700 }) !== undefined
      // Below $XDG_RUNTIME_DIR what is not sticky may be swept when it gets old (XDG base directory specification).
      if (isNew) chmodSync(root, 0o1700)
      return unless(['EEXIST'], () => {
        mkdirSync(`${root}/${id}`, { mode: 0o700 })
        return `${root}/${id}`
      })
    }),
    E.flatMap((directory) =>
      directory === undefined
        ? E.left<EngineError, string>({ _tag: 'ContainerExists', container: id })
        : E.right(directory),
    ),
  )

/**
 * A reader sees the old file or the new one, whenever the writer dies. Nothing waits for the disk: what a machine that died has written
 * tells of containers that died with it. Whoever writes holds the container's lock, or has just reserved it.
 */
export const replaceFile = (directory: string, name: string, text: string): void => {
  const temporary = `${directory}/.${name}.new`
  try {
    writeFileSync(temporary, text, { mode: 0o600 })
    renameSync(temporary, `${directory}/${name}`)
  } catch (error) {
    unless(['ENOENT'], () => unlinkSync(temporary))
    throw error
  }
}

/** It holds files and one empty directory. Who waits for the lock may make its file anew meanwhile: that goes the long way. */
const removeDirectory = (directory: string): void => {
  for (const entry of unless(['ENOENT'], () => readdirSync(directory, { withFileTypes: true })) ?? []) {
    const file = `${directory}/${entry.name}`
    if (entry.isDirectory()) unless(['ENOENT', 'ENOTEMPTY'], () => rmdirSync(file))
    else unless(['ENOENT'], () => unlinkSync(file))
  }
  const isGone = unless(['ENOTEMPTY'], () => unless(['ENOENT'], () => rmdirSync(directory)) ?? true)
  if (isGone === undefined) rmSync(directory, { recursive: true, force: true })
}

const listAll = (root: string, load: StateDir['load']) => {
  const found: Listed[] = []
  const bad: Unreadable[] = []
  const entries = readdirSync(root, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    if (!entry.isDirectory() || entry.name === FILTERS) continue
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
