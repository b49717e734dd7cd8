// An engine of the benchmark's own, in a directory of its own, and the payload in a small root file system.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { makeFolders } from '../adapters/make-folders.ts'
import type { Ports } from '../engine/ports.ts'
import { run } from '../engine/run.ts'
import { prepare } from '../engine/start.ts'
import { createEngine, type Engine, type Pool } from '../fp.ts'
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { Spec } from '../model/oci-spec.ts'
import type { ImageSource } from '../model/options.ts'
import { decodeRunOptions } from '../model/options-decode.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import type { Addon } from '../native/addon.ts'
import { planLaunch } from '../plan/launch/index.ts'
import type { PartId } from './parts.ts'
import { payload } from './payload.ts'
import { cut, optionsOf } from './shape.ts'
import { failed, type Sample } from './subject.ts'

export const PROGRAM = '/true'
/** The made-up reference of the root file system as an image's only layer: no image store is part of a start. */
const LAYERED = 'bench'

export interface Lab {
  readonly facts: HostFacts
  readonly addon: Addon
  /** On the storage under test. */
  readonly folder: string
  /** On the file system of runtime files. */
  readonly runtime: string
  readonly rootfs: string
  /** A word that is in every name the benchmark gives away. */
  readonly mark: string
  /** Starts of a container with these parts. */
  readonly start: (parts: ReadonlySet<PartId>) => () => Promise<Sample>
  /** The runtime specification of a container with these parts, on the root file system as a directory. */
  readonly specOf: (parts: ReadonlySet<PartId>) => Promise<Spec>
  readonly pool: (parts: ReadonlySet<PartId>, size: number) => Promise<Pool>
  /** Removes everything, and waits until it is gone. */
  readonly close: () => Promise<void>
}

/** `store`: the directory to make it in, which decides the storage under test. Throws an EngineError. */
export const openLab = async (store: string, runtimeParent: string): Promise<Lab> => {
  makeFolders(store, 0o700)
  const folder = mkdtempSync(path.join(store, 'bench-'))
  const mark = path.basename(folder)
  const runtime = path.join(runtimeParent, `slipway-${mark}`)
  // What a network namespace costs is one of the things to be measured.
  const folders = { root: path.join(folder, 'slipway'), runtime: path.join(runtime, 'slipway') }
  const engine = createEngine({ ...folders, networksAhead: 0 })
  const close = async (): Promise<void> => {
    await engine.close()
    for (const directory of [folder, runtime]) rmSync(directory, { recursive: true, force: true })
  }
  try {
    mkdirSync(runtime, { mode: 0o700 })
    const { ports, facts, addon } = right(await engine.open())
    const rootfs = path.join(folder, 'rootfs')
    makeRootfs(rootfs, facts.arch)
    return {
      ...starts(engine, withLayer(ports, rootfs), rootfs),
      facts,
      addon,
      folder,
      runtime,
      rootfs,
      mark,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** With every place a mount goes to: a root that belongs to nobody the container knows is not to be written to. */
const makeRootfs = (rootfs: string, arch: HostFacts['arch']): void => {
  for (const folder of [
    'proc',
    'sys/fs/cgroup',
    'dev/pts',
    'dev/shm',
    'dev/mqueue',
    'etc',
    'tmp',
    'mnt',
    'root',
  ])
    mkdirSync(path.join(rootfs, folder), { recursive: true })
  for (const name of ['hosts', 'hostname', 'resolv.conf']) writeFileSync(path.join(rootfs, 'etc', name), '')
  const program = path.join(rootfs, PROGRAM)
  writeFileSync(program, payload(arch))
  chmodSync(program, 0o755)
}

const withLayer = (ports: Ports, rootfs: string): Ports => {
  const image: PreparedImage = {
    reference: LAYERED,
    id: LAYERED,
    config: {},
    rootfs: { kind: 'layers', lowers: [rootfs] },
  }
  const others = ports.host.prepareImage
  const prepareImage: Ports['host']['prepareImage'] = (wanted) =>
    wanted === LAYERED ? async () => E.right(image) : others(wanted)
  // The engine's own pool goes through the same object.
  return Object.assign(ports, { host: Object.assign(ports.host, { prepareImage }) })
}

const starts = (engine: Engine, ports: Ports, rootfs: string): Pick<Lab, 'start' | 'specOf' | 'pool'> => {
  const imageOf = (parts: ReadonlySet<PartId>): ImageSource => (parts.has('overlay') ? LAYERED : { rootfs })
  const request = (parts: ReadonlySet<PartId>, image: ImageSource) => ({
    image,
    argv: [PROGRAM],
    options: right(decodeRunOptions(optionsOf(parts, rootfs), ports.host.facts)),
    keep: false,
  })
  return {
    start: (parts) => {
      const own = portsFor(ports, parts)
      const wanted = request(parts, imageOf(parts))
      return () => timedRun(own, wanted)
    },
    specOf: async (parts) => right(await prepare(request(parts, { rootfs }))(portsFor(ports, parts))()).spec,
    pool: async (parts, size) =>
      right(
        await engine.pool(
          { ...containerOptions(parts, rootfs), image: imageOf(parts) },
          { min: size, max: size },
        )(),
      ),
  }
}

const containerOptions = (parts: ReadonlySet<PartId>, rootfs: string) => {
  const { stdin: _in, stdout: _out, stderr: _err, ...options } = optionsOf(parts, rootfs)
  return options
}

/** The same engine with a planner that takes parts out, and plans remembered apart from others'. */
const portsFor = (ports: Ports, parts: ReadonlySet<PartId>): Ports => ({
  ...ports,
  templates: new Map(),
  planLaunch: (input) => planLaunch(cut(input, parts)),
  ...(parts.has('cgroup') ? {} : { host: { ...ports.host, cgroupParents: () => E.right([]) } }),
})

type RunRequest = Parameters<typeof run>[0]

/** From the call to the moment the end is known here; and to the moment nothing is left. */
const timedRun = async (ports: Ports, request: RunRequest): Promise<Sample> => {
  let removed: Promise<void> | undefined
  const onStart: RunRequest['onStart'] = (container) => {
    removed = container.removed
  }
  const begin = ports.host.nowNs()
  const result = right(await run({ ...request, onStart })(ports)())
  const ns = ports.host.nowNs() - begin
  await removed
  const removedNs = ports.host.nowNs() - begin
  if (result.exitCode !== 0) throw failed(`the program ended with exit code ${result.exitCode}`)
  return { ns, removedNs }
}

export const right = <A>(either: E.Either<EngineError, A>): A => {
  if (E.isRight(either)) return either.right
  throw either.left
}
