// Documents and references of the corpus (test/fuzz/corpus), damaged byte by byte: a decoder never throws, what it lets through means the
// same when it is written and read again, and what it refuses is named in one line. SLIPWAY_FUZZ_RUNS and SLIPWAY_FUZZ_SEED set how long,
// and where it starts.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import * as E from '#fp/Either'
import { type InvalidSpec, message } from '../../src/model/errors.ts'
import {
  decodeConfig,
  decodeIndex,
  decodeLayout,
  decodeManifest,
  decodeReferrer,
  encodeIndex,
  encodeManifest,
  platformOf,
  runtimeConfigOf,
} from '../../src/model/image.ts'
import { decodeArchiveManifest } from '../../src/model/image-archive.ts'
import { decodeRecord } from '../../src/model/image-record.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/model/media-type.ts'
import { formatPlatform } from '../../src/model/platform.ts'
import { familiarName, fullName, parseReference } from '../../src/model/reference.ts'
import { assert, suite } from '../support/suite.ts'

const Fuzz = suite('model/image: damaged documents')
const CORPUS = 'test/fuzz/corpus'
const RUNS = Number(process.env.SLIPWAY_FUZZ_RUNS ?? 600)
const SEED = process.env.SLIPWAY_FUZZ_SEED
const runs = { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) }

const documents = readdirSync(CORPUS)
  .filter((name) => name.endsWith('.json'))
  .map((name) => readFileSync(path.join(CORPUS, name)))
const references = readFileSync(path.join(CORPUS, 'references.txt'), 'utf8').split('\n')

/** Words that mean something to a decoder, and bytes that mean nothing to JSON. */
const WORDS = [
  'null',
  'true',
  '-1',
  '1e999',
  '{}',
  '[]',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  ',',
  ':',
  '"',
  '\\',
  '\0',
  '\x1b[2J',
  '\xff',
  'sha256:',
  '"mediaType":"application/vnd.oci.image.index.v1+json",',
  '"manifests":[],',
  '"layers":[],',
  '"size":-0,',
  '"__proto__":{},',
  '@',
  '/',
  '..',
  ':latest',
  ' ',
  '\n',
] as const
type Damage = readonly [how: number, at: number, length: number, word: string]
const damage: fc.Arbitrary<Damage> = fc.tuple(fc.nat(4), fc.nat(), fc.nat(40), fc.constantFrom(...WORDS))

/** A bit is flipped, a piece is dropped, doubled, or cut off behind, or a word is put in. */
const damaged = (bytes: Buffer, [how, where, length, word]: Damage): Buffer => {
  const at = bytes.length === 0 ? 0 : where % bytes.length
  const [before, piece, after] = [
    bytes.subarray(0, at),
    bytes.subarray(at, at + length),
    bytes.subarray(at + length),
  ]
  if (how === 0)
    return Buffer.concat([
      before,
      Buffer.from([(bytes[at] ?? 0) ^ (1 << (length % 8))]),
      bytes.subarray(at + 1),
    ])
  if (how === 1) return Buffer.concat([before, after])
  if (how === 2) return Buffer.concat([before, piece, piece, after])
  if (how === 3) return before
  return Buffer.concat([before, Buffer.from(word, 'latin1'), bytes.subarray(at)])
}
const spoilt = (from: readonly Buffer[]): fc.Arbitrary<Buffer> =>
  fc
    .tuple(fc.constantFrom(...from), fc.array(damage, { maxLength: 4 }))
    .map(([bytes, all]) => all.reduce(damaged, bytes))

type Decode = (bytes: Uint8Array | string, document: string) => E.Either<InvalidSpec, unknown>
const DECODERS: Readonly<Record<string, Decode>> = {
  index: decodeIndex,
  manifest: decodeManifest,
  config: decodeConfig,
  layout: decodeLayout,
  referrer: decodeReferrer,
  archive: decodeArchiveManifest,
  record: decodeRecord,
}

/** One line for people, without what would steer their terminal. */
const isOneLine = (text: string): void => assert.not.match(text, /\p{Cc}/u, JSON.stringify(text))

const isRefused = (error: InvalidSpec): void => {
  assert.is(error.document, 'the document')
  assert.match(error.where, /^\$/)
  const line = message(error)
  assert.ok(line.startsWith('the document: $') && line.length < 25_000, line)
  isOneLine(line)
}

const meansTheSame = (decode: Decode, value: unknown): void => {
  const again = decode(JSON.stringify(value), 'the document')
  if (E.isLeft(again)) throw new Error(`it does not read what it gave: ${message(again.left)}`)
  assert.equal(again.right, value)
}

const check = (bytes: Buffer): number => {
  const read = Object.entries(DECODERS).filter(([, decode]) => {
    const answer = decode(bytes, 'the document')
    if (E.isLeft(answer)) isRefused(answer.left)
    else meansTheSame(decode, answer.right)
    return E.isRight(answer)
  })
  const index = decodeIndex(bytes, 'x')
  if (E.isRight(index)) {
    const { manifests } = index.right
    assert.equal(
      decodeIndex(encodeIndex(manifests), 'x'),
      E.right({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }),
    )
  }
  const manifest = decodeManifest(bytes, 'x')
  if (E.isRight(manifest)) {
    const { config, layers } = manifest.right
    const written = decodeManifest(encodeManifest(config, layers), 'x')
    assert.equal(written, E.right({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers }))
  }
  const config = decodeConfig(bytes, 'x')
  if (E.isRight(config)) {
    runtimeConfigOf(config.right)
    formatPlatform(platformOf(config.right))
  }
  return read.length
}

Fuzz('each document of the corpus is read by one decoder at least', () => {
  for (const bytes of documents)
    assert.ok(check(bytes) > 0 || /e308/.test(bytes.toString()), bytes.toString())
})
Fuzz('a damaged document is read and means the same when written again, or is refused by its place', () => {
  fc.assert(
    fc.property(spoilt(documents), (bytes) => void check(bytes)),
    runs,
  )
})
Fuzz('a damaged reference reads back as itself in both of its forms, or is refused in one line', () => {
  const texts = references.map((text) => Buffer.from(text))
  fc.assert(
    fc.property(spoilt(texts), (bytes) => {
      const text = bytes.toString('utf8')
      const parsed = parseReference(text)
      if (E.isLeft(parsed)) {
        isOneLine(message(parsed.left))
        return
      }
      assert.equal(parseReference(fullName(parsed.right)), parsed)
      assert.equal(parseReference(familiarName(parsed.right)), parsed)
    }),
    { ...runs, numRuns: RUNS * 4 },
  )
})
Fuzz.run()
