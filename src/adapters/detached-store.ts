// Containers that outlive their engine, on disk: one directory each, and what its monitor leaves in the runtime directory.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
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
import { isSettled, isSpent, unseenEnd } from '../model/container-status.ts'
import type { EngineError } from '../model/errors.ts'
import {
  decodeExitRecord,
  decodeMonitorState,
  type ExitRecord,
  type MonitorState,
} from '../model/monitor-state.ts'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { MONITOR_FILES } from '../plan/monitor.ts'
import { MONITOR_PROCESS, MONITOR_TOLD } from '../plan/monitor-table.ts'
import { attemptNow, locatedNow } from './attempt.ts'
import { startTimeOf } from './container-processes.ts'
import { makeFolders } from './make-folders.ts'
import { replaceFileNow, writeNewNow } from './replace-file.ts'
import { isReplacing } from './replacements.ts'
import { DETACHED_DOCUMENT as DOCUMENT, modifiedMs, randomHex, type StateDir } from './state-dir.ts'
import { BUSY, whileBusy } from './while-busy.ts'

const LOCK_SH = 1
const LOCK_EX = 2
const EAGAIN = 11
const EXIT = 'exit.json'
/** Its being there says it: that survives any crash as it is. */
const WANTED = 'wanted'
const OWN_MODE = 0o700
/** Between two tries for a lock. */
const LONGEST_PAUSE_MS = 20

export interface StoreParts {
  readonly addon: Pick<Addon, 'flock'> & Pick<LayerAddon, 'removeTree'>
  readonly state: StateDir
  readonly bootId: string
  readonly isFrozen: (id: string) => boolean
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

export const monitorsIn = (runtime: string): string => `${runtime}/monitors`
export const monitorDirectory = (runtime: string, id: string): string => `${monitorsIn(runtime)}/${id}`

const PASSING = '.passing'
/** Is there for one that removes itself and has been started, so that nobody looks at all others to find one whose monitor died. */
export const passingMark = (runtime: string, id: string): string =>
  `${monitorDirectory(runtime, id)}${PASSING}`

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
  const held: DetachedStore['held'] = (id, body) => async () => {
    const opened = openDirectory(directory(id))
    if (E.isLeft(opened)) return opened
    const fd = opened.right
    if (fd === undefined) return notFound(id)
    try {
      const errno = await take(addon, fd)
      if (errno !== 0) return E.left({ _tag: 'SyscallFailed', step: 'flock', errno, path: directory(id) })
      // A directory without a name is one that the holder before us removed.
      if (fstatSync(fd).nlink === 0) return notFound(id)
      return await body()
    } finally {
      closeSync(fd)
    }
  }
  const clear = async (id: string, written: MonitorState | undefined): Promise<void> => {
    await monitorGone(parts, id)
    await parts.thaw(id)
    if (written?.groups !== undefined) await parts.removeGroups(id, written.groups)
  }
  /** `names`: not given up before it is out of sight, since a container without its name would share it. */
  const moveAway = async (id: string, names: readonly string[]): Promise<E.Either<EngineError, boolean>> => {
    const trash = path.join(state.trash, `${id}.${randomHex(4)}`)
    const moved = attemptNow('move to trash', () => isMoved(directory(id), trash))
    if (E.isLeft(moved)) return moved
    for (const name of names) parts.freeName(name, id)
    unmark(state.runtime, id)
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
    clear: ({ document, state: written }) => clear(document.id, written),
    thaw: parts.thaw,
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
    want: (id, wanted) =>
      attemptNow('note what is wanted', () => {
        const file = path.join(directory(id), WANTED)
        if (wanted) closeSync(openSync(file, 'a', 0o600))
        else rmSync(file, { force: true })
      }),
    remove: async ({ id, name }) => {
      await monitorGone(parts, id)
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
      const names = unlessMissing(() => readdirSync(monitorsIn(state.runtime)))
      // Marks and monitors go with a boot: the first command after it looks at all.
      const suspects =
        names?.filter((name) => name.endsWith(PASSING)).map((name) => name.slice(0, -PASSING.length)) ??
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

/** A disk that takes no mark starts no monitor either, or leaves it to whoever names the container. */
export const markPassing = (runtime: string, id: string): void => {
  attemptNow('mark container', () => {
    makeFolders(monitorsIn(runtime), OWN_MODE)
    closeSync(openSync(passingMark(runtime, id), 'a', 0o600))
  })
}

const unmark = (runtime: string, id: string): void => {
  attemptNow('remove mark', () => rmSync(passingMark(runtime, id), { force: true }))
}

/** It tells its last news to whoever listens; then it is in nobody's way. */
const monitorGone = async ({ addon, state }: StoreParts, id: string): Promise<void> => {
  for (let looks = 0; hasMonitor(addon, state.runtime, id) && looks < MOST_LOOKS; looks++)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
}

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

/** What follows an end is written down within milliseconds, unless the disk is slow. */
const MOST_LOOKS = 500

const settled = async (
  look: () => E.Either<EngineError, DetachedContainer | undefined>,
  looks = MOST_LOOKS,
): Promise<ReturnType<typeof look>> => {
  const found = look()
  if (E.isLeft(found) || found.right === undefined || looks === 0 || isSettled(found.right)) return found
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  return settled(look, looks - 1)
}
const LOOK_MS = 10

const notFound = (id: string): E.Either<EngineError, never> =>
  E.left({ _tag: 'ContainerNotFound', container: id.slice(0, 12) })

const textOf = (file: string): E.Either<EngineError, string | undefined> =>
  attemptNow('read container', () => locatedNow(file, () => unlessMissing(() => readFileSync(file, 'utf8'))))

const openDirectory = (folder: string): E.Either<EngineError, number | undefined> =>
  attemptNow('open container', () =>
    unlessMissing(() => openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)),
  )

const ID = /^[0-9a-f]{64}$/
const ids = (folder: string): readonly string[] => readdirSync(folder).filter((name) => ID.test(name))

const take = ({ flock }: StoreParts['addon'], fd: number): Promise<number> =>
  whileBusy(LONGEST_PAUSE_MS, () => {
    const errno = flock(fd, LOCK_EX)
    return errno === EAGAIN ? BUSY : errno
  })

/** Files a monitor or a crash left unreadable say nothing: the kernel tells what runs. */
const runOf = (
  { state: { runtime }, bootId }: StoreParts,
  id: string,
): Pick<DetachedContainer, 'state' | 'isStateDamaged' | 'isAlive'> => {
  const file = path.join(monitorDirectory(runtime, id), MONITOR_FILES.state)
  const look = () => decoded<MonitorState>(file, decodeMonitorState)
  // It may have come between two looks.
  const written = look() ?? look()
  if (written === undefined) return { isAlive: false, ...(existsSync(file) && { isStateDamaged: true }) }
  if (written.bootId !== bootId) return { isAlive: false }
  return { state: written, isAlive: written.pid > 0 && isTheOne(written) }
}

const withFacts = (parts: StoreParts, folder: string, document: ContainerDocument): DetachedContainer => {
  const {
    addon,
    state: { runtime },
    isFrozen,
  } = parts
  const exit = lastEnd(folder, monitorDirectory(runtime, document.id))
  const run = runOf(parts, document.id)
  const facts = {
    document,
    isWanted: existsSync(`${folder}/${WANTED}`),
    ...(exit === undefined ? {} : { exit }),
    ...run,
    hasMonitor: hasMonitor(addon, runtime, document.id),
    isFrozen: run.isAlive && isFrozen(document.id),
  }
  const unseen = unseenEnd(facts)
  return unseen === undefined ? facts : { ...facts, exit: unseen }
}

/** In the run directory where the container's own took nothing. */
const lastEnd = (folder: string, run: string): ExitRecord | undefined => {
  const [kept, other] = [folder, run].map((each) =>
    decoded<ExitRecord>(path.join(each, EXIT), decodeExitRecord),
  )
  return other !== undefined && (kept === undefined || kept.endedMs < other.endedMs) ? other : kept
}

const decoded = <A>(file: string, decode: (text: string) => E.Either<unknown, A>): A | undefined => {
  // Most have none: an error that is thrown and caught takes longer than a look.
  if (!existsSync(file)) return undefined
  const text = textOf(file)
  if (E.isLeft(text) || text.right === undefined) return undefined
  const value = decode(text.right)
  return E.isRight(value) ? value.right : undefined
}

/** The process with that number is the one the state speaks of, and lives. */
export const isTheOne = ({ pid, startTime }: MonitorState): boolean => Number(startTimeOf(pid)) === startTime

/** A monitor holds its lock as long as it lives. */
export const hasMonitor = ({ flock }: Pick<Addon, 'flock'>, runtime: string, id: string): boolean => {
  const file = `${monitorDirectory(runtime, id)}/lock`
  const opened = attemptNow('open lock', () => unlessMissing(() => openSync(file, constants.O_RDWR)))
  if (E.isLeft(opened) || opened.right === undefined) return false
  try {
    return flock(opened.right, LOCK_SH) !== 0
  } finally {
    closeSync(opened.right)
  }
}
