// What is written down of a container that is being created.
import path from 'node:path'
import type { CreateRequest } from '../../model/oci-requests.ts'
import type { NamespaceType, Spec } from '../../model/oci-spec.ts'
import {
  OCI_STATE_VERSION,
  type OciRecord,
  type ProcessIdentity,
  rfc3339Nano,
} from '../../model/oci-state.ts'
import { PROC_NAMES } from '../../plan/launch/joined.ts'
import { processStat } from '../status-facts.ts'
import { type Group, recordOf } from './groups.ts'
import type { Parts } from './parts.ts'
import type { Scope } from './systemd/scope.ts'

export const identityOf = (pid: number): ProcessIdentity | undefined => {
  const stat = processStat(pid)
  return stat && { pid, startTime: stat.startTime }
}

/** This process. */
let self: ProcessIdentity | undefined

/** Before it has a process. */
export const recordFor = (
  { globals }: Parts,
  request: CreateRequest,
  groups: readonly Group[],
  scope: Scope | undefined,
): OciRecord => {
  const { id, bundle, spec } = request
  self ??= identityOf(process.pid)
  const creator = self
  return {
    version: OCI_STATE_VERSION,
    ociVersion: spec.ociVersion,
    id,
    ...(creator === undefined ? {} : { creator }),
    bundle,
    rootfs: rootfsOf(request),
    created: rfc3339Nano(BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n)),
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    ownerUid: process.geteuid?.() ?? 0,
    cgroup: recordOf(globals.cgroupManager, groups, scope?.unit.name),
    namespaces: {},
  }
}

/** Absolute. */
export const rootfsOf = ({ bundle, spec }: Pick<CreateRequest, 'bundle' | 'spec'>): string =>
  path.resolve(bundle, spec.root?.path ?? 'rootfs')

/** Where another process can join, by type. */
export const namespacesOf = (spec: Spec, pid: number): Partial<Record<NamespaceType, string>> =>
  Object.fromEntries(
    [...new Set([...(spec.linux?.namespaces ?? []).map(({ type }) => type), 'mount' as const])].map(
      (type) => [type, `/proc/${pid}/ns/${PROC_NAMES[type]}`],
    ),
  )
