// What an OCI runtime remembers of a container: the content of <root>/<id>/state.json. Its status is never in it.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { type Decoder, integer, object, oneOf, optional, record, show, text } from './decode.ts'
import type { EngineError } from './errors.ts'
import { parseJson } from './json.ts'
import { type OciId, parseOciId } from './oci-container-id.ts'
import { NAMESPACE_TYPES } from './oci-namespaces.ts'
import type { NamespaceType } from './oci-spec.ts'

/** Another number means another meaning: a file of it is not read. */
export const OCI_STATE_VERSION = 1

export type CgroupManager = 'cgroupfs' | 'systemd' | 'disabled'

/** A process that cannot be taken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot; field 22 of /proc/<pid>/stat, proc_pid_stat(5). */
  readonly startTime: number
}

export interface OciRecord {
  readonly version: typeof OCI_STATE_VERSION
  /** That of config.json. */
  readonly ociVersion: string
  readonly id: OciId
  /** The container's first process, in the runtime's pid namespace; absent while the container is being created. */
  readonly init?: ProcessIdentity
  /** What /proc/<pid>/exe names while it waits for `start`: afterwards it is another program. */
  readonly waitsAs?: string
  /** Who creates it, while `init` is absent. */
  readonly creator?: ProcessIdentity
  /** Absolute. */
  readonly bundle: string
  /** Absolute. */
  readonly rootfs: string
  /** RFC 3339 with nanoseconds. */
  readonly created: string
  readonly annotations?: Readonly<Record<string, string>>
  /** Who created it. */
  readonly ownerUid: number
  readonly cgroup: OciCgroup
  /** Where a later process can join, as /proc/<pid>/ns/net, by type. */
  readonly namespaces: Readonly<Partial<Record<NamespaceType, string>>>
}

export interface OciCgroup {
  readonly manager: CgroupManager
  /** Absolute; by controller on v1, under the empty name on v2. */
  readonly paths: Readonly<Record<string, string>>
  /** The file that tells whether it is frozen: `freezer.state` on v1, `cgroup.freeze` on v2. */
  readonly freezerFile?: string
  /** The unit, where systemd made the cgroup. */
  readonly unit?: string
}

const identity = object({ pid: integer(1, 2 ** 22), startTime: integer(0) })
const id: Decoder<OciId> = (value) => {
  const parsed = typeof value === 'string' ? parseOciId(value) : undefined
  if (parsed !== undefined && E.isRight(parsed)) return parsed
  return E.left({ where: '', why: 'is not the id of a container', value })
}
const namespacePaths = object(
  Object.fromEntries(NAMESPACE_TYPES.map((type) => [type, optional(text)])) as Record<
    NamespaceType,
    ReturnType<typeof optional<string>>
  >,
)
const version: Decoder<typeof OCI_STATE_VERSION> = (value) =>
  value === OCI_STATE_VERSION
    ? E.right(OCI_STATE_VERSION)
    : E.left({ where: '', why: 'is of another version of slipway-oci', value })

const decoder: Decoder<OciRecord> = object({
  version,
  ociVersion: text,
  id,
  init: optional(identity),
  waitsAs: optional(text),
  creator: optional(identity),
  bundle: text,
  rootfs: text,
  created: text,
  annotations: optional(record(text)),
  ownerUid: integer(0, 2 ** 32 - 1),
  cgroup: object({
    manager: oneOf<CgroupManager>('cgroupfs', 'systemd', 'disabled'),
    paths: record(text),
    freezerFile: optional(text),
    unit: optional(text),
  }),
  namespaces: namespacePaths,
})

/** `path` names the file in errors. Fails: StateDamaged. */
export const decodeOciRecord = (source: string, path: string): Either<EngineError, OciRecord> => {
  const json = parseJson(source)
  if (E.isLeft(json)) return damaged(path, json.left)
  const decoded = decoder(json.right)
  if (E.isRight(decoded)) return decoded
  const { where, why, value } = decoded.left
  return damaged(path, `$${where}: ${why}${value === undefined ? '' : `, got ${show(value)}`}`)
}

export const encodeOciRecord = (state: OciRecord): string => `${JSON.stringify(state)}\n`

const damaged = (path: string, why: string): Either<EngineError, never> =>
  E.left({ _tag: 'StateDamaged', path, why })

/** `2026-01-02T03:04:05.000000678Z`; the fraction without its last zeros, as Go's RFC3339Nano. */
export const rfc3339Nano = (epochNs: bigint): string => {
  const seconds = new Date(Number(epochNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  const fraction = String(epochNs % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${seconds}${fraction === '' ? '' : `.${fraction}`}Z`
}
