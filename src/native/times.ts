// The times of a start as the native side writes them: bytes in a string, read only when somebody looks.

export interface EngineTimes {
  readonly queuedNs: number
  readonly begunNs: number
  readonly preparedNs: number
  readonly clonedNs: number
  readonly doneNs: number
  /** Counter ticks from begunNs to doneNs: the scale of the stamps. */
  readonly cycles: number
  /** When the second thread began its programs. */
  readonly layersNs: number
  readonly networkNs: number
  /** Ticks at each operation's end, since begunNs for the first two, then layersNs, networkNs; 0 = it did not run. */
  readonly prepare: Uint32Array
  readonly after: Uint32Array
  readonly layers: Uint32Array
  readonly network: Uint32Array
}

export interface ChildTimes {
  readonly stage: number
  readonly startNs: number
  readonly endNs: number
  readonly cycles: number
  /** Ticks since startNs at each operation's end; 0 = it did not run. */
  readonly stamps: Uint32Array
}

/**
 * Twelve 64-bit numbers: queued, begun, prepared, cloned, done (ns), begun, done (ticks), layers, network begun (ns), how many stamps
 * `prepare`, `after` and `layers` have; then the stamps.
 */
const ENGINE_HEAD_BYTES = 96

export const readEngineTimes = (text: string): EngineTimes => {
  const bytes = Buffer.from(text, 'latin1')
  const word = wordsOf(bytes)
  const stamps = stampsOf(bytes.subarray(ENGINE_HEAD_BYTES))
  const prepareEnd = word(9)
  const afterEnd = prepareEnd + word(10)
  const layersEnd = afterEnd + word(11)
  return {
    queuedNs: word(0),
    begunNs: word(1),
    preparedNs: word(2),
    clonedNs: word(3),
    doneNs: word(4),
    cycles: word(6) - word(5),
    layersNs: word(7),
    networkNs: word(8),
    prepare: stamps.subarray(0, prepareEnd),
    after: stamps.subarray(prepareEnd, afterEnd),
    layers: stamps.subarray(afterEnd, layersEnd),
    network: stamps.subarray(layersEnd),
  }
}

/** struct TimingsBody of native/launch/protocol.h: start, end (ns), start, end (ticks), four 32-bit numbers, the stage first; the stamps. */
const CHILD_HEAD_BYTES = 48

export const readChildTimes = (text: string): ChildTimes => {
  const bytes = Buffer.from(text, 'latin1')
  const word = wordsOf(bytes)
  return {
    stage: bytes.readUInt32LE(32),
    startNs: word(0),
    endNs: word(1),
    cycles: word(3) - word(2),
    stamps: stampsOf(bytes.subarray(CHILD_HEAD_BYTES)),
  }
}

const wordsOf =
  (bytes: Buffer) =>
  (index: number): number =>
    Number(bytes.readBigUInt64LE(8 * index))

const stampsOf = (bytes: Buffer): Uint32Array =>
  Uint32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32LE(4 * index))
