// Monitors on this machine: each launched as one more helper, and spoken to over its socket.
import { closeSync, constants, openSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { DetachedStart, MonitorConnection, MonitorLaunch, Monitors } from '../engine/ports/detached.ts'
import type { ContainerDocument } from '../model/container-document.ts'
import type { EngineError } from '../model/errors.ts'
import { JOURNAL } from '../model/events.ts'
import { eventContainer, eventsAt, MOMENTS, mountedVolumes } from '../model/events-of-containers.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { MonitorMessage, MonitorRequest } from '../model/monitor-frames.ts'
import { decodeMonitorState, type MonitorState } from '../model/monitor-state.ts'
import { once } from '../model/once.ts'
import type { NamedMount } from '../model/options-decoded.ts'
import { remember } from '../model/remember.ts'
import { signalNumber } from '../model/signals.ts'
import { unlessMissing } from '../model/unless.ts'
import { type Addon, PHASE } from '../native/addon.ts'
import { type Cleanup, planCleanup } from '../plan/cleanup.ts'
import { groupPath } from '../plan/launch/build.ts'
import { killFile } from '../plan/launch/cgroup.ts'
import type { CgroupParent, LaunchPlan } from '../plan/launch/index.ts'
import { idPlaces } from '../plan/launch/own-text.ts'
import { ownerOf } from '../plan/launch/owner.ts'
import { MONITOR_FILES, planMonitor, planMonitorProcess } from '../plan/monitor.ts'
import {
  encodeMonitorTable,
  type JournalPlan,
  MONITOR_TABLE,
  type MonitorOptions,
  RESTART_PAUSES,
} from '../plan/monitor-table.ts'
import { planOpenProcess } from '../plan/process-handle.ts'
import type { Arch, OpInfo } from '../plan/program.ts'
import { planRemoval, type RemovalPlaces } from '../plan/removal.ts'
import { planConnect, planPass, planStreamPair } from '../plan/sockets.ts'
import { attempt, attemptNow } from './attempt.ts'
import { isTheOne } from './detached-facts.ts'
import { keepFrozenSpare } from './frozen.ts'
import { failureOf, lastStep, stepFailure } from './launch-script.ts'
import { monitorConnection, type Pass } from './monitor-connection.ts'
import { monitorDirectory, passingMark } from './monitor-places.ts'
import { type NoMonitor, processPlan, WaitingProcess } from './monitor-process.ts'
import { replaceFileNow } from './replace-file.ts'
import type { StateDir } from './state-dir.ts'

const SIGTERM = 15
const EWOULDBLOCK = 11
const ENOENT = 2
const ESRCH = 3
const ECONNREFUSED = 111

export interface MonitorParts {
  readonly addon: Addon
  readonly facts: HostFacts
  readonly state: StateDir
  /** Where monitors live: outside every container's groups, and the service's. */
  readonly groups: () => readonly CgroupParent[]
}

export const monitors = (parts: MonitorParts): Monitors => {
  const plan = once(() => processPlan(parts.addon, planMonitorProcess(parts.facts, parts.groups())))
  return monitorsWith(parts, () => new WaitingProcess(parts.addon, plan()))
}

const monitorsWith = (parts: MonitorParts, makeProcess: () => WaitingProcess): Monitors => ({
  begin: () => {
    const process = makeProcess()
    return {
      launch: (document, template, choices = {}) =>
        pipe(
          TE.Do,
          TE.bind('ends', () => TE.fromEither(socketPair(parts))),
          TE.bind('connection', ({ ends }) => connectionOn(parts, ends.own)),
          TE.flatMap(({ ends, connection }) => {
            // Said before anybody can hear it: nothing the container writes is missed.
            const attached = connection.ask(attachment(choices))()
            return pipe(
              begun(parts, process, document, template, choices, ends.theirs),
              TE.flatMap(() => () => attached),
              TE.flatMap(() =>
                choices.adopts === undefined
                  ? executed(parts, document, template, connection)
                  : TE.right(undefined),
              ),
              TE.bimap(
                (error) => {
                  connection.close()
                  return error
                },
                () => connection,
              ),
            )
          }),
          TE.tapError(() => TE.fromTask(() => process.dismiss())),
        ),
      dismiss: () => process.dismiss(),
    }
  },
  renew: (document, template) => {
    const { facts, state } = parts
    const options = optionsOf(facts, state, document, template, undefined)
    const groupParents = template.parents.map(({ mountpoint, path: below }) => `${mountpoint}${below}`)
    const table = encodeMonitorTable({ ...options, groupParents })
    const file = path.join(monitorDirectory(state.runtime, document.id), MONITOR_TABLE)
    // One that ends now takes its directory with it, and needs nothing any more.
    return TE.fromEither(
      attemptNow('write monitor table', () => unlessMissing(() => replaceFileNow(file, table))),
    )
  },
  // Loaded with its first use: node:stream costs milliseconds.
  streams: (connection, wanted) =>
    attempt('open streams', async () =>
      (await import('./monitor-streams.ts')).monitorStreams(connection, wanted),
    ),
  connect: (id) =>
    pipe(
      TE.fromEither(connectedTo(parts, monitorDirectory(parts.state.runtime, id))),
      TE.flatMap((fd) => (fd === undefined ? TE.right(undefined) : connectionOn(parts, fd))),
    ),
})

const attachment = ({ attach }: MonitorLaunch): MonitorRequest => ({
  _tag: 'Attach',
  watch: true,
  ...(attach?.stdin === true ? { stdin: true } : {}),
  ...(attach?.output === true ? { stdout: true, stderr: true } : {}),
})

const connectionOn = (
  { addon, facts }: MonitorParts,
  fd: number,
): TaskEither<EngineError, MonitorConnection> => {
  const pass: Pass = (bytes, fds) => {
    const { ok, errno } = addon.execute(planPass(facts.arch, bytes, fds.length), Int32Array.of(fd, ...fds))
    return ok ? 0 : errno
  }
  return TE.fromEither(attemptNow('open connection to monitor', () => monitorConnection(addon, fd, pass)))
}

const socketPair = ({
  addon,
  facts,
}: MonitorParts): E.Either<EngineError, { readonly own: number; readonly theirs: number }> => {
  const plan = planStreamPair(facts.arch)
  const { ok, op, errno, data } = addon.execute(plan.bytes, new Int32Array(0))
  if (!ok) return E.left({ _tag: 'SyscallFailed', step: plan.infos[op]?.step ?? 'decode plan', errno })
  const [own, theirs] = [data.readInt32LE(plan.pair.offset), data.readInt32LE(plan.pair.offset + 4)]
  return E.right({ own, theirs })
}

/** By a descriptor of the directory: the path of a socket is at most 107 bytes long. Undefined where nobody listens. */
const connectedTo = (
  { addon, facts }: MonitorParts,
  folder: string,
): E.Either<EngineError, number | undefined> => {
  const opened = attemptNow('open monitor', () =>
    unlessMissing(() => openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)),
  )
  if (E.isLeft(opened) || opened.right === undefined) return opened
  try {
    const plan = planConnect(facts.arch, `/proc/self/fd/${opened.right}/socket`)
    const { ok, op, errno, slots } = addon.execute(plan.bytes, new Int32Array(0))
    if (ok) return E.right(slots[0])
    if (errno === ENOENT || errno === ECONNREFUSED) return E.right(undefined)
    return E.left({
      _tag: 'SyscallFailed',
      step: plan.infos[op]?.step ?? 'decode plan',
      errno,
      path: path.join(folder, 'socket'),
    })
  } finally {
    closeSync(opened.right)
  }
}

/** Resolves when the monitor has what it needs. Fails: WrongStatus where another one lives, SyscallFailed. */
const begun = (
  parts: MonitorParts,
  process: WaitingProcess,
  document: ContainerDocument,
  template: DetachedStart,
  { adopts }: MonitorLaunch,
  client: number,
): TaskEither<EngineError, void> => {
  const { addon, facts, state } = parts
  keepFrozenSpare(state.runtime)
  const pidfd = adopts === undefined ? undefined : pidfdOf(addon, facts, adopts)
  if (pidfd !== undefined && E.isLeft(pidfd)) {
    addon.closeFds(Int32Array.of(client))
    return TE.left(pidfd.left)
  }
  const stage = planMonitor(
    facts,
    {
      runDirectory: monitorDirectory(state.runtime, document.id),
      containerDirectory: path.join(state.containers, document.id),
      hasTerminal: hasTerminal(document),
      hasStdin: document.policies.stdin,
      // An ordinary user gives nothing away: the child does, while it is root inside.
      owner: facts.users === undefined ? ownerOf(template.spec) : 0,
      groups: template.parents.length,
      adopts: adopts !== undefined,
      users: facts.users !== undefined,
    },
    encodeMonitorTable(optionsOf(facts, state, document, template, adopts)),
  )
  const adopted = pidfd === undefined ? [] : [pidfd.right]
  const users = facts.users === undefined ? [] : [facts.users.fd]
  const fds = [client, state.containersFd, ...template.parents.map(({ fd }) => fd), ...adopted, ...users]
  return async () => {
    const became = await process.become(stage, fds)
    addon.closeFds(Int32Array.of(client, ...adopted))
    return E.mapLeft((why: NoMonitor) => {
      const { infos } = typeof why === 'object' && why[2] === 0 ? process.stage : stage
      return monitorFailure(document, infos, why)
    })(became)
  }
}

const monitorFailure = (
  document: ContainerDocument,
  infos: readonly OpInfo[],
  why: NoMonitor,
): EngineError => {
  if (why === 'died') return { _tag: 'LaunchDied', step: 'start monitor' }
  const [, phase, , op, errno] = why
  if (phase !== PHASE.child) return { _tag: 'SyscallFailed', step: 'start monitor', errno }
  const info = infos[op]
  if (info?.step === 'lock monitor' && errno === EWOULDBLOCK)
    return { _tag: 'WrongStatus', container: document.name, status: 'running', wanted: 'stopped' }
  return stepFailure(info?.step ?? 'start monitor', info?.path, '', errno)
}

const hasTerminal = ({ options: { tty } }: ContainerDocument): boolean => tty !== undefined && tty !== false

const optionsOf = (
  facts: HostFacts,
  state: StateDir,
  document: ContainerDocument,
  template: DetachedStart,
  adopts: MonitorState | undefined,
): MonitorOptions => {
  const { id, policies, health } = document
  const { parents, spec, plan, cleanup, probe } = template
  const shares = spec.linux?.namespaces?.some(({ type }) => type === 'pid') !== true
  const [first] = parents
  const memory = parents.find(({ version, controllers }) => version === 2 || controllers.includes('memory'))
  const groupOf = (parent: CgroupParent): string => groupPath(parent, { id })
  return {
    id,
    bootId: facts.bootId,
    groupPaths: cleanup.groups,
    groups: parents.length,
    launch: plan,
    restart: {
      kind: policies.restart.name,
      maximumRetries: policies.restart.most,
      ...RESTART_PAUSES,
    },
    log: {
      kind: policies.log.form,
      maxBytes: policies.log.maxBytes,
      maxFiles: policies.log.maxFiles,
      blocking: policies.log.blocking,
    },
    ...(probe === undefined || health === undefined
      ? {}
      : {
          health: {
            launch: probe.plan,
            groups: probe.groups,
            intervalMs: health.intervalMs,
            timeoutMs: health.timeoutMs,
            startPeriodMs: health.startPeriodMs,
            startIntervalMs: health.startIntervalMs,
            retries: health.retries,
            action: health.onUnhealthy,
          },
        }),
    stop: { signal: signalNumber(document.stopSignal) ?? SIGTERM, timeoutMs: policies.stopMs },
    hasTerminal: hasTerminal(document),
    stdin: policies.stdin ? 'open' : 'none',
    ...(memory && {
      oomFile: `${groupOf(memory)}/${memory.version === 2 ? 'memory.events' : 'memory.oom_control'}`,
    }),
    ...(shares && first && { killFile: `${groupOf(first)}/${killFile(first.version, facts.kernel)}` }),
    cleanup: groupsRemoval(facts.arch, cleanup),
    journal: { ...JOURNAL, folder: path.join(state.root, 'events'), events: lifeOf(document) },
    ...(policies.autoRemove ? { removal: planRemoval(facts.arch, placesOf(state, id), document) } : {}),
    ...(adopts === undefined
      ? {}
      : { adopts: { pid: adopts.pid, begunMs: adopts.begunMs, restarts: adopts.restarts } }),
  }
}

/** Plans of the same groups differ in the container's id alone. */
const removals = new Map<string, { readonly bytes: Uint8Array; readonly at: readonly number[] }>()
const groupsRemoval = (arch: Arch, { id, groups }: Cleanup): Uint8Array => {
  const key = groups.map((group) => group.replaceAll(id, '')).join('\0')
  const known = removals.get(key)
  if (known === undefined) {
    const { bytes } = planCleanup(arch, { id, groups, overlays: 0, record: '', keep: true }, '')
    remember(removals, key, { bytes, at: idPlaces(bytes, id).map(({ at }) => at) })
    return bytes
  }
  const bytes = Buffer.from(known.bytes)
  for (const at of known.at) bytes.write(id, at, 'latin1')
  return bytes
}

/** All that may happen to it while no engine is there. */
const lifeOf = (document: ContainerDocument): JournalPlan['events'] => {
  const { policies, health, options } = document
  const volumes = mountedVolumes(options.mounts as readonly NamedMount[] | undefined)
  const never = [
    ...(policies.autoRemove ? [] : ['removed']),
    ...(health === undefined ? ['healthy', 'unhealthy'] : []),
  ]
  return MOMENTS.filter((moment) => !never.includes(moment)).flatMap((moment) =>
    eventsAt(moment, eventContainer(document), volumes).map((event) => ({ moment, event })),
  )
}

/** Of the very process the state speaks of: its number may be another one's by now. */
const pidfdOf = (addon: Addon, facts: HostFacts, adopted: MonitorState): E.Either<EngineError, number> => {
  const { ok, errno, slots } = addon.execute(planOpenProcess(facts.arch, adopted.pid), new Int32Array(0))
  const fd = slots[0] ?? -1
  if (!ok) return E.left({ _tag: 'SyscallFailed', step: 'open pidfd', errno })
  if (isTheOne(adopted)) return E.right(fd)
  addon.closeFds(Int32Array.of(fd))
  return E.left({ _tag: 'SyscallFailed', step: 'open pidfd', errno: ESRCH })
}

/** The payload was executed; or why not, by the step that failed. */
const executed =
  (
    { state: { runtime } }: MonitorParts,
    document: ContainerDocument,
    { plan }: DetachedStart,
    connection: MonitorConnection,
  ): TaskEither<EngineError, void> =>
  () =>
    new Promise((resolve) => {
      const file = path.join(monitorDirectory(runtime, document.id), MONITOR_FILES.state)
      const seen: MonitorMessage[] = []
      const settle = (result: E.Either<EngineError, void>): void => {
        // Whoever listens next hears all of it.
        connection.unread(seen)
        resolve(result)
      }
      connection.listen((message) => {
        if (message === undefined) return settle(E.left({ _tag: 'LaunchDied', step: 'start monitor' }))
        if (message._tag === 'StartFailed') return settle(E.left(startFailure(document, plan, message, file)))
        seen.push(message)
        const state = message._tag === 'State' ? decodeMonitorState(message.text) : undefined
        const runs = state !== undefined && E.isRight(state) && state.right.status === 'running'
        if (runs || message._tag === 'Exit') settle(E.right(undefined))
        return undefined
      })
    })

const startFailure = (
  { command: [command = ''] }: ContainerDocument,
  plan: LaunchPlan,
  { phase, stage, op, errno }: Extract<MonitorMessage, { _tag: 'StartFailed' }>,
  file: string,
): EngineError => {
  if (phase === PHASE.monitor)
    return { _tag: 'SyscallFailed', step: 'write monitor state', errno, path: file }
  return errno === 0
    ? { _tag: 'LaunchDied', ...lastStep(plan, (text) => text, op) }
    : failureOf(plan, (text) => text, command, ['failed', phase, stage, op, errno])
}

const placesOf = ({ trash, names, runtime }: StateDir, id: string): RemovalPlaces => ({
  trash,
  names,
  run: monitorDirectory(runtime, id),
  mark: passingMark(runtime, id),
})
