// A container that outlives the process that makes it: the second half of its payload's start waits for another process.
import type { Hook, Process } from '../../model/oci-spec.ts'
import {
  AT_EACCESS,
  AT_FDCWD,
  EACCES,
  ENOENT,
  ENOTDIR,
  F_DUPFD_CLOEXEC,
  O_CLOEXEC,
  O_PATH,
  S_IFDIR,
  SOCK_CLOEXEC,
  X_OK,
} from '../kernel.ts'
import { type Program, Slot } from '../program.ts'

/** A hook that runs in the container's namespaces, and what it reads on its standard input. */
export interface InnerHook {
  readonly hook: Hook
  readonly state: string
}

export interface Lasting {
  /** It is a child of whoever started this process, who is told of its end even where that comes before ours. */
  readonly leavesParent: boolean
  /** The payload waits until somebody connects to the listening socket that the caller hands in. */
  readonly waitsForStart: boolean
  /** Descriptors that are passed on as 3, 4 …; handed in behind the socket. */
  readonly extraFds: number
  /** Each `tmpcopyup` of the document comes as a descriptor, filled and attached nowhere, behind all others: see copy-up.ts. */
  readonly copiesUp: boolean
  /** A network namespace that was made ahead comes as a descriptor, behind those of `copiesUp`: see `takesNetwork`. */
  readonly networkGiven?: boolean
  /** The stages end before the root is entered, and the last one is sent when the caller has seen to something in between. */
  readonly pausesBeforeRoot: boolean
  readonly createContainer: readonly InnerHook[]
  readonly startContainer: readonly InnerHook[]
  /** One more process of a container that is there: what it leaves ends with that. */
  readonly isExec?: boolean
  /** One more process of a container that shares its mount namespace: where the container's own root is seen. */
  readonly joinsRoot?: string
  /**
   * It ends with whoever makes it: what the guardian is told by the child itself, the file its group is killed by behind a `+`, or nothing
   * where it has no group of its own. See guard.cc.
   */
  readonly guardedBy?: string
  /** Whoever makes it may leave it to its container later, and end: nothing but the guardian, which can be told, ties it to that process. */
  readonly isReleasable?: boolean
  /** It keeps the keyring of whoever makes it. */
  readonly keepsKeyring: boolean
}

/** Slots of what comes behind the streams. */
export interface LastingSlots {
  readonly socket: Slot | undefined
  readonly extra: readonly Slot[]
  /** Streams that came and are not the payload's, which has a terminal. */
  readonly unused: readonly Slot[]
}

/** Tag of the descriptor that says: everything but the program is there. It is the socket the payload waits at. To be answered. */
export const CREATED_TAG = 2
/** Of the one that a filter's notifications are read from. It is answered, by anything, once the agent has it. */
export const LISTENER_TAG = 3

export const runHooks = (
  program: Program,
  step: 'run createContainer hook' | 'run startContainer hook',
  hooks: readonly InnerHook[],
): void => {
  for (const { hook, state } of hooks) {
    const { path, args = [path], env = [], timeout } = hook
    program.runHook(step, { path, args, env }, state, timeout === undefined ? -1 : timeout * 1000)
  }
}

/** Above all that `passOn` puts at its place. */
const ABOVE = 512

/** The descriptors they came as may be those that others of them are to have. */
export const passOn = (fire: Program, { socket, extra, unused }: LastingSlots): LastingSlots => {
  if (extra.length === 0) return { socket, extra, unused }
  const lift = (from: Slot): Slot => {
    const to = fire.slots.next()
    fire.call('pass on descriptor', 'fcntl', [from, F_DUPFD_CLOEXEC, ABOVE], { into: to })
    return to
  }
  const lifted = extra.map(lift)
  const listening = socket && lift(socket)
  lifted.forEach((from, index) => {
    fire.call('pass on descriptor', 'dup3', [from, 3 + index, 0], { path: String(3 + index) })
  })
  return { socket: listening, extra, unused }
}

/**
 * Who waits in accept4(2) goes on when `start` connects, and speaks to that process from then on: the connection takes the place of the
 * control socket, whose other end is gone with the process that made the container.
 */
export const waitForStart = (fire: Program, socket: Slot, process: Process): void => {
  lookForProgram(fire, process)
  // Whoever makes it writes down who it is before it answers. Until then its end is seen, and after that `delete` knows whom to kill.
  fire.handOver('say that it is created', socket, CREATED_TAG, false)
  const connection = fire.slots.next()
  fire.call('wait for start', 'accept4', [socket, 0, 0, SOCK_CLOEXEC], { into: connection })
  fire.call('answer to start', 'dup3', [connection, CONTROL, O_CLOEXEC])
}

/** A caller may read what the runtime says to its end, and would wait for who waits for `start`: containerd's shim does. */
export const closeUnused = (fire: Program, { unused }: LastingSlots): void => {
  for (const stream of unused) fire.call('close', 'close', [stream])
}

/** The helper's control socket. */
const CONTROL = new Slot(0)

/** A program that is not there is told at once, and not when the container is started. */
const lookForProgram = (fire: Program, process: Process): void => {
  const files = candidates(process)
  const [only = ''] = files
  // Whatever else is found on PATH and cannot be executed is told by `start`.
  if (files.length === 1) refuseDirectory(fire, only)
  const look = (index: number): void => {
    const file = files[index]
    if (file === undefined) fire.fail('execve', ENOENT, process.args?.[0] ?? '')
    else
      fire.call('look for program', 'faccessat2', [AT_FDCWD, fire.text(file), X_OK, AT_EACCESS], {
        path: file,
        tolerate: [ENOENT, ENOTDIR, EACCES],
        rememberDenied: true,
        otherwise: () => look(index + 1),
      })
  }
  look(0)
}

/** Directories may be "executed": access(2) speaks of searching them then. */
const refuseDirectory = (fire: Program, file: string): void => {
  const test = fire.opCount
  const found = fire.slots.next()
  fire.call('look for program', 'openat', [AT_FDCWD, fire.text(file), O_PATH | O_CLOEXEC, 0], {
    into: found,
    path: file,
    tolerate: [ENOENT, ENOTDIR, EACCES],
  })
  const refuse = (): void => fire.fail('execve', EACCES, file)
  fire.ifType('look for program', found, S_IFDIR, refuse, () => {})
  fire.call('close', 'close', [found])
  fire.skipOnTolerated(test, fire.opCount)
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** As execvp(3): a name without a slash is tried in each directory of PATH. */
export const candidates = ({ args = [], env = [] }: Process): readonly string[] => {
  const command = args[0] ?? ''
  if (command.includes('/')) return [command]
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? DEFAULT_PATH
  return path.split(':').map((folder) => `${folder === '' ? '.' : folder}/${command}`)
}
