// Makes the user namespace that an ordinary user's containers live in: with the ranges of subuid(5) by newuidmap(1) and
// newgidmap(1), which are setuid, or with the user's own ids alone.
import { accessSync, closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import type { EngineError } from '../model/errors.ts'
import type { IdMapping } from '../model/oci-spec.ts'
import {
  type IdRange,
  mapsOf,
  type OwnUsers,
  type RangeOwner,
  rangesOf,
  rangesOfList,
} from '../model/own-users.ts'
import type { Addon } from '../native/addon.ts'
import { builtin } from '../native/builtin.ts'
import { mapText } from '../plan/launch/userns.ts'
import { openForEngine } from './engine-descriptors.ts'
import { readText } from './read-text.ts'

/** Who calls, and where its files are; tests have their own. */
export interface UsersSource {
  readonly euid: number
  readonly egid: number
  /** Holds `subuid`, `subgid`, `nsswitch.conf`. */
  readonly etc: string
  /** Folders of programs, by colons. */
  readonly path: string
}

/** Where setuid programs are, whatever the caller's PATH says. */
const SYSTEM_PATH = '/usr/bin:/bin:/usr/sbin:/sbin'

export const thisUser = ({ euid, egid }: Pick<UsersSource, 'euid' | 'egid'>): UsersSource => ({
  euid,
  egid,
  etc: '/etc',
  path: `${process.env.PATH ?? ''}:${SYSTEM_PATH}`,
})

/** Throws an EngineError: HostUnfit where no user namespace can be made, SyscallFailed. */
export const makeOwnUsers = (addon: Addon, source: UsersSource): OwnUsers => {
  const wish = wishOf(source)
  if ('single' in wish) return make(addon, source, singleMaps(source), wish.single)
  try {
    return make(addon, source, wish)
  } catch (error) {
    if (!(error instanceof MapRefused)) throw error
    return make(addon, source, singleMaps(source), error.reason)
  }
}

/**
 * With the maps of a document: the user's own ids alone need nobody's help. Throws an EngineError: HostUnfit where newuidmap(1) or
 * newgidmap(1) is missing or refuses them, SyscallFailed.
 */
export const makeMappedUsers = (
  addon: Addon,
  source: UsersSource,
  wanted: Pick<OwnUsers, 'uidMappings' | 'gidMappings'>,
): OwnUsers => {
  const { euid, egid } = source
  const isOwn = isOnly(wanted.uidMappings, euid) && isOnly(wanted.gidMappings, egid)
  const helpers = isOwn ? undefined : findHelpers(source)
  if (helpers !== undefined && 'why' in helpers) throw unfitMaps(helpers)
  try {
    return make(addon, source, { ...wanted, ...(helpers === undefined ? {} : { helpers }) })
  } catch (error) {
    throw error instanceof MapRefused ? unfitMaps(error.reason) : error
  }
}

const isOnly = (maps: readonly IdMapping[], id: number): boolean =>
  maps.length === 1 && maps[0]?.hostID === id && maps[0].size === 1

const unfitMaps = ({ why, remedy }: Reason): EngineError => ({
  _tag: 'HostUnfit',
  need: 'the id maps of the document',
  why,
  remedy,
})

type Reason = NonNullable<OwnUsers['single']>

interface Helpers {
  readonly uid: string
  readonly gid: string
}

/** The two maps, and who writes them; or why there can be but one id. */
interface Maps {
  readonly uidMappings: readonly IdMapping[]
  readonly gidMappings: readonly IdMapping[]
  readonly helpers?: Helpers
}

const singleMaps = ({ euid, egid }: UsersSource): Maps => ({
  uidMappings: mapsOf(euid, []),
  gidMappings: mapsOf(egid, []),
})

/** The ranges of a user are those of its name or its number; those of both kinds are needed. */
const wishOf = (source: UsersSource): Maps | { readonly single: Reason } => {
  const owner = ownerOf(source.euid)
  const who = owner.name ?? `uid ${owner.uid}`
  const [uids, gids] = (['subuid', 'subgid'] as const).map((file) => readRanges(source, file, owner))
  const without = [
    ...(uids?.length ? [] : [path.join(source.etc, 'subuid')]),
    ...(gids?.length ? [] : [path.join(source.etc, 'subgid')]),
  ]
  if (without.length > 0)
    return {
      single: {
        why: `${who} has no range of ids in ${without.join(' and ')}`,
        remedy: `have root run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${who.replace(/^uid /, '')}`,
      },
    }
  const helpers = findHelpers(source)
  if ('why' in helpers) return { single: helpers }
  return {
    uidMappings: mapsOf(source.euid, uids ?? []),
    gidMappings: mapsOf(source.egid, gids ?? []),
    helpers,
  }
}

const findHelpers = (source: UsersSource): Helpers | Reason => {
  const [uid, gid] = (['newuidmap', 'newgidmap'] as const).map((name) => findProgram(name, source.path))
  if (uid !== undefined && gid !== undefined) return { uid, gid }
  const missing = [uid === undefined ? 'newuidmap' : '', gid === undefined ? 'newgidmap' : '']
  return {
    why: `${missing.filter((name) => name !== '').join(' and ')} cannot be found`,
    remedy: 'install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora)',
  }
}

/** A uid need not be in passwd. */
const ownerOf = (uid: number): RangeOwner => {
  try {
    const info = userInfo()
    return { uid, name: info.uid === uid ? info.username : undefined }
  } catch {
    return { uid, name: undefined }
  }
}

/** Where nsswitch.conf(5) names another source than files, only getsubids(1) knows. */
const readRanges = (
  source: UsersSource,
  file: 'subuid' | 'subgid',
  owner: RangeOwner,
): readonly IdRange[] => {
  const places = /^\s*subid:\s*(.*)$/m.exec(readText(path.join(source.etc, 'nsswitch.conf')))?.[1]?.trim()
  const program =
    places === undefined || places === 'files' ? undefined : findProgram('getsubids', source.path)
  if (program === undefined) return rangesOf(readText(path.join(source.etc, file)), owner)
  const { stdout } = builtin('node:child_process').spawnSync(
    program,
    [...(file === 'subgid' ? ['-g'] : []), owner.name ?? String(owner.uid)],
    {
      encoding: 'utf8',
      timeout: HELPER_MS,
    },
  )
  return rangesOfList(stdout ?? '')
}

const findProgram = (name: string, folders: string): string | undefined =>
  folders
    .split(':')
    .filter((folder) => path.isAbsolute(folder))
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

/** They write one line each. */
const HELPER_MS = 10_000

/** A helper that is there could not do it: its file lost the setuid bit, privileges cannot be gained here, the range is not the user's. */
class MapRefused extends Error {
  readonly reason: Reason
  constructor(reason: Reason) {
    super(reason.why)
    this.reason = reason
  }
}

const make = (addon: Addon, source: UsersSource, maps: Maps, single?: Reason): OwnUsers => {
  const cloned = addon.cloneIntoUserNamespace()
  if (typeof cloned === 'number') throw cannotMake(-cloned)
  const [pid, pidfd] = cloned
  try {
    if (maps.helpers === undefined) writeSingle(pid, maps)
    else {
      runHelper(maps.helpers.uid, pid, maps.uidMappings, path.join(source.etc, 'subuid'))
      runHelper(maps.helpers.gid, pid, maps.gidMappings, path.join(source.etc, 'subgid'))
    }
    return {
      fd: openForEngine(addon, `/proc/${pid}/ns/user`, 'r'),
      uidMappings: maps.uidMappings,
      gidMappings: maps.gidMappings,
      setsGroups: maps.helpers !== undefined,
      ...(single === undefined ? {} : { single }),
    }
  } finally {
    addon.endClone(pidfd)
  }
}

const EPERM = 1
const ENOSPC = 28
const EUSERS = 87
const cannotMake = (errno: number): EngineError => {
  const need = 'a user namespace, which every container of an ordinary user lives in'
  if (errno === ENOSPC || errno === EUSERS)
    return {
      _tag: 'HostUnfit',
      need,
      why: 'as many as user.max_user_namespaces allows are there, or one more would be nested too deeply',
      remedy: 'have root raise it: sysctl -w user.max_user_namespaces=15000',
    }
  if (errno === EPERM)
    return {
      _tag: 'HostUnfit',
      need,
      why: 'this host does not let ordinary users make one',
      remedy:
        'have root allow it: sysctl -w kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); or run slipway as root',
    }
  return { _tag: 'SyscallFailed', step: 'make user namespace', errno }
}

/** Whoever has one id alone must give up setgroups(2) first: user_namespaces(7). */
const writeSingle = (pid: number, { uidMappings, gidMappings }: Maps): void => {
  const put = (name: string, text: string): void => {
    const fd = openSync(`/proc/${pid}/${name}`, 'w')
    try {
      writeFileSync(fd, text)
    } catch (error) {
      const { errno = -5 } = error as NodeJS.ErrnoException
      throw {
        _tag: 'SyscallFailed',
        step: 'write id map',
        errno: Math.abs(errno),
        path: `${name}: ${text.trim()}`,
      } satisfies EngineError
    } finally {
      closeSync(fd)
    }
  }
  put('setgroups', 'deny')
  put('uid_map', mapText(uidMappings))
  put('gid_map', mapText(gidMappings))
}

const runHelper = (program: string, pid: number, maps: readonly IdMapping[], file: string): void => {
  const args = maps.flatMap(({ containerID, hostID, size }) => [containerID, hostID, size].map(String))
  const { status, stderr, error } = builtin('node:child_process').spawnSync(program, [String(pid), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: HELPER_MS,
    env: {},
  })
  if (status === 0) return
  const said = (stderr ?? '').trim().split('\n')[0] || (error?.message ?? `it ended with ${status}`)
  throw new MapRefused({
    why: `${program} refused the map: ${said}`,
    remedy: `see that ${program} is setuid root or has its file capability, that this process may gain rights (no no_new_privs), and that ${file} gives this user all of ${maps.map(({ hostID, size }) => `${hostID}:${size}`).join(', ')} but its own id`,
  })
}
