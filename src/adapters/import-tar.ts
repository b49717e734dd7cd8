// A tar of a root file system on its way into the store, whatever it is compressed with.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { ImageArchives } from '../engine/ports/image-archive.ts'
import { sniffCompression } from '../model/media-type.ts'
import { attempt, orThrow, thrown } from './attempt.ts'

const READ_CHUNK = 256 * 1024
/** Enough to tell compressions apart. */
const SNIFF_BYTES = 6

export const storeTar: ImageArchives['storeTar'] = (store, source, through) =>
  attempt('import', async () => {
    const bytes = 'stream' in source ? source.stream : await openFile(path.resolve(source.path))
    let start: Buffer = Buffer.alloc(0)
    async function* watched(): AsyncGenerator<Uint8Array> {
      for await (const chunk of through(bytes)) {
        if (start.length < SNIFF_BYTES) {
          start = Buffer.concat([start, chunk.subarray(0, SNIFF_BYTES)])
          refuseForeign(start)
        }
        yield chunk
      }
    }
    const stored = await orThrow(store.write({ what: 'the imported archive' }, watched()))
    if (stored.size === 0)
      throw thrown({ _tag: 'InvalidSpec', document: 'the imported archive', where: '$', why: 'it is empty' })
    return { ...stored, compression: sniffCompression(start) }
  })

const openFile = async (file: string): Promise<AsyncIterable<Uint8Array>> => {
  if ((await stat(file)).isDirectory())
    throw thrown({
      _tag: 'InvalidOption',
      option: 'source',
      value: file,
      why: 'it is a directory: import takes a tar, as in: tar c -C DIR . | slipway import -',
    })
  return createReadStream(file, { highWaterMark: READ_CHUNK })
}

/** By their first bytes: layers are gzip or zstd (image-spec media-types.md). */
const FOREIGN = { xz: 'fd377a585a00', bzip2: '425a68' } as const

const refuseForeign = (start: Buffer): void => {
  for (const [name, bytes] of Object.entries(FOREIGN))
    if (start.toString('hex').startsWith(bytes))
      throw thrown({
        _tag: 'Unsupported',
        feature: `${name}-compressed archive`,
        why: 'decompress it first; gzip works',
      })
}
