// run: start, collect what the payload writes, and wait for its end.
import type { Readable } from 'node:stream'
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { RunResult } from '../model/exit.ts'
import type { DecodedRunOptions } from '../model/options-decoded.ts'
import type { Container } from './container.ts'
import type { Ports } from './ports.ts'
import { type StartRequest, start } from './start.ts'

/** 100 MiB for each stream: enough for logs, far from the longest string V8 can hold. */
export const DEFAULT_MAX_OUTPUT_BYTES = 100 * 1024 * 1024

export interface RunRequest extends StartRequest {
  readonly options: DecodedRunOptions
}

export const run =
  (request: RunRequest) =>
  (ports: Ports): TaskEither<EngineError, RunResult<string | Buffer>> =>
  async () => {
    const started = await start(request)(ports)()
    return E.isLeft(started) ? started : E.right(await collect(started.right, request.options))
  }

export const collect = async (
  container: Container,
  options: DecodedRunOptions,
): Promise<RunResult<string | Buffer>> => {
  const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES
  const merged: Buffer[] | undefined = options.all === true ? [] : undefined
  const stdout = gather(container, container.stdout, 'stdout', limit, merged)
  const stderr = gather(container, container.stderr, 'stderr', limit, merged)
  const ended = await container.exit
  const out = stdout === undefined ? NOTHING : await stdout
  const err = stderr === undefined ? NOTHING : await stderr
  const decode = (chunks: readonly Buffer[]): string | Buffer => {
    if (chunks.length === 0 && options.encoding !== 'buffer') return ''
    const whole = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
    return options.encoding === 'buffer' ? whole : whole.toString('utf8')
  }
  return {
    ...ended,
    stdout: decode(out),
    stderr: decode(err),
    ...(merged === undefined ? {} : { all: decode(merged) }),
  }
}

const NOTHING: readonly Buffer[] = []

/**
 * What arrived until the stream's end; undefined where there is no stream. Past the limit the container is killed, and only `limit`
 * bytes are kept.
 */
const gather = (
  container: Container,
  stream: Readable | null,
  name: 'stdout' | 'stderr',
  limitBytes: number,
  merged: Buffer[] | undefined,
): Promise<readonly Buffer[]> | undefined => {
  if (stream === null) return undefined
  // One without a byte may have come to its end before anybody asked.
  if (stream.closed) return Promise.resolve(NOTHING)
  const chunks: Buffer[] = []
  let sizeBytes = 0
  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      const kept = chunk.subarray(0, limitBytes - sizeBytes)
      sizeBytes += kept.length
      if (kept.length > 0) {
        chunks.push(kept)
        merged?.push(kept)
      }
      if (kept.length < chunk.length) container.end({ _tag: 'OutputLimit', stream: name, limitBytes })
    })
    stream.on('close', () => resolve(chunks))
    stream.on('error', () => resolve(chunks))
  })
}
