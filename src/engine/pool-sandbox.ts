// One sandbox of a pool: made up to the moment before its program is executed, and removed again.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import { rememberedMounts, renameVolumes } from '../model/named-mounts.ts'
import type { Process } from '../model/oci-spec.ts'
import type { PlannedStartOptions } from '../model/options-decoded.ts'
import type { LateWrite } from '../plan/launch/cgroup.ts'
import type { TreeSource } from '../plan/launch/index.ts'
import { ownText } from '../plan/launch/own-text.ts'
import { imageGone, unlessGone } from './image-gone.ts'
import type { RememberedMounts } from './own-volumes.ts'
import { type Make, PLACEHOLDER, type Shape, type ShapeMounts } from './pool-shapes.ts'
import type { ArmedProcess } from './ports/launcher.ts'
import type { Ports } from './ports.ts'
import {
  type HeldMounts,
  NOTHING_HELD,
  type Prepared,
  preparedFrom,
  recordedOptions,
  removeFailed,
  startFds,
} from './start.ts'

/** One that waits. */
export interface Sandbox {
  readonly id: string
  readonly createdMs: number
  /** As which it was made. */
  readonly shape: Shape
  readonly taken: Pick<HeldMounts, 'volumes' | 'remembered'>
  readonly process: ArmedProcess
}

const CAP_SYS_NICE = 1n << 23n

/** `ahead`: of a low priority, for a start to come. Fails as a start of this shape does, and leaves nothing. */
export const armSandbox = async (
  make: Make,
  shape: Shape,
  ahead: boolean,
): Promise<E.Either<EngineError, Sandbox>> => {
  const { ports, spec } = make
  const { host, launcher } = ports
  const { plan, parents } = shape.template
  const locked = host.state.demandLock()
  if (E.isLeft(locked)) return locked
  const taken = await takeForOne(make, shape)
  if (E.isLeft(taken)) return taken
  const { volumes, release } = taken.right
  const id = host.randomId()
  const createdMs = Date.now()
  // Whoever may not raise a priority again does not lower it.
  const background = ahead && (host.facts.effectiveCaps & CAP_SYS_NICE) !== 0n
  const own = ownText(id, createdMs, volumes)
  const process = await launcher.arm(plan, own, startFds(ports, parents), background)()
  release()
  const one = { id, createdMs, shape, taken: taken.right }
  if (E.isLeft(process)) {
    await removeFailed(ports, preparedAs(one, PLACEHOLDER, shape.options, 0))
    return unlessGone(ports, spec.image ?? '', process, shape.mounts.named)
  }
  const sandbox = { ...one, process: process.right }
  const gone = await imageGone(ports, spec.image ?? '', shape.image, shape.mounts.named)
  if (gone === undefined) return E.right(sandbox)
  await discardSandbox(ports, sandbox)
  return gone
}

/** One that waits without a root mounts nothing yet: its start does. */
const takeForOne = async (
  { ports, spec }: Make,
  { mounts, image }: Shape,
): Promise<E.Either<EngineError, HeldMounts>> => {
  if (mounts.named.length === 0) return E.right({ ...NOTHING_HELD, remembered: mounts.remembered })
  const { takeVolumes, withFresh } = await import('./volumes-of-start.ts')
  const volumes = mounts.fresh.map(() => ports.host.randomId())
  const own = withFresh(mounts, volumes)
  const remembered = { ...mounts.remembered, mounts: rememberedMounts(own.named) }
  if (spec.image === undefined) return E.right({ volumes, remembered, release: () => {} })
  const taking = { rootfs: image.rootfs, passing: true, signal: undefined }
  const release = await takeVolumes(ports, own, taking)
  return E.isLeft(release) ? release : E.right({ volumes, remembered, release: release.right })
}

/** Resolves when nothing of it is left. */
export const discardSandbox = async (ports: Ports, sandbox: Sandbox): Promise<void> => {
  sandbox.process.abandon()
  const prepared = preparedAs(sandbox, PLACEHOLDER, sandbox.shape.options, 0)
  await sandbox.process.end
  await removeFailed(ports, prepared)
}

/** `process`: of a sandbox that got its program. */
export const preparedAs = (
  { id, createdMs, shape, taken }: Omit<Sandbox, 'process'>,
  argv: readonly string[],
  options: PlannedStartOptions,
  calledNs: number,
  process?: Process,
): Prepared => {
  const request = { image: shape.image.reference, argv, options, keep: false }
  const prepared = preparedFrom(shape.template, {
    ...NOTHING_HELD,
    ...taken,
    id,
    createdMs,
    request,
    image: shape.image,
    calledNs,
  })
  if (process === undefined) return prepared
  const { parked: _, ...record } = prepared.record
  return {
    ...prepared,
    spec: { ...prepared.spec, process },
    record: { ...record, options: recordedOptions(options), command: process.args ?? [] },
  }
}

/** Where they are not those it was made with. Fails: SyscallFailed. */
export const limitSandbox = (
  { host }: Ports,
  { id, shape }: Sandbox,
  limits: readonly LateWrite[],
): E.Either<EngineError, void> => {
  if (limits.length === 0) return E.right(undefined)
  const { groups, id: known } = shape.template.record
  return host.setLimits(
    limits.map(({ group, file, ...write }) => ({
      ...write,
      path: `${groups[group]?.replace(known, id)}/${file}`,
    })),
  )
}

/** What a start brings of volumes to its sandbox. */
export interface BroughtMounts {
  readonly taken: HeldMounts
  /** Of those names of volumes that its sandbox's plan speaks of, which this start has instead: where it brings the root. */
  readonly named: readonly string[] | undefined
}

/** Of a sandbox and of the start that gets it. */
export const mountsTogether = (
  sandbox: Sandbox['taken'],
  shape: Shape,
  { taken, named }: BroughtMounts,
): HeldMounts => {
  const own = named === undefined ? sandbox : { volumes: [], remembered: ofNames(shape.mounts, named) }
  const mounts = [...(own.remembered.mounts ?? []), ...(taken.remembered.mounts ?? [])]
  return {
    release: taken.release,
    volumes: [...own.volumes, ...taken.volumes],
    remembered: mounts.length === 0 ? {} : { mounts },
  }
}

const ofNames = ({ named, fresh, remembered }: ShapeMounts, names: readonly string[]): RememberedMounts => ({
  ...remembered,
  mounts: rememberedMounts(renameVolumes(named, fresh, names)),
})

/** A start that brings the root has other volumes than its sandbox was planned with. */
export const renamedTree =
  (before: readonly string[], after: readonly string[] | undefined) =>
  (tree: TreeSource): TreeSource => {
    if (after === undefined) return tree
    const path = before.reduce((text, name, index) => text.replace(name, after[index] ?? name), tree.path)
    return path === tree.path ? tree : { ...tree, path }
  }
