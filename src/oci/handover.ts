// What a new process gets from its caller: sockets, a pid file, descriptors.
import { resolve } from 'node:path'
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { Handover } from '../model/oci-requests.ts'
import type { Flags, FlagTable } from './args.ts'
import type { World } from './command.ts'

export const handoverFlags = {
  'console-socket': {
    kind: 'text',
    value: 'SOCKET',
    help: 'Send the terminal to this unix socket',
  },
  'pidfd-socket': {
    kind: 'text',
    value: 'SOCKET',
    help: 'Send a pidfd of the process to this unix socket',
  },
  'pid-file': { kind: 'text', value: 'FILE', help: 'Write the pid to this file' },
  'preserve-fds': { kind: 'integer', value: 'N', help: 'Pass on N descriptors beyond the standard ones' },
} as const satisfies FlagTable

type Given = Flags<typeof handoverFlags>

/** How the process is started; both decide whether it may have a console socket. */
export interface Manner {
  readonly detach: boolean
  readonly terminal: boolean
}

/** Fails: InvalidOption. */
export const handoverOf = (
  flags: Given,
  { terminal, detach }: Manner,
  { cwd, env, pid }: World,
): Either<EngineError, Handover> => {
  const socket = flags['console-socket'] || undefined
  if (detach && terminal && socket === undefined)
    return refuse('--console-socket', '', 'a terminal needs one where nobody stays to serve it')
  if (socket !== undefined && !(detach && terminal))
    return refuse('--console-socket', socket, 'is for a process with a terminal that nobody waits for')
  const preserved = flags['preserve-fds'] ?? 0
  if (preserved < 0) return refuse('--preserve-fds', String(preserved), 'is below zero')
  const listenFds = inheritedSockets(env, pid)
  return E.right({
    streams: OWN_STREAMS,
    ...pathOf('consoleSocket', socket, cwd),
    ...pathOf('pidfdSocket', flags['pidfd-socket'], cwd),
    ...pathOf('pidFile', flags['pid-file'], cwd),
    extraFds: listenFds + preserved,
    listenFds,
  })
}

const OWN_STREAMS = { stdin: 0, stdout: 1, stderr: 2 }

const refuse = (option: string, value: string, why: string): Either<EngineError, never> =>
  E.left({ _tag: 'InvalidOption', option, value, why })

/** By its option; nothing where it is not given. */
export const pathOf = <K extends string>(
  key: K,
  path: string | undefined,
  cwd: string,
): { readonly [P in K]?: string } =>
  path === undefined || path === '' ? {} : ({ [key]: resolve(cwd, path) } as { readonly [P in K]?: string })

/** They are ours only when LISTEN_PID says so. sd_listen_fds(3). */
const inheritedSockets = (env: World['env'], pid: number): number => {
  const count = Number(env.LISTEN_FDS ?? 0)
  return env.LISTEN_PID === String(pid) && Number.isInteger(count) && count > 0 ? count : 0
}
