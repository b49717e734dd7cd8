// Who has volumes mounted, or will have: containers with a record of what runs, and those with a document of what was asked.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { VolumeUser } from '../engine/ports/volumes.ts'
import type { NamedMount } from '../model/options-decoded.ts'
import { unlessMissing } from '../model/unless.ts'
import { DETACHED_DOCUMENT, type StateDir } from './state-dir.ts'

export const volumeUsers = (state: StateDir): readonly VolumeUser[] => [
  ...usersOnRecord(state),
  ...usersInDocuments(state),
]

const usersOnRecord = (state: StateDir): readonly VolumeUser[] =>
  state.readRecords().map(({ id, name, mounts = [] }) => ({ id, name, mounts }))

/** containers/<id>/container.json: what outlives its engine has no record of the kind that runs. */
const usersInDocuments = (state: StateDir): readonly VolumeUser[] =>
  (unlessMissing(() => readdirSync(state.containers)) ?? []).flatMap((id) => {
    const file = path.join(state.containers, id, DETACHED_DOCUMENT)
    const text = unlessMissing(() => readFileSync(file, 'utf8'))
    const document = text === undefined ? undefined : parsed(text)
    return document === undefined
      ? []
      : [{ id, name: document.name ?? '', mounts: document.options?.mounts ?? [] }]
  })

interface DocumentWithMounts {
  readonly name?: string
  readonly options?: { readonly mounts?: readonly NamedMount[] }
}

const parsed = (text: string): DocumentWithMounts | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
