// What was changed of containers since they began, beside their records: the record of a running container is its engine's alone, which
// writes it when the container ends.
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import type * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { RecordChanges } from '../model/record.ts'
import { attemptNow } from './attempt.ts'
import { makeFolders } from './make-folders.ts'
import { removeQuietly } from './remove-group.ts'
import { writeNewNow } from './replace-file.ts'
import type { StateDir } from './state-dir.ts'

const folderOf = (state: StateDir): string => path.join(state.runtime, 'changed')

export const readChanges = (state: StateDir): ReadonlyMap<string, RecordChanges> =>
  new Map(
    idsOf(state).flatMap((id) => {
      const changes = changesAt(path.join(folderOf(state), id))
      return changes === undefined ? [] : [[id, changes] as const]
    }),
  )

/** The last one to write wins: whoever decides by what is there holds a lock of its own. */
export const writeChanges = (
  state: StateDir,
  id: string,
  changes: RecordChanges | undefined,
): E.Either<EngineError, void> =>
  attemptNow('note changes', () => {
    const file = path.join(folderOf(state), id)
    // Most have none: what is thrown and caught takes longer than a look.
    if (changes === undefined) return existsSync(file) ? drop(file, changesAt(file)) : undefined
    makeFolders(folderOf(state), 0o700)
    const temporary = path.join(state.runtime, `.changed-${id}.${state.engine}`)
    writeNewNow(temporary, JSON.stringify(changes), false)
    renameSync(temporary, file)
  })

/** Of containers that are gone; the name and the groups they were given go with them. */
export const forgetGone = (state: StateDir): void => {
  for (const id of idsOf(state)) {
    if (state.readRecord(id) !== undefined) continue
    // One that needs no engine has no record. What nobody is in any more goes, also between two of its runs.
    if (existsSync(path.join(state.containers, id))) removeGroups(changesAt(path.join(folderOf(state), id)))
    else forget(state, id)
  }
}

const forget = (state: StateDir, id: string): void => {
  const file = path.join(folderOf(state), id)
  const changes = changesAt(file)
  if (changes?.name !== undefined) state.freeName(changes.name, id)
  drop(file, changes)
}

const drop = (file: string, changes: RecordChanges | undefined): void => {
  removeGroups(changes)
  rmSync(file, { force: true })
}

const removeGroups = (changes: RecordChanges | undefined): void => {
  for (const group of changes?.groups ?? []) removeQuietly(group)
}

const idsOf = (state: StateDir): readonly string[] => {
  try {
    return readdirSync(folderOf(state))
  } catch {
    return []
  }
}

const changesAt = (file: string): RecordChanges | undefined => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RecordChanges
  } catch {
    return undefined
  }
}
