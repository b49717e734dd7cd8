// The guardian's start: its socket, and the plan of the process that outlives the engine just long enough to kill.
import type { HostFacts } from '../model/host-facts.ts'
import {
  AT_FDCWD,
  CLOSE_RANGE_CLOEXEC,
  EACCES,
  ENOENT,
  EROFS,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  O_RDWR,
  O_WRONLY,
  SIG_SETMASK,
} from './kernel.ts'
import type { CgroupParent } from './launch/build.ts'
import { type Data, type OpInfo, Program, SlotSpace } from './program.ts'
import type { Step } from './steps.ts'

const AF_UNIX = 1
const SOCK_SEQPACKET = 5
const SOL_SOCKET = 1
const SO_PASSCRED = 16
const SO_PASSPIDFD = 76
const SCM_RIGHTS = 1

interface ShortPlan {
  readonly bytes: Uint8Array
  readonly infos: readonly OpInfo[]
}

/** Makes the socket pair: both descriptors end up as two 32-bit numbers at `pair`. */
export const planSocketPair = (facts: HostFacts): ShortPlan & { readonly pair: Data } => {
  const program = new Program(facts.arch, new SlotSpace())
  const pair = program.bytes(new Uint8Array(8))
  program.call('make guardian socket', 'socketpair', [AF_UNIX, SOCK_SEQPACKET | O_CLOEXEC, 0, pair])
  return { bytes: program.encode(), infos: program.infos, pair }
}

/** Slot 0: the guardian's end. From here on each message tells who sent it. Slot 1: a pidfd of this process. */
export const planSocketOptions = (facts: HostFacts, pid: number): ShortPlan & { readonly pidfd: number } => {
  const slots = new SlotSpace()
  const socket = slots.next()
  const program = new Program(facts.arch, slots)
  const one = program.bytes(Uint8Array.of(1, 0, 0, 0))
  const option = facts.passPidfd ? SO_PASSPIDFD : SO_PASSCRED
  program.call('name senders', 'setsockopt', [socket, SOL_SOCKET, option, one, 4])
  const pidfd = slots.next()
  program.call('open own pidfd', 'pidfd_open', [pid, 0], { into: pidfd })
  return { bytes: program.encode(), infos: program.infos, pidfd: pidfd.index }
}

/**
 * The guardian's only stage: a session of its own and, where possible, a cgroup outside the service's, since a service manager
 * kills a service's whole group. Engine-side descriptors: its socket, the engine's pidfd.
 */
export const planGuardian = (
  facts: HostFacts,
  groups: readonly CgroupParent[],
): ShortPlan & { readonly base: number } => {
  const slots = new SlotSpace()
  slots.next()
  const socket = slots.next()
  const engine = slots.next()
  const program = new Program(facts.arch, slots)
  program.call('setsid', 'setsid', [])
  for (const group of groups) joinGroup(program, group, GROUP_STEPS)
  leaveBehind(program)
  program.call('close on exec', 'close_range', [3, 0xffffffff, CLOSE_RANGE_CLOEXEC])
  program.guard(socket, engine)
  return { bytes: program.encode(), infos: program.infos, base: socket.index }
}

/** What a process that outlives the engine has of it no more: streams, working directory, signals. */
export const leaveBehind = (program: Program): void => {
  const nothing = program.slots.next()
  program.call('open /dev/null', 'openat', [AT_FDCWD, program.text('/dev/null'), O_RDWR | O_CLOEXEC, 0], {
    into: nothing,
  })
  for (const fd of [0, 1, 2]) program.call('connect standard stream', 'dup3', [nothing, fd, 0])
  program.call('chdir', 'chdir', [program.text('/')])
  program.resetSignals()
  program.call('unblock signals', 'rt_sigprocmask', [SIG_SETMASK, program.words([0]), 0, 8])
}

const GROUP_STEPS = { open: 'open guardian cgroup', join: 'join guardian cgroup' } as const

/** One that cannot be joined leaves the process where it is: it still works, only not past a service manager's stop. */
export const joinGroup = (
  program: Program,
  group: CgroupParent,
  steps: { readonly open: Step; readonly join: Step },
): void => {
  const fd = program.slots.next()
  const path = `${group.mountpoint}${group.path}/${group.version === 2 ? 'cgroup.procs' : 'tasks'}`
  const test = program.opCount
  const tolerate = [ENOENT, EACCES, EROFS]
  program.call(steps.open, 'openat', [AT_FDCWD, program.text(path), O_WRONLY | O_CLOEXEC, 0], {
    into: fd,
    path,
    tolerate,
  })
  program.call(steps.join, 'write', [fd, program.text('0'), 1], {
    path,
    tolerate: [EACCES, ENOENT],
  })
  program.call('close', 'close', [fd])
  program.skipOnTolerated(test, program.opCount)
}

/** The group of an exec is cleared: nobody in it is to be killed with the engine. Slot 0: the socket. See guard.cc. */
export const planDismissal = (facts: HostFacts, killFile: string): Uint8Array => {
  const slots = new SlotSpace()
  const socket = slots.next()
  const program = new Program(facts.arch, slots)
  const body = program.text(`-${killFile}`)
  const parts = program.words([body, Buffer.byteLength(killFile) + 2]) // struct iovec
  const message = program.words([0, 0, parts, 1, 0, 0, 0]) // struct msghdr
  program.call('dismiss guardian', 'sendmsg', [socket, message, MSG_NOSIGNAL | MSG_DONTWAIT])
  return program.encode()
}

/** What the engine tells a respawned guardian for a container that runs: its pidfd, by SCM_RIGHTS. Slot 0: the socket. */
export const planRegistration = (facts: HostFacts, pidfd: number, group: string): Uint8Array => {
  const slots = new SlotSpace()
  const socket = slots.next()
  const program = new Program(facts.arch, slots)
  const body = program.text(group)
  const parts = program.words([body, Buffer.byteLength(group) + 1]) // struct iovec
  const control = Buffer.alloc(24) // struct cmsghdr with one descriptor, CMSG_SPACE(4)
  control.writeBigUInt64LE(20n)
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  control.writeInt32LE(pidfd, 16)
  const message = program.words([0, 0, parts, 1, program.bytes(control), control.length, 0]) // struct msghdr
  program.call('register with guardian', 'sendmsg', [socket, message, MSG_NOSIGNAL | MSG_DONTWAIT])
  return program.encode()
}
