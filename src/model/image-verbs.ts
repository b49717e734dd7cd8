// What the image verbs are asked and what they answer: the same for library, command line and programs.
import type { Digest } from './digest.ts'
import type { Platform } from './platform.ts'

/** What a pull or load reports while it works. Sizes count bytes as sent. */
export type ImageProgress =
  /** The layers are known: comes once per image, before any of the others. */
  | {
      readonly kind: 'layers'
      readonly layers: readonly { readonly digest: string; readonly sizeBytes: number }[]
    }
  | {
      readonly kind: 'layer'
      readonly digest: string
      /** `exists`: it was here already. `done`: downloaded, verified and unpacked. */
      readonly status: 'downloading' | 'exists' | 'done'
      readonly receivedBytes: number
      readonly sizeBytes: number
    }
export type OnProgress = (progress: ImageProgress) => void

export interface PullOptions {
  /** Default: this machine's. */
  readonly platform?: Platform
  readonly onProgress?: OnProgress
  readonly signal?: AbortSignal
}

export interface PulledImage {
  /** As Docker prints it, e.g. `debian:bookworm`. */
  readonly reference: string
  /** Of what the registry has under that name. */
  readonly digest: Digest
  /** Image id. */
  readonly id: Digest
  /** `current`: the name meant this image before, and everything was here. */
  readonly status: 'downloaded' | 'current'
}

/** A path to a directory or a tar (which may be gzip-compressed), or the bytes of such a tar. */
export type LoadSource = { readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> }

export interface LoadOptions {
  /** Default: this machine's. */
  readonly platform?: Platform
  /** A name for the image, where the file holds just one. */
  readonly name?: string
  readonly onProgress?: OnProgress
  readonly signal?: AbortSignal
}

export interface LoadedImage {
  /** As Docker prints it; absent for an image the file gives no full name. */
  readonly reference?: string
  /** Image id. */
  readonly id: Digest
}

export interface ImageSummary {
  /** Image id: the digest of the image config. */
  readonly id: Digest
  /** Short form without tag, e.g. `debian`; undefined for a nameless image. */
  readonly repository?: string
  readonly tag?: string
  /** Of what index.json points at: for a pulled image, what the registry calls it. */
  readonly digest: Digest
  /** e.g. `linux/amd64` */
  readonly platform: string
  /** Milliseconds since 1970, from the image config. */
  readonly createdMs?: number
  /** Sum of the uncompressed layers. */
  readonly sizeBytes: number
  readonly labels: Readonly<Record<string, string>>
}

/** One platform an image was made for. */
export interface ImagePlatform {
  /** e.g. `linux/arm64`, as the image says it. */
  readonly platform: string
  /** Of its manifest. */
  readonly digest: Digest
  /** All of its documents and layers are in the store. What follows is known of those only. */
  readonly isHere: boolean
  /** Image id. */
  readonly id?: Digest
  /** Sum of the uncompressed layers. */
  readonly sizeBytes?: number
  /** Sum of its documents and layers as they were sent. */
  readonly contentBytes?: number
  /** How many were made of it. */
  readonly containers?: number
}

export interface RemoveOptions {
  /** By id: although it has several names. By name: although containers use the image, which then stays, nameless. */
  readonly force?: boolean
}

export interface RemovedImage {
  /** Names taken away, as Docker prints them. */
  readonly untagged: readonly string[]
  /** Digests of what was removed, the image id first. Empty when the image stays, or while another process adds content. */
  readonly deleted: readonly string[]
}

export interface ResolveOptions {
  /** Default: this machine's. */
  readonly platform?: Platform
}

export interface InspectOptions {
  /** Default: this machine's. */
  readonly platform?: Platform
}

/** One image in the words of `docker image inspect`. */
export interface ImageInspect {
  readonly Id: string
  /** As Docker prints them, e.g. `debian:bookworm`; none for a nameless image. */
  readonly RepoTags: readonly string[]
  /** Each repository that has it, by the digest of what its name points at. */
  readonly RepoDigests: readonly string[]
  readonly Parent: ''
  readonly Comment: string
  /** RFC 3339; absent where the image does not say. */
  readonly Created: string
  readonly Author: string
  /** image-spec config.md, `config`, with every field it knows; fields of other tools are kept. */
  readonly Config: Readonly<Record<string, unknown>>
  readonly Architecture: string
  readonly Variant: string
  readonly Os: string
  /** Sum of the uncompressed layers, in bytes. */
  readonly Size: number
  readonly GraphDriver: { readonly Name: 'overlay2'; readonly Data: null }
  readonly RootFS: { readonly Type: 'layers'; readonly Layers: readonly string[] }
  readonly Metadata: { readonly LastTagTime: string }
  /** What index.json points at. */
  readonly Descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number }
}

/** One step of how an image was made, the newest first. */
export interface ImageHistoryEntry {
  /** Image id: of the newest entry only, since the images in between are nowhere. */
  readonly id?: Digest
  /** Milliseconds since 1970. */
  readonly createdMs?: number
  readonly createdBy: string
  readonly comment: string
  /** Of the uncompressed layer, in bytes; 0 for a step without one. */
  readonly sizeBytes: number
}

export type SaveFormat = 'docker-archive' | 'oci-archive' | 'oci-dir'

/** A file or directory to be made, or a stream that is written to and ended. */
export type SaveTarget = { readonly path: string } | { readonly stream: NodeJS.WritableStream }

export interface SaveOptions {
  /** Default `'docker-archive'`, which is an OCI layout, too. */
  readonly format?: SaveFormat
  /** Only this platform of each image. Default: all that is here; of the platforms, docker's list names this machine's. */
  readonly platform?: Platform
  readonly signal?: AbortSignal
}

/** What commit and import take, both of which make an image. */
export interface MakeImageOptions {
  /** A name for it; without a tag it is `latest`. Default: it has none. */
  readonly name?: string
  /** Lines of a Dockerfile, applied in their order: `CMD ["a"]`, `ENV a=b`, `WORKDIR /srv`, … */
  readonly changes?: readonly string[]
  readonly message?: string
  /** Milliseconds since 1970 that count as the time of its making. Default: now. With the same time the same content is the same image. */
  readonly createdMs?: number
  readonly signal?: AbortSignal
}

export interface CommitOptions extends MakeImageOptions {
  readonly author?: string
  /** Nothing in a running container moves while its files are read. Default: true. */
  readonly pause?: boolean
}

export interface ImportOptions extends MakeImageOptions {
  /** What the files were built for. Default: this machine's. */
  readonly platform?: Platform
}

export interface MadeImage {
  /** Image id. */
  readonly id: Digest
  /** As Docker prints it. */
  readonly reference?: string
  /** Of the manifest. */
  readonly digest: Digest
}

/** One name that an image or a container has, and the other one it is compared with has not, or otherwise. */
export interface FileChange {
  readonly kind: 'added' | 'changed' | 'deleted'
  /** From the root, e.g. `/etc/hosts`. */
  readonly path: string
}

export interface ExportOptions {
  readonly signal?: AbortSignal
}

export interface PruneOptions {
  /** Every image that no container uses. Default: only those without a name. */
  readonly all?: boolean
  /** Only images made before this, in milliseconds since 1970. */
  readonly untilMs?: number
  /** Only images with all of these labels, and with none of those that are `not` wanted. */
  readonly labels?: readonly { readonly key: string; readonly value?: string; readonly not?: boolean }[]
}

export interface PrunedImages {
  /** Names taken away, as Docker prints them. */
  readonly untagged: readonly string[]
  /** Digests of what was removed. */
  readonly deleted: readonly string[]
  /** Bytes on disk that are free now. */
  readonly reclaimedBytes: number
  /** Another process adds content: names are gone, and their files go with a later command. */
  readonly postponed: boolean
}

/** Bytes on disk, as du(1) counts them. */
export interface DiskUsage {
  /** Blobs, records, unpacked layers and stacks. `active`: used by a container. */
  readonly images: UsageTotal
  /** Writable layers, and the directories they are in. `active`: running. */
  readonly containers: UsageTotal
  /** Their files and documents. `active`: a container has it. */
  readonly volumes: UsageTotal
  /** Everything else below the engine's root: the skeleton of the `host` image, names, what is on its way out. */
  readonly otherBytes: number
  readonly perImage: readonly ImageUsage[]
  readonly perContainer: readonly { readonly id: string; readonly sizeBytes: number }[]
  readonly perVolume: readonly {
    readonly name: string
    readonly sizeBytes: number
    readonly containers: number
  }[]
}
export interface UsageTotal {
  readonly count: number
  readonly active: number
  readonly sizeBytes: number
  /** Of that, what nothing active needs. */
  readonly reclaimableBytes: number
}
export interface ImageUsage {
  readonly id?: Digest
  /** As Docker prints it; absent for a nameless image. */
  readonly reference?: string
  readonly createdMs?: number
  /** `sharedBytes` and `uniqueBytes` together. */
  readonly sizeBytes: number
  /** Of blobs and layers that other images have, too. */
  readonly sharedBytes: number
  readonly uniqueBytes: number
  /** How many were made of it. */
  readonly containers: number
}

export interface CheckOptions {
  /** Put right what can be. Default: true. */
  readonly heal?: boolean
  /** Also unpack every layer again and compare. Default: true. */
  readonly trees?: boolean
  readonly signal?: AbortSignal
}

export interface StoreReport {
  /** How many were looked at. */
  readonly checked: {
    readonly blobs: number
    readonly records: number
    readonly layers: number
    readonly stacks: number
  }
  readonly problems: readonly StoreProblem[]
}
export interface StoreProblem {
  /** e.g. `layer sha256:…`, `record of docker.io/library/app:1`. */
  readonly what: string
  readonly why: string
  /** It is right again. */
  readonly healed: boolean
  /** What was done about it, or what can be. */
  readonly remedy: string
}

export interface PushOptions {
  /** Of a multi-platform image only this one. Default: the whole index. */
  readonly platform?: Platform
  /** Every tag of the repository that is here. The reference then has none. */
  readonly allTags?: boolean
  readonly onProgress?: OnPushProgress
  readonly signal?: AbortSignal
}

/** What a push reports while it works. Sizes count bytes as sent. */
export type PushProgress =
  /** The blobs are known: comes once per tag, before any of the others. */
  | {
      readonly kind: 'layers'
      readonly layers: readonly { readonly digest: string; readonly sizeBytes: number }[]
    }
  | {
      readonly kind: 'layer'
      readonly digest: string
      /** `exists`: the registry had it. `mounted`: it took it from its repository `from`. `done`: sent and verified. */
      readonly status: 'uploading' | 'exists' | 'mounted' | 'done'
      readonly sentBytes: number
      readonly sizeBytes: number
      readonly from?: string
    }
export type OnPushProgress = (progress: PushProgress) => void

export interface PushedImage {
  /** As Docker prints it, e.g. `registry.lan/app:1`. */
  readonly reference: string
  readonly tag: string
  /** Of the manifest or index that the tag now means. */
  readonly digest: Digest
  /** Of that document, in bytes. */
  readonly sizeBytes: number
}

export interface AskOptions {
  readonly signal?: AbortSignal
}

export interface ReferrersOptions extends AskOptions {
  /** Only what is of this type, e.g. `application/spdx+json`. */
  readonly artifactType?: string
}

/** A document that points at an image: a signature, a list of what is in it. image-spec manifest.md, `subject`. */
export interface Referrer {
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType?: string
  readonly sizeBytes: number
  readonly annotations: Readonly<Record<string, string>>
}

export interface SearchOptions extends AskOptions {
  /** Default: 25. */
  readonly limit?: number
}

export interface FoundRepositories {
  /** `search`: the registry's own, by relevance. `catalog`: its list of repositories, of which those with the word in the name. */
  readonly by: 'search' | 'catalog'
  readonly repositories: readonly FoundRepository[]
}
export interface FoundRepository {
  /** As a reference without a tag, e.g. `debian`, `registry.lan/app`. */
  readonly name: string
  readonly description?: string
  readonly stars?: number
  readonly official?: boolean
}

export interface LoginOptions extends AskOptions {
  readonly username: string
  readonly password: string
}
export interface LoggedIn {
  readonly registry: string
  /** Where the password or token is: a file, or the name of a credential helper. */
  readonly where: string
  /** Whoever can read that file can read the password. */
  readonly plain: boolean
}
