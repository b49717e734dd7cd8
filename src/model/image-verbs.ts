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
