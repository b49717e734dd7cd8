// Where a snapshot lies, and what identifies a stack of layers.
import { createHash } from 'node:crypto'
import type { SnapshotKind } from '../engine/ports/snapshotter.ts'
import { thrown } from './layer-errors.ts'

/** `<root>/{layers,stacks}/<hex>/{fs,<kind>.json}` and `<root>/staging`. Bare hex: mount options have no colons. */
export interface SnapshotPaths {
  readonly folder: (kind: SnapshotKind) => string
  readonly directory: (kind: SnapshotKind, digest: string) => string
  readonly record: (kind: SnapshotKind, digest: string) => string
  readonly tree: (kind: SnapshotKind, digest: string) => string
  readonly staging: string
  /** See unflushed-trees.ts. */
  readonly unflushed: string
}

export const snapshotPaths = (root: string): SnapshotPaths => {
  const folder = (kind: SnapshotKind): string => `${root}/${kind}s`
  const directory = (kind: SnapshotKind, digest: string): string => `${folder(kind)}/${hexOf(digest)}`
  return {
    folder,
    directory,
    record: (kind, digest) => `${directory(kind, digest)}/${kind}.json`,
    tree: (kind, digest) => `${directory(kind, digest)}/fs`,
    staging: `${root}/staging`,
    unflushed: `${root}/unflushed`,
  }
}

const DIGEST = /^sha256:([0-9a-f]{64})$/

/** Throws InvalidSpec (as SlipwayError): the hex becomes a file name, so it is checked where it is used. */
export const hexOf = (digest: string): string => {
  const hex = DIGEST.exec(digest)?.[1]
  if (hex !== undefined) return hex
  const why = `${JSON.stringify(digest)} is not sha256:<64 hex digits>`
  throw thrown({ _tag: 'InvalidSpec', document: 'image config', where: '$.rootfs.diff_ids', why })
}

/** image-spec config.md, Layer ChainID. A stack of no layers has the digest of nothing. */
export const chainIdOf = (diffIds: readonly string[]): string => {
  const [bottom, ...above] = diffIds
  if (bottom === undefined) return sha256('')
  return above.reduce((chain, diffId) => sha256(`${chain} ${diffId}`), bottom)
}

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
