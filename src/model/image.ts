// The documents of an image: index, manifest, config, descriptor, layout. image-spec 1.1, and Docker's equal forms.
import type * as E from '#fp/Either'
import { algorithmOf, type Digest, hexOf } from './digest.ts'
import type { InvalidSpec } from './errors.ts'
import {
  anything,
  boolean,
  type Decoded,
  type Decoder,
  decodeJson,
  digest,
  healthcheck,
  list,
  literal,
  optional,
  record,
  refine,
  size,
  struct,
  text,
  textOrList,
} from './image-json.ts'
import { isIndex, isManifest, OCI_INDEX, OCI_MANIFEST } from './media-type.ts'
import type { Platform } from './platform.ts'
import type { ImageRuntimeConfig } from './prepared-image.ts'

/** Annotation under which an index names its entries. image-spec annotations.md. */
export const REF_NAME = 'org.opencontainers.image.ref.name'
/** The full name, as containerd writes it beside a short {@link REF_NAME}. */
export const CONTAINERD_NAME = 'io.containerd.image.name'

const platform: Decoder<Platform> = struct({ os: text, architecture: text, variant: optional(text) })

const descriptorFields = {
  mediaType: text,
  digest,
  size,
  platform: optional(platform),
  annotations: optional(record(text)),
  artifactType: optional(text),
} as const
/** Points at bytes. `size` counts them as stored or sent. image-spec descriptor.md. */
export type Descriptor = Decoded<typeof descriptorFields>
const descriptor: Decoder<Descriptor> = struct(descriptorFields)

const indexFields = {
  schemaVersion: literal(2),
  mediaType: optional(text),
  manifests: list(descriptor),
  annotations: optional(record(text)),
} as const
/** image-spec image-index.md; Docker's manifest list has the same fields. */
export type ImageIndex = Decoded<typeof indexFields>

const manifestFields = {
  schemaVersion: literal(2),
  mediaType: optional(text),
  config: descriptor,
  layers: list(descriptor),
  artifactType: optional(text),
  annotations: optional(record(text)),
} as const
/** image-spec manifest.md. Layers are in order, the lowest first. */
export type ImageManifest = Decoded<typeof manifestFields>

const referrerFields = {
  subject: optional(descriptor),
  artifactType: optional(text),
  config: optional(struct({ mediaType: text })),
  annotations: optional(record(text)),
} as const
export type ReferrerFields = Decoded<typeof referrerFields>

const configFields = {
  architecture: text,
  os: text,
  variant: optional(text),
  created: optional(text),
  author: optional(text),
  history: optional(
    list(
      struct({
        created: optional(text),
        created_by: optional(text),
        author: optional(text),
        comment: optional(text),
        empty_layer: optional(boolean),
      }),
    ),
  ),
  config: optional(
    struct({
      User: optional(text),
      Env: optional(list(text)),
      Entrypoint: optional(textOrList),
      Cmd: optional(textOrList),
      WorkingDir: optional(text),
      Volumes: optional(record(anything)),
      ExposedPorts: optional(record(anything)),
      Labels: optional(record(text)),
      StopSignal: optional(text),
      Healthcheck: optional(healthcheck),
    }),
  ),
  rootfs: struct({ type: literal('layers'), diff_ids: optional(list(digest)) }),
} as const
/** image-spec config.md: what the image is, and the diffID of every layer, the lowest first. */
export type ImageConfig = Decoded<typeof configFields>

const layout = struct({ imageLayoutVersion: literal('1.0.0') })
/** The file `oci-layout`. image-spec image-layout.md. */
export const OCI_LAYOUT_FILE = '{"imageLayoutVersion":"1.0.0"}'

/**
 * One digest must have one meaning: a document that could be read both as an index and as a manifest is refused, and so is
 * one whose own mediaType says something else (the attack of GHSA-77vh-xpmg-72qh).
 */
const unambiguous = <A extends { readonly mediaType?: string }>(
  decoder: Decoder<A>,
  foreign: readonly string[],
  isType: (mediaType: string) => boolean,
): Decoder<A> =>
  refine(decoder, (document, raw) => {
    const stray = foreign.find((name) => Object.hasOwn(raw as object, name))
    if (stray !== undefined) return { at: `.${stray}`, why: 'it does not belong into this kind of document' }
    if (document.mediaType === undefined || document.mediaType === '' || isType(document.mediaType))
      return undefined
    return { at: '.mediaType', why: `${JSON.stringify(document.mediaType)} is another kind of document` }
  })
const index: Decoder<ImageIndex> = unambiguous(
  struct(indexFields),
  ['layers', 'config', 'fsLayers', 'history'],
  isIndex,
)
const manifest: Decoder<ImageManifest> = unambiguous(
  struct(manifestFields),
  ['manifests', 'fsLayers', 'history'],
  isManifest,
)

type Decode<A> = (bytes: string | Uint8Array, document: string) => E.Either<InvalidSpec, A>
export const decodeIndex: Decode<ImageIndex> = (bytes, document) => decodeJson(index, bytes, document)
export const decodeManifest: Decode<ImageManifest> = (bytes, document) =>
  decodeJson(manifest, bytes, document)
/** What a document that points at another one says of both; of an index, too. image-spec manifest.md, `subject`. */
export const decodeReferrer: Decode<ReferrerFields> = (bytes, document) =>
  decodeJson(struct(referrerFields), bytes, document)
export const decodeConfig: Decode<ImageConfig> = (bytes, document) =>
  decodeJson(struct(configFields), bytes, document)
export const decodeLayout: Decode<{ readonly imageLayoutVersion: '1.0.0' }> = (bytes, document) =>
  decodeJson(layout, bytes, document)

/** The diffIDs, lowest first; none for an image without layers. */
export const diffIdsOf = (config: ImageConfig): readonly Digest[] => config.rootfs.diff_ids ?? []

export const platformOf = ({ os, architecture, variant }: ImageConfig): Platform => ({
  os,
  architecture,
  ...(variant === undefined || variant === '' ? {} : { variant }),
})

/** What a start needs of an image config; sets that Go writes as maps become lists of their keys. */
export const runtimeConfigOf = ({ config = {} }: ImageConfig): ImageRuntimeConfig => {
  const { Volumes, ExposedPorts, ...rest } = config
  return {
    ...rest,
    ...(Volumes === undefined ? {} : { Volumes: Object.keys(Volumes) }),
    ...(ExposedPorts === undefined ? {} : { ExposedPorts: Object.keys(ExposedPorts) }),
  }
}

/** The name an index entry goes by: the full one where there is one. */
export const nameOf = ({ annotations = {} }: Descriptor): string | undefined =>
  annotations[CONTAINERD_NAME] ?? annotations[REF_NAME]

/** Where the list of referrers lies in a registry without the API for it. distribution-spec, "Referrers Tag Schema". */
export const referrersTag = (subject: Digest): string =>
  `${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}`

/** When a config or record says its image was made, in milliseconds since 1970. */
export const timeOfMaking = (created = ''): { readonly createdMs?: number } => {
  const createdMs = Date.parse(created)
  return Number.isNaN(createdMs) ? {} : { createdMs }
}

/** How many of the layers, the lowest ones, an image's history does not tell of. */
export const untoldLayers = ({ history = [] }: ImageConfig, layers: number): number =>
  Math.max(0, layers - history.filter(({ empty_layer }) => empty_layer !== true).length)

/** The bytes of an index.json with these entries. */
export const encodeIndex = (manifests: readonly Descriptor[]): string =>
  `${JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, undefined, 2)}\n`

/** The bytes of a manifest over these blobs. */
export const encodeManifest = (config: Descriptor, layers: readonly Descriptor[]): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers })
