// Containers that outlive their engine, on disk: one directory each, made, written, listed, marked as wanted, and removed.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { DamagedContainer, DetachedContainer, DetachedStore } from '../engine/ports/detached.ts'
import {
  type ContainerDocument,
  decodeContainerDocument,
  encodeContainerDocument,
} from '../model/container-document.ts'
import { isSpent } from '../model/container-status.ts'
import type { EngineError } from '../model/errors.ts'
import { decodeProbeResults, type MonitorState } from '../model/monitor-state.ts'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { MONITOR_PROCESS, MONITOR_TOLD } from '../plan/monitor-table.ts'
import { attemptNow } from './attempt.ts'
import { type FactsParts, runOf, textOf, WANTED, withFacts } from './detached-facts.ts'
import { whileLocked } from './detached-lock.ts'
import { monitorGone, settled } from './detached-waits.ts'
import { hasMonitor, markPassing, monitorDirectory, passingIn, unmarkPassing } from './monitor-places.ts'
import { replaceFileNow, writeNewNow } from './replace-file.ts'
import { isReplacing } from './replacements.ts'
import { DETACHED_DOCUMENT as DOCUMENT, modifiedMs, randomHex, type StateDir } from './state-dir.ts'

const OWN_MODE = 0o700

export interface StoreParts extends FactsParts {
  readonly addon: Pick<Addon, 'flock'> & Pick<LayerAddon, 'removeTree'>
  readonly state: StateDir
  readonly freeName: (name: string, id: string) => void
  /** Of one that does not run by then: forgets that it was held still. Never fails. */
  readonly thaw: (id: string) => Promise<void>
  /** What its monitor, which was killed, has not told. */
  readonly tellMissing: (container: DetachedContainer) => Promise<void>
  /** Whoever is left in them is killed. Never fails. */
  readonly removeGroups: (id: string, groups: readonly string[]) => Promise<void>
  /** What a monitor does last for one that removes itself. Fails: SyscallFailed. */
  readonly removeSpent: (document: ContainerDocument) => Promise<E.Either<EngineError, void>>
  /** The first process, and resolves when it is gone. Never fails. */
  readonly kill: (state: MonitorState) => Promise<void>
}

export const detachedStore = (parts: StoreParts): DetachedStore => {
  const { addon, state } = parts
  const directory = (id: string): string => `${state.containers}/${id}`
  const read = (id: string): E.Either<EngineError, DetachedContainer | undefined> => {
    const file = `${directory(id)}/${DOCUMENT}`
    const text = textOf(file)
    if (E.isLeft(text)) return text
    if (text.right === undefined || (text.right === '' && !state.hasDocument(id))) return E.right(undefined)
    const found = E.map((document: ContainerDocument) => withFacts(parts, directory(id), document))(
      decodeContainerDocument(text.right, file),
    )
    // One that was removed meanwhile has no record of its end either, and looks as if it had never been started.
    const looksNew = E.isRight(found) && found.right.exit === undefined && found.right.state === undefined
    return looksNew && !existsSync(file) ? E.right(undefined) : found
  }
  const held: DetachedStore['held'] = (id, body) => async () =>
    (await whileLocked(addon, directory(id), body)) ?? notFound(id)
  const gone = (id: string): Promise<void> => monitorGone(() => hasMonitor(addon, state.runtime, id))
  const clear = async (id: string, written: MonitorState | undefined): Promise<void> => {
    await gone(id)
    await parts.thaw(id)
    if (written?.groups !== undefined) await parts.removeGroups(id, written.groups)
  }
  /** `names`: not given up before it is out of sight, since a container without its name would share it. */
  const moveAway = async (id: string, names: readonly string[]): Promise<E.Either<EngineError, boolean>> => {
    const trash = path.join(state.trash, `${id}.${randomHex(4)}`)
    const moved = attemptNow('move to trash', () => isMoved(directory(id), trash))
    if (E.isLeft(moved)) return moved
    for (const name of names) parts.freeName(name, id)
    unmarkPassing(state.runtime, id)
    await addon.removeTree(monitorDirectory(state.runtime, id)).catch(() => {})
    if (moved.right) await addon.removeTree(trash).catch(() => {})
    return moved
  }
  const damagedOne = (id: string, error: EngineError): DamagedContainer => ({
    id,
    name: state.namesOf(id)[0] ?? '',
    error,
    changedMs: modifiedMs(directory(id)),
    ...runOf(parts, id),
  })
  const settledNow = async (id: string): Promise<E.Either<EngineError, DetachedContainer>> => {
    const container = await settled(() => read(id))
    return E.isLeft(container) || container.right !== undefined
      ? (container as E.Either<EngineError, DetachedContainer>)
      : notFound(id)
  }
  return {
    has: (id) => ID.test(id) && state.hasDocument(id),
    read,
    settled: (id) => () => settledNow(id),
    monitorGone: gone,
    clear: ({ document, state: written }) => clear(document.id, written),
    thaw: parts.thaw,
    probeResults: (id) => {
      const lines = textOf(path.join(monitorDirectory(state.runtime, id), 'health'))
      return E.isRight(lines) ? decodeProbeResults(lines.right ?? '') : []
    },
    processDirectory: (id) => path.join(monitorDirectory(state.runtime, id), MONITOR_PROCESS),
    list: (wanted) => {
      // The symlink of a name follows what the documents say: while somebody is replaced all of them are read.
      const meant = isReplacing(state.root) ? undefined : wanted
      const found = state.meant(ids(state.containers), meant).map((id) => ({ id, read: read(id) }))
      const there = found.flatMap(({ read: each }) =>
        E.isRight(each) && each.right !== undefined ? [each.right] : [],
      )
      const superseded = new Set(there.map(({ document }) => document.supersedes))
      return {
        containers: there.filter(({ document }) => !superseded.has(document.id)),
        damaged: found.flatMap(({ id, read: each }) => (E.isLeft(each) ? [damagedOne(id, each.left)] : [])),
      }
    },
    create: (document) =>
      attemptNow('create container', () => {
        mkdirSync(directory(document.id), { mode: OWN_MODE })
        const file = path.join(directory(document.id), DOCUMENT)
        try {
          // Whole or not there, whenever this process dies. What a power cut leaves empty was not made yet: nothing waits for the disk.
          writeNewNow(`${file}.new`, encodeContainerDocument(document), false)
          renameSync(`${file}.new`, file)
        } catch (error) {
          rmSync(directory(document.id), { recursive: true, force: true })
          throw error
        }
      }),
    write: (document) =>
      attemptNow('write container', () =>
        replaceFileNow(path.join(directory(document.id), DOCUMENT), encodeContainerDocument(document)),
      ),
    want: ({ id, policies: { autoRemove } }, wanted) =>
      attemptNow('note what is wanted', () => {
        // From here on it is one that is removed where nobody goes on: that is found by its mark.
        if (wanted && autoRemove) markPassing(state.runtime, id)
        const file = path.join(directory(id), WANTED)
        if (wanted) closeSync(openSync(file, 'a', 0o600))
        else rmSync(file, { force: true })
      }),
    remove: async ({ id, name }) => {
      await gone(id)
      const left = read(id)
      if (E.isRight(left) && left.right !== undefined) await clear(id, left.right.state)
      return moveAway(id, [name])
    },
    removeDamaged: async ({ id, state: written, isAlive }) => {
      if (isAlive && written !== undefined) await parts.kill(written)
      await clear(id, written)
      return moveAway(id, state.namesOf(id))
    },
    spent: () => {
      // Marks and monitors go with a boot: the first command after it looks at all.
      const suspects =
        passingIn(state.runtime) ??
        ids(state.containers).filter((id) => existsSync(`${directory(id)}/${WANTED}`))
      return suspects.filter((id) => {
        const found = hasMonitor(addon, state.runtime, id) ? undefined : read(id)
        return found !== undefined && E.isRight(found) && found.right !== undefined && isSpent(found.right)
      })
    },
    held,
    locked: (id, body) =>
      held(id, async () => {
        const container = await settledNow(id)
        if (E.isLeft(container)) return container
        await tellOnce(parts, container.right)
        if (isSpent(container.right)) {
          const removed = await parts.removeSpent(container.right.document)
          return E.isLeft(removed) ? removed : notFound(id)
        }
        const done = await body(container.right)
        // One that removes itself asks nobody: whatever failed of what is gone failed by that.
        return E.isLeft(done) && !existsSync(directory(id)) ? notFound(id) : done
      }),
  }
}

/** False where somebody else was faster. */
const isMoved = (from: string, to: string): boolean =>
  unlessMissing(() => {
    renameSync(from, to)
    return true
  }) ?? false

/** What is left of a killed monitor is looked at once for each run, and once more when that is over: the journal may be long. */
const tellOnce = async (parts: StoreParts, container: DetachedContainer): Promise<void> => {
  const { document, state, hasMonitor: isHeld, isAlive } = container
  if (isHeld || state === undefined || state.begunMs === 0) return
  const file = path.join(monitorDirectory(parts.state.runtime, document.id), MONITOR_TOLD)
  const mark = `${state.begunMs} ${isAlive ? 'runs' : 'over'}`
  const told = textOf(file)
  if (E.isRight(told) && told.right === mark) return
  await parts.tellMissing(container)
  attemptNow('note what was told', () => writeFileSync(file, mark, { mode: 0o600 }))
}

const notFound = (id: string): E.Either<EngineError, never> =>
  E.left({ _tag: 'ContainerNotFound', container: id.slice(0, 12) })

const ID = /^[0-9a-f]{64}$/
const ids = (folder: string): readonly string[] => readdirSync(folder).filter((name) => ID.test(name))
