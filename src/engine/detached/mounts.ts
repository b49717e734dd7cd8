// Volumes and images of containers that outlive their engine: named when they are created, and looked up again with each start.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import type { EngineError } from '../../model/errors.ts'
import { isNamedVolume, isPlanned } from '../../model/named-mounts.ts'
import type { DecodedOptions, NamedMount, Planned } from '../../model/options-decoded.ts'
import type { PreparedImage, Rootfs } from '../../model/prepared-image.ts'
import { ownVolumes } from '../../model/record.ts'
import { dropOwn } from '../own-volumes.ts'
import type { Ports } from '../ports.ts'

/** Every volume has a name then, for as long as the container is there. Fails: ContainerNotFound, ImageNotFound, VolumeUnfit … */
export const withNamedMounts =
  <Options extends DecodedOptions>(
    ports: Ports,
    options: Options,
    image: PreparedImage,
  ): TaskEither<EngineError, Options> =>
  async () => {
    if (isPlanned(options, image)) return E.right(options)
    const { mountsOfStart } = await import('../volumes-of-start.ts')
    const mounts = await mountsOfStart(ports, options, image)
    if (E.isLeft(mounts)) return mounts
    const { volumesFrom: _, ...rest } = options
    return E.right({ ...rest, mounts: mounts.right.named } as Options)
  }

/** Makes nothing. */
export const plannedOptions =
  <Options extends DecodedOptions>(
    ports: Ports,
    options: Options,
    image: PreparedImage,
  ): TaskEither<EngineError, Planned<Options>> =>
  async () => {
    if (isPlanned(options, image)) return E.right(options)
    const { mountsOfStart } = await import('../volumes-of-start.ts')
    const mounts = await mountsOfStart(ports, options, image)
    if (E.isLeft(mounts)) return mounts
    const { mounts: _mounts, volumesFrom: _from, ...rest } = options
    return E.right({ ...rest, mounts: mounts.right.planned } as Planned<Options>)
  }

/**
 * Runs the program while nobody removes the container's volumes, those that are missing made and those that are empty filled. Fails,
 * besides as the program: SyscallFailed, StateDamaged, LayerRefused.
 */
export const withVolumes =
  <A>(
    ports: Ports,
    { id, options, policies }: Pick<ContainerDocument, 'id' | 'options' | 'policies'>,
    rootfs: Rootfs,
    program: TaskEither<EngineError, A>,
  ): TaskEither<EngineError, A> =>
  async () => {
    const named = (options.mounts ?? []).filter(
      (mount): mount is NamedMount => mount.type !== 'volume' || isNamedVolume(mount),
    )
    if (!named.some(({ type }) => type === 'volume')) return program()
    const { takeVolumes } = await import('../volumes-of-start.ts')
    const own = ownVolumes({ mounts: named })
    if (policies.autoRemove) (await ports.volumes()).owned(id, own)
    const taken = await takeVolumes(
      ports,
      { named, fresh: [] },
      { rootfs, passing: false, signal: undefined },
    )
    return E.isLeft(taken) ? taken : program().finally(taken.right)
  }

/** Those nobody named: with the container where it removes itself, or where that is asked for. Never fails. */
export const dropVolumesOf = async (
  ports: Ports,
  { id, options, policies }: Pick<ContainerDocument, 'id' | 'options' | 'policies'>,
  asked: boolean,
): Promise<void> => {
  const own = ownVolumes({ mounts: (options.mounts ?? []) as readonly NamedMount[] })
  if (own.length === 0 || !(asked || policies.autoRemove)) return
  await dropOwn(ports, own)
  ;(await ports.volumes()).owned(id, [])
}
