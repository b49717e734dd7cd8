// The process that `exec` starts: a document of its own, or the container's process with what the flags change.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { LinuxCapabilities, Process, User } from '../model/oci-spec.ts'
import { decodePartText } from '../model/oci-spec-decode.ts'
import { process as decodeProcess } from '../model/oci-spec-decode-process.ts'
import type { Flags, FlagTable } from './args.ts'

export const processFlags = {
  cwd: { kind: 'text', value: 'DIR', help: 'Working directory in the container' },
  env: { kind: 'list', short: 'e', value: 'NAME=VALUE', help: 'Set a variable' },
  tty: { kind: 'boolean', short: 't', help: 'Give it a terminal' },
  user: { kind: 'text', short: 'u', value: 'UID[:GID]', help: 'User and group, as numbers' },
  'additional-gids': { kind: 'list', short: 'g', value: 'GID', help: 'Further group' },
  process: { kind: 'text', short: 'p', value: 'FILE', help: 'Read the whole process from this JSON file' },
  'process-label': { kind: 'text', value: 'LABEL', help: 'SELinux label of the process' },
  apparmor: { kind: 'text', value: 'PROFILE', help: 'AppArmor profile of the process' },
  'no-new-privs': { kind: 'boolean', help: 'No program gives it more rights' },
  cap: { kind: 'list', short: 'c', value: 'NAME', help: 'Give it a capability' },
} as const satisfies FlagTable

export type ProcessGiven = Flags<typeof processFlags>

/** From the text of `--process`. Fails: InvalidSpec. */
export const decodeProcessText = (text: string, file: string): Either<EngineError, Process> => {
  const decoded = decodePartText(decodeProcess, text, file)
  if (E.isLeft(decoded)) return decoded
  return decoded.right.args === undefined
    ? E.left({ _tag: 'InvalidSpec', document: file, where: '$.args', why: 'is required' })
    : decoded
}

/** `own` is the container's process. The terminal is the flag's alone, as in runc. Fails: InvalidOption. */
export const processOfFlags = (
  own: Process,
  flags: ProcessGiven,
  args: readonly string[],
): Either<EngineError, Process> => {
  if (args.length === 0) return refuse('COMMAND', '', 'exec args cannot be empty')
  const user = userOf(own.user, flags)
  if (E.isLeft(user)) return user
  const bad = (flags.env ?? []).find((entry) => entry.indexOf('=') < 1)
  if (bad !== undefined) return refuse('--env', bad, 'expected NAME=VALUE')
  if (flags.cwd !== undefined && flags.cwd !== '' && !flags.cwd.startsWith('/'))
    return refuse('--cwd', flags.cwd, 'must be an absolute path')
  return E.right({
    ...own,
    args,
    user: user.right,
    cwd: flags.cwd || own.cwd,
    env: lastOfEach([...(own.env ?? []), ...(flags.env ?? [])]),
    terminal: flags.tty === true,
    ...(flags.apparmor ? { apparmorProfile: flags.apparmor } : {}),
    ...(flags['process-label'] ? { selinuxLabel: flags['process-label'] } : {}),
    ...(flags['no-new-privs'] === undefined ? {} : { noNewPrivileges: flags['no-new-privs'] }),
    ...(flags.cap === undefined ? {} : { capabilities: withCapabilities(own.capabilities, flags.cap) }),
  })
}

/** Where a name is there twice getenv(3) finds the first, and the flags are the last. */
const lastOfEach = (env: readonly string[]): readonly string[] => [
  ...new Map(env.map((entry) => [entry.split('=', 1)[0], entry])).values(),
]

const refuse = (option: string, value: string, why: string): Either<EngineError, never> =>
  E.left({ _tag: 'InvalidOption', option, value, why })

const ID = /^\d{1,10}$/
const isId = (text: string): boolean => ID.test(text) && Number(text) < 0xffff_ffff

const userOf = (own: User, flags: ProcessGiven): Either<EngineError, User> => {
  const [uid = '', gid] = (flags.user ?? '').split(':')
  const given = flags.user !== undefined && flags.user !== ''
  if (given && !(isId(uid) && (gid === undefined || isId(gid))))
    return refuse('--user', flags.user, 'expected UID or UID:GID, as numbers')
  const gids = flags['additional-gids'] ?? []
  const bad = gids.find((group) => !isId(group))
  if (bad !== undefined) return refuse('--additional-gids', bad, 'is no number of a group')
  return E.right({
    ...own,
    ...(given ? { uid: Number(uid) } : {}),
    ...(given && gid !== undefined ? { gid: Number(gid) } : {}),
    ...(gids.length === 0 ? {} : { additionalGids: [...(own.additionalGids ?? []), ...gids.map(Number)] }),
  })
}

/** An ambient capability must be inheritable, too: only a process that has such gets one (capabilities(7); runc exec.go). */
const withCapabilities = (own: LinuxCapabilities = {}, added: readonly string[]): LinuxCapabilities => {
  const plus = (names: readonly string[] = []): readonly string[] => [...new Set([...names, ...added])]
  return {
    ...own,
    bounding: plus(own.bounding),
    effective: plus(own.effective),
    permitted: plus(own.permitted),
    ...(own.inheritable === undefined ? {} : { ambient: plus(own.ambient) }),
  }
}

/** `[CONTROLLER[,CONTROLLER]:]PATH`; the empty name is v2's. Fails: InvalidOption. */
export const subCgroups = (
  given: readonly string[],
): Either<EngineError, Readonly<Record<string, string>>> => {
  const paths = new Map<string, string>()
  for (const text of given) {
    const colon = text.indexOf(':')
    if (colon < 0 && given.length > 1) return refuse('--cgroup', text, 'expected CONTROLLER:PATH')
    for (const name of text.slice(0, Math.max(colon, 0)).split(',')) {
      if (colon >= 0 && name === '') return refuse('--cgroup', text, 'the name of a controller is empty')
      if (paths.has(name)) return refuse('--cgroup', text, `${name} is given twice`)
      paths.set(name, text.slice(colon + 1))
    }
  }
  return E.right(Object.fromEntries(paths))
}
