// Holds a container still for a moment: the freezer of cgroup v2, also where that has no controllers, or of v1.
//
// A container has groups only where it has limits. Where none of them can be frozen, its processes visit one that can, and go back. What is
// frozen is on file, under a lock of who froze it: a process that dies in between is undone by the next one's sweep.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskEither } from '#fp/TaskEither'
import type { HostPort } from '../engine/ports/host.ts'
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import { attempt, locatedNow, thrown } from './attempt.ts'
import { pidsBelow } from './cgroup-pids.ts'
import { FROZEN_BYTES, frozenFolder, frozenIds, frozenSpare, isFrozen, isPaused } from './frozen.ts'
import { makeFolders } from './make-folders.ts'

const LOCK_EX = 2
/** Together five seconds: a task in an uninterruptible call is frozen only afterwards. */
const TRIES = 2500
const PAUSE_MS = 2
const LOCK_PAUSE_MS = 10
const EBUSY = -16
/** Times the list of processes is read: one that was just forked is found the next time. */
const MAX_ROUNDS = 100

/** What must be undone. All of it is written down before anything is done. */
interface Frozen {
  readonly version: 1
  /** `cgroup.freeze` or `freezer.state`. */
  readonly file: string
  /** A group made for this, and where its processes belong. */
  readonly guest?: { readonly group: string; readonly home: string }
  /** It stays so until somebody says otherwise, whoever has the lock. */
  readonly paused?: boolean
  /** The file is the spare one, and becomes that again. */
  readonly spare?: boolean
}

export interface FreezerParts {
  readonly addon: Pick<Addon, 'flock'>
  readonly facts: Pick<HostFacts, 'cgroup'>
  readonly runtime: string
  /** Of the engine's root; what is made for a moment stands beside it. */
  readonly groupName: string
}

export const freezer =
  (parts: FreezerParts): HostPort['freeze'] =>
  (id, groups) =>
    attempt('freeze the container', async () => {
      const release = await lockFreezing(parts, id)
      if (release.isPaused) {
        release.free()
        return async () => {}
      }
      try {
        await freeze(parts, id, groups, release.write)
        return () => undoing(release)
      } catch (error) {
        await undoing(release)
        throw error
      }
    })

/** A group cannot be removed while somebody who was in it is still ending. */
const undoing = async (lock: Lock): Promise<void> => {
  try {
    for (let tries = 1; ; tries++) {
      try {
        lock.undo()
        return
      } catch (error) {
        if ((error as NodeJS.ErrnoException).errno !== EBUSY || tries === TRIES) throw error
      }
      await sleep(PAUSE_MS)
    }
  } finally {
    lock.free()
  }
}

/** Holds it still until `unpauseContainer`, whoever calls that. False where it is held already. Fails: HostUnfit, SyscallFailed. */
export const pauseContainer = (
  parts: FreezerParts,
  id: string,
  groups: readonly string[],
): TaskEither<EngineError, boolean> =>
  attempt('pause the container', async () => {
    const lock = await lockFreezing(parts, id)
    if (lock.isPaused) {
      lock.free()
      return false
    }
    try {
      await freeze(parts, id, groups, (frozen) => lock.write({ ...frozen, paused: true }))
    } catch (error) {
      await undoing(lock)
      throw error
    }
    lock.free()
    return true
  })

/** False where nobody paused it. Fails: SyscallFailed. */
export const unpauseContainer = (parts: FreezerParts, id: string): TaskEither<EngineError, boolean> =>
  attempt('unpause the container', async () => {
    if (!existsSync(path.join(frozenFolder(parts.runtime), id))) return false
    const lock = await lockFreezing(parts, id)
    await undoing(lock)
    return lock.isPaused
  })

/** What dead processes left frozen goes on, and what is paused and is over is forgotten. */
export const thawAbandoned = ({
  addon,
  runtime,
  isOver = () => false,
  ids = frozenIds(runtime),
}: Pick<FreezerParts, 'addon' | 'runtime'> & {
  readonly isOver?: (id: string) => boolean
  readonly ids?: readonly string[]
}): void => {
  const folder = frozenFolder(runtime)
  for (const name of ids) {
    const file = path.join(folder, name)
    const fd = unlessMissing(() => openSync(file, constants.O_RDWR | constants.O_NOFOLLOW))
    if (fd === undefined) continue
    try {
      if (addon.flock(fd, LOCK_EX) !== 0 || !isSame(fd, file)) continue
      if (!isPaused(runtime, name) || isOver(name)) thaw(runtime, file)
    } catch (error) {
      // Somebody in its group is still ending: the next engine finds it.
      if ((error as NodeJS.ErrnoException).errno !== EBUSY) throw error
    } finally {
      closeSync(fd)
    }
  }
}

interface Lock {
  /** By somebody who is not there any more: `write` would forget how to undo that. */
  readonly isPaused: boolean
  readonly write: (frozen: Frozen) => void
  readonly undo: () => void
  readonly free: () => void
}

/** One at a time: the second one would be let go with the first. */
const lockFreezing = async ({ addon, runtime }: FreezerParts, id: string): Promise<Lock> => {
  makeFolders(frozenFolder(runtime), 0o700)
  const file = path.join(frozenFolder(runtime), id)
  for (;;) {
    const { fd, spare } = openWithRoom(runtime, file)
    // The holder before may have removed the file since it was opened.
    if (addon.flock(fd, LOCK_EX) === 0 && isSame(fd, file)) {
      const paused = isPaused(runtime, id)
      if (!paused) thaw(runtime, file, true)
      return {
        isPaused: paused,
        // Not shortened before: on a full disk the room would be somebody else's.
        write: (frozen) =>
          locatedNow(file, () =>
            ftruncateSync(fd, writeSync(fd, JSON.stringify({ ...frozen, ...(spare && { spare }) }), 0)),
          ),
        undo: () => thaw(runtime, file),
        free: () => closeSync(fd),
      }
    }
    closeSync(fd)
    await sleep(LOCK_PAUSE_MS)
  }
}

const FULL: readonly unknown[] = ['ENOSPC', 'EDQUOT']

/** All that will be written into it has its room when this returns. Throws Node's system errors. */
const openWithRoom = (runtime: string, file: string): { readonly fd: number; readonly spare: boolean } => {
  const isNew = !existsSync(file)
  let fd: number | undefined
  try {
    fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    const opened = fd
    if (isNew) locatedNow(file, () => writeSync(opened, ' '.repeat(FROZEN_BYTES), 0))
    return { fd, spare: false }
  } catch (error) {
    if (fd !== undefined) closeSync(fd)
    if (!FULL.includes((error as NodeJS.ErrnoException).code) || !existsSync(frozenSpare(runtime)))
      throw error
    renameSync(frozenSpare(runtime), file)
    return { fd: openSync(file, constants.O_RDWR | constants.O_NOFOLLOW), spare: true }
  }
}

const isSame = (fd: number, file: string): boolean =>
  statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino

const freeze = async (
  parts: FreezerParts,
  id: string,
  groups: readonly string[],
  write: (frozen: Frozen) => void,
): Promise<void> => {
  const own = groups.find((group) => existsSync(`${group}/cgroup.freeze`))
  if (own !== undefined) {
    const file = `${own}/cgroup.freeze`
    write({ version: 1, file })
    writeFileSync(file, '1')
    return untilFrozen(file)
  }
  const [first] = groups
  if (first === undefined) throw thrown(unfit('the container has no cgroup, so its processes are not known'))
  const guest = guestGroup(parts, id, first)
  write({ version: 1, file: guest.file, guest })
  mkdirSync(guest.group, { mode: 0o755 })
  gather(groups, guest.group)
  writeFileSync(guest.file, guest.file.endsWith('freezer.state') ? 'FROZEN' : '1')
  // One forked by a process that was not there yet.
  gather(groups, guest.group)
  await untilFrozen(guest.file)
}

const unfit = (why: string): EngineError => ({
  _tag: 'HostUnfit',
  need: 'holding a running container still',
  why,
  remedy: 'pause: false (--pause=false) reads its files while it runs',
})

/** A group of our own that can be frozen: on v2, which a hybrid host has beside v1, else with v1's freezer. */
const guestGroup = (
  { facts: { cgroup }, groupName }: FreezerParts,
  id: string,
  first: string,
): NonNullable<Frozen['guest']> & { readonly file: string } => {
  const v1 = cgroup.controllers.find(({ name, version }) => name === 'freezer' && version === 1)
  const mount = cgroup.unified ?? v1?.mountpoint
  if (mount === undefined) throw thrown(unfit('there is neither cgroup v2 nor a freezer of v1'))
  const group = path.join(mount, `${groupName}-frozen-${id}`)
  const home = path.join(mount, homeOf(first, mount === cgroup.unified))
  return { group, home, file: path.join(group, mount === cgroup.unified ? 'cgroup.freeze' : 'freezer.state') }
}

/** Where the container's first process is in that hierarchy; cgroups(7), /proc/pid/cgroup. */
const homeOf = (group: string, isUnified: boolean): string => {
  for (const pid of pidsBelow(group)) {
    try {
      const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')
      const line = lines.find((each) => (isUnified ? each.startsWith('0::') : /^\d+:freezer:/.test(each)))
      if (line !== undefined) return line.slice(line.indexOf('/'))
    } catch {
      // It has ended.
    }
  }
  return '/'
}

/** Moves all processes of `groups` and of groups below them, until a reading finds nobody who is not there already. */
export const gather = (groups: readonly string[], into: string): void => {
  const moved = new Set<number>()
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const left = [...new Set(groups.flatMap(pidsBelow))].filter((pid) => !moved.has(pid))
    if (left.length === 0) return
    for (const pid of left) {
      moved.add(pid)
      join(into, pid)
    }
  }
}

const ESRCH = -3
const join = (group: string, pid: number): void => {
  try {
    writeFileSync(`${group}/cgroup.procs`, String(pid))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno !== ESRCH) throw error
  }
}

const untilFrozen = async (file: string): Promise<void> => {
  for (let tries = 0; tries < TRIES; tries++) {
    if (isFrozen(file)) return
    await sleep(PAUSE_MS)
  }
  throw thrown({ _tag: 'SyscallFailed', step: 'freeze', errno: 16, path: path.dirname(file) })
}

/** Undoes whatever of it was done, in any state it was left in. */
const thaw = (runtime: string, record: string, keep = false): void => {
  const frozen = parse(readFileSync(record, 'utf8'))
  if (frozen !== undefined && existsSync(frozen.file)) {
    const { file, guest } = frozen
    if (guest !== undefined)
      for (let round = 0; round < MAX_ROUNDS && pidsBelow(guest.group).length > 0; round++)
        goHome(file, guest)
    else letGo(file)
    if (guest !== undefined) rmdirSync(guest.group)
  }
  if (keep) return
  if (frozen?.spare === true) renameSync(record, frozenSpare(runtime))
  else unlinkSync(record)
}

const goHome = (file: string, { group, home }: NonNullable<Frozen['guest']>): void => {
  letGo(file)
  for (const pid of pidsBelow(group)) join(home, pid)
}

const letGo = (file: string): void => writeFileSync(file, file.endsWith('freezer.state') ? 'THAWED' : '0')

/** An empty one was locked, and nothing done yet. */
const parse = (text: string): Frozen | undefined => {
  try {
    return JSON.parse(text) as Frozen
  } catch {
    return undefined
  }
}
