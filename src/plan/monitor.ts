// The start of a monitor: the plan that makes its place, and then is the parent of a detached container. docs/monitor.md.
import type { HostFacts } from '../model/host-facts.ts'
import { joinGroup, leaveBehind } from './guardian.ts'
import {
  AF_UNIX,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  CLOSE_RANGE_CLOEXEC,
  EAGAIN,
  EEXIST,
  ENOENT,
  O_CLOEXEC,
  O_CREAT,
  O_PATH,
  O_RDWR,
  oDirectory,
  S_IFIFO,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from './kernel.ts'
import type { CgroupParent } from './launch/index.ts'
import { MONITOR_SLOTS, MONITOR_TABLE } from './monitor-table.ts'
import { type OpInfo, Program, Slot, SlotSpace } from './program.ts'

export interface MonitorPlace {
  /** Absolute, e.g. `/run/slipway/monitors/<id>`; it and its parent are made where they are not there. */
  readonly runDirectory: string
  /** Absolute, e.g. `<root>/containers/<id>`; must be there. */
  readonly containerDirectory: string
  readonly hasTerminal: boolean
  /** Standard input is a FIFO. */
  readonly hasStdin: boolean
  /** Who the streams belong to, as the host counts: the container's user may open /dev/stdout again. */
  readonly owner: number
  /** Of the launch plan: as many parents are handed over. */
  readonly groups: number
  /** The container runs already, and its streams are there; a pidfd of its first process comes behind the groups. */
  readonly adopts: boolean
  /** Its user namespace is one that an ordinary user's engine has made; a descriptor of it comes last. */
  readonly users: boolean
}

/** Where a monitor has the user namespace that its containers are born in: plans name it by this, whoever made it. */
const USERS_FD = 254
export const MONITOR_USERS = `/proc/self/fd/${USERS_FD}`

/** Names in the run directory. */
export const MONITOR_FILES = { lock: 'lock', socket: 'socket', state: 'state' } as const

const LOCK_EX = 2
const LOCK_NB = 4
const BACKLOG = 128

/** One stage. Descriptors that go with it come from slot `base` on. */
export interface MonitorStage {
  readonly bytes: Uint8Array
  readonly infos: readonly OpInfo[]
  readonly base: number
}

/** The first stage, the same for all: a process of its own in the groups of monitors. No descriptor goes with it. */
export const planMonitorProcess = (facts: HostFacts, groups: readonly CgroupParent[]): MonitorStage => {
  const slots = new SlotSpace()
  slots.count = MONITOR_SLOTS.client
  const program = new Program(facts.arch, slots)
  program.call('setsid', 'setsid', [])
  for (const group of groups) joinGroup(program, group, GROUP_STEPS)
  leaveBehind(program)
  return { bytes: program.encode(), infos: program.infos, base: MONITOR_SLOTS.client }
}

/**
 * The last stage. Descriptors that go with it, in this order: a socket of whoever starts it (the other end speaks the monitor's
 * protocol, and is its first client), the directory `containers`, the launch plan's groups' parents, a pidfd where it adopts, and the
 * user namespace where there is one.
 * `lock monitor` fails with EAGAIN (EWOULDBLOCK) while another one lives.
 */
export const planMonitor = (facts: HostFacts, place: MonitorPlace, table: Uint8Array): MonitorStage => {
  const slots = new SlotSpace()
  slots.count = MONITOR_SLOTS.cgroups + place.groups
  const adopted = place.adopts ? slots.next() : undefined
  const users = place.users ? slots.next() : undefined
  const fds = Object.fromEntries(FDS.map((name) => [name, slots.next()])) as Record<
    (typeof FDS)[number],
    Slot
  >
  const program = new Program(facts.arch, slots)
  openPlace(program, place, fds)
  if (users !== undefined) {
    program.call('keep user namespace', 'dup3', [users, USERS_FD, O_CLOEXEC])
    program.call('close', 'close', [users])
  }
  if (!place.adopts && !place.hasTerminal) makeStreams(program, place, fds.run)
  listen(program, fds)
  openHelper(program, fds.helper)
  program.setSlot(fds.client, new Slot(MONITOR_SLOTS.client))
  program.setSlot(fds.adopted, adopted ?? -1)
  program.call('close on exec', 'close_range', [3, 0xffffffff, CLOSE_RANGE_CLOEXEC])
  program.monitor(program.bytes(table), table.length, fds.listen)
  return { bytes: program.encode(), infos: program.infos, base: MONITOR_SLOTS.client }
}

/** In the order of MonitorFd, native/init/monitor.h. */
const FDS = ['listen', 'lock', 'run', 'container', 'log', 'client', 'helper', 'adopted'] as const

const GROUP_STEPS = { open: 'open monitor cgroup', join: 'join monitor cgroup' } as const

const openPlace = (
  program: Program,
  place: MonitorPlace,
  fds: Readonly<Record<'run' | 'lock' | 'container' | 'log', Slot>>,
): void => {
  const { runDirectory, containerDirectory } = place
  const directory = O_CLOEXEC | oDirectory(program.arch)
  for (const path of [runDirectory.slice(0, runDirectory.lastIndexOf('/')), runDirectory])
    program.call('make monitor directory', 'mkdirat', [AT_FDCWD, program.text(path), 0o700], {
      path,
      tolerate: [EEXIST],
    })
  program.call('open monitor directory', 'openat', [AT_FDCWD, program.text(runDirectory), directory, 0], {
    into: fds.run,
    path: runDirectory,
  })
  const lock = `${runDirectory}/${MONITOR_FILES.lock}`
  program.call(
    'open monitor lock',
    'openat',
    [fds.run, program.text(MONITOR_FILES.lock), O_RDWR | O_CREAT | O_CLOEXEC, 0o600],
    { into: fds.lock, path: lock },
  )
  takeLock(program, fds.lock, lock)
  // Left for a monitor that has died since.
  program.call('remove old monitor table', 'unlinkat', [fds.run, program.text(MONITOR_TABLE), 0], {
    tolerate: [ENOENT],
  })
  program.call(
    'open container directory',
    'openat',
    [AT_FDCWD, program.text(containerDirectory), directory, 0],
    { into: fds.container, path: containerDirectory },
  )
  const log = `${containerDirectory}/log`
  program.call('make log directory', 'mkdirat', [fds.container, program.text('log'), 0o700], {
    path: log,
    tolerate: [EEXIST],
  })
  program.call('open log directory', 'openat', [fds.container, program.text('log'), directory, 0], {
    into: fds.log,
    path: log,
  })
}

/** Who only looks whether it is held holds it for a moment. In milliseconds. */
const LOCK_PAUSES_MS = [1, 2, 5, 10, 20]

const takeLock = (program: Program, fd: Slot, path: string, pauses = LOCK_PAUSES_MS): void => {
  const [pause, ...later] = pauses
  program.call('lock monitor', 'flock', [fd, LOCK_EX | LOCK_NB], {
    path,
    ...(pause === undefined
      ? {}
      : {
          tolerate: [EAGAIN],
          otherwise: () => {
            program.call('wait', 'nanosleep', [program.words([0, pause * 1_000_000]), 0])
            takeLock(program, fd, path, later)
          },
        }),
  })
}

const makeStreams = (program: Program, { runDirectory, hasStdin, owner }: MonitorPlace, run: Slot): void => {
  for (const name of ['stdin', 'stdout', 'stderr']) {
    const what = { path: `${runDirectory}/${name}` }
    const text = program.text(name)
    program.call('remove old monitor stream', 'unlinkat', [run, text, 0], { ...what, tolerate: [ENOENT] })
    if (name === 'stdin' && !hasStdin) continue
    program.call('make monitor stream', 'mknodat', [run, text, S_IFIFO | 0o600, 0], what)
    if (owner !== 0)
      program.call('chown monitor stream', 'fchownat', [run, text, owner, -1, AT_SYMLINK_NOFOLLOW], what)
  }
}

/** By a relative name: a path of the caller's may be longer than an address of unix(7). */
const listen = (program: Program, fds: Readonly<Record<'run' | 'listen', Slot>>): void => {
  const name = MONITOR_FILES.socket
  const address = Buffer.alloc(2 + name.length + 1)
  address.writeUInt16LE(AF_UNIX, 0)
  address.write(name, 2)
  program.call('enter monitor directory', 'fchdir', [fds.run])
  program.call('remove old monitor socket', 'unlinkat', [fds.run, program.text(name), 0], {
    tolerate: [ENOENT],
  })
  program.call('make monitor socket', 'socket', [AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0], {
    into: fds.listen,
  })
  program.call('bind monitor socket', 'bind', [fds.listen, program.bytes(address), address.length])
  program.call('chdir', 'chdir', [program.text('/')])
  program.call('listen at monitor socket', 'listen', [fds.listen, BACKLOG])
}

/** The sealed file that this process executes. */
const openHelper = (program: Program, into: Slot): void => {
  const path = '/proc/self/exe'
  program.call('open helper', 'openat', [AT_FDCWD, program.text(path), O_PATH | O_CLOEXEC, 0], { into, path })
}
