// A place in one log segment, and the records from there on.
import type { DecodeRecords, Found } from '../model/log.ts'
import { COMPACT_MAGIC, decodeCompact } from '../model/log-compact.ts'
import { decodeJson } from '../model/log-json.ts'
import type { OpenSegment } from './ports/logs.ts'

/** More than a compact record; a line of json-file may take several readings. */
const READ_BYTES = 1 << 19

const NOTHING = Buffer.alloc(0)

export class LogCursor {
  readonly number: number
  readonly #file: OpenSegment
  #at: number
  #rest: Buffer = NOTHING
  #decode: DecodeRecords | undefined
  #isStopped = false

  /** `at`: offset of a record, or 0. */
  constructor(number: number, file: OpenSegment, at = 0) {
    this.number = number
    this.#file = file
    this.#at = at
  }

  get path(): string {
    return this.#file.path
  }
  /** Offset of the first byte that is not decoded. */
  get at(): number {
    return this.#at
  }

  /** What comes next, with offsets in the segment; undefined where nothing whole is written so far, or before `end`. */
  async read(end = Number.POSITIVE_INFINITY): Promise<readonly Found[] | undefined> {
    while (!this.#isStopped) {
      if (this.#decode === undefined) {
        const fault = await this.#recognise()
        if (fault !== undefined) return [fault]
        if (this.#decode === undefined) return undefined
      }
      const kept = this.#rest.length
      const room = Math.min(READ_BYTES, Math.max(0, end - this.#at - kept))
      const buffer = Buffer.allocUnsafe(kept + room)
      this.#rest.copy(buffer)
      const size = room === 0 ? 0 : await this.#file.read(buffer.subarray(kept), this.#at + kept)
      if (size === 0) {
        // Its writer may still change what is not whole, or cut it off.
        this.#rest = NOTHING
        return undefined
      }
      const found = this.#take(this.#decode, buffer.subarray(0, kept + size))
      if (found.length > 0) return found
    }
    return undefined
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #take(decode: DecodeRecords, bytes: Buffer): readonly Found[] {
    const { found, used, stopped } = decode(bytes, this.#at)
    this.#at += used
    this.#rest = bytes.subarray(used)
    this.#isStopped = stopped
    return found
  }

  /** The first bytes tell the form; nothing is told while there are too few of them. */
  async #recognise(): Promise<Found | undefined> {
    const head = Buffer.alloc(COMPACT_MAGIC.length)
    const size = await this.#file.read(head, 0)
    if (size > 0 && head[0] === '{'.charCodeAt(0)) this.#decode = decodeJson
    else if (head.equals(COMPACT_MAGIC)) {
      this.#decode = decodeCompact
      this.#at = Math.max(this.#at, COMPACT_MAGIC.length)
    } else if (!COMPACT_MAGIC.subarray(0, size).equals(head.subarray(0, size))) {
      this.#isStopped = true
      return { at: 0, why: 'neither a compact log segment nor one of the json-file form' }
    }
    return undefined
  }
}
