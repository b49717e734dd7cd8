// slipway's own state on disk: plain files, each written once and renamed or removed whole. Nothing here needs repair.
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
} from 'node:fs'
import { uptime } from 'node:os'
import path from 'node:path'
import type { EngineError } from '../model/errors.ts'
import { type ContainerRecord, parseRecord } from '../model/record.ts'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import { closeForEngine, openForEngine } from './engine-descriptors.ts'
import { makeFolders } from './make-folders.ts'
import { writeNewNow } from './replace-file.ts'

const LOCK_SH = 1
const LOCK_EX = 2
/** A millisecond apart. */
const MAX_TRIES = 1000
const OWN_MODE = 0o700
/** In the directory of a container that outlives its engine: all that is known of it. */
export const DETACHED_DOCUMENT = 'container.json'
/** Beside it once the container has been started. */
const OF_A_RUN = ['upper', 'log']
const STRAY_MS = 60_000
/** A disk that is full, or read-only, or broken: what is there may be read all the same. */
const UNWRITABLE: readonly string[] = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']

export interface StateRoots {
  /** Data: images, layers, writable layers. */
  readonly root: string
  /** Records of what runs: may vanish with a reboot. */
  readonly runtime: string
}

export class StateDir {
  readonly root: string
  readonly runtime: string
  /** This engine's own id, 16 hex digits: new for each process. */
  readonly engine: string
  /** An empty directory, where a container's root is attached inside its own mount namespace. */
  readonly scratch: string
  readonly containers: string
  readonly trash: string
  readonly records: string
  readonly names: string
  readonly #engines: string
  readonly containersFd: number
  readonly recordsFd: number
  readonly #addon: Addon
  readonly #sinceMs = Date.now()
  /** Dead engines whose locks this one holds, while it clears away what they left. */
  readonly #cleared = new Set<string>()
  /** The folder of the engines: locked shared by each of them, so that whoever gets it exclusively is the last. */
  readonly #company: number
  /** -1: where nothing can be written, there is none. */
  #lockFd = -1
  #isClosed = false

  constructor(roots: StateRoots, addon: Addon) {
    this.root = roots.root
    this.runtime = roots.runtime
    this.#addon = addon
    this.engine = randomHex(8)
    this.scratch = path.join(roots.runtime, 'mnt')
    this.containers = path.join(roots.root, 'containers')
    this.trash = path.join(roots.root, 'trash')
    this.names = path.join(roots.root, 'names')
    this.records = path.join(roots.runtime, 'records')
    this.#engines = path.join(roots.runtime, 'engines')
    for (const folder of [
      this.containers,
      this.trash,
      this.records,
      this.#engines,
      this.names,
      this.scratch,
    ]) {
      makeFolders(folder, OWN_MODE)
    }
    demandOwnRoots(roots)
    this.containersFd = openForEngine(addon, this.containers, constants.O_RDONLY | constants.O_DIRECTORY)
    this.recordsFd = openForEngine(addon, this.records, constants.O_RDONLY | constants.O_DIRECTORY)
    this.#company = openForEngine(addon, this.#engines, constants.O_RDONLY | constants.O_DIRECTORY)
    this.#join()
    try {
      this.demandLock()
    } catch (error) {
      // Whoever looks, ends and removes needs none; who makes something asks again.
      if (!UNWRITABLE.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }

  /** Who sees the lock knows that this engine lives. Throws Node's system errors. */
  demandLock(): void {
    if (this.#lockFd < 0) this.#lockFd = this.#lock()
  }

  recordPath(id: string): string {
    return path.join(this.records, id)
  }

  /** Of these ids those that a word may mean: a name, an id, or the beginning of one. All without a word. */
  meant(ids: readonly string[], wanted: string | undefined): readonly string[] {
    if (wanted === undefined) return ids
    const holder = isPlain(wanted) ? linkAt(path.join(this.names, wanted)).split('.')[0] : undefined
    return ids.filter((id) => id === holder || (wanted !== '' && id.startsWith(wanted)))
  }

  /** All records that can be read, or those of containers a word may mean; one that is torn or foreign is passed over. */
  readRecords(wanted?: string): ContainerRecord[] {
    return this.meant(readdirSync(this.records), wanted).flatMap((name) => {
      const record = this.readRecord(name)
      return record === undefined ? [] : [record]
    })
  }

  /**
   * An engine that died between making a record and writing it has done nothing else yet. Of an engine that lives, `dead`
   * not naming it, such a record is there for microseconds.
   */
  removeTornRecords(dead: ReadonlySet<string>): void {
    const before = this.#strayBefore(dead)
    for (const name of readdirSync(this.records)) {
      const file = this.recordPath(name)
      if (this.readRecord(name) === undefined && modifiedMs(file) < before) unlinkQuietly(file)
    }
  }

  /**
   * Directories without a record: a start makes both side by side, so a kill may come between them. Those of an earlier boot stay: of
   * containers that were kept the record may be lost with a runtime folder in memory. Those of detached containers have a document in the
   * record's place.
   */
  strayContainers(dead: ReadonlySet<string>): readonly string[] {
    const [before, bootMs] = [this.#strayBefore(dead), Date.now() - uptime() * 1000]
    const known = new Set(readdirSync(this.records))
    return readdirSync(this.containers).filter((id) => {
      if (known.has(id)) return false
      const madeMs = modifiedMs(path.join(this.containers, id))
      return madeMs < before && (madeMs > bootMs || this.#isUnwritten(id)) && !this.hasDocument(id)
    })
  }

  /** Its document was being made. */
  #isUnwritten(id: string): boolean {
    const file = path.join(this.containers, id, DETACHED_DOCUMENT)
    return [file, `${file}.new`].some((each) => existsSync(each))
  }

  /** What is older has no living maker: alone, whatever was there before us; else what is older than any start lasts. */
  #strayBefore(dead: ReadonlySet<string>): number {
    const alone = readdirSync(this.#engines).every((name) => name === this.engine || dead.has(name))
    return alone ? this.#sinceMs : Date.now() - STRAY_MS
  }

  readRecord(id: string): ContainerRecord | undefined {
    try {
      return parseRecord(readFileSync(this.recordPath(id), 'utf8'))
    } catch {
      return undefined
    }
  }

  /**
   * Of a container that outlives its engine, be it readable or not, or hidden by its directory. An empty one was not written yet, also by a
   * power cut; of one that has run it was lost.
   */
  hasDocument(id: string): boolean {
    if (id === '') return false
    const folder = path.join(this.containers, id)
    // Whatever stands there: also a link that leads nowhere.
    const found = lookAt(path.join(folder, DETACHED_DOCUMENT))
    if (found === 'hidden') return true
    if (found === undefined || found.size > 0) return found !== undefined
    return OF_A_RUN.some((name) => existsSync(path.join(folder, name)))
  }

  /** What links lead to it. */
  namesOf(id: string): readonly string[] {
    return readdirSync(this.names).filter((name) => linkAt(path.join(this.names, name)).split('.')[0] === id)
  }

  /** That name is the container's: of one that outlives its engine its document says so; one that cannot be read gives nothing up. */
  isCalled(id: string, name: string): boolean {
    if (this.readRecord(id) !== undefined) return true
    if (!this.hasDocument(id)) return false
    try {
      const file = path.join(this.containers, id, DETACHED_DOCUMENT)
      const called = (JSON.parse(readFileSync(file, 'utf8')) as { readonly name?: unknown }).name
      return typeof called !== 'string' || called === name
    } catch {
      return this.hasDocument(id)
    }
  }

  /** Names of nobody: what a death left between a container's name and the container, whichever came first. */
  freeStrayNames(): void {
    this.lockNames(() => {
      for (const name of readdirSync(this.names)) {
        const file = path.join(this.names, name)
        const [holder = '', engine = ''] = linkAt(file).split('.')
        if (!this.isCalled(holder, name) && !this.isAlive(engine)) unlinkQuietly(file)
      }
    })
  }

  /** Replaces a record whole. */
  writeRecord(record: ContainerRecord): void {
    const temporary = path.join(this.runtime, `.${record.id}.${this.engine}`)
    writeNewNow(temporary, JSON.stringify(record), false)
    renameSync(temporary, this.recordPath(record.id))
  }

  /** Engines that ended without cleaning up: their locks are free. The lock is held until `done` is called. */
  deadEngines(): { readonly engine: string; readonly done: () => void }[] {
    this.#removeStrays()
    return readdirSync(this.#engines)
      .filter((name) => name !== this.engine)
      .flatMap((engine) => this.#takeOver(engine))
      .map(({ engine, done }) => {
        this.#cleared.add(engine)
        return { engine, done }
      })
  }

  isAlive(engine: string): boolean {
    if (engine === this.engine) return true
    if (this.#cleared.has(engine)) return false
    const taken = this.#takeOver(engine)
    for (const { release } of taken) release()
    return taken.length === 0 && readdirSync(this.#engines).includes(engine)
  }

  /** Gives a name up that this container has; one that somebody else has by now stays. */
  freeName(name: string, id: string): void {
    const file = path.join(this.names, name)
    if (name === '') return
    // Between the two somebody may take over the name of a container that is gone.
    this.lockNames(() => linkAt(file).startsWith(`${id}.`) && unlinkQuietly(file))
  }

  /** Runs `body` while nobody else is in here; whoever is, is for as long as a few calls take. */
  lockNames(body: () => void): void {
    const fd = openSync(this.names, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      if (this.#takeSoon(fd, LOCK_EX)) body()
    } finally {
      closeSync(fd)
    }
  }

  /** To be called once, at the very end: `body` runs unless another engine of this root lives, and none begins meanwhile. */
  leave(body: () => void): void {
    if (this.#addon.flock(this.#company, LOCK_EX) === 0) body()
    closeForEngine(this.#addon, this.#company)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#lockFd >= 0) unlinkQuietly(path.join(this.#engines, this.engine))
    for (const fd of [this.containersFd, this.recordsFd, this.#lockFd].filter((each) => each >= 0))
      closeForEngine(this.#addon, fd)
  }

  /** Only an engine that is leaving can be in the way, for as long as a few calls of rmdir(2) take. */
  #join(): void {
    this.#takeSoon(this.#company, LOCK_SH)
  }

  #takeSoon(fd: number, how: number): boolean {
    const sleeper = new Int32Array(new SharedArrayBuffer(4))
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (this.#addon.flock(fd, how) === 0) return true
      Atomics.wait(sleeper, 0, 0, 1)
    }
    return false
  }

  /** What was being written when its writer was killed. Nobody writes for a minute. */
  #removeStrays(): void {
    for (const name of readdirSync(this.runtime).filter((each) => each.startsWith('.'))) {
      const file = path.join(this.runtime, name)
      const ageMs = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
      if (ageMs > STRAY_MS) unlinkQuietly(file)
    }
  }

  /** Locked before it appears under its name: no other engine ever sees it unlocked while this process lives. */
  #lock(): number {
    const temporary = path.join(this.runtime, `.engine-${this.engine}`)
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
    const fd = openForEngine(this.#addon, temporary, flags, 0o600)
    try {
      this.#addon.flock(fd, LOCK_EX)
      renameSync(temporary, path.join(this.#engines, this.engine))
      return fd
    } catch (error) {
      unlinkQuietly(temporary)
      closeForEngine(this.#addon, fd)
      throw error
    }
  }

  #takeOver(
    engine: string,
  ): { readonly engine: string; readonly done: () => void; readonly release: () => void }[] {
    const file = path.join(this.#engines, engine)
    let fd: number
    try {
      fd = openSync(file, constants.O_RDWR)
    } catch {
      return []
    }
    if (this.#addon.flock(fd, LOCK_EX) !== 0) {
      closeSync(fd)
      return []
    }
    const release = (): void => closeSync(fd)
    const done = (): void => {
      unlinkQuietly(file)
      release()
    }
    return [{ engine, done, release }]
  }
}

/** A word that leads nowhere else. */
const isPlain = (word: string): boolean => /^[A-Za-z0-9][\w.-]*$/.test(word)

/** Infinity for a file that is gone. */
export const modifiedMs = (file: string): number => {
  try {
    return statSync(file).mtimeMs
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/**
 * Records say whom to kill, filters what to allow, layers what to execute: nobody else may write here. One that is not there yet is
 * nobody's. Throws HostUnfit.
 */
export const demandOwnRoots = ({ root, runtime }: StateRoots): void => {
  for (const folder of [root, runtime]) if (existsSync(folder)) demandOwn(folder)
}

const demandOwn = (folder: string): void => {
  const { uid, mode } = statSync(folder)
  if (uid === process.geteuid?.() && (mode & 0o022) === 0) return
  throw {
    _tag: 'HostUnfit',
    need: "a folder of slipway's own",
    ...(uid === process.geteuid?.() ? writtenByOthers(folder, mode) : ofAnother(folder, uid)),
  } satisfies EngineError
}

const writtenByOthers = (folder: string, mode: number) => ({
  why: `${folder} has mode ${(mode & 0o7777).toString(8)}, so that others can write to it`,
  remedy: `chmod it to 700, or ${ANOTHER_ROOT}`,
})

/** What is in it is another one's: it is not to be taken over by a chown. */
const ofAnother = (folder: string, uid: number) => ({
  why: `${folder} belongs to uid ${uid}, and this is uid ${process.geteuid?.()}`,
  remedy: ANOTHER_ROOT,
})
const ANOTHER_ROOT = 'choose another root: createEngine({ root }), --root or SLIPWAY_ROOT'

/** Undefined where nothing is, `hidden` where that cannot be seen. */
const lookAt = (file: string): Stats | 'hidden' | undefined => {
  try {
    return unlessMissing(() => lstatSync(file))
  } catch {
    return 'hidden'
  }
}

/** Where a link leads; empty when it has just been taken away. */
export const linkAt = (file: string): string => {
  try {
    return readlinkSync(file)
  } catch {
    return ''
  }
}

const unlinkQuietly = (file: string): void => {
  try {
    unlinkSync(file)
  } catch {
    // Somebody else was faster.
  }
}

const RANDOM_BYTES = 4096
const pool = { bytes: Buffer.alloc(0), at: 0 }

/** From /dev/urandom directly: node:crypto costs milliseconds to load, which a short-lived command line would pay. */
export const randomHex = (bytes: number): string => {
  if (pool.at + bytes > pool.bytes.length) {
    const fd = openSync('/dev/urandom', 'r')
    pool.bytes = Buffer.alloc(RANDOM_BYTES)
    readSync(fd, pool.bytes)
    closeSync(fd)
    pool.at = 0
  }
  pool.at += bytes
  return pool.bytes.toString('hex', pool.at - bytes, pool.at)
}
