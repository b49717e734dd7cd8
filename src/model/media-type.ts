// The media types of image documents and layers: image-spec media-types.md and Docker's "Image Manifest V 2, Schema 2".

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'
export const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
/** Schema 1: signed, without an image config. Refused. */
const DOCKER_V1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/

/** What a registry is told we understand, best first. */
export const ACCEPTED_MANIFESTS: readonly string[] = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST]

export const isIndex = (mediaType: string): boolean => mediaType === OCI_INDEX || mediaType === DOCKER_INDEX
export const isManifest = (mediaType: string): boolean =>
  mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST
export const isConfig = (mediaType: string): boolean =>
  mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG
export const isSchema1 = (mediaType: string): boolean => DOCKER_V1.test(mediaType)

/** `application/json; charset=utf-8` → `application/json`. */
export const bareMediaType = (header: string): string => (header.split(';')[0] ?? '').trim().toLowerCase()

export type Compression = 'none' | 'gzip' | 'zstd'
const LAYERS: ReadonlyMap<string, Compression> = new Map<string, Compression>([
  [OCI_LAYER, 'none'],
  [`${OCI_LAYER}+gzip`, 'gzip'],
  [`${OCI_LAYER}+zstd`, 'zstd'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip'],
])

/** OCI's name for a layer that is compressed so. */
export const ociLayerType = (compression: Compression): string =>
  compression === 'none' ? OCI_LAYER : `${OCI_LAYER}+${compression}`

/** How a layer is compressed; undefined when the type is not a file system layer at all. */
export const layerCompression = (mediaType: string): Compression | undefined => LAYERS.get(mediaType)

/** Not to be given away, says whoever made it; a registry need not have it. */
export const isNondistributable = (mediaType: string): boolean =>
  mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.') ||
  mediaType === 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'

/** By the first bytes (RFC 1952 §2.3.1; RFC 8878 §3.1), whatever the label says: tools mislabel uncompressed layers. */
export const sniffCompression = (start: Uint8Array): Compression => {
  const [first = 0, ...more] = start.subarray(0, 4)
  if (first === 0x1f && more[0] === 0x8b) return 'gzip'
  const isFrame = first === 0x28 && String(more) === '181,47,253'
  // pzstd begins with a frame that is to be skipped.
  const isSkippable = first >= 0x50 && first <= 0x5f && String(more) === '42,77,24'
  return isFrame || isSkippable ? 'zstd' : 'none'
}
