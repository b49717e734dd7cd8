// What a caller may say about registries: mirrors, certificates, the size of upload parts, and who may be talked to insecurely.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import {
  array,
  boolean,
  check,
  type Decoder,
  exactObject,
  inside,
  keyPath,
  mismatch,
  optional,
  record,
  text,
} from './decode.ts'
import type { InvalidSpec } from './errors.ts'
import { absolutePath, size } from './options-decode-values.ts'
import { type ImageReference, parseReference, parseRegistry } from './reference.ts'

export interface RegistrySettings {
  /** Asked first for manifests and blobs, in this order: `host[:port]`, or `host[:port]/path` to put before a repository. */
  readonly mirrors?: readonly string[]
  /** Plain HTTP is allowed, and certificates nobody vouches for are taken. Default: false. */
  readonly insecure?: boolean
  /** PEM file of further authorities for its certificate. */
  readonly ca?: string
  /** PEM files of the certificate to show, and of its key. Both or neither. */
  readonly clientCertificate?: string
  readonly clientKey?: string
  /** Layers larger than this are uploaded in parts of this size. Default: 64 MiB. */
  readonly chunkSize?: number | string
}

/** By host, as in references, e.g. `docker.io`, `registry.lan:5000`. */
export interface Registries {
  readonly [host: string]: RegistrySettings
}

/** The same, decoded. */
export interface RegistryRules extends Omit<RegistrySettings, 'chunkSize' | 'mirrors'> {
  readonly mirrors?: readonly Mirror[]
  /** Bytes. */
  readonly chunkSize?: number
}
export interface RegistriesRules {
  readonly [host: string]: RegistryRules
}

export interface Mirror {
  readonly registry: string
  /** What comes before a repository there; empty, or with a slash at its end. */
  readonly prefix: string
}

const mirror: Decoder<Mirror> = (value) => {
  const found = text(value)
  if (E.isLeft(found)) return found
  const parsed = parseReference(`${found.right}/x`)
  if (E.isLeft(parsed)) return mismatch(parsed.left.why, value)
  const { registry, repository } = parsed.right
  if (!found.right.startsWith(registry)) return mismatch('expected host[:port] or host[:port]/path', value)
  return E.right({ registry, prefix: repository.slice(0, -1) })
}

const rules: Decoder<RegistryRules> = check(
  exactObject({
    mirrors: optional(array(mirror)),
    insecure: optional(boolean),
    ca: optional(absolutePath),
    clientCertificate: optional(absolutePath),
    clientKey: optional(absolutePath),
    chunkSize: optional(check(size, (bytes) => (bytes >= 1 ? undefined : 'must be 1 or more'))),
  }),
  ({ clientCertificate, clientKey }) =>
    (clientCertificate === undefined) === (clientKey === undefined)
      ? undefined
      : 'clientCertificate and clientKey need each other',
)

/** Settings of registries, from untyped JavaScript. */
export const registries: Decoder<RegistriesRules> = (value) => {
  const decoded = record(rules)(value)
  if (E.isLeft(decoded)) return decoded
  const odd = Object.keys(decoded.right).find((host) => parseRegistry(host) !== host)
  if (odd === undefined) return decoded
  const why = odd === 'index.docker.io' ? 'is called docker.io here' : 'is not a host, as in a reference'
  return inside(keyPath(odd), { where: '', why, value: odd })
}

/** The same from the text of a file; the error names the file and the field. */
export const decodeRegistriesFile = (content: string, file: string): Either<InvalidSpec, RegistriesRules> => {
  const invalid = (where: string, why: string) =>
    E.left<InvalidSpec>({ _tag: 'InvalidSpec', document: file, where, why })
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    return invalid('$', 'it is not JSON')
  }
  const decoded = registries(value)
  return E.isLeft(decoded) ? invalid(`$${decoded.left.where}`, decoded.left.why) : decoded
}

/** Where to ask for what a reference names, in order: its registry's mirrors, then the registry itself. */
export const placesOf = (all: RegistriesRules, reference: ImageReference): readonly ImageReference[] => {
  const { mirrors = [] } = rulesOf(all, reference.registry)
  return [
    ...mirrors.map(({ registry, prefix }) => ({
      ...reference,
      registry,
      repository: `${prefix}${reference.repository}`,
    })),
    reference,
  ]
}

export const rulesOf = (all: RegistriesRules, registry: string): RegistryRules =>
  Object.hasOwn(all, registry) ? (all[registry] ?? {}) : {}
