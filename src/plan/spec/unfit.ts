// What cannot be promised on a host without a cgroup tree that can be written to, and so is refused when it is asked for.
import { normalizeCapability } from '../../model/capabilities.ts'
import type { EngineError } from '../../model/errors.ts'
import { filtersDevices, isAtLeast } from '../../model/host-facts.ts'
import { countOf, givesGroup, isMapped, type OwnUsers } from '../../model/own-users.ts'
import { isPrivileged, type SpecInput } from './input.ts'

/** HostUnfit, or undefined where everything asked for can be given. Limits are refused where groups are made. */
export const refuseUnfit = (input: SpecInput): EngineError | undefined => {
  const { cgroup } = input.facts
  const ofUser = refuseOfUser(input)
  if (ofUser !== undefined) return ofUser
  const ofMounts = refuseMounts(input)
  if (ofMounts !== undefined) return ofMounts
  if (input.options.pid === 'host' && (!cgroup.writable || cgroup.mode === 'none'))
    return unfit("the host's pid namespace", 'without a group nothing finds the processes a container leaves')
  const rule = filtersDevices(cgroup) || isPrivileged(input) ? undefined : finerThanNodes(input)
  return rule === undefined ? undefined : unfit(rule, 'nothing here holds a container to its device rules')
}

/** Attributes of a mount that need a newer kernel, or the rights of the host's root. */
const refuseMounts = ({ options, facts }: SpecInput): EngineError | undefined => {
  const { mounts = [] } = options
  const binds = mounts.filter((mount) => mount.type === 'bind')
  const deep = binds.find(({ recursive }) => recursive === 'readonly')
  if (deep !== undefined && !isAtLeast(facts.kernel, 5, 12))
    return newer(`${deep.target} read-only to its depth`, facts.kernelRelease)
  const mapped = binds.find(({ idmap }) => idmap !== undefined)
  if (mapped !== undefined) {
    if (facts.users !== undefined)
      return asRoot(`${mapped.target} with other ids`, 'only root can map the ids of a mount')
    if (!isAtLeast(facts.kernel, 5, 12)) return newer(`${mapped.target} with other ids`, facts.kernelRelease)
    if (mapped.idmap === true && options.security?.userns === undefined)
      return {
        _tag: 'InvalidOption',
        option: 'mounts',
        value: mapped.target,
        why: 'idmap: true needs security.userns, whose maps it takes: give maps of its own otherwise',
      }
  }
  const own = mounts.find((mount) => mount.type === 'filesystem')
  return own === undefined || facts.users === undefined
    ? undefined
    : own.filesystem === 'tmpfs'
      ? undefined
      : asRoot(`a file system of type ${own.filesystem} at ${own.target}`, 'only root can mount it')
}

const newer = (need: string, release: string): EngineError => ({
  _tag: 'HostUnfit',
  need,
  why: `Linux ${release} cannot do that, and 5.12 can`,
})

/** What an ordinary user cannot give. */
const refuseOfUser = ({ options, user, facts: { users } }: SpecInput): EngineError | undefined => {
  if (users === undefined) return undefined
  const namespace = (['pid', 'cgroupns'] as const).find((name) => options[name] === 'host')
  if (namespace !== undefined)
    return asRoot(
      `the host's ${namespace === 'pid' ? 'pid' : 'cgroup'} namespace`,
      'a container of an ordinary user cannot mount the file system that shows it',
    )
  if (options.security?.userns !== undefined)
    return asRoot(
      'a user namespace of its own',
      'containers of an ordinary user live in the one of their engine, with all the ids the user has',
    )
  if (!isMapped(users.uidMappings, user.uid)) return noId(users, 'uid', user.uid)
  if (!isMapped(users.gidMappings, user.gid)) return noId(users, 'gid', user.gid)
  const groups = (options.groups ?? []).length > 0 ? user.additionalGids : []
  const missing = groups.find((gid) => !givesGroup(users, gid))
  return missing === undefined ? undefined : noId(users, 'gid', missing)
}

const asRoot = (need: string, why: string): EngineError => ({
  _tag: 'HostUnfit',
  need,
  why,
  remedy: 'run slipway as root for that',
})

const noId = (users: OwnUsers, kind: 'uid' | 'gid', id: number): EngineError => {
  const count = countOf(kind === 'uid' ? users.uidMappings : users.gidMappings)
  const { why, remedy } = users.single ?? {
    why: `the ranges of this user in /etc/sub${kind} give ${count} ids, from 0 on`,
    remedy: `have root give the user a larger range: usermod --add-sub${kind}s FIRST-LAST USER`,
  }
  return { _tag: 'HostUnfit', need: `${kind} ${id} in a container`, why, remedy }
}

const unfit = (need: string, why: string): EngineError => ({
  _tag: 'HostUnfit',
  need,
  why,
  remedy: 'run where the cgroup tree can be written to; see `slipway doctor`',
})

/** Without device rules a container has the nodes it was given, to read and to write, and can make no others. */
const finerThanNodes = ({ options, devices = [] }: SpecInput): string | undefined => {
  const [rule] = options.deviceCgroupRules ?? []
  if (rule !== undefined) return `the device rule "${rule}"`
  const partial = devices.find(({ access }) => !access.includes('r') || !access.includes('w'))
  if (partial !== undefined) return `"${partial.access}" access to ${partial.path}`
  const makesNodes = (options.security?.capAdd ?? []).some(
    (name) => normalizeCapability(name) === 'CAP_MKNOD',
  )
  return makesNodes ? 'the right to make device nodes' : undefined
}
