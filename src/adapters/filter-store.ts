// Compiled seccomp filters on disk: a short-lived process does not spend 25 ms on what the one before it knew.
import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fnv1a } from '../model/fnv.ts'
import type { CompiledFilter } from '../plan/seccomp/compile.ts'
import { makeFolders } from './make-folders.ts'

/** seccomp(2) takes no longer program: BPF_MAXINSNS of linux/bpf_common.h. */
const MAX_INSTRUCTIONS = 4096
const INSTRUCTION_BYTES = 8
/** The flags of seccomp(2) and the number of instructions. */
const HEADER_BYTES = 8
const OTHERS_MAY_WRITE = 0o022

export interface FilterStore {
  /** What was written under this key; undefined when there is nothing, or nothing that can be trusted. */
  readonly read: (key: string) => CompiledFilter | undefined
  /** Whole or not at all. A directory that cannot be written to is no error: the filter is compiled again. */
  readonly write: (key: string, filter: CompiledFilter) => void
}

/**
 * `directory` belongs to the engine. A file is named after a short hash of its key and holds all of it: where two keys meet, the later one
 * wins, and the other is compiled again. A hash that nobody could make collide would take as long as the rest together, since it has to
 * be loaded first.
 */
export const filterStore = (directory: string): FilterStore => ({
  read: (key) => attempt(() => decode(readOwn(path.join(directory, fnv1a(key))), key)),
  write: (key, filter) => {
    attempt(() => {
      makeFolders(directory, 0o700)
      const file = path.join(directory, fnv1a(key))
      const temporary = `${file}.${process.pid}`
      writeFileSync(temporary, encode(filter, key), { mode: 0o600 })
      renameSync(temporary, file)
    })
  },
})

const attempt = <A>(work: () => A): A | undefined => {
  try {
    return work()
  } catch {
    return undefined
  }
}

/** A filter decides what a container may do: one that somebody else could have written is passed over. */
const readOwn = (file: string): Buffer => {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const { uid, mode } = fstatSync(fd)
    if (uid !== process.geteuid?.() || (mode & OTHERS_MAY_WRITE) !== 0) throw new Error(`${file} is not ours`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Flags, number of instructions, instructions, key. */
const encode = ({ instructions, count, flags }: CompiledFilter, key: string): Buffer => {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(flags)
  header.writeUInt32LE(count, 4)
  return Buffer.concat([header, instructions, Buffer.from(key)])
}

const decode = (bytes: Buffer, key: string): CompiledFilter | undefined => {
  if (bytes.byteLength < HEADER_BYTES) return undefined
  const count = bytes.readUInt32LE(4)
  const end = HEADER_BYTES + INSTRUCTION_BYTES * count
  if (count < 1 || count > MAX_INSTRUCTIONS || bytes.toString('utf8', end) !== key) return undefined
  return { instructions: bytes.subarray(HEADER_BYTES, end), count, flags: bytes.readUInt32LE(0) }
}
