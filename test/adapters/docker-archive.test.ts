// Archives nobody made on purpose: whatever bytes come, the answer is an image or a tagged error, and nothing is left behind.

import fc from 'fast-check'
import * as E from '#fp/Either'
import { readTar } from '../../src/adapters/docker-archive-tar.ts'
import { SlipwayError } from '../../src/model/errors.ts'
import { buildImage, dockerArchiveFiles, layoutFiles } from '../support/image-builder.ts'
import { testStore } from '../support/image-store.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'

const Archive = suite('adapters/docker-archive')
const image = buildImage({ compression: 'none' })
const archives = [tarOf(layoutFiles([[image, 'me/app:1']])), tarOf(dockerArchiveFiles(image, ['me/app:1']))]

async function* whole(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
/** Bytes of a good archive with a few of them changed, and perhaps its end missing. */
const damaged = fc
  .record({
    which: fc.nat({ max: archives.length - 1 }),
    changes: fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 255 })),
      { maxLength: 4 },
    ),
    share: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
  })
  .map(({ which, changes, share }) => {
    const bytes = Buffer.from(archives[which] ?? '')
    for (const [at, value] of changes) bytes[Math.floor(at * (bytes.length - 1))] = value
    return bytes.subarray(0, Math.ceil(share * bytes.length))
  })

Archive('a damaged archive gives an image or a tagged error, and only an image leaves blobs', async () => {
  await fc.assert(
    fc.asyncProperty(damaged, async (bytes) => {
      const store = testStore()
      const result = await store.images.load({ stream: whole(bytes) })()
      const blobs = store.files().filter((file) => /^(?:oci\/blobs|ingest|prepared)\//.test(file))
      store.remove()
      if (E.isLeft(result)) assert.equal(blobs, [])
      else assert.ok(blobs.length > 0)
    }),
    { numRuns: 60 },
  )
})
Archive('random bytes are read to an end or refused, never more', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
      let names = 0
      try {
        for await (const _ of readTar('x', whole(Buffer.from(bytes)))) names++
        assert.is(names, 0)
      } catch (error) {
        assert.ok(error instanceof SlipwayError)
      }
    }),
    { numRuns: 300 },
  )
})
Archive('what a reader does not read of an entry is skipped', async () => {
  const tar = tarOf([
    { name: 'a', data: 'x'.repeat(2000) },
    { name: 'b', data: 'y' },
  ])
  const names: string[] = []
  for await (const { name } of readTar('x', whole(tar))) names.push(name)
  assert.equal(names, ['a', 'b'])
})
Archive.run()
