// Writes archives for the fuzzer to begin with: every hostile one of the tests that is not too long. argv: a folder.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { hostileCases } from '../native/layer-hostile.ts'

const folder = process.argv[2] ?? '.'
const MOST_BYTES = 32 * 1024
/** The first byte says in which chunks the reader is fed. */
const STEP = Buffer.from([99])
hostileCases('/outside').forEach(({ bytes }, index) => {
  if (bytes.length <= MOST_BYTES)
    writeFileSync(path.join(folder, `seed-${index}`), Buffer.concat([STEP, bytes]))
})
