// The record of an image that is unpacked for one platform: everything a start or a listing needs, in one small file.
import type * as E from '#fp/Either'
import type { InvalidSpec } from './errors.ts'
import {
  type Decoded,
  decodeJson,
  digest,
  healthcheck,
  list,
  literal,
  optional,
  record,
  size,
  struct,
  text,
} from './image-json.ts'

const runtimeConfig = struct({
  User: optional(text),
  Env: optional(list(text)),
  Entrypoint: optional(list(text)),
  Cmd: optional(list(text)),
  WorkingDir: optional(text),
  Volumes: optional(list(text)),
  ExposedPorts: optional(list(text)),
  Labels: optional(record(text)),
  StopSignal: optional(text),
  Healthcheck: optional(healthcheck),
})

const fields = {
  version: literal(1),
  /** What index.json points at: a manifest, or an index over several. */
  target: digest,
  manifest: digest,
  /** Digest of the image config: the image id. */
  imageId: digest,
  /** e.g. `linux/amd64`, in normal form. */
  platform: text,
  config: runtimeConfig,
  /** Lowest first. */
  diffIds: list(digest),
  /** Sum of the uncompressed layers, in bytes. */
  sizeBytes: size,
  /** RFC 3339, as in the image config. */
  created: optional(text),
} as const
export type PreparedRecord = Decoded<typeof fields>

export const decodeRecord = (
  bytes: string | Uint8Array,
  file: string,
): E.Either<InvalidSpec, PreparedRecord> => decodeJson(struct(fields), bytes, file)
