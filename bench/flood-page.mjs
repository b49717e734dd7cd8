// The page that a program which floods its log shares with the benchmark: bench/native/flood.h.
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'

const PAGE_BYTES = 4096
const [WAIT, END] = [0, -1]
const PATIENCE_MS = 60_000

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Makes `file`. What it tells is a number of bytes, or of segments. */
export const makePage = (file) => {
  writeFileSync(file, Buffer.alloc(PAGE_BYTES))
  const fd = openSync(file, 'r+')
  const bytes = Buffer.alloc(PAGE_BYTES)
  const count = (at) => () => {
    readSync(fd, bytes, 0, PAGE_BYTES, 0)
    return Number(bytes.readBigUInt64LE(at))
  }
  const ask = (what) => {
    const word = Buffer.alloc(4)
    word.writeInt32LE(what)
    writeSync(fd, word, 0, 4, 8)
  }
  const does = async (what) => {
    const limit = Date.now() + PATIENCE_MS
    for (;;) {
      readSync(fd, bytes, 0, PAGE_BYTES, 0)
      if (bytes.readInt32LE(12) === what) return
      if (Date.now() > limit)
        throw new Error(`${file}: the program does ${bytes.readInt32LE(12)}, not ${what}`)
      await pause(1)
    }
  }
  const askAndWait = async (what) => {
    ask(what)
    await does(what)
  }
  return {
    file,
    /** Resolve when it does so. `size`: bytes of one write; 100 means one line. */
    flood: (size) => askAndWait(size),
    hold: () => askAndWait(WAIT),
    end: () => ask(END),
    written: count(0),
    kept: count(64),
    dropped: count(72),
    segments: count(80),
    missed: count(88),
    damaged: count(96),
    close: () => closeSync(fd),
  }
}

const [LINE, LINES, LARGEST] = [100, 1009, 65_536]
const PERIOD = LINE * LINES
const makeText = () => {
  const text = Buffer.alloc(PERIOD + LARGEST)
  for (let at = 0; at < text.length; at++) text[at] = 'a'.charCodeAt(0) + ((at % LINE) % 26)
  for (let line = 0; (line + 1) * LINE <= text.length; line++) {
    text.write(`${String(line % LINES).padStart(7, '0')} `, line * LINE, 'latin1')
    text[line * LINE + LINE - 1] = 10
  }
  return text
}
let text
/** Whether these are the bytes that the program writes from `offset` of its output on. */
export const isFlood = (bytes, offset) => {
  text ??= makeText()
  for (let from = 0; from < bytes.length; from += LARGEST) {
    const part = bytes.subarray(from, from + LARGEST)
    const at = (offset + from) % PERIOD
    if (!part.equals(text.subarray(at, at + part.length))) return false
  }
  return true
}
