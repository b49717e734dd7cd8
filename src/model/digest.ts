// Content digests: `sha256:<64 hex>` of bytes as stored or sent, and the identity of a stack of layers.
import { createHash } from 'node:crypto'
import * as E from '#fp/Either'

declare const digestBrand: unique symbol
/** A valid digest string; made only by {@link parseDigest} and the functions that compute one. image-spec descriptor.md, Digests. */
export type Digest = string & { readonly [digestBrand]: true }
/** The registered algorithms; sha256 is what every known tool writes. */
export type DigestAlgorithm = 'sha256' | 'sha512'

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 }

/** Right: a digest. Left: why the text is not one, for people. */
export const parseDigest = (text: string): E.Either<string, Digest> => {
  const colon = text.indexOf(':')
  if (colon <= 0) return E.left('a digest is written algorithm:hex')
  const algorithm = text.slice(0, colon)
  if (!isAlgorithm(algorithm)) return E.left(`digest algorithm ${JSON.stringify(algorithm)} is not supported`)
  const length = HEX_LENGTH[algorithm]
  // Lower case only: image-spec descriptor.md, "encoded portion MUST match /[a-f0-9]{64}/".
  if (text.length === colon + 1 + length && /^[a-f0-9]+$/.test(text.slice(colon + 1)))
    return E.right(text as Digest)
  return E.left(`a ${algorithm} digest has ${length} lower-case hex digits`)
}

export const algorithmOf = (digest: Digest): DigestAlgorithm =>
  digest.startsWith('sha512:') ? 'sha512' : 'sha256'
/** The part after the colon: a safe file name. */
export const hexOf = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1)
/** The first twelve hex digits, as tables show them. */
export const shortDigest = (digest: Digest): string => hexOf(digest).slice(0, 12)

/** The digest of bytes at hand. */
export const digestOf = (bytes: string | Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest

/** A digest computed piece by piece. */
export interface Hasher {
  readonly update: (chunk: Uint8Array) => void
  /** Call it once, after the last piece. */
  readonly digest: () => Digest
}
export const hasher = (algorithm: DigestAlgorithm = 'sha256'): Hasher => {
  const hash = createHash(algorithm)
  return {
    update: (chunk) => void hash.update(chunk),
    digest: () => `${algorithm}:${hash.digest('hex')}` as Digest,
  }
}

/**
 * Identity of every stack from the lowest layer up, lowest first: the first is the diffID itself, each next one is
 * sha256(`<chainID below> <diffID>`). image-spec config.md, Layer ChainID.
 */
export const chainIds = (diffIds: readonly Digest[]): readonly Digest[] => {
  const chain: Digest[] = []
  for (const diffId of diffIds) {
    const below = chain.at(-1)
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`))
  }
  return chain
}

const isAlgorithm = (name: string): name is DigestAlgorithm => name === 'sha256' || name === 'sha512'
