// A runtime document as the planner's input: what does not come from the document itself.
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { netDevices } from '../../adapters/net-devices.ts'
import { letsStart, storedFilter } from '../../engine/seccomp.ts'
import type { EngineError } from '../../model/errors.ts'
import type { HostFacts } from '../../model/host-facts.ts'
import type { LinuxSeccomp, Spec } from '../../model/oci-spec.ts'
import { remember } from '../../model/remember.ts'
import { planDocument } from '../../plan/launch/checked.ts'
import type { CgroupParent, LaunchInput, LaunchPlan } from '../../plan/launch/index.ts'
import type { Lasting } from '../../plan/launch/lasting.ts'
import { type CompiledFilter, seccompKey } from '../../plan/seccomp/compile.ts'
import type { Parts } from './parts.ts'

export interface Document {
  /** Of this host, as they are for the container's process. */
  readonly facts: HostFacts
  readonly id: string
  readonly spec: Spec
  /** Absolute. */
  readonly rootfs: string
  /** An empty directory for the root to be attached at. */
  readonly scratch: string
  readonly cgroups: readonly CgroupParent[]
  readonly lasting: Lasting
}

/** Fails: InvalidSpec, HostUnfit, Unsupported, SyscallFailed. */
export const planOf = (parts: Parts, document: Document): E.Either<EngineError, LaunchPlan> => {
  const { addon } = parts
  const { facts, id, spec, rootfs, scratch, cgroups, lasting } = document
  return pipe(
    E.Do,
    E.bind('filter', () => filterOf(parts, document)),
    E.bind('devices', () => netDevices(addon, facts, spec)),
    E.flatMap(({ filter, devices }) => {
      const input: LaunchInput = {
        id,
        spec,
        rootfs: { kind: 'directory', path: rootfs },
        files: [],
        ...(filter === undefined ? {} : { filter }),
        facts,
        root: path.dirname(scratch),
        scratch,
        record: '',
        createdMs: 0,
        cgroups,
        netDevices: devices,
        keep: false,
        init: false,
        lasting,
      }
      return planDocument(input)
    }),
  )
}

/** Fails: InvalidSpec, Unsupported. */
const filterOf = (
  parts: Parts,
  { facts, spec }: Document,
): E.Either<EngineError, CompiledFilter | undefined> => {
  const profile = spec.linux?.seccomp
  if (profile === undefined) return E.right(undefined)
  return pipe(
    compiled(parts, profile),
    E.flatMap((filter) => letsStart(filter, facts, spec, false)),
  )
}

/** A profile is compiled once for all its containers, whichever process makes them. */
const compiled = (
  { filters, facts }: Parts,
  profile: LinuxSeccomp,
): E.Either<EngineError, CompiledFilter> => {
  const key = seccompKey(profile, facts.arch)
  const known = filters.known.get(key)
  if (known !== undefined) return E.right(known)
  const made = storedFilter(filters.store, key, profile, facts.arch)
  if (E.isRight(made)) remember(filters.known, key, made.right)
  return made
}
