// The host port on the real machine.
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import * as E from '#fp/Either'
import type { GroupUsage, HostPort, StatePort } from '../engine/ports/host.ts'
import { cancelled, onAbort } from '../model/abort.ts'
import type { HostDevice } from '../model/devices.ts'
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { PlannedOptions } from '../model/options-decoded.ts'
import type { Rootfs } from '../model/prepared-image.ts'
import type { ContainerRecord } from '../model/record.ts'
import { MAX_USER_DB_BYTES } from '../model/user-db.ts'
import type { Addon, Execution } from '../native/addon.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { type Cleanup, MAX_HELD, planCleanup } from '../plan/cleanup.ts'
import { planMakeDirectory, planReadInRoot } from '../plan/host-files.ts'
import { type PlannedProgram, planOpenTrees, type UsageFile } from '../plan/launch/index.ts'
import { idPlaces } from '../plan/launch/own-text.ts'
import { pathOf, type SystemError } from './attempt.ts'
import { makeBindSources } from './bind-sources.ts'
import { killAtOnce } from './cgroup-kill.ts'
import type { CgroupParents } from './cgroup-parents.ts'
import { pidsIn } from './cgroup-pids.ts'
import { firstOf, namespaceOf, startTimeOf } from './container-processes.ts'
import type { ExecGroupParts } from './exec-groups.ts'
import { filterStore } from './filter-store.ts'
import type { FreezerParts } from './freezer.ts'
import { frozenIds, isPaused } from './frozen.ts'
import type { Guardian } from './guardian.ts'
import { hasMonitor, monitorsIn } from './monitor-places.ts'
import { textOf, USUAL_USER_DB_BYTES } from './read-in-root.ts'
import { readText } from './read-text.ts'
import { forgetGone, readChanges, writeChanges } from './record-changes.ts'
import { linkAt, randomHex, type StateDir } from './state-dir.ts'

const S_IFMT = 0o170000
const S_IFBLK = 0o060000
const SIGKILL = 9
const ENOENT = 2
const ENOTDIR = 20

export interface HostParts {
  readonly addon: Addon & LayerAddon
  readonly facts: HostFacts
  readonly state: StateDir
  readonly cgroups: CgroupParents
  readonly guardian: Guardian
  /** Of this root, below each hierarchy. */
  readonly groupName: string
  readonly prepareImage: HostPort['prepareImage']
  /** A container that needs no engine has a first process. */
  readonly detachedRuns: (id: string) => boolean
  /** Tells the journal how containers ended whose engines are dead; the result tells that they are gone. */
  readonly tellDead: (records: readonly ContainerRecord[]) => Promise<() => void>
}

export const realHost = (parts: HostParts): HostPort => {
  const { addon, facts, state, cgroups, guardian } = parts
  const cleanUp = cleaner(parts)
  return {
    facts,
    nowNs: () => addon.nowNs(),
    randomId: () => randomHex(32),
    filters: filterStore(path.join(state.runtime, 'filters')),
    cgroupParents: (resources) => attempt(() => cgroups.forResources(resources)),
    usage: (files, fds) => usageIn(files, addon.readFiles(Int32Array.from(fds))),
    userFiles: (rootfs, options, signal) => () => readUserFiles(addon, facts, rootfs, options, signal),
    hostFiles: (options) => readHostFiles(options),
    makeBindSources: makeBindSources((path, signal) =>
      apart(addon, planMakeDirectory(facts.arch, path), signal).then(({ ok, errno }) => (ok ? 0 : errno)),
    ),
    openTrees: openTrees(addon, facts),
    devices: (options) => attempt(() => lookUpDevices(options)),
    killGroup,
    freeze: freezeLater({ addon, facts, runtime: state.runtime, groupName: parts.groupName }),
    isPaused: (id) => isPaused(state.runtime, id),
    ranOutOfMemory,
    firstOf,
    isEnding: (pid) => namespaceOf(pid, 'mnt') === undefined,
    firstProcess,
    overlaysOf: (id) => overlaysOf(state, id),
    cleanUp,
    guard: (pidfd, group, known) => guardian.add({ pidfd, group }, known),
    execGroups: async () => {
      const { execGroups } = await import('./exec-groups.ts')
      return attempt(() => execGroups(execPartsOf(parts)))
    },
    endExecGroup: async ({ directory }) => (await import('./exec-groups.ts')).endExecGroup(directory),
    sweep: () => sweep(parts, cleanUp),
    setLimits,
    memoryPressure,
    state: statePort(state),
    prepareImage: parts.prepareImage,
  }
}

const execPartsOf = ({ facts, cgroups, state }: HostParts): ExecGroupParts => ({
  facts,
  name: cgroups.name,
  engine: state.engine,
})

/** Loaded with its first use: no start needs it. */
const freezeLater =
  (parts: FreezerParts): HostPort['freeze'] =>
  (id, groups) =>
  async () =>
    (await import('./freezer.ts')).freezer(parts)(id, groups)()

const attempt = <A>(make: () => A): E.Either<EngineError, A> => {
  try {
    return E.right(make())
  } catch (error) {
    return E.left(asError(error))
  }
}

const asError = (error: unknown): EngineError => {
  if (typeof error === 'object' && error !== null && '_tag' in error) return error as EngineError
  const { errno = -5, syscall = 'system call' } = error as SystemError
  const where = pathOf(error as SystemError)
  return {
    _tag: 'SyscallFailed',
    step: syscall,
    errno: Math.abs(errno),
    ...(where === undefined ? {} : { path: where }),
  }
}

const later = (addon: Addon, bytes: Uint8Array, slots: readonly number[]): Promise<Execution> =>
  new Promise((resolve) => addon.executeLater(bytes, Int32Array.from(slots), resolve))

/** For paths of the caller's, which may lie on a dead file system: after an abort nobody waits for the answer any more. */
const apart = (addon: Addon, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<Execution> =>
  new Promise((resolve) => {
    let unlisten = (): void => {}
    const leave = addon.executeApart(bytes, new Int32Array(0), (result) => {
      unlisten()
      resolve(result)
    })
    if (signal === undefined) return
    unlisten = onAbort(signal, leave)
    if (signal.aborted) leave()
  })

const openTrees =
  (addon: Addon, { arch, users }: HostFacts): HostPort['openTrees'] =>
  (trees, signal) =>
  () => {
    const [tree] = trees
    if (users !== undefined && tree !== undefined) return Promise.resolve(E.left(notHandedOver(tree.path)))
    return new Promise((resolve) => {
      const plan = planOpenTrees(arch, trees)
      let given = false
      const give = (result: Parameters<typeof resolve>[0]): void => {
        given = true
        resolve(result)
      }
      const leave = addon.executeApart(plan.bytes, new Int32Array(0), ({ ok, op, errno, slots }) => {
        unlisten()
        const fds = Int32Array.from(slots)
        const close = (): void => addon.closeFds(fds)
        if (given) close()
        else if (ok) give(E.right({ fds: [...fds], close }))
        else give(E.left(failureAt(plan, op, errno)))
      })
      const abort = (): void => {
        leave()
        if (!given) give(E.left(cancelled(signal?.reason)))
      }
      const unlisten = signal === undefined ? () => {} : onAbort(signal, abort)
      if (signal?.aborted === true) abort()
    })
  }

/** A mount of its own (open_tree(2), OPEN_TREE_CLONE) needs rights over the mount namespace, which only the sandbox has, and over its own. */
const notHandedOver = (tree: string): EngineError => ({
  _tag: 'HostUnfit',
  need: `${tree} in a sandbox that waits for it`,
  why: 'only root can hand a directory or a bind mount over to a sandbox of a pool',
  remedy: 'start this one without a pool, or name the mount in the options of the pool',
})

const failureAt = ({ infos }: PlannedProgram, op: number, errno: number): EngineError => {
  const { step = 'decode plan', path } = infos[op] ?? {}
  return { _tag: 'SyscallFailed', step, errno, ...(path === undefined ? {} : { path }) }
}

const usageIn = (files: readonly UsageFile[], texts: readonly (string | undefined)[]): GroupUsage => {
  const usage: { -readonly [Name in keyof GroupUsage]: GroupUsage[Name] } = {}
  for (let index = 0; index < files.length; index++) {
    const text = texts[index]
    const read = READ_USAGE[files[index]?.file ?? '']
    if (text === undefined || read === undefined) continue
    const [name, value] = read(text)
    if (value !== undefined) usage[name] = value
  }
  return usage
}

type Reading = readonly [keyof GroupUsage, number | undefined]
const READ_USAGE: Readonly<Record<string, (text: string) => Reading>> = {
  'memory.peak': (text) => ['peakMemoryBytes', Number.parseInt(text, 10)],
  'memory.max_usage_in_bytes': (text) => ['peakMemoryBytes', Number.parseInt(text, 10)],
  'memory.events': (text) => ['oomKills', fieldOf(text, 'oom_kill ')],
  'memory.oom_control': (text) => ['oomKills', fieldOf(text, 'oom_kill ')],
  'cpu.stat': (text) => ['cpuUs', fieldOf(text, 'usage_usec ')],
  'cpuacct.usage': (text) => ['cpuUs', Number.parseInt(text, 10) / 1000],
}

/** A line `name number` of a flat keyed file (cgroup-v2.rst, Interface Files). */
const fieldOf = (text: string, name: string): number | undefined => {
  const at = `\n${text}`.indexOf(`\n${name}`)
  return at < 0 ? undefined : Number.parseInt(text.slice(at + name.length), 10)
}

const rootDirectories = (rootfs: Rootfs): readonly string[] => {
  if (rootfs.kind === 'directory') return [rootfs.path]
  return rootfs.kind === 'host' ? [rootfs.skeleton] : rootfs.lowers
}

/** The topmost layer that has the file. A bind mount over either file, or over /etc, comes before the image. */
const readUserFiles = async (
  addon: Addon,
  facts: HostFacts,
  rootfs: Rootfs,
  options: PlannedOptions,
  signal: AbortSignal | undefined,
): Promise<E.Either<EngineError, { passwd?: string; group?: string }>> => {
  const found: { passwd?: string; group?: string } = {}
  for (const name of ['passwd', 'group'] as const) {
    const bound = (options.mounts ?? []).find(
      (mount) => mount.target === `/etc/${name}` || mount.target === '/etc',
    )
    const places =
      bound?.type === 'bind'
        ? [
            bound.target === '/etc'
              ? { root: bound.source, file: name }
              : { root: path.dirname(bound.source), file: path.basename(bound.source) },
          ]
        : rootDirectories(rootfs).map((root) => ({ root, file: `etc/${name}` }))
    for (const { root, file } of places) {
      let plan = planReadInRoot(facts.arch, root, [file], USUAL_USER_DB_BYTES)
      let result = await apart(addon, plan.bytes, signal)
      if (textOf(plan, 0, result)?.length === USUAL_USER_DB_BYTES) {
        plan = planReadInRoot(facts.arch, root, [file], MAX_USER_DB_BYTES + 1)
        result = await apart(addon, plan.bytes, signal)
      }
      if (!result.ok)
        return E.left({
          _tag: 'SyscallFailed',
          // A file that is not there is no failure, so what is missing is the root itself.
          ...(isMissing(result.errno)
            ? { step: bound === undefined ? 'open root' : 'open bind source', path: root }
            : { step: plan.infos[result.op]?.step ?? 'read file', path: path.join(root, file) }),
          errno: result.errno,
        })
      const text = textOf(plan, 0, result)
      if (text === undefined) continue
      found[name] = text
      break
    }
  }
  return E.right(found)
}

const isMissing = (errno: number): boolean => errno === ENOENT || errno === ENOTDIR

const readHostFiles = (options: PlannedOptions): ReturnType<HostPort['hostFiles']> => {
  if (options.network !== 'host' && options.uts !== 'host') return {}
  return { hosts: readText('/etc/hosts'), resolvConf: readText('/etc/resolv.conf'), hostname: hostname() }
}

const major = (rdev: number): number => (rdev >> 8) & 0xfff
const minor = (rdev: number): number => (rdev & 0xff) | ((rdev >> 12) & 0xfff00)

const deviceAt = (source: string, target: string, access: string): HostDevice | undefined => {
  const stat = statSync(source, { throwIfNoEntry: false })
  if (stat === undefined || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined
  const type = (stat.mode & S_IFMT) === S_IFBLK ? 'b' : 'c'
  const numbers = { major: major(stat.rdev), minor: minor(stat.rdev) }
  return { path: target, type, ...numbers, fileMode: stat.mode & 0o777, uid: stat.uid, gid: stat.gid, access }
}

const lookUpDevices = (options: PlannedOptions): readonly HostDevice[] => {
  if (options.security?.privileged === true) return allDevices()
  return (options.devices ?? []).map(({ source, target, permissions }) => {
    const device = deviceAt(source, target, permissions)
    if (device === undefined)
      throw {
        _tag: 'InvalidOption',
        option: 'devices',
        value: source,
        why: 'is not a device',
      } satisfies EngineError
    return device
  })
}

/** Every device node of the host's /dev, without what a container has of its own. */
const allDevices = (): HostDevice[] =>
  readdirSync('/dev', { withFileTypes: true })
    // Not by what the entry says of itself: Deno knows no devices there.
    .filter((entry) => !entry.isSymbolicLink())
    .flatMap((entry) => deviceAt(`/dev/${entry.name}`, `/dev/${entry.name}`, 'rwm') ?? [])
    .filter((device) => !['/dev/console', '/dev/ptmx', '/dev/tty'].includes(device.path))

/** Who is still there after so many rounds waits for a dead file system, and takes the signal with it. */
const KILL_ROUNDS = 200

/** Reads and kills until nobody is left: a fork bomb cannot outrun a reader for long, since each round kills all it saw. */
const killGroup = async (group: string): Promise<void> => {
  if (killAtOnce(group)) return
  for (let round = 0; killOnce(group) && round < KILL_ROUNDS; round++)
    await new Promise((resolve) => setTimeout(resolve, 1))
}

/** False when nobody was there. */
const killOnce = (group: string): boolean => {
  let pids: readonly number[]
  try {
    pids = pidsIn(group)
  } catch {
    return false
  }
  for (const pid of pids) {
    try {
      process.kill(pid, SIGKILL)
    } catch {
      // It has ended in the meantime.
    }
  }
  return pids.length > 0
}

const ranOutOfMemory = (groups: readonly string[]): boolean =>
  groups.some((group) =>
    ['memory.oom_control', 'memory.events'].some((file) => {
      try {
        return /^oom_kill [1-9]/m.test(readFileSync(`${group}/${file}`, 'utf8'))
      } catch {
        return false
      }
    }),
  )

/** The lowest pid is the oldest process, but for a wrap of the counter. */
const firstProcess = (groups: readonly string[]): number | undefined => {
  try {
    const pids = readFileSync(`${groups[0]}/cgroup.procs`, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    return pids.length === 0 ? undefined : Math.min(...pids.map(Number))
  } catch {
    return undefined
  }
}

interface CleanupPlan {
  readonly bytes: Uint8Array
  readonly moved: number
  readonly ids: ReturnType<typeof idPlaces>
  readonly trash: string
}

/** Containers of one shape are cleaned up by one plan, with their ids written into it. */
const cleaner = ({ addon, facts, state }: HostParts): HostPort['cleanUp'] => {
  const plans = new WeakMap<Cleanup, CleanupPlan>()
  const make = (cleanup: Cleanup): CleanupPlan => {
    const trash = path.join(state.trash, `${cleanup.id}.${randomHex(4)}`)
    const plan = planCleanup(facts.arch, cleanup, trash)
    return { ...plan, trash, ids: idPlaces(plan.bytes, cleanup.id) }
  }
  return async (cleanup, id = cleanup.id, held = []) => {
    const plan = plans.get(cleanup) ?? make(cleanup)
    plans.set(cleanup, plan)
    const bytes = Buffer.from(plan.bytes)
    for (const { at, length } of plan.ids) bytes.write(id.slice(0, length), at, 'latin1')
    const slots = [state.containersFd, ...held, ...new Array(MAX_HELD - held.length).fill(-1)]
    addon.letGo(Int32Array.from(held))
    const result = await later(addon, bytes, slots)
    // What cannot be removed now is left to the next sweep.
    if (result.slots[plan.moved] === 0)
      await addon.removeTree(plan.trash.replace(cleanup.id, id)).catch(() => {})
  }
}

/** With a pid namespace of its own, which one without a group always has, all others end with the first. */
const killFirst = async ({ process: first, bootId }: ContainerRecord, now: string): Promise<void> => {
  if (first !== undefined && bootId === now) await killProcess(first)
}

/** Of this boot. Resolves when it is gone, or waits for a dead file system. */
export const killProcess = async (first: NonNullable<ContainerRecord['process']>): Promise<void> => {
  for (let round = 0; startTimeOf(first.pid) === first.startTime && round < KILL_ROUNDS; round++) {
    try {
      process.kill(first.pid, SIGKILL)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Volumes of containers that removed themselves. */
const sweepOwned = async (parts: HostParts): Promise<void> => {
  if (!existsSync(path.join(parts.state.root, 'owned'))) return
  const { sweepVolumes } = await import('./volumes.ts')
  await sweepVolumes(parts, new Set())
}

/** What dead engines left: their containers are killed, their groups, directories and records removed. */
const sweep = async (parts: HostParts, cleanUp: HostPort['cleanUp']): Promise<void> => {
  forgetGone(parts.state)
  const dead = parts.state.deadEngines()
  await emptyTrash(parts)
  await removeStrayMonitors(parts)
  if (frozenIds(parts.state.runtime).length > 0) {
    const { thawAbandoned } = await import('./freezer.ts')
    thawAbandoned({ addon: parts.addon, runtime: parts.state.runtime, isOver: isOver(parts) })
  }
  if (dead.length === 0) return sweepOwned(parts)
  const engines = new Set(dead.map(({ engine }) => engine))
  const left = parts.state
    .readRecords()
    .filter((record) => engines.has(record.engine) && record.finishedMs === undefined)
  await Promise.all(left.flatMap(({ groups }) => groups.map(killGroup)))
  const { sweepExecGroups } = await import('./exec-groups.ts')
  await sweepExecGroups(execPartsOf(parts), engines, killGroup)
  await Promise.all(left.map((record) => killFirst(record, parts.facts.bootId)))
  // As long as there are records: whoever finds this process dead tells what it has not.
  const tellGone = await parts.tellDead(left)
  await Promise.all(left.map((record) => endRecord(parts.state, record, cleanUp)))
  tellGone()
  const { sweepVolumes } = await import('./volumes.ts')
  await sweepVolumes(parts, engines)
  await emptyTrash(parts)
  parts.state.removeTornRecords(engines)
  parts.state.freeStrayNames()
  const strays = parts.state.strayContainers(engines)
  await Promise.all(strays.map((id) => cleanUp(strayContainer(parts.state, id))))
  forgetGone(parts.state)
  for (const { done } of dead) done()
}

/** What was moved there and not removed by whoever moved it: an engine that died, or a monitor. */
const emptyTrash = async ({ addon, state }: HostParts): Promise<void> => {
  for (const name of readdirSync(state.trash))
    await addon.removeTree(path.join(state.trash, name)).catch(() => {})
}
/** A monitor that was killed while it removed its container, or whoever removed it: what is called by its id. In that order: a container is there before its monitor. */
const removeStrayMonitors = async ({ addon, state }: HostParts): Promise<void> => {
  const folder = monitorsIn(state.runtime)
  const there = existsSync(folder) ? readdirSync(folder) : []
  if (there.length === 0) return
  const known = new Set(readdirSync(state.containers))
  for (const name of there) {
    const [id = ''] = name.split('.')
    if (!known.has(id) && !hasMonitor(addon, state.runtime, id))
      await addon.removeTree(path.join(folder, name)).catch(() => {})
  }
}

/** Neither there nor to be thawed for anybody. */
const isOver =
  ({ state, detachedRuns }: HostParts) =>
  (id: string): boolean => {
    const record = state.readRecord(id)
    if (record === undefined) return !detachedRuns(id)
    return record.finishedMs !== undefined || !state.isAlive(record.engine)
  }

/** The exit status of a container whose engine died is lost with it. */
const endRecord = async (
  state: StateDir,
  record: ContainerRecord,
  cleanUp: HostPort['cleanUp'],
): Promise<void> => {
  const { id, groups, keep } = record
  await cleanUp({ id, groups, keep, overlays: overlaysOf(state, id), record: state.recordPath(id) })
  if (keep) state.writeRecord({ ...record, finishedMs: Date.now(), exitCode: 137 })
  else statePort(state).freeName(record.name, id)
}

const strayContainer = (state: StateDir, id: string): Cleanup => ({
  id,
  groups: [],
  keep: false,
  overlays: overlaysOf(state, id),
  record: state.recordPath(id),
})

const overlaysOf = (state: StateDir, id: string): number => {
  try {
    const names = readdirSync(path.join(state.containers, id))
    // One that was being made when its engine died may have none yet.
    return Math.max(1, names.filter((name) => name.startsWith('upper')).length)
  } catch {
    return 0
  }
}

const setLimits: HostPort['setLimits'] = (writes) => {
  const refused = (wanted: typeof writes): { write: (typeof writes)[number]; errno: number }[] =>
    wanted.flatMap((write) => {
      const errno = writeTo(write.path, write.value)
      return errno === 0 || (errno === ENOENT && write.optional === true) ? [] : [{ write, errno }]
    })
  const again = refused(refused(writes).map(({ write }) => write))
  const [first] = again
  if (first === undefined) return E.right(undefined)
  const { write, errno } = first
  const what = `${path.basename(write.path)} = ${write.value}`
  return E.left({ _tag: 'SyscallFailed', step: 'set cgroup limit', errno, path: what })
}

/** In one write, as the kernel wants it. 0 or a positive errno. */
const writeTo = (file: string, text: string): number => {
  try {
    writeFileSync(file, text, { flag: 'r+' })
    return 0
  } catch (error) {
    return Math.abs((error as NodeJS.ErrnoException).errno ?? 5)
  }
}

/** The line `some avg10=…` of /proc/pressure/memory (Documentation/accounting/psi.rst). */
const memoryPressure = (): number | undefined => {
  try {
    return Number(/^some avg10=([\d.]+)/.exec(readFileSync('/proc/pressure/memory', 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

const statePort = (state: StateDir): StatePort => ({
  root: state.root,
  scratch: state.scratch,
  engine: state.engine,
  containersFd: state.containersFd,
  recordsFd: state.recordsFd,
  recordPath: (id) => state.recordPath(id),
  records: (wanted) => state.readRecords(wanted),
  isAlive: (engine) => state.isAlive(engine),
  demandLock: () => attempt(() => state.demandLock()),
  write: (record) => state.writeRecord(record),
  addProcess: (record, pid) => {
    const startTime = startTimeOf(pid)
    if (startTime !== undefined) state.writeRecord({ ...record, process: { pid, startTime } })
  },
  takeName: (name, id, isThere = false) => takeName(state, name, id, isThere ? NOBODY : state.engine),
  dropName: (name) => rmSync(path.join(state.names, name), { force: true }),
  passName: (name, id) => passName(state, name, id),
  freeName: (name, id) => state.freeName(name, id),
  changes: () => readChanges(state),
  change: (id, changes) => writeChanges(state, id, changes),
})

/** At no moment it is nobody's. No container has a name that begins with a dot. */
const passName = (state: StateDir, name: string, id: string): E.Either<EngineError, void> =>
  attempt(() => {
    const next = path.join(state.names, `.${id}`)
    rmSync(next, { force: true })
    symlinkSync(`${id}.${NOBODY}`, next)
    renameSync(next, path.join(state.names, name))
  })

/** In place of an engine: none has this id. */
const NOBODY = 'nobody'

/**
 * A symlink is made or not made, atomically, and says who has the name: a container, and the engine that is about to start
 * it, or call it so. A name is taken over when no such container is called so and nobody is there who could still see to that.
 */
const takeName = (state: StateDir, name: string, id: string, maker: string): E.Either<EngineError, void> => {
  const locked = maker === NOBODY ? E.right(undefined) : attempt(() => state.demandLock())
  if (E.isLeft(locked)) return locked
  const file = path.join(state.names, name)
  for (let attempts = 0; attempts < 2; attempts++) {
    try {
      symlinkSync(`${id}.${maker}`, file)
      return E.right(undefined)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return E.left(asError(error))
    }
    const owner = linkAt(file)
    const [holder = '', engine = ''] = owner.split('.')
    if (state.isCalled(holder, name) || state.isAlive(engine))
      return E.left({ _tag: 'NameInUse', name, by: holder.slice(0, 12) })
    // Two that found the same leftover must not take the new name away from each other.
    state.lockNames(() => linkAt(file) === owner && rmSync(file, { force: true }))
  }
  return E.left({ _tag: 'NameInUse', name, by: 'another engine' })
}
