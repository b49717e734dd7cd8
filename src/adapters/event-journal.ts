// The journal of events on disk: segments of JSON lines below `<root>/events`, which every engine of the root appends to.
//
// An event is one write(2) with O_APPEND, which no other writer's bytes come into. It may be cut short by a full disk or a kill: that line
// cannot be read and is passed over, and the next event begins with a newline of its own. Nothing is flushed: a journal tells, it does not
// prove. When a segment is full, who noticed makes the next one under a lock. Others find out by the size of theirs before their next
// write, which may have begun then, so a reader looks at every segment there is, and at what was removed not at all. Monitors write by
// the same rules: native/init/monitor_events.cc.
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { JournalPort, JournalReader, ToldActions } from '../engine/ports/journal.ts'
import { type EngineEvent, eventLine, JOURNAL, type NewEvent, parseEvent } from '../model/events.ts'
import { segmentName, segmentNumbers } from '../model/log.ts'
import { unless } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import type { Arch } from '../plan/arch.ts'
import { planWallClock, timeIn } from '../plan/wall-clock.ts'
import { failedAt } from './attempt.ts'
import { closeForEngine, openForEngine } from './engine-descriptors.ts'
import { makeFolders } from './make-folders.ts'
import { type FolderWatch, watchFolder } from './watch-folder.ts'

const LOCK_EX = 2
const OWN_MODE = 0o700
const NO_SLOTS = new Int32Array(0)
/** Of a segment that was removed while it was written to. */
const TRIES = 3

export interface JournalParts {
  readonly addon: Pick<Addon, 'execute' | 'flock' | 'holdFds' | 'closeFds'>
  readonly arch: Arch
  /** `<root>/events` */
  readonly folder: string
  readonly segmentBytes?: number
  readonly segments?: number
}

/** Touches nothing before the first event, or the first reader. */
export const eventJournal = (parts: JournalParts): JournalPort => new EventJournal(parts)

class EventJournal implements JournalPort {
  readonly #parts: Required<JournalParts>
  #fd: number | undefined
  #number = 0
  #lastNs = 0n
  readonly #clock

  constructor(parts: JournalParts) {
    this.#parts = { ...JOURNAL, ...parts }
    this.#clock = planWallClock(parts.arch)
  }

  readonly note = (event: NewEvent): void => {
    try {
      this.#write(Buffer.from(eventLine(this.#dated(event))))
    } catch {
      // A full disk, or one that became read-only. What happened has happened all the same.
    }
  }

  readonly read = (fromNow: boolean): JournalReader => {
    makeFolders(this.#parts.folder, OWN_MODE)
    return new Reader(this.#parts.folder, fromNow)
  }

  readonly toldOf = (id: string, sinceNs: bigint): ToldActions => this.toldOfAll([id], sinceNs)(id)

  readonly toldOfAll = (ids: readonly string[], sinceNs: bigint): ((id: string) => ToldActions) => {
    const told = new Map(ids.map((id) => [id, new Set<string>()]))
    try {
      for (const number of numbersIn(this.#parts.folder)) {
        const file = path.join(this.#parts.folder, segmentName(number))
        for (const { Actor, Action } of eventsOf(file, told, sinceNs)) told.get(Actor.ID)?.add(Action)
      }
    } catch {
      // What cannot be read tells nothing.
    }
    return (id) => told.get(id) ?? new Set()
  }

  readonly close = (): void => {
    if (this.#fd !== undefined) closeForEngine(this.#parts.addon, this.#fd)
    this.#fd = undefined
  }

  /** No two of one engine have the same time, and none an earlier one than the event before it. By the clock that monitors tell. */
  #dated(event: NewEvent): EngineEvent {
    const nowNs = timeIn(this.#parts.addon.execute(this.#clock.bytes, NO_SLOTS).data, this.#clock)
    this.#lastNs = nowNs > this.#lastNs ? nowNs : this.#lastNs + 1n
    return { ...event, scope: 'local', time: Number(this.#lastNs / 1_000_000_000n), timeNano: this.#lastNs }
  }

  #write(bytes: Uint8Array): void {
    for (let tries = 0; tries < TRIES; tries++) {
      // Full, and another one may be there: what comes after an event is never in a segment before its own.
      if (this.#fd !== undefined && fstatSync(this.#fd).size >= this.#parts.segmentBytes) this.close()
      this.#fd ??= this.#openNewest()
      writeSync(this.#fd, bytes)
      const { nlink, size } = fstatSync(this.#fd)
      if (size >= this.#parts.segmentBytes) this.#rotate()
      // Removed since it was opened: nobody will read it there.
      if (nlink > 0) return
      this.close()
    }
  }

  #openNewest(): number {
    const { addon, folder } = this.#parts
    makeFolders(folder, OWN_MODE)
    this.#number = numbersIn(folder).at(-1) ?? 1
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW
    return openForEngine(addon, path.join(folder, segmentName(this.#number)), flags, 0o600)
  }

  /** Whoever does not get the lock leaves it to who has it; the next write looks for the newest segment again. */
  #rotate(): void {
    const { addon, folder, segments } = this.#parts
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      if (addon.flock(fd, LOCK_EX) === 0) {
        const numbers = numbersIn(folder)
        if (numbers.at(-1) === this.#number) {
          closeSync(openSync(path.join(folder, segmentName(this.#number + 1)), 'wx', 0o600))
          for (const number of numbers)
            if (number + segments <= this.#number + 1)
              rmSync(path.join(folder, segmentName(number)), { force: true })
        }
      }
    } finally {
      closeSync(fd)
      this.close()
    }
  }
}

const numbersIn = (folder: string): readonly number[] => segmentNumbers(readdirSync(folder))

/** How far a segment has been read, and the beginning of a line whose end is not written yet. */
interface Place {
  at: number
  rest: Buffer
}

class Reader implements JournalReader {
  readonly #folder: string
  readonly #places = new Map<number, Place>()
  #watch: FolderWatch | undefined

  constructor(folder: string, fromNow: boolean) {
    this.#folder = folder
    if (!fromNow) return
    for (const number of numbersIn(folder))
      this.#places.set(number, { at: sizeOf(this.#fileOf(number)), rest: Buffer.alloc(0) })
  }

  async *next(): AsyncGenerator<readonly EngineEvent[], void, undefined> {
    const numbers = this.#numbers()
    for (const number of this.#places.keys()) if (!numbers.includes(number)) this.#places.delete(number)
    // How far each goes is looked up from the newest back: what an event in a later segment comes after is then seen with it.
    const ends = new Map(numbers.toReversed().map((number) => [number, this.#sizeOf(number)]))
    for (const number of numbers) {
      const events = this.#readOn(number, ends.get(number) ?? 0)
      if (events.length > 0) yield events
    }
  }

  async wait(signals: readonly AbortSignal[]): Promise<void> {
    // The watch begins with the first wait: what was written before that is looked for once more.
    const isFirst = this.#watch === undefined
    this.#watch ??= watchFolder(this.#folder)
    if (!isFirst) await this.#watch.next(signals)
  }

  close(): void {
    this.#watch?.close()
  }

  #fileOf(number: number): string {
    return path.join(this.#folder, segmentName(number))
  }

  #numbers(): readonly number[] {
    return orThrow(() => numbersIn(this.#folder), this.#folder)
  }

  #sizeOf(number: number): number {
    const file = this.#fileOf(number)
    return orThrow(() => sizeOf(file), file)
  }

  #readOn(number: number, end: number): readonly EngineEvent[] {
    const place = this.#places.get(number) ?? { at: 0, rest: Buffer.alloc(0) }
    this.#places.set(number, place)
    const file = this.#fileOf(number)
    const bytes = orThrow(() => readFrom(file, place.at, end), file)
    if (bytes.length === 0) return []
    place.at += bytes.length
    const all = Buffer.concat([place.rest, bytes])
    const whole = all.lastIndexOf('\n') + 1
    place.rest = Buffer.from(all.subarray(whole))
    return all
      .toString('utf8', 0, whole)
      .split('\n')
      .map(parseEvent)
      .filter((event) => event !== undefined)
      .sort((a, b) => (a.timeNano < b.timeNano ? -1 : a.timeNano > b.timeNano ? 1 : 0))
  }
}

/** In a line as it is written: a text has no quote that stands alone. */
const ACTOR = /"ID":"([^"\\]*)"/

/** Of some actors, since a time. Most lines are another's, and are not taken apart. */
const eventsOf = (
  file: string,
  ids: { readonly has: (id: string) => boolean },
  sinceNs: bigint,
): readonly EngineEvent[] =>
  readFrom(file, 0, sizeOf(file))
    .toString()
    .split('\n')
    .filter((line) => ids.has(ACTOR.exec(line)?.[1] ?? ''))
    .map(parseEvent)
    .filter((event) => event !== undefined)
    .filter(({ Actor, timeNano }) => ids.has(Actor.ID) && timeNano >= sinceNs)

const sizeOf = (file: string): number => {
  const fd = openIfThere(file)
  if (fd === undefined) return 0
  try {
    return fstatSync(fd).size
  } finally {
    closeSync(fd)
  }
}

/** A segment is little more than its size long. */
const readFrom = (file: string, at: number, end: number): Buffer => {
  const fd = openIfThere(file)
  if (fd === undefined) return Buffer.alloc(0)
  try {
    const bytes = Buffer.alloc(Math.max(0, end - at))
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, at))
  } finally {
    closeSync(fd)
  }
}

const openIfThere = (file: string): number | undefined =>
  unless(['ENOENT'], () => openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW))

const orThrow = <A>(body: () => A, file: string): A => {
  try {
    return body()
  } catch (error) {
    return failedAt('read events', file)(error)
  }
}
