// Assembles the ports on this machine: the one place where an engine's parts meet.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { Images } from '../engine/images-verbs.ts'
import type { CopyPort } from '../engine/ports/copies.ts'
import type { DetachedStore, Monitors } from '../engine/ports/detached.ts'
import type { JournalPort } from '../engine/ports/journal.ts'
import type { LivingPort } from '../engine/ports/living.ts'
import type { VolumeStore } from '../engine/ports/volumes.ts'
import type { Ports } from '../engine/ports.ts'
import type { EngineError } from '../model/errors.ts'
import { fnv1a } from '../model/fnv.ts'
import { type HostFacts, holdsAdmin, isOrdinary } from '../model/host-facts.ts'
import { once } from '../model/once.ts'
import type { ImageSource } from '../model/options.ts'
import { decodeEngineOptions } from '../model/options-decode.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import { imagesOf } from '../model/record.ts'
import type { Registries, RegistriesRules } from '../model/registry-settings.ts'
import type { Addon } from '../native/addon.ts'
import { jsHost } from '../native/js-host.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { loadAddon } from '../native/load.ts'
import { CgroupParents } from './cgroup-parents.ts'
import { detachedStore } from './detached-store.ts'
import { closeForEngine } from './engine-descriptors.ts'
import { frozenIds, isPaused } from './frozen.ts'
import { Guardian } from './guardian.ts'
import { killProcess, realHost } from './host.ts'
import { probeProcess, thisHost } from './host-facts.ts'
import { hostFacts } from './host-facts-cache.ts'
import { ownCgroups } from './host-facts-delegated.ts'
import { prepareHostImage } from './host-image.ts'
import { layersInside } from './layer-native.ts'
import { makeFolders } from './make-folders.ts'
import type { MonitorParts } from './monitors.ts'
import { nativeLauncher } from './native-launcher.ts'
import { NetworksAhead } from './networks-ahead.ts'
import { makeOwnUsers, thisUser } from './own-users.ts'
import { forgetGone } from './record-changes.ts'
import { replacements } from './replacements.ts'
import { demandOwnRoots, StateDir, type StateRoots } from './state-dir.ts'
import { Nothing, nativeStdio } from './stdio.ts'
import type { VolumeParts } from './volumes.ts'

export const DEFAULT_ROOT = '/var/lib/slipway'
const DEFAULT_RUNTIME = '/run/slipway'

/** What the default places depend on. */
export interface PlaceVariables {
  readonly SLIPWAY_ROOT?: string
  readonly XDG_DATA_HOME?: string
  readonly XDG_RUNTIME_DIR?: string
  readonly HOME?: string
}

interface Places {
  readonly root: string
  readonly runtime: string
  /** The root is nobody's choice. */
  readonly isDefault: boolean
}

/** Root's are the system's; everybody else's are where the XDG base directory specification has them. Throws an EngineError. */
const placesOf = (options: DecodedOptions, env: PlaceVariables, isOrdinary: boolean): Places => {
  const usual = (): Omit<Places, 'isDefault'> =>
    isOrdinary ? placesOfUser(env) : { root: DEFAULT_ROOT, runtime: DEFAULT_RUNTIME }
  const chosen = options.root ?? env.SLIPWAY_ROOT
  if (chosen === undefined) {
    const { root, runtime } = usual()
    return { root, runtime: path.resolve(options.runtime ?? runtime), isDefault: true }
  }
  const root = path.resolve(chosen)
  const isDefault = root === DEFAULT_ROOT && !isOrdinary
  const runtime = options.runtime ?? (isDefault ? DEFAULT_RUNTIME : path.join(root, 'run'))
  return { root, runtime: path.resolve(runtime), isDefault }
}

/** "All paths must be absolute. If an implementation encounters a relative path it should consider the path invalid": basedir-spec. */
const absolute = (value: string | undefined): string | undefined =>
  value !== undefined && path.isAbsolute(value) ? value : undefined

const placesOfUser = (env: PlaceVariables): Omit<Places, 'isDefault'> => {
  const home = absolute(env.HOME)
  const data = absolute(env.XDG_DATA_HOME) ?? (home && path.join(home, '.local', 'share'))
  if (data === undefined)
    throw {
      _tag: 'HostUnfit',
      need: 'a place for images and containers',
      why: 'neither XDG_DATA_HOME nor HOME is an absolute path',
      remedy: 'set one of them, or choose a place: createEngine({ root }), --root or SLIPWAY_ROOT',
    } satisfies EngineError
  const root = path.join(data, 'slipway')
  const runtime = absolute(env.XDG_RUNTIME_DIR)
  return { root, runtime: runtime === undefined ? path.join(root, 'run') : path.join(runtime, 'slipway') }
}

export interface EngineOptions {
  /** Data directory. Default: `SLIPWAY_ROOT`, else `/var/lib/slipway`. */
  readonly root?: string
  /** Runtime directory. Default: `/run/slipway` for the default root, `<root>/run` for any other. */
  readonly runtime?: string
  /**
   * How many network namespaces are kept ready for the starts to come, each for one container; made in the background from the first
   * start on. Default: 1.
   */
  readonly networksAhead?: number
  /**
   * Tell the journal of events also of containers that `run`, `start` and pools start: create, start, die, destroy and the like, each after
   * it has happened, the first two once the program has been executed. Default: false. Detached containers are told of in any case.
   */
  readonly events?: boolean
  /**
   * Mirrors, certificates and the like of registries, by host. Default: the file `SLIPWAY_REGISTRIES`, else
   * `/etc/slipway/registries.json`, of the same form.
   */
  readonly registries?: Registries
}

export interface LiveEngine {
  readonly ports: Ports
  readonly addon: Addon
  readonly facts: HostFacts
  readonly root: string
  readonly runtime: string
  /** The image programs; loaded with their first use, since a start of the host image needs none of them. */
  readonly images: () => Promise<Images>
  /** What runs in whatever process; loaded with its first use. */
  readonly living: () => Promise<LivingPort>
  /** Files of containers; loaded with its first use. */
  readonly copies: () => Promise<CopyPort>
  /** Where verbs tell what they did; loaded with its first use. */
  readonly journal: () => Promise<JournalPort>
  /** Removes containers that were to remove themselves, and lost their monitors before. Never fails. */
  readonly finishRemovals: () => Promise<void>
  /** Resolves when replacements whose command died are finished or undone; begun with the first call. Never fails. */
  readonly settled: () => Promise<void>
  /** 0 while no guardian runs. */
  readonly guardianPid: () => number
  /** Gives everything up at once; resolves when the guardian has ended, too. */
  readonly close: () => Promise<void>
}

/** Fails: HostUnfit where this process may not make containers, SyscallFailed where the root cannot be written to. */
export const openEngine = (
  options: EngineOptions,
  environment: PlaceVariables,
): E.Either<EngineError, LiveEngine> =>
  pipe(
    E.tryCatch(demandPermissions, asError),
    E.flatMap(() => decodeEngineOptions<DecodedOptions>(options)),
    E.flatMap((decoded) =>
      E.tryCatch(() => assemble(placesOf(decoded, environment, isOrdinaryUser()), decoded), asError),
    ),
  )

interface DecodedOptions extends Omit<EngineOptions, 'registries'> {
  readonly registries?: RegistriesRules
}

const assemble = (
  { root, runtime, isDefault }: Places,
  { networksAhead = 1, registries }: DecodedOptions,
): LiveEngine => {
  makeRuntime({ root, runtime })
  const probed = hostFacts(runtime)
  demandRights(probed)
  const native = loadAddon() as Addon & LayerAddon
  const facts = isOrdinary(probed) ? factsOfUser(native, probed) : probed
  const { users } = facts
  const addon = users === undefined ? native : withLayersInside(native, users.fd)
  const state = new StateDir({ root, runtime }, addon)
  const cgroups = new CgroupParents(facts, addon, cgroupNameOf(isDefault ? DEFAULT_ROOT : root))
  // What a command that starts nothing does without.
  const guardianGroups = once(() => cgroups.forGuardian())
  const guardian = new Guardian(addon, facts, guardianGroups)
  const networks = new NetworksAhead(addon, facts.arch, users === undefined ? networksAhead : 0)
  const nothing = new Nothing(addon)
  let loaded: Promise<Images> | undefined
  let volumes: ReturnType<Ports['volumes']> | undefined
  const images = (): Promise<Images> => {
    loaded ??= openImages(root, addon, () => usersOf(state, detached), registries, journal)
    return loaded
  }
  let noted: Promise<JournalPort> | undefined
  const journal = (): Promise<JournalPort> => {
    noted ??= import('./event-journal.ts').then(({ eventJournal }) =>
      eventJournal({ addon, arch: facts.arch, folder: path.join(root, 'events') }),
    )
    return noted
  }
  const living = async (): Promise<LivingPort> => {
    const { livingPort } = await import('./living.ts')
    return livingPort({ addon, facts, state, runtime, groupName: cgroupNameOf(root) })
  }
  const copies = async (): Promise<CopyPort> => {
    const { copyPort } = await import('./copies.ts')
    return copyPort({ addon, facts })
  }
  const host = realHost({
    addon,
    facts,
    state,
    cgroups,
    guardian,
    groupName: cgroupNameOf(root),
    prepareImage: (image) => prepareImage(root, facts, images, image),
    detachedRuns: (id) => isAliveDetached(detached, id),
    tellDead: async (records) => {
      if (records.length === 0 || !existsSync(path.join(root, 'events'))) return () => {}
      const { tellDead } = await import('../engine/attached-missing.ts')
      return tellDead(await journal(), records, host.state.changes())
    },
  })
  const detached = detachedStore({
    addon,
    state,
    bootId: facts.bootId,
    isFrozen: (id) => isPaused(runtime, id),
    freeName: (name, id) => host.state.freeName(name, id),
    thaw: async (id) => {
      if (!frozenIds(runtime).includes(id)) return
      const { thawAbandoned } = await import('./freezer.ts')
      const isOver = (): boolean => !isAliveDetached(detached, id)
      try {
        thawAbandoned({ addon, runtime, ids: [id], isOver })
      } catch {
        // The next engine finds it.
      }
    },
    tellMissing: async (container) =>
      (await import('../engine/detached/missing-events.ts')).tellMissing(await journal(), container),
    removeGroups: async (id, groups) => {
      await Promise.all(groups.map(host.killGroup))
      const { removeExecGroupsIn } = await import('./exec-groups.ts')
      await Promise.all(groups.map(removeExecGroupsIn))
      await host.cleanUp({ id, groups, overlays: 0, record: '', keep: true })
    },
    removeSpent: async (document) =>
      (await import('../engine/detached/remove.ts')).removeEnded(ports, document, true),
    kill: ({ pid, startTime }) => killProcess({ pid, startTime: String(startTime) }),
  })
  const ports: Ports = {
    host,
    launcher: nativeLauncher(addon, guardian, networks),
    stdio: nativeStdio(addon, facts.arch, nothing),
    detached,
    replacements: replacements(addon, root),
    monitors: monitorsLater({ addon, facts, state, groups: guardianGroups }),
    volumes: () => {
      volumes ??= openVolumes({ addon, facts, state }, journal)
      return volumes
    },
    journal,
    users: new Map(),
    templates: new Map(),
    profiles: new Map(),
    filters: new WeakMap(),
  }
  let settling: Promise<void> | undefined
  const close = (): Promise<void> => {
    const ended = Promise.all([guardian.close(), networks.close(), noted?.then((each) => each.close())])
    cgroups.close()
    nothing.close()
    forgetGone(state)
    state.close()
    if (users !== undefined) closeForEngine(native, users.fd)
    return ended.then(() => {
      state.leave(() => {
        if (!isDefault) cgroups.remove()
      })
    })
  }
  return {
    ports,
    addon,
    facts,
    root,
    runtime,
    images,
    living,
    copies,
    journal,
    finishRemovals: () => finishRemovals(ports).catch(() => {}),
    settled: () => {
      settling ??= settle(ports).catch(() => {})
      return settling
    },
    guardianPid: () => guardian.pid,
    close,
  }
}

const isAliveDetached = (detached: DetachedStore, id: string): boolean => {
  const found = detached.read(id)
  return E.isRight(found) && found.right?.isAlive === true
}

/**
 * Deno keeps a program that has not all permissions from files of the kernel's and from addons, one by one: an engine would take what
 * it cannot read for what is not there.
 */
const demandPermissions = (): void => {
  if (jsHost.name !== 'Deno') return
  try {
    readFileSync('/proc/self/status')
  } catch (error) {
    if ((error as Error).name !== 'NotCapable') return
    throw {
      _tag: 'HostUnfit',
      need: 'all permissions of Deno',
      why: 'this process was started without them, and a container engine needs the files of the kernel and a native addon',
      remedy: 'start it with deno run --allow-all',
    } satisfies EngineError
  }
}

/** Who may not write here is told first whether it is for want of rights altogether. */
const makeRuntime = (roots: StateRoots): void => {
  try {
    demandOwnRoots(roots)
    makeFolders(roots.runtime, 0o700)
  } catch (error) {
    demandRights(probeProcess(thisHost))
    throw error
  }
}

/** Of root nothing is read for that. */
const isOrdinaryUser = (): boolean => process.geteuid?.() !== 0 && isOrdinary(probeProcess(thisHost))

/** An ordinary user has the rights of root over a user namespace it makes; of the cgroup tree, what is delegated to it. */
const factsOfUser = (addon: Addon, facts: HostFacts): HostFacts => ({
  ...facts,
  cgroup: ownCgroups(facts),
  users: makeOwnUsers(addon, thisUser(facts)),
})

/** The addon's own, but for what touches files of the containers' ids. */
const withLayersInside = (addon: Addon & LayerAddon, userNamespace: number): Addon & LayerAddon =>
  Object.assign(Object.create(addon) as Addon & LayerAddon, layersInside(addon, userNamespace))

const demandRights = (facts: Pick<HostFacts, 'effectiveCaps' | 'euid'>): void => {
  if (holdsAdmin(facts) || isOrdinary(facts)) return
  throw {
    _tag: 'HostUnfit',
    need: 'the right to make containers',
    why: `this process runs as uid ${facts.euid} without CAP_SYS_ADMIN`,
    remedy: 'run it as root, e.g. with sudo',
  } satisfies EngineError
}

/** Engines with different roots never meet in a cgroup. */
export const cgroupNameOf = (root: string): string => {
  if (root === DEFAULT_ROOT) return 'slipway'
  return `slipway-${fnv1a(root)}`
}

const openImages = async (
  root: string,
  addon: Addon & LayerAddon,
  users: () => readonly ImageUser[],
  registries: RegistriesRules | undefined,
  openJournal: () => Promise<JournalPort>,
): Promise<Images> => {
  const [{ imagePorts }, { createSnapshotter }, { imageVerbs }, { journalled }, journal] = await Promise.all([
    import('./images-live.ts'),
    import('./snapshotter.ts'),
    import('../engine/images-verbs.ts'),
    import('../engine/journalled-images.ts'),
    openJournal(),
  ])
  const inUse = TE.fromIO(users)
  const ports = imagePorts({
    root,
    snapshotter: createSnapshotter({ root, native: addon }),
    native: addon,
    flock: addon.flock,
    ...(registries === undefined ? {} : { registry: { registries } }),
    inUse: (imageId) =>
      pipe(
        inUse,
        TE.map((records) =>
          records
            .filter((record) => record.imageId === undefined || record.imageId === imageId)
            .map(({ id }) => id),
        ),
      ),
  })
  return journalled(imageVerbs(ports), journal)
}

const openVolumes = async (
  parts: VolumeParts,
  openJournal: () => Promise<JournalPort>,
): Promise<VolumeStore> => {
  const [{ volumeStore }, { journalledVolumes }] = await Promise.all([
    import('./volumes.ts'),
    import('../engine/journalled-volumes.ts'),
  ])
  return journalledVolumes(volumeStore(parts), openJournal)
}

/** Loaded where there is something to settle. */
const settle = async (ports: Ports): Promise<void> => {
  if (ports.replacements.pending().length === 0) return
  const { settleReplacements } = await import('../engine/detached/settle.ts')
  await settleReplacements(ports)
}

const finishRemovals = async ({ detached }: Ports): Promise<void> => {
  for (const id of detached.spent()) await detached.locked(id, async () => E.right(undefined))()
}

/** Loaded with their first use: no attached start needs them. */
const monitorsLater = (parts: MonitorParts): Monitors => {
  let loaded: Promise<Monitors> | undefined
  const load = (): Promise<Monitors> => {
    loaded ??= import('./monitors.ts').then(({ monitors }) => monitors(parts))
    return loaded
  }
  const then =
    <A extends readonly unknown[], B>(
      use: (monitors: Monitors) => (...args: A) => TaskEither<EngineError, B>,
    ) =>
    (...args: A): TaskEither<EngineError, B> =>
    async () =>
      use(await load())(...args)()
  return {
    begin: () => {
      const begun = load().then(({ begin }) => begin())
      return {
        launch:
          (...args) =>
          async () =>
            (await begun).launch(...args)(),
        dismiss: async () => (await begun).dismiss(),
      }
    },
    renew: then(({ renew }) => renew),
    streams: then(({ streams }) => streams),
    connect: then(({ connect }) => connect),
  }
}

interface ImageUser {
  readonly id: string
  /** Any, where that is not known. */
  readonly imageId?: string
}

const usersOf = (state: StateDir, detached: DetachedStore): readonly ImageUser[] => {
  const { containers, damaged } = detached.list()
  return [
    ...state.readRecords().flatMap(({ id, imageId, mounts }) => using(id, imagesOf(imageId, mounts))),
    ...containers.flatMap(({ document: { id, image, options } }) =>
      using(id, imagesOf(image.id, options.mounts)),
    ),
    // What it was made of nobody can tell: all of them stay until it is removed.
    ...damaged.map(({ id }) => ({ id })),
  ]
}

const using = (id: string, images: readonly string[]): readonly ImageUser[] =>
  [...new Set(images)].map((imageId) => ({ id, imageId }))

const prepareImage = (
  root: string,
  facts: HostFacts,
  images: () => Promise<Images>,
  image: ImageSource,
): TaskEither<EngineError, PreparedImage> => {
  if (typeof image === 'object') return TE.fromEither(directoryImage(image.rootfs))
  if (image === 'host') return prepareHostImage({ root, bootId: facts.bootId })
  return pipe(
    TE.fromTask(images),
    TE.flatMap(({ resolve }) => resolve(image)),
  )
}

const directoryImage = (rootfs: string): E.Either<EngineError, PreparedImage> => {
  if (!path.isAbsolute(rootfs))
    return E.left({ _tag: 'InvalidOption', option: 'rootfs', value: rootfs, why: 'must be an absolute path' })
  return E.right({ reference: rootfs, id: rootfs, config: {}, rootfs: { kind: 'directory', path: rootfs } })
}

const asError = (error: unknown): EngineError => {
  if (typeof error === 'object' && error !== null && '_tag' in error) return error as EngineError
  const { errno = -5, syscall = 'open engine', path: where } = error as NodeJS.ErrnoException
  if (errno === -5)
    return { _tag: 'HostUnfit', need: 'the native addon', why: String((error as Error).message ?? error) }
  return {
    _tag: 'SyscallFailed',
    step: syscall,
    errno: Math.abs(errno),
    ...(where === undefined ? {} : { path: where }),
  }
}
