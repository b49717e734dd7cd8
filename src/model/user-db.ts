// The container's own passwd and group files: who `--user` means. Written by strangers, so read with care.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from './errors.ts'

/** Longest passwd or group file that is looked at, in bytes: a reader stops here too (CVE-2024-9676). */
export const MAX_USER_DB_BYTES = 1024 * 1024
/** Docker's bound (moby/sys/user, maxID). It also keeps out 2^32-1, which setresuid(2) takes as "leave as it is". */
export const MAX_ID = 2 ** 31 - 1

export interface PasswdEntry {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}
export interface GroupEntry {
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}
export interface ResolvedUser {
  readonly uid: number
  readonly gid: number
  /** The primary group first, then the supplementary ones, each once (CVE-2022-36109). */
  readonly additionalGids: readonly number[]
  /** Home directory by passwd; `/` for a user without an entry. */
  readonly home: string
}

/** passwd(5). A line that is not one entry is skipped; a number that is none never becomes 0. */
export const parsePasswd = (text: string): PasswdEntry[] =>
  lines(text).flatMap(([name = '', , uid, gid, , home = '']) => {
    const user = parseId(uid)
    const group = parseId(gid)
    if (name === '' || user === undefined || group === undefined) return []
    return [{ name, uid: user, gid: group, home: home.startsWith('/') ? home : '/' }]
  })

/** group(5), with the same care. */
export const parseGroup = (text: string): GroupEntry[] =>
  lines(text).flatMap(([name = '', , gid, members = '']) => {
    const number = parseId(gid)
    if (name === '' || number === undefined) return []
    return [{ name, gid: number, members: members.split(',').filter((member) => member !== '') }]
  })

const lines = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.includes('\0'))
    .map((line) => line.trim().split(':'))

const parseId = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  const id = Number(text)
  return id <= MAX_ID ? id : undefined
}

/**
 * What `name`, `uid`, `name:group`, `uid:gid` or `''` (root) mean, as moby/sys/user GetExecUser: digits are always an id
 * and need no entry; a name needs one; the user's supplementary groups count only when no group is given. `extra` are the
 * names and ids of `--group-add`. A text is undefined where the image has no such file. Fails: UnknownUser,
 * InvalidOption for a group.
 */
export const resolveUser = (
  user: string,
  passwdText: string | undefined,
  groupText: string | undefined,
  extra: readonly string[] = [],
): Either<EngineError, ResolvedUser> => {
  const unknown = (why: string): Either<EngineError, never> => E.left({ _tag: 'UnknownUser', user, why })
  if (tooLong(passwdText) || tooLong(groupText))
    return unknown('the passwd or group file of the image is too long')
  const [name = '', group = '', ...rest] = user.trim().split(':')
  if (rest.length > 0) return unknown('expected user or user:group')
  const passwd = findUser(name, passwdText ?? '')
  if (typeof passwd === 'string') return unknown(passwd)
  const groups = groupsOf(passwd, group, groupText ?? '')
  if (typeof groups === 'string') return unknown(groups)
  const added = addedGroups(extra, groupText ?? '')
  if (typeof added !== 'string') return E.right(withGroups(passwd, groups, added))
  return E.left({ _tag: 'InvalidOption', option: 'groups', value: extra.join(), why: added })
}

const withGroups = (
  { uid, home }: PasswdEntry,
  groups: readonly number[],
  added: readonly number[],
): ResolvedUser => {
  const [gid = 0] = groups
  return { uid, gid, home, additionalGids: [...new Set([...groups, ...added])] }
}

const tooLong = (text: string | undefined): boolean => text !== undefined && text.length > MAX_USER_DB_BYTES

/** The entry of a user, one made up for a number without entry, or why there is none. */
const findUser = (name: string, text: string): PasswdEntry | string => {
  const numeric = isNumber(name)
  const uid = name === '' ? 0 : parseId(name)
  if (numeric && uid === undefined) return `uids go from 0 to ${MAX_ID}`
  const byId = numeric || name === ''
  const entry = parsePasswd(text).find((user) => (byId ? user.uid === uid : user.name === name))
  if (entry !== undefined) return entry
  return uid === undefined ? 'no such user in the image' : { name: '', uid, gid: 0, home: '/' }
}

/** Primary group first. */
const groupsOf = (user: PasswdEntry, group: string, text: string): readonly number[] | string => {
  if (group !== '') {
    const gid = findGroup(group, parseGroup(text))
    return typeof gid === 'string' ? gid : [gid]
  }
  if (user.name === '') return [user.gid]
  const supplementary = parseGroup(text).filter(({ members }) => members.includes(user.name))
  return [user.gid, ...supplementary.map(({ gid }) => gid)]
}

const findGroup = (group: string, entries: readonly GroupEntry[]): number | string => {
  const gid = parseId(group)
  if (isNumber(group)) return gid ?? `gids go from 0 to ${MAX_ID}`
  return entries.find(({ name }) => name === group)?.gid ?? `no group ${JSON.stringify(group)} in the image`
}

const addedGroups = (extra: readonly string[], text: string): readonly number[] | string => {
  if (extra.length === 0) return []
  const entries = parseGroup(text)
  const gids: number[] = []
  for (const group of extra) {
    const gid = findGroup(group, entries)
    if (typeof gid === 'string') return gid
    gids.push(gid)
  }
  return gids
}

const isNumber = (text: string): boolean => /^[+-]?\d+$/.test(text)
