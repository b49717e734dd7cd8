// Who has volumes mounted, or will have: containers with a record of what runs, and those with a document of what was asked.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { VolumeUser } from '../engine/ports/volumes.ts'
import { type ContainerDocument, decodeContainerDocument } from '../model/container-document.ts'
import type { NamedMount } from '../model/options-decoded.ts'
import { unlessMissing } from '../model/unless.ts'
import { DETACHED_DOCUMENT, type StateDir } from './state-dir.ts'
import { volumeNames, volumePaths } from './volume-files.ts'

export const volumeUsers = (state: StateDir): readonly VolumeUser[] => [
  ...usersOnRecord(state),
  ...usersInDocuments(state),
]

const usersOnRecord = (state: StateDir): readonly VolumeUser[] =>
  state.readRecords().map(({ id, name, mounts = [] }) => ({ id, name, mounts }))

/**
 * containers/<id>/container.json: what outlives its engine has no record of the kind that runs. One that cannot be read may have any of
 * them: so it has all, until it is removed.
 */
const usersInDocuments = (state: StateDir): readonly VolumeUser[] =>
  (unlessMissing(() => readdirSync(state.containers)) ?? []).flatMap((id) => {
    const document = documentAt(path.join(state.containers, id, DETACHED_DOCUMENT))
    if (document !== undefined)
      return [{ id, name: document.name, mounts: (document.options.mounts ?? []) as readonly NamedMount[] }]
    return state.hasDocument(id) ? [{ id, name: state.namesOf(id)[0] ?? '', mounts: everyVolume(state) }] : []
  })

const everyVolume = ({ root }: StateDir): readonly NamedMount[] =>
  volumeNames(volumePaths(root)).map((source) => ({ type: 'volume', source, target: '/' }))

const documentAt = (file: string): ContainerDocument | undefined => {
  try {
    const document = decodeContainerDocument(readFileSync(file, 'utf8'), file)
    return E.isRight(document) ? document.right : undefined
  } catch {
    return undefined
  }
}
