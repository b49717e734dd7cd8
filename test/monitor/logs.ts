// Reads what a monitor has written, and insists on its form.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { LogRecord } from '../../src/model/log.ts'
import { COMPACT_MAGIC, decodeCompact } from '../../src/model/log-compact.ts'
import type { StreamName } from '../../src/model/monitor-frames.ts'
import { assert } from '../support/suite.ts'

export const COMPACT = { kind: 'compact', maxBytes: 10_000_000, maxFiles: 3, blocking: false } as const
export const JSON_FILE = { ...COMPACT, kind: 'json-file' } as const

export interface JsonLine {
  readonly log: string
  readonly stream: StreamName
  readonly time: string
}

const segments = (log: string): readonly Buffer[] =>
  readdirSync(log)
    .sort()
    .map((name) => readFileSync(path.join(log, name)))

export const recordsOf = (log: string): readonly LogRecord[] =>
  segments(log).flatMap((bytes) => {
    const start = COMPACT_MAGIC.length
    assert.equal([...bytes.subarray(0, start)], [...COMPACT_MAGIC])
    const { found, used } = decodeCompact(bytes.subarray(start), start)
    assert.is(start + used, bytes.length, 'a record that is not whole')
    return found.map((each) => {
      if ('why' in each) throw new Error(each.why)
      return each.record
    })
  })

export const bytesOf = (log: string, stream: StreamName): Buffer =>
  Buffer.concat(recordsOf(log).flatMap((record) => (record.stream === stream ? [record.bytes] : [])))

export const linesOf = (log: string): readonly JsonLine[] =>
  segments(log).flatMap((bytes) =>
    bytes
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as JsonLine),
  )

export const jsonOf = (log: string, stream: StreamName): string =>
  linesOf(log)
    .flatMap((line) => (line.stream === stream ? [line.log] : []))
    .join('')

/** What a stream has been, in whichever form. */
export const textOf = (kind: 'compact' | 'json-file', log: string, stream: StreamName): string =>
  kind === 'compact' ? bytesOf(log, stream).toString() : jsonOf(log, stream)

/** While it is being written. */
export const holds = (log: string, text: string): boolean =>
  existsSync(log) && segments(log).some((bytes) => bytes.includes(text))
