// Reads what the checks ask of an ELF file: segments, needed libraries, dynamic symbols (elf(5); 64-bit little-endian).
import { readFileSync } from 'node:fs'

const PT_LOAD = 1
const PT_DYNAMIC = 2
const PT_INTERP = 3
const PT_TLS = 7
export const PT_GNU_STACK = 0x6474e551
const SHT_SYMTAB = 2
const SHT_DYNSYM = 11
const DT_NEEDED = 1
const DT_STRTAB = 5
export const TYPES = { load: PT_LOAD, dynamic: PT_DYNAMIC, interp: PT_INTERP, tls: PT_TLS }

/** Throws when `file` is no 64-bit little-endian ELF file. */
export const readElf = (file) => {
  const bytes = readFileSync(file)
  if (bytes.length < 64 || bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') {
    throw new Error(`${file} is no 64-bit little-endian ELF file`)
  }
  const segments = readTable(bytes, 32, 54, readSegment)
  const sections = readTable(bytes, 40, 58, readSection)
  return {
    bytes,
    segments,
    needed: readNeeded(bytes, segments),
    dynamicSymbols: readSymbols(bytes, sections, SHT_DYNSYM),
    symbols: readSymbols(bytes, sections, SHT_SYMTAB),
  }
}

/** A table's offset is at `offsetAt`; its entry size and count follow each other at `sizeAt`. */
const readTable = (bytes, offsetAt, sizeAt, readEntry) => {
  const offset = Number(bytes.readBigUInt64LE(offsetAt))
  const size = bytes.readUInt16LE(sizeAt)
  const count = bytes.readUInt16LE(sizeAt + 2)
  return Array.from({ length: count }, (_, index) => readEntry(bytes.subarray(offset + index * size)))
}

const readSegment = (entry) => {
  const flags = entry.readUInt32LE(4)
  return {
    type: entry.readUInt32LE(0),
    executable: (flags & 1) !== 0,
    writable: (flags & 2) !== 0,
    offset: Number(entry.readBigUInt64LE(8)),
    address: Number(entry.readBigUInt64LE(16)),
    fileSize: Number(entry.readBigUInt64LE(32)),
  }
}

const readSection = (entry) => ({
  type: entry.readUInt32LE(4),
  offset: Number(entry.readBigUInt64LE(24)),
  size: Number(entry.readBigUInt64LE(32)),
  link: entry.readUInt32LE(40),
})

const stringAt = (bytes, offset) => bytes.toString('latin1', offset, bytes.indexOf(0, offset))

const readNeeded = (bytes, segments) => {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC)
  if (dynamic === undefined) return []
  const entries = []
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.fileSize; at += 16) {
    entries.push({ tag: Number(bytes.readBigInt64LE(at)), value: Number(bytes.readBigUInt64LE(at + 8)) })
  }
  const address = entries.find(({ tag }) => tag === DT_STRTAB)?.value ?? 0
  const home = segments.find(
    (segment) =>
      segment.type === PT_LOAD && address >= segment.address && address < segment.address + segment.fileSize,
  )
  if (home === undefined) return []
  const strings = home.offset + address - home.address
  return entries.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => stringAt(bytes, strings + value))
}

const readSymbols = (bytes, sections, type) =>
  sections
    .filter((section) => section.type === type)
    .flatMap((section) => {
      const strings = sections[section.link].offset
      return Array.from({ length: section.size / 24 }, (_, index) => {
        const at = section.offset + index * 24
        return {
          name: stringAt(bytes, strings + bytes.readUInt32LE(at)),
          isLocal: bytes[at + 4] >> 4 === 0,
          isDefined: bytes.readUInt16LE(at + 6) !== 0,
        }
      })
    })
    .filter(({ name, isLocal }) => name !== '' && !isLocal)
