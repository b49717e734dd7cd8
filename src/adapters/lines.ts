// Lines out of bytes, as they arrive and no faster than they are taken.
import type { LineOptions } from '../engine/ports/stdio.ts'

const MAX_LENGTH = 1024 * 1024

/**
 * UTF-8 lines without their `\n` or `\r\n`; the last one need not have an end. Bytes that are no UTF-8 become U+FFFD.
 * Leaving the loop early gives the source up.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array | string>,
  { maxLength = MAX_LENGTH }: LineOptions = {},
): AsyncGenerator<string, void, void> {
  // A byte order mark is the payload's own: it stays.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const limit = Math.max(1, maxLength)
  let rest = ''
  for await (const chunk of chunks) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    let from = 0
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', from)) {
      yield* pieces(withoutReturn(rest.slice(from, end)), limit)
      from = end + 1
    }
    for (; rest.length - from > limit; from += limit) yield rest.slice(from, from + limit)
    rest = rest.slice(from)
  }
  rest += decoder.decode()
  if (rest !== '') yield* pieces(rest, limit)
}

const withoutReturn = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line)

/** An empty line is a line. */
function* pieces(line: string, limit: number): Generator<string, void, void> {
  if (line.length <= limit) return yield line
  for (let from = 0; from < line.length; from += limit) yield line.slice(from, from + limit)
}
