// The manifest.json of a `docker save` archive: which of its files make up which image.
import type * as E from '#fp/Either'
import type { InvalidSpec } from './errors.ts'
import { type Decoded, decodeJson, list, optional, struct, text } from './image-json.ts'

const fields = { Config: text, RepoTags: optional(list(text)), Layers: optional(list(text)) } as const
/** One image of the archive. `Config` and `Layers` are names of archive members; layers lowest first. */
export type ArchivedImage = Decoded<typeof fields>

export const decodeArchiveManifest = (
  bytes: string | Uint8Array,
  document: string,
): E.Either<InvalidSpec, readonly ArchivedImage[]> => decodeJson(list(struct(fields)), bytes, document)
