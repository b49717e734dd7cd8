// What a caller reads a payload's output from: Node's own stream, that gives lines, too, and two of them as one.
import type { Readable } from 'node:stream'
import type { LineOptions, OutputStream } from '../engine/ports/stdio.ts'
import { builtin } from '../native/builtin.ts'
import { linesOf } from './lines.ts'

export const outputStream = (stream: Readable): OutputStream =>
  Object.assign(stream, { lines: (options?: LineOptions) => linesOf(stream, options) })

/** Chunks in the order they arrive here; both sources wait while nobody takes them. Destroying it destroys both. */
export const mergeOutputs = (sources: readonly Readable[]): OutputStream => {
  let open = sources.length
  const merged = new (builtin('node:stream').Readable)({
    read: () => {
      for (const source of sources) source.resume()
    },
    destroy: (error, done) => {
      for (const source of sources) source.destroy()
      done(error)
    },
  })
  for (const source of sources) {
    source.on('data', (chunk) => {
      if (!merged.push(chunk)) for (const each of sources) each.pause()
    })
    source.once('error', (error) => merged.destroy(error))
    source.once('close', () => {
      if (--open === 0) merged.push(null)
    })
  }
  return outputStream(merged)
}
