// The fire half: everything that turns an armed sandbox into the payload. Nothing here depends on how the root was built.

import { capabilityNumber } from '../../model/capabilities.ts'
import type { LinuxCapabilities, Process } from '../../model/oci-spec.ts'
import { rlimitNumber } from '../../model/rlimits.ts'
import {
  AF_INET,
  AT_EMPTY_PATH,
  CAP_SYS_ADMIN,
  CLOSE_RANGE_CLOEXEC,
  EACCES,
  EDQUOT,
  ENOENT,
  ENOSYS,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  EPROTO,
  IFF_UP,
  KEYCTL_JOIN_SESSION_KEYRING,
  makedev,
  O_PATH,
  O_RDWR,
  oDirectory,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_SET_DUMPABLE,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  S_IFCHR,
  S_IFIFO,
  SECCOMP_SET_MODE_FILTER,
  SIG_SETMASK,
  SIGKILL,
  SIOCSIFFLAGS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  TIOCSCTTY,
} from '../kernel.ts'
import { ANY_DEVICE, type Arch, type CallOptions, type Program, type Slot } from '../program.ts'
import { hasListener } from '../seccomp/actions.ts'
import { admits } from '../seccomp/evaluate.ts'
import type { Step } from '../steps.ts'
import { syscallNumber } from '../syscalls/index.ts'
import { setAttributes } from './attributes.ts'
import type { Filter, LaunchBuild } from './build.ts'
import {
  candidates,
  closeUnused,
  type Lasting,
  type LastingSlots,
  LISTENER_TAG,
  passOn,
  runHooks,
  waitForStart,
} from './lasting.ts'
import { ensureDirectory, openInOurs, openInRoot, writeFile } from './paths.ts'

/** `lo` is the one interface an empty network namespace has. Returns the socket that brought it up. */
export const bringUpLoopback = (program: Program): Slot => {
  const socket = program.slots.next()
  program.call('open socket', 'socket', [AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0], { into: socket })
  const request = Buffer.alloc(40) // struct ifreq: name[16], flags
  request.write('lo')
  request.writeUInt16LE(IFF_UP, 16)
  program.call('bring up lo', 'ioctl', [socket, SIOCSIFFLAGS, program.bytes(request)], { path: 'lo' })
  return socket
}

/** Dies with the launch thread. A credential change clears it, so it is set once more after that. */
export const dieWithEngine = (program: Program): void => {
  program.call('set parent death signal', 'prctl', [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0])
}

/** The kernel has it tied to a thread then, and only the process itself could undo that. */
export const diesWithEngine = (lasting: Lasting | undefined): boolean =>
  lasting === undefined || (lasting.guardedBy !== undefined && lasting.isReleasable !== true)

/** One that is missing stays what the sandbox has. */
export interface Streams {
  readonly stdin?: Slot
  readonly stdout?: Slot
  readonly stderr?: Slot
}

/** A sandbox that only lacks its payload, as the program that gives it one sees it. */
export interface Sandbox {
  readonly arch: Arch
  readonly lastCap: number
  readonly root: Slot
  /** Of the container's own /dev; undefined without one. */
  readonly dev: Slot | undefined
  /** The mount namespace, for the engine to hold. */
  readonly namespace: Slot | undefined
  readonly streams: Streams
  /** They are on the container's own /dev/null already. */
  readonly connected: boolean
  /** Device nodes in what is bound into it do not work. */
  readonly noDevices: boolean
  readonly terminal: boolean
  /** Streams that are pipes become the payload user's here: the engine may not do it. */
  readonly givesPipes: boolean
  /** Nobody may change the supplementary groups. */
  readonly keepsGroups: boolean
  readonly init: boolean
  /** Still to be loaded; undefined without one, or when the sandbox waits with it. */
  readonly filter: Filter | undefined
  readonly noNewPrivileges: boolean
  /** Of one that outlives its engine, with the slots of what it is given. */
  readonly lasting?: Lasting & LastingSlots
}

/** What is the same for every payload of a sandbox. */
export const parkPayload = (build: LaunchBuild, proc: Slot | undefined, process: Process): void => {
  const { park, input } = build
  park.call('setsid', 'setsid', [])
  if (input.lasting?.keepsKeyring !== true)
    park.call('join session keyring', 'keyctl', [KEYCTL_JOIN_SESSION_KEYRING, 0], {
      tolerate: keyringErrors(build),
    })
  if (process.oomScoreAdj !== undefined && proc !== undefined) {
    writeFile(park, 'set oom score', proc, 'self/oom_score_adj', String(process.oomScoreAdj))
  }
  setAttributes(park, proc, process, input.spec.linux)
  park.call('umask', 'umask', [process.user.umask ?? 0o022])
  unblockSignals(park)
  dropBounding(park, capabilityBits(process.capabilities?.bounding, input.facts.lastCap), input.facts.lastCap)
  // Until it is the payload nobody in the container may look into this process or take a descriptor from it. execve(2) ends it;
  // the small PID 1 stays so, and its executable out of reach.
  // Nobody else is in one that is made for its files, and an engine that is not root finds the root by what may be dumped alone.
  if (input.isOnRecord !== true) park.call('become undumpable', 'prctl', [PR_SET_DUMPABLE, 0, 0, 0, 0])
  park.resetSignals()
  if (process.noNewPrivileges === true)
    park.call('set no_new_privs', 'prctl', [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0])
}

/**
 * What a sandbox that waits can do for its payload: most of them have no streams, every descriptor that is left open execve(2) would
 * have to close, and a filter that lets through what is yet to come is loaded once and for all. The result is what is left to do.
 */
export const waitForPayload = (build: LaunchBuild, sandbox: Sandbox, lateMounts: boolean): Sandbox => {
  const { park, arch, input } = build
  const { root, dev, namespace, filter } = sandbox
  if (dev !== undefined)
    for (const [fd, path] of STREAM_NAMES.entries()) {
      const from = openNull(park, dev, { path })
      park.call('connect standard stream', 'dup3', [from, fd, 0], { path })
    }
  park.closeOthers([root, dev, namespace].filter((slot) => slot !== undefined))
  const loads = filter !== undefined && !lateMounts && !input.init && admits(filter, arch, callsOfFire(arch))
  if (loads) loadFilter(park, filter)
  return { ...sandbox, connected: dev !== undefined, filter: loads ? undefined : filter }
}

/** Every call between a sandbox that waits and its payload, failures included. */
const callsOfFire = (arch: Arch): readonly { readonly nr: number }[] =>
  [
    ...['recvmsg', 'read', 'mmap', 'openat2', 'mkdirat', 'fstat', 'dup3', 'fchdir', 'setgroups', 'setresgid'],
    ...[
      'setresuid',
      'prlimit64',
      'prctl',
      'capset',
      'close_range',
      'clock_gettime',
      'sendmsg',
      'execve',
      'exit_group',
    ],
  ].map((name) => ({ nr: syscallNumber(arch, name) ?? -1 }))

/** The last program of a start: `process` becomes the payload of `sandbox`. `streams`: where it is given each of these. */
export const firePayload = (
  fire: Program,
  sandbox: Sandbox,
  process: Process,
  streams: Streams = sandbox.streams,
): void => {
  const { arch, filter, namespace } = sandbox
  const cwd = workingDirectory(fire, sandbox, process)
  if (sandbox.lasting !== undefined) closeUnused(fire, sandbox.lasting)
  connectStreams(fire, sandbox, streams, process.user.uid)
  fire.call('chdir', 'fchdir', [cwd], { path: process.cwd })
  // Everything that needs a free descriptor is done.
  setLimits(fire, process)
  if (sandbox.lasting !== undefined) lastUntilStart(fire, sandbox.lasting, process)
  // `start` has no use for it.
  const told = sandbox.lasting?.waitsForStart === true ? undefined : namespace
  // The stand-in is a thread of the process that becomes PID 1, and not of the payload, which is forked from that.
  const toldEarly = sandbox.init && !canReport(arch, filter)
  if (toldEarly) fire.report(told)
  dropRights(fire, sandbox, process)
  if (sandbox.init) fire.becomeInit()
  if (!toldEarly) fire.report(told)
  executePayload(fire, process)
}

/** Made where it is missing, but for one more process of a container that is there: as runc has it. */
const workingDirectory = (fire: Program, { root, lasting }: Sandbox, { cwd }: Process): Slot => {
  if (cwd === '/') return root
  const step = 'open working directory'
  return lasting?.waitsForStart === false
    ? openInRoot(fire, step, root, cwd, {}, O_PATH | oDirectory(fire.arch))
    : ensureDirectory(fire, step, root, cwd)
}

const lastUntilStart = (fire: Program, lasting: Lasting & LastingSlots, process: Process): void => {
  const { socket } = passOn(fire, lasting)
  if (socket !== undefined) waitForStart(fire, socket, process)
  runHooks(fire, 'run startContainer hook', lasting.startContainer)
}

/** A strict filter may not let through what is still to be reported. */
const canReport = (arch: Arch, filter: Filter | undefined): boolean => {
  if (filter === undefined) return true
  const calls = ['sendmsg', 'clock_gettime', 'exit_group'].map((name) => ({
    nr: syscallNumber(arch, name) ?? -1,
  }))
  return admits(filter, arch, calls)
}

/**
 * Without a session keyring of its own the payload would possess the keys of the engine's. A full quota is no reason to go on
 * unless the filter keeps keyctl(2) away; a kernel or an outer sandbox without keys has none to give.
 */
const keyringErrors = ({ arch, input }: LaunchBuild): readonly number[] => {
  const nr = syscallNumber(arch, 'keyctl') ?? -1
  const refused = input.filter !== undefined && !admits(input.filter, arch, [{ nr }])
  return [ENOSYS, EOPNOTSUPP, EPERM, ...(refused ? [EDQUOT] : [])]
}

export const STREAM_NAMES = ['stdin', 'stdout', 'stderr'] as const

const connectStreams = (
  fire: Program,
  { dev, terminal, givesPipes }: Sandbox,
  streams: Streams,
  uid: number,
): void => {
  for (const [fd, path] of STREAM_NAMES.entries()) {
    const from = streams[path]
    if (from === undefined) continue
    const test = fire.opCount
    if (dev !== undefined && !terminal) {
      ownNull(fire, dev, from, { path })
      fire.skipOnTolerated(test, fire.opCount)
    }
    if (givesPipes) givePipe(fire, from, uid, path)
    fire.call('connect standard stream', 'dup3', [from, fd, 0], { path })
  }
  if (terminal) fire.call('take terminal', 'ioctl', [0, TIOCSCTTY, 0])
}

/** A payload that is not root could not open its own /dev/stdout otherwise. One of somebody else's stays so: EPERM. */
const givePipe = (fire: Program, from: Slot, uid: number, path: string): void => {
  const test = fire.opCount
  const nothing = fire.text('')
  fire.checkStat('look at standard stream', from, S_IFIFO, ANY_DEVICE, { path, tolerate: [EPROTO] })
  fire.call('chown standard stream', 'fchownat', [from, nothing, uid, -1, AT_EMPTY_PATH], {
    path,
    tolerate: [EPERM],
  })
  fire.skipOnTolerated(test, fire.opCount)
}

/**
 * A stream on the host's /dev/null is put on the container's: by fchmod(2) the container's root could close the host's to
 * everybody. The node is one we made, so opening it does nothing else.
 */
const ownNull = (fire: Program, dev: Slot, from: Slot, options: CallOptions): void => {
  fire.checkStat('look at standard stream', from, S_IFCHR, makedev(1, 3), { ...options, tolerate: [EPROTO] })
  openNull(fire, dev, { ...options, into: from })
}

const openNull = (program: Program, dev: Slot, options: CallOptions): Slot =>
  openInOurs(program, 'open standard stream', dev, 'null', options, O_RDWR)

const setLimits = (fire: Program, process: Process): void => {
  for (const { type, soft, hard } of process.rlimits ?? []) {
    const limit = fire.words([BigInt(soft), BigInt(hard)])
    const path = `${type} ${soft}:${hard}`
    fire.call('set limit', 'prlimit64', [0, rlimitNumber(type), limit, 0], { path })
  }
}

/**
 * The filter is loaded while CAP_SYS_ADMIN is still held unless no_new_privs is set, and what comes after it is as little as
 * can be: capset and execve. The planner has proved that the filter admits both.
 */
const dropRights = (
  fire: Program,
  { arch, lastCap, filter, noNewPrivileges, lasting, init, keepsGroups }: Sandbox,
  process: Process,
): void => {
  const sets = capabilitySets(process.capabilities, lastCap)
  const early = filter !== undefined && !noNewPrivileges
  changeUser(fire, process, keepsGroups)
  const held = early ? 1n << BigInt(CAP_SYS_ADMIN) : 0n
  setCapabilities(
    fire,
    { ...sets, permitted: sets.permitted | held, effective: sets.effective | held },
    'set capabilities',
  )
  raiseAmbient(fire, sets.ambient)
  if (diesWithEngine(lasting)) dieWithEngine(fire)
  const first = 3 + (lasting?.extraFds ?? 0)
  fire.call('close other descriptors', 'close_range', [first, 0xffffffff, CLOSE_RANGE_CLOEXEC])
  if (filter !== undefined) {
    if (!init && (hasListener(filter) || !canReport(arch, filter))) fire.standIn(sleepsUnder(arch, filter))
    loadFilter(fire, filter)
  }
  if (early) setCapabilities(fire, sets, 'drop CAP_SYS_ADMIN')
}

interface CapabilitySets {
  readonly effective: bigint
  readonly permitted: bigint
  readonly inheritable: bigint
  readonly ambient: bigint
}

const capabilityBits = (names: readonly string[] = [], lastCap: number): bigint =>
  names.reduce((bits, name) => bits | (1n << BigInt(capabilityNumber(name) ?? 63)), 0n) &
  ((1n << BigInt(lastCap + 1)) - 1n)

const capabilitySets = (from: LinuxCapabilities | undefined, lastCap: number): CapabilitySets => ({
  effective: capabilityBits(from?.effective, lastCap),
  permitted: capabilityBits(from?.permitted, lastCap),
  inheritable: capabilityBits(from?.inheritable, lastCap),
  ambient: capabilityBits(from?.ambient, lastCap),
})

const dropBounding = (fire: Program, kept: bigint, lastCap: number): void => {
  for (let cap = 0; cap <= lastCap; cap++) {
    if ((kept & (1n << BigInt(cap))) === 0n) {
      fire.call('drop bounding capability', 'prctl', [PR_CAPBSET_DROP, cap, 0, 0, 0], {
        path: `capability ${cap}`,
      })
    }
  }
}

/** Groups first, then gid, then uid: each later call takes away the right to make the earlier ones. */
const changeUser = (fire: Program, { user }: Process, keepsGroups: boolean): void => {
  const groups = [...new Set(user.additionalGids ?? [])]
  const list = Buffer.alloc(4 * Math.max(groups.length, 1))
  groups.forEach((gid, index) => {
    list.writeUInt32LE(gid, 4 * index)
  })
  fire.call('keep capabilities over setuid', 'prctl', [PR_SET_KEEPCAPS, 1, 0, 0, 0])
  if (!keepsGroups)
    fire.call('setgroups', 'setgroups', [groups.length, fire.bytes(list)], { path: groups.join(',') })
  fire.call('setresgid', 'setresgid', [user.gid, user.gid, user.gid], { path: `gid ${user.gid}` })
  fire.call('setresuid', 'setresuid', [user.uid, user.uid, user.uid], { path: `uid ${user.uid}` })
  fire.call('forget kept capabilities', 'prctl', [PR_SET_KEEPCAPS, 0, 0, 0, 0])
}

const setCapabilities = (fire: Program, sets: CapabilitySets, step: Step): void => {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x20080522) // _LINUX_CAPABILITY_VERSION_3
  const data = Buffer.alloc(24)
  ;[0n, 32n].forEach((shift, half) => {
    ;[sets.effective, sets.permitted, sets.inheritable].forEach((set, place) => {
      data.writeUInt32LE(Number((set >> shift) & 0xffffffffn), 12 * half + 4 * place)
    })
  })
  fire.call(step, 'capset', [fire.bytes(header), fire.bytes(data)])
}

const raiseAmbient = (fire: Program, ambient: bigint): void => {
  fire.call('clear ambient capabilities', 'prctl', [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0])
  for (let cap = 0; ambient >> BigInt(cap) !== 0n; cap++) {
    if ((ambient & (1n << BigInt(cap))) === 0n) continue
    fire.call('raise ambient capability', 'prctl', [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0], {
      path: `capability ${cap}`,
    })
  }
}

/** The agent has the descriptor before anything of the container's runs, and before this process makes a call that it may have to answer. */
const loadFilter = (program: Program, filter: Filter): void => {
  const { instructions, count, flags } = filter
  const code = program.words([count, program.bytes(instructions)]) // struct sock_fprog
  const listener = hasListener(filter) ? program.slots.next() : undefined
  program.call('load seccomp filter', 'seccomp', [SECCOMP_SET_MODE_FILTER, flags, code], {
    path: `${count} instructions`,
    ...(listener === undefined ? {} : { into: listener }),
  })
  if (listener !== undefined) program.handOver('hand over listener', listener, LISTENER_TAG, true)
}

const sleepsUnder = (arch: Arch, filter: Filter): boolean =>
  admits(filter, arch, [{ nr: syscallNumber(arch, 'nanosleep') ?? -1 }])

/** The launch thread blocks every signal, and a mask outlives execve. */
const unblockSignals = (fire: Program): void => {
  fire.call('unblock signals', 'rt_sigprocmask', [SIG_SETMASK, fire.words([0]), 0, 8])
}

/** As execvp(3): a name without a slash is tried in each directory of PATH; a denied one counts when none is found. */
const executePayload = (fire: Program, process: Process): void => {
  const args = process.args ?? []
  const command = args[0] ?? ''
  const argv = fire.strings(args)
  const envp = fire.strings(process.env ?? [])
  for (const file of candidates(process)) {
    fire.call('execve', 'execve', [fire.text(file), argv, envp], {
      path: file,
      tolerate: [ENOENT, ENOTDIR, EACCES],
      rememberDenied: true,
    })
  }
  fire.fail('execve', ENOENT, command)
}
