// The user namespace of a container whose runtime is no root: made before the container, with the document's maps, and joined by it.
import { readFileSync } from 'node:fs'
import { closeForEngine } from '../../adapters/engine-descriptors.ts'
import { makeMappedUsers, thisUser } from '../../adapters/own-users.ts'
import { type HostFacts, isOrdinary } from '../../model/host-facts.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { OwnUsers } from '../../model/own-users.ts'
import { inUsersAt } from '../../plan/spec/index.ts'
import type { Parts } from './parts.ts'

export interface InOwnUsers {
  readonly spec: Spec
  readonly facts: HostFacts
  /** Once the namespace has been opened by the launch, or never will be. */
  readonly close: () => void
}

/** The document as it is for anybody else than an ordinary user. Throws an EngineError. */
export const inOwnUsers = ({ addon, facts }: Parts, spec: Spec): InOwnUsers => {
  const { namespaces = [], uidMappings = [], gidMappings = [], ...rest } = spec.linux ?? {}
  const isNew = namespaces.some(({ type, path }) => type === 'user' && path === undefined)
  if (!isNew || !isOrdinary(facts)) return { spec, facts, close: () => {} }
  const users = makeMappedUsers(addon, thisUser(facts), { uidMappings, gidMappings })
  const joined = inUsersAt(namespaces, `/proc/self/fd/${users.fd}`)
  return {
    spec: { ...spec, linux: { ...rest, namespaces: joined } },
    facts: { ...facts, users },
    close: () => closeForEngine(addon, users.fd),
  }
}

/** What is to be known of the user namespace a process lives in, to join it: /proc/[pid]/setgroups, user_namespaces(7). */
export const factsInside = ({ facts }: Parts, pid: number): HostFacts => {
  if (!isOrdinary(facts)) return facts
  const setsGroups = readFileSync(`/proc/${pid}/setgroups`, 'latin1').trim() !== 'deny'
  const users: OwnUsers = { fd: -1, uidMappings: [], gidMappings: [], setsGroups }
  return { ...facts, users }
}
