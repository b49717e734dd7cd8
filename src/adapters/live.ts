// Assembles the ports on this machine: the one place where an engine's parts meet.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { Images } from '../engine/images-verbs.ts'
import type { Ports } from '../engine/ports.ts'
import type { EngineError } from '../model/errors.ts'
import { fnv1a } from '../model/fnv.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { ImageSource } from '../model/options.ts'
import { decodeEngineOptions } from '../model/options-decode.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import type { Addon } from '../native/addon.ts'
import { jsHost } from '../native/js-host.ts'
import type { LayerAddon } from '../native/layer-addon.ts'
import { loadAddon } from '../native/load.ts'
import { CgroupParents } from './cgroup-parents.ts'
import { Guardian } from './guardian.ts'
import { realHost } from './host.ts'
import { probeProcess, thisHost } from './host-facts.ts'
import { hostFacts } from './host-facts-cache.ts'
import { prepareHostImage } from './host-image.ts'
import { makeFolders } from './make-folders.ts'
import { nativeLauncher } from './native-launcher.ts'
import { NetworksAhead } from './networks-ahead.ts'
import { StateDir } from './state-dir.ts'
import { Nothing, nativeStdio } from './stdio.ts'

export const DEFAULT_ROOT = '/var/lib/slipway'
const DEFAULT_RUNTIME = '/run/slipway'

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
}

export interface LiveEngine {
  readonly ports: Ports
  readonly addon: Addon
  readonly facts: HostFacts
  readonly root: string
  readonly runtime: string
  /** The image programs; loaded with their first use, since a start of the host image needs none of them. */
  readonly images: () => Promise<Images>
  /** 0 while no guardian runs. */
  readonly guardianPid: () => number
  /** Gives everything up at once; resolves when the guardian has ended, too. */
  readonly close: () => Promise<void>
}

/** Fails: HostUnfit where this process may not make containers, SyscallFailed where the root cannot be written to. */
export const openEngine = (
  options: EngineOptions,
  environment: { readonly SLIPWAY_ROOT?: string },
): E.Either<EngineError, LiveEngine> =>
  pipe(
    E.tryCatch(demandPermissions, asError),
    E.flatMap(() => decodeEngineOptions<EngineOptions>(options)),
    E.flatMap((decoded) => {
      const root = path.resolve(decoded.root ?? environment.SLIPWAY_ROOT ?? DEFAULT_ROOT)
      const runtime = decoded.runtime ?? (root === DEFAULT_ROOT ? DEFAULT_RUNTIME : path.join(root, 'run'))
      return E.tryCatch(() => assemble(root, path.resolve(runtime), decoded.networksAhead ?? 1), asError)
    }),
  )

const assemble = (root: string, runtime: string, networksAhead: number): LiveEngine => {
  makeRuntime(runtime)
  const facts = hostFacts(runtime)
  demandRights(facts)
  const addon = loadAddon() as Addon & LayerAddon
  const state = new StateDir({ root, runtime }, addon)
  const cgroups = new CgroupParents(facts, addon, cgroupNameOf(root))
  const guardian = new Guardian(addon, facts, cgroups.forGuardian())
  const networks = new NetworksAhead(addon, facts.arch, networksAhead)
  const nothing = new Nothing(addon)
  let loaded: Promise<Images> | undefined
  const images = (): Promise<Images> => {
    loaded ??= openImages(root, addon, state)
    return loaded
  }
  const host = realHost({
    addon,
    facts,
    state,
    cgroups,
    guardian,
    prepareImage: (image) => prepareImage(root, facts, images, image),
  })
  const ports: Ports = {
    host,
    launcher: nativeLauncher(addon, guardian, networks),
    stdio: nativeStdio(addon, facts.arch, nothing),
    users: new Map(),
    templates: new Map(),
    profiles: new Map(),
    filters: new WeakMap(),
  }
  const close = (): Promise<void> => {
    const ended = Promise.all([guardian.close(), networks.close()])
    cgroups.close()
    nothing.close()
    state.close()
    return ended.then(() => {
      state.leave(() => {
        if (root !== DEFAULT_ROOT) cgroups.remove()
      })
    })
  }
  return { ports, addon, facts, root, runtime, images, guardianPid: () => guardian.pid, close }
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
const makeRuntime = (runtime: string): void => {
  try {
    makeFolders(runtime, 0o700)
  } catch (error) {
    demandRights(probeProcess(thisHost))
    throw error
  }
}

const CAP_SYS_ADMIN = 1n << 21n
const demandRights = (facts: Pick<HostFacts, 'effectiveCaps' | 'euid'>): void => {
  if ((facts.effectiveCaps & CAP_SYS_ADMIN) !== 0n) return
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

const openImages = async (root: string, addon: Addon & LayerAddon, state: StateDir): Promise<Images> => {
  const [{ imagePorts }, { createSnapshotter }, { imageVerbs }] = await Promise.all([
    import('./images-live.ts'),
    import('./snapshotter.ts'),
    import('../engine/images-verbs.ts'),
  ])
  const inUse = TE.fromIO(() => state.readRecords().map(({ id, imageId }) => ({ id, imageId })))
  const ports = imagePorts({
    root,
    snapshotter: createSnapshotter({ root, native: addon }),
    flock: addon.flock,
    inUse: (imageId) =>
      pipe(
        inUse,
        TE.map((records) => records.filter((record) => record.imageId === imageId).map(({ id }) => id)),
      ),
  })
  return imageVerbs(ports)
}

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
