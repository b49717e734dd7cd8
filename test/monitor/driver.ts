// Starts a monitor as an engine does: a plan of a real container, its table, and the helper launched by the addon. Clients speak to it.
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { connect, Socket } from 'node:net'
import path from 'node:path'
import * as E from '#fp/Either'
import { type LiveEngine, openEngine } from '../../src/adapters/live.ts'
import { LASTING } from '../../src/engine/detached/plan.ts'
import {
  encodeRequest,
  FrameDecoder,
  type Malformed,
  type MonitorMessage,
  type MonitorRequest,
  type StreamName,
} from '../../src/model/monitor-frames.ts'
import {
  decodeExitRecord,
  decodeMonitorState,
  type ExitRecord,
  type MonitorState,
} from '../../src/model/monitor-state.ts'
import type { Process, Spec } from '../../src/model/oci-spec.ts'
import { decodeSpec } from '../../src/model/oci-spec-decode.ts'
import { statFields } from '../../src/model/process-stat.ts'
import { type LaunchEvent, PHASE } from '../../src/native/addon.ts'
import { planCleanup } from '../../src/plan/cleanup.ts'
import { killFile } from '../../src/plan/launch/cgroup.ts'
import { planDocument } from '../../src/plan/launch/checked.ts'
import type { LaunchInput, LaunchPlan } from '../../src/plan/launch/index.ts'
import { PROC_NAMES } from '../../src/plan/launch/joined.ts'
import { planMonitor, planMonitorProcess } from '../../src/plan/monitor.ts'
import {
  encodeMonitorTable,
  type HealthOptions,
  MONITOR_PROCESS,
  type MonitorOptions,
  RESTART_PAUSES,
} from '../../src/plan/monitor-table.ts'
import { planOpenProcess } from '../../src/plan/process-handle.ts'
import type { OpInfo } from '../../src/plan/program.ts'
import { planConnect, planPass, planStreamPair } from '../../src/plan/sockets.ts'
import { expectRight } from '../support/either.ts'
import { makeRootfs } from '../support/engine.ts'
import { documentOf, type SpecChange } from '../support/spec-launcher.ts'
import { assert } from '../support/suite.ts'

/** All that a test may change. */
export type Wanted = Partial<Omit<MonitorOptions, 'id' | 'launch' | 'groups' | 'cleanup' | 'health'>> & {
  readonly change?: SpecChange
  readonly cleanup?: Uint8Array
  /** A health check by a shell script, or by `args`. */
  readonly probe?: Omit<HealthOptions, 'launch' | 'groups'> & {
    readonly script: string
    readonly args?: readonly string[]
  }
  /** Changes the table behind the planner's back. */
  readonly spoil?: (table: Buffer) => void
  /** Whose streams they are; root's. */
  readonly owner?: number
  /** Its pid namespace is not its own. */
  readonly killsGroup?: boolean
  /** In place of the plan made of the document. */
  readonly replan?: (plan: LaunchPlan, input: LaunchInput) => LaunchPlan
  /** Of what it adopts, in place of one that is opened now; the monitor's from then on. */
  readonly pidfd?: number
  readonly attach?: Omit<Extract<MonitorRequest, { _tag: 'Attach' }>, '_tag'>
  /** Sent after it, before there is a monitor. */
  readonly early?: MonitorRequest
}

export interface MonitorClient {
  readonly messages: readonly (MonitorMessage | Malformed)[]
  readonly send: (request: MonitorRequest) => void
  readonly write: (bytes: Uint8Array) => void
  /** The first message, from the last one asked for on, that is this. Rejects when the connection ends before. */
  readonly until: <M extends MonitorMessage>(
    what: string,
    is: (message: MonitorMessage) => message is M,
  ) => Promise<M>
  readonly ask: (request: MonitorRequest) => Promise<number>
  readonly state: (status: MonitorState['status']) => Promise<MonitorState>
  readonly exit: () => Promise<ExitRecord>
  /** All that have come. */
  readonly states: () => readonly MonitorState[]
  readonly output: (stream: StreamName) => Buffer
  /** When so much of the stream has come, or the connection is over. */
  readonly reads: (stream: StreamName, text: string) => Promise<void>
  /** What was written has left this process. */
  readonly flushed: () => Promise<void>
  /** The monitor has closed it while something was still to be written. */
  readonly failed: () => Promise<void>
  readonly pause: () => void
  readonly resume: () => void
  readonly closed: Promise<void>
  readonly close: () => void
}

/** One that sends descriptors, too. */
export interface PassingClient extends MonitorClient {
  /** In one message. */
  readonly pass: (bytes: Uint8Array, fds: readonly number[]) => void
}

export interface Monitor {
  readonly id: string
  readonly pid: () => number
  readonly client: MonitorClient
  readonly connect: () => Promise<MonitorClient>
  readonly groups: readonly string[]
  readonly runDirectory: string
  readonly containerDirectory: string
  readonly log: string
  readonly plan: LaunchPlan
  /** Of the monitor itself. `failed`: the step of its own plan. */
  readonly ended: () => Promise<{
    readonly code?: number
    readonly signal?: number
    readonly failed?: string
  }>
  readonly kill: () => void
  readonly record: () => ExitRecord
  readonly readState: () => MonitorState
}

export interface Driver {
  readonly folder: string
  readonly rootfs: string
  readonly live: LiveEngine
  readonly start: (script: string, wanted?: Wanted) => Monitor
  /** Another monitor for the same container, which runs. */
  readonly adopt: (monitor: Monitor, script: string, wanted?: Wanted) => Monitor
  readonly pidfdOf: (pid: number) => number
  /** It has asked for nothing yet. */
  readonly passing: (monitor: Monitor) => PassingClient
  /** In the state D: proc_pid_stat(5). */
  readonly isWaitingForDisk: (pid: number) => boolean
  /** Bytes of each segment, and the monitor's memory in KiB. */
  readonly footprint: (monitor: Monitor) => { readonly sizes: readonly number[]; readonly rss: number }
  /** One of its descendants waits for room in a FIFO. */
  readonly isFull: (pid: number) => boolean
  /** The same container once more, by a monitor of its own. */
  readonly restart: (monitor: Monitor, script: string, wanted?: Wanted) => Monitor
  readonly stateOf: (monitor: Monitor) => MonitorState | undefined
  readonly removeGroups: (monitor: Monitor) => Promise<void>
  /** Processes of its monitor's session: helpers that have not become anything yet, and what was born of them. */
  readonly helpersOf: (monitor: Monitor) => readonly number[]
  /** A zombie waits for its parent alone. */
  readonly isAlive: (pid: number) => boolean
  /** Zombies count. */
  readonly childrenOf: (pid: number) => number
  readonly descriptorsOf: (pid: number) => number
  readonly eventually: (what: string, isSo: () => boolean) => Promise<void>
  readonly close: () => Promise<void>
}

export const openDriver = (parent = '/var/tmp'): Driver => {
  const folder = mkdtempSync(path.join(parent, 'slipway-monitor-'))
  // A user namespace's root is nobody's here.
  chmodSync(folder, 0o755)
  const rootfs = path.join(folder, 'rootfs')
  makeRootfs(rootfs)
  const data = path.join(folder, 'data')
  const live = expectRight(openEngine({ root: data, networksAhead: 0 }, {}))
  const started: Monitor[] = []
  const start = (script: string, wanted: Wanted = {}, old?: Monitor): Monitor => {
    const monitor = startMonitor(live, { folder, rootfs }, script, wanted, old)
    started.push(monitor)
    return monitor
  }
  return {
    folder,
    rootfs,
    live,
    start,
    adopt: (monitor, script, wanted = {}) => start(script, wanted, monitor),
    pidfdOf: (pid) => pidfdOf(live, pid),
    passing: ({ runDirectory }) => passingTo(live, runDirectory),
    isWaitingForDisk: (pid) => stateOf(pid) === 'D',
    footprint: ({ log, pid }) => ({
      sizes: readdirSync(log).flatMap((name) => sizeOf(path.join(log, name))),
      rss: Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid()}/status`, 'utf8'))?.[1]),
    }),
    isFull: (pid) => [pid, ...descendantsOf(pid)].some((each) => wchanOf(each).includes('pipe_write')),
    restart: (monitor, script, wanted = {}) => start(script, wanted, monitor),
    stateOf: ({ runDirectory }) => {
      const file = path.join(runDirectory, 'state')
      return existsSync(file) ? decoded(decodeMonitorState(readFileSync(file, 'utf8'))) : undefined
    },
    removeGroups: (monitor) => removeGroups(live, monitor),
    helpersOf: ({ pid }) => sessionOf(pid()),
    isAlive: (pid) => existsSync(`/proc/${pid}`) && stateOf(pid) !== 'Z',
    childrenOf: (pid) => childrenOf(pid).length,
    descriptorsOf: (pid) => readdirSync(`/proc/${pid}/fd`).length,
    eventually,
    close: async () => {
      for (const { kill, client } of started) {
        client.close()
        kill()
      }
      await Promise.all(started.map(({ ended }) => ended()))
      for (const monitor of started) await removeGroups(live, monitor)
      await live.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const childrenOf = (pid: number): readonly number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((word) => word !== '')
      .map(Number)
  } catch {
    return []
  }
}
const stateOf = (pid: number): string | undefined =>
  statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))[0]
/** Field 6 of proc_pid_stat(5). */
const sessionOf = (session: number): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && session > 0)
    .filter((pid) => {
      try {
        const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))
        return fields[0] !== 'Z' && Number(fields[3]) === session
      } catch {
        return false
      }
    })
const descendantsOf = (pid: number): readonly number[] =>
  childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)])
const wchanOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/wchan`, 'utf8')
  } catch {
    return ''
  }
}

/** One may be removed meanwhile. */
const sizeOf = (file: string): readonly number[] => {
  try {
    return [statSync(file).size]
  } catch {
    return []
  }
}

const eventually = async (what: string, isSo: () => boolean): Promise<void> => {
  const limit = Date.now() + PATIENCE_MS
  while (!isSo()) {
    if (Date.now() > limit) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Of a container that outlived its monitor. */
const removeGroups = async ({ ports }: LiveEngine, { id, groups }: Monitor): Promise<void> => {
  const left = groups.filter((group) => existsSync(group))
  if (left.length === 0) return
  for (const group of left) await ports.host.killGroup(group)
  await ports.host.cleanUp({ id, groups: left, overlays: 0, record: '', keep: true }, id, [])
}

interface Planned {
  readonly input: LaunchInput
  readonly plan: LaunchPlan
  readonly cgroupFds: readonly number[]
}

const planOf = (live: LiveEngine, id: string, document: Spec): Planned => {
  const { host } = live.ports
  const decoded = decodeSpec(document)
  if (E.isLeft(decoded)) throw new Error(JSON.stringify(decoded.left))
  const spec = decoded.right
  const parents = expectRight(host.cgroupParents(spec.linux?.resources ?? {}))
  const input: LaunchInput = {
    id,
    spec,
    rootfs: { kind: 'directory', path: spec.root?.path ?? '' },
    files: [],
    facts: host.facts,
    root: host.state.root,
    scratch: host.state.scratch,
    record: '',
    createdMs: Date.now(),
    cgroups: parents,
    keep: true,
    init: false,
    lasting: LASTING,
  }
  return { input, plan: expectRight(planDocument(input)), cgroupFds: parents.map(({ fd }) => fd) }
}

const killFileOf = ({ facts, cgroups }: LaunchInput, groups: readonly string[]): string => {
  const version = cgroups.some((parent) => parent.version === 2) ? 2 : 1
  const index = cgroups.findIndex((parent) => parent.version === version)
  return `${groups[index]}/${killFile(version, facts.kernel)}`
}

/** As `exec` plans it: the container's namespaces and groups are entered by their paths. */
const healthOf = (
  { script, args, ...times }: NonNullable<Wanted['probe']>,
  input: LaunchInput,
  runDirectory: string,
): HealthOptions => {
  const process = { ...input.spec.process, args: args ?? ['/bin/sh', '-c', script] } as Process
  const namespaces = (input.spec.linux?.namespaces ?? []).map(({ type }) => ({
    type,
    path: path.join(runDirectory, MONITOR_PROCESS, 'ns', PROC_NAMES[type]),
  }))
  const exec: LaunchInput = {
    ...input,
    spec: { ociVersion: '1.0.2', process, linux: { namespaces } },
    cgroups: input.cgroups.map((parent) => ({ ...parent, group: input.id, isEntered: true })),
    lasting: { ...LASTING, isExec: true },
  }
  return { ...times, launch: expectRight(planDocument(exec)), groups: exec.cgroups.length }
}

const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

const startMonitor = (
  live: LiveEngine,
  { folder, rootfs }: { readonly folder: string; readonly rootfs: string },
  script: string,
  wanted: Wanted,
  old: Monitor | undefined,
): Monitor => {
  const { ports, addon } = live
  const { facts } = ports.host
  const id = old?.id ?? ports.host.randomId()
  const runDirectory = path.join(folder, 'data', 'run', 'monitors', id)
  const containerDirectory = path.join(folder, 'data', 'containers', id)
  mkdirSync(containerDirectory, { recursive: true })
  const planned = planOf(live, id, documentOf(rootfs, script, wanted.change))
  const plan = wanted.replan?.(planned.plan, planned.input) ?? planned.plan
  const groups = planned.input.cgroups.map((parent) => `${parent.mountpoint}${parent.path}/${id}`)
  const memory = planned.input.cgroups.find(
    ({ version, controllers }) => version === 2 || controllers.includes('memory'),
  )
  const oomFile =
    memory === undefined
      ? undefined
      : `${memory.mountpoint}${memory.path}/${id}/${memory.version === 2 ? 'memory.events' : 'memory.oom_control'}`
  const options: MonitorOptions = {
    id,
    bootId,
    restart: { kind: 'no', maximumRetries: 0, ...RESTART_PAUSES },
    log: { kind: 'compact', maxBytes: 10_000_000, maxFiles: 3, blocking: false },
    stop: { signal: 15, timeoutMs: 10_000 },
    hasTerminal: wanted.change?.process?.terminal === true,
    stdin: 'none',
    cleanup: planCleanup(facts.arch, { id, groups, overlays: 0, record: '', keep: true }, '').bytes,
    ...(oomFile === undefined ? {} : { oomFile }),
    ...(wanted.killsGroup === true ? { killFile: killFileOf(planned.input, groups) } : {}),
    ...wanted,
    launch: plan,
    groups: planned.cgroupFds.length,
    ...(wanted.probe === undefined ? {} : { health: healthOf(wanted.probe, planned.input, runDirectory) }),
  }
  const place = {
    runDirectory,
    containerDirectory,
    hasTerminal: options.hasTerminal,
    hasStdin: options.stdin !== 'none',
    owner: wanted.owner ?? 0,
    groups: planned.cgroupFds.length,
    adopts: options.adopts !== undefined,
    users: false,
  }
  const table = Buffer.from(encodeMonitorTable(options))
  wanted.spoil?.(table)
  const begin = planMonitorProcess(facts, [])
  const stage = planMonitor(facts, place, table)
  const [mine, theirs] = pairOf(live)
  const adopted = options.adopts === undefined ? [] : [wanted.pidfd ?? pidfdOf(live, options.adopts.pid)]
  const fds = [theirs, ports.host.state.containersFd, ...planned.cgroupFds, ...adopted]
  let pid = 0
  let failed: string | undefined
  let isAwaited = false
  let settle: (end: { code?: number; signal?: number; failed?: string }) => void = () => {}
  const ended = new Promise<{ code?: number; signal?: number; failed?: string }>((resolve) => {
    settle = resolve
  })
  // Heard before anything starts, so that nothing is missed.
  const client = clientOf(new Socket({ fd: mine }))
  client.send({ _tag: 'Attach', watch: true, stdout: true, stderr: true, ...wanted.attach })
  if (wanted.early !== undefined) client.send(wanted.early)
  const native = new addon.Launch(
    new addon.Script({
      slotCount: fds.length,
      stages: [
        { plan: begin.bytes, fds: new Uint16Array(0), base: begin.base, when: 'early' },
        { plan: stage.bytes, fds: Uint16Array.from(fds.keys()), base: stage.base, when: 'early' },
      ],
      cloneFlags: 0,
      eager: true,
      keep: new Uint16Array(0),
      close: Uint16Array.of(0, ...adopted.map((_, index) => fds.length - 1 - index)),
    }),
    Int32Array.from(fds),
    '',
    (...event: LaunchEvent) => {
      if (event[0] === 'cloned') {
        pid = event[1]
        if (!isAwaited) native.unref()
      }
      if (event[0] === 'failed') failed = stepOf(stage.infos, event)
      if (event[0] === 'cancelled') settle({ failed: 'cancelled' })
      if (event[0] === 'failed' && event[1] !== PHASE.child) settle({ failed: failed ?? '' })
      if (event[0] === 'exited') {
        const how = event[1] === 1 ? { code: event[2] } : { signal: event[2] }
        settle({ ...how, ...(failed === undefined ? {} : { failed }) })
      }
    },
  )
  const kill = (): void => {
    native.ref()
    native.kill(9)
  }
  return {
    id,
    pid: () => pid,
    client,
    connect: () => connectTo(runDirectory),
    groups,
    runDirectory,
    containerDirectory,
    log: path.join(containerDirectory, 'log'),
    plan,
    // Until somebody asks, it keeps no test waiting.
    ended: () => {
      isAwaited = true
      native.ref()
      return ended
    },
    kill,
    record: () => decoded(decodeExitRecord(readFileSync(path.join(containerDirectory, 'exit.json'), 'utf8'))),
    readState: () => decoded(decodeMonitorState(readFileSync(path.join(runDirectory, 'state'), 'utf8'))),
  }
}

const stepOf = (
  infos: readonly OpInfo[],
  [, , , op, errno]: Extract<LaunchEvent, readonly ['failed', ...unknown[]]>,
): string => `${infos[op]?.step ?? 'no step'}: ${errno}`

const decoded = <A>(result: E.Either<unknown, A>): A => {
  if (E.isLeft(result)) throw new Error(JSON.stringify(result.left))
  return result.right
}

const pairOf = ({ addon, ports }: LiveEngine): readonly [number, number] => {
  const plan = planStreamPair(ports.host.facts.arch)
  const { ok, data, errno } = addon.execute(plan.bytes, new Int32Array(0))
  if (!ok) throw new Error(`socketpair: ${errno}`)
  return [data.readInt32LE(plan.pair.offset), data.readInt32LE(plan.pair.offset + 4)]
}

const pidfdOf = ({ addon, ports }: LiveEngine, pid: number): number => {
  const { ok, errno, slots } = addon.execute(planOpenProcess(ports.host.facts.arch, pid), new Int32Array(0))
  if (!ok) throw new Error(`pidfd_open ${pid}: ${errno}`)
  return slots[0] ?? -1
}

/** By the directory's descriptor: a path may be longer than an address of unix(7). */
const connectTo = (directory: string): Promise<MonitorClient> =>
  new Promise((resolve, reject) => {
    const fd = openSync(directory, 'r')
    const connection = connect(`/proc/self/fd/${fd}/socket`)
    // EAGAIN: more connections wait to be accepted than a busy machine lets the monitor accept; Node does not wait for that. Others have no
    // stack, which uvu cannot read.
    connection.once('error', ({ message: why }) => {
      if (why.includes('EAGAIN')) setTimeout(() => connectTo(directory).then(resolve, reject), 10)
      else reject(new Error(why))
    })
    connection.once('connect', () => {
      const client = clientOf(connection)
      client.send({ _tag: 'Attach', watch: true, stdout: true, stderr: true })
      resolve(client)
    })
    connection.once('close', () => closeSync(fd))
  })

const passingTo = ({ addon, ports }: LiveEngine, directory: string): PassingClient => {
  const { arch } = ports.host.facts
  const folder = openSync(directory, 'r')
  const { ok, errno, slots } = addon.execute(
    planConnect(arch, `/proc/self/fd/${folder}/socket`).bytes,
    new Int32Array(0),
  )
  closeSync(folder)
  if (!ok) throw new Error(`connect: ${errno}`)
  const fd = slots[0] ?? -1
  const pass = (bytes: Uint8Array, fds: readonly number[]): void => {
    const sent = addon.execute(planPass(arch, bytes, fds.length), Int32Array.of(fd, ...fds))
    if (!sent.ok) throw new Error(`sendmsg: ${sent.errno}`)
  }
  return { ...clientOf(new Socket({ fd })), pass }
}

/** Kills what runs, and waits for the record of its end. */
export const endContainer = async (client: MonitorClient): Promise<ExitRecord> => {
  assert.is(await client.ask({ _tag: 'Kill' }), 0)
  return client.exit()
}

export const isStartFailed = (
  each: MonitorMessage,
): each is Extract<MonitorMessage, { _tag: 'StartFailed' }> => each._tag === 'StartFailed'
export const isReply = (each: MonitorMessage): each is Extract<MonitorMessage, { _tag: 'Reply' }> =>
  each._tag === 'Reply'
export const isMissed = (each: MonitorMessage): each is Extract<MonitorMessage, { _tag: 'Missed' }> =>
  each._tag === 'Missed'

/** The last of them, for an error. */
const shown = (messages: readonly (MonitorMessage | Malformed)[]): string =>
  messages
    .slice(-4)
    .map((each) => (each._tag === 'Output' ? `${each.bytes.length} bytes` : JSON.stringify(each)))
    .join(', ')

/** Whatever a test waits for is there in a moment, or never. */
const PATIENCE_MS = 30_000

export const clientOf = (socket: Socket): MonitorClient => {
  const decoder = new FrameDecoder()
  const messages: (MonitorMessage | Malformed)[] = []
  let isClosed = false
  let seen = 0
  let wake: () => void = () => {}
  let next = new Promise<void>((resolve) => {
    wake = resolve
  })
  const changed = (): void => {
    const woken = wake
    next = new Promise((resolve) => {
      wake = resolve
    })
    woken()
  }
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      isClosed = true
      changed()
      resolve()
    })
  })
  const error = new Promise<void>((resolve) => {
    socket.on('error', () => resolve())
  })
  socket.on('data', (chunk) => {
    messages.push(...decoder.push(chunk))
    changed()
  })
  const waitFor = async (what: string, isThere: () => boolean): Promise<void> => {
    const limit = AbortSignal.timeout(PATIENCE_MS)
    const late = new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve()))
    while (!isThere()) {
      if (isClosed) throw new Error(`the connection ended before ${what}: ${shown(messages)}`)
      if (limit.aborted) throw new Error(`no ${what}: ${shown(messages)}`)
      await Promise.race([next, late])
    }
  }
  const send = (request: MonitorRequest): void => {
    socket.write(encodeRequest(request))
  }
  const until: MonitorClient['until'] = async (what, is) => {
    const find = (): number =>
      messages.findIndex((each, index) => index >= seen && each._tag !== 'Malformed' && is(each))
    await waitFor(what, () => find() >= 0)
    seen = find() + 1
    return messages[seen - 1] as never
  }
  const output = (stream: StreamName): Buffer =>
    Buffer.concat(
      messages.flatMap((each) => (each._tag === 'Output' && each.stream === stream ? [each.bytes] : [])),
    )
  // The one of `attach`, which every client sends first.
  let asked = 1
  return {
    messages,
    send,
    write: (bytes) => {
      socket.write(bytes)
    },
    until,
    ask: async (request) => {
      const replies = (): Extract<MonitorMessage, { _tag: 'Reply' }>[] =>
        messages.filter((each) => each._tag === 'Reply')
      send(request)
      const index = asked++
      await waitFor(`reply to ${request._tag}`, () => replies().length > index)
      return replies()[index]?.errno ?? -1
    },
    state: async (status) => {
      const isState = (each: MonitorMessage): each is Extract<MonitorMessage, { _tag: 'State' }> =>
        each._tag === 'State' && decoded(decodeMonitorState(each.text)).status === status
      return decoded(decodeMonitorState((await until(`state ${status}`, isState)).text))
    },
    exit: async () => {
      const isExit = (each: MonitorMessage): each is Extract<MonitorMessage, { _tag: 'Exit' }> =>
        each._tag === 'Exit'
      return decoded(decodeExitRecord((await until('exit', isExit)).text))
    },
    states: () =>
      messages.flatMap((each) => (each._tag === 'State' ? [decoded(decodeMonitorState(each.text))] : [])),
    output,
    reads: (stream, text) => waitFor(`${text} on ${stream}`, () => output(stream).includes(text)),
    flushed: () => new Promise((resolve) => socket.write('', () => resolve())),
    failed: () => error,
    pause: () => {
      socket.pause()
    },
    resume: () => {
      socket.resume()
    },
    closed,
    close: () => {
      socket.destroy()
    },
  }
}
