// system df: what images and containers take on disk, together and each for itself.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, nameOf, timeOfMaking } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import type { DiskUsage, ImageUsage, UsageTotal } from '../model/image-verbs.ts'
import type { ContainerSummary } from './containers.ts'
import { printable } from './images-open.ts'
import { mark } from './images-sweep.ts'
import type { ImagePart, RootUsage } from './ports/disk.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

export interface UsingContainer {
  readonly id: string
  readonly imageId: string
  readonly status: ContainerSummary['status']
}

/** An image by what its names point at, and every part it is made of. */
interface Parted {
  readonly entry: Descriptor
  readonly record: PreparedRecord | undefined
  readonly parts: readonly ImagePart[]
  readonly users: number
}

export const imageUsage =
  (
    containers: readonly UsingContainer[],
    volumeUsers: ReadonlyMap<string, readonly string[]>,
  ): ImageProgram<DiskUsage> =>
  (ports) =>
    pipe(
      TE.Do,
      TE.bind('images', () => partedImages(ports, containers)),
      TE.bind('sizes', ({ images }) => sizesOf(ports, images)),
      TE.bind('root', () => ports.disk.root),
      TE.map(({ images, sizes, root }): DiskUsage => {
        const owners = ownersOf(images)
        const needed = new Set(
          images.filter(({ users }) => users > 0).flatMap(({ parts }) => parts.map(keyOf)),
        )
        const neededBytes = [...needed].reduce((total, key) => total + (sizes.get(key) ?? 0), 0)
        const running = new Set(
          containers.flatMap(({ id, status }) => (/^(running|paused)$/.test(status) ? [id] : [])),
        )
        const idle = root.perContainer.filter(({ id }) => !running.has(id))
        return {
          images: {
            count: images.length,
            active: images.filter(({ users }) => users > 0).length,
            sizeBytes: root.imagesBytes,
            reclaimableBytes: [...sizes.values()].reduce((total, size) => total + size, 0) - neededBytes,
          },
          containers: {
            count: containers.length,
            active: running.size,
            sizeBytes: root.containersBytes,
            reclaimableBytes: idle.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
          },
          volumes: volumesUsage(root, volumeUsers),
          otherBytes: root.otherBytes,
          perImage: images.map((image) => usageOf(image, sizes, owners)),
          perContainer: root.perContainer,
          perVolume: root.perVolume.map((volume) => ({
            ...volume,
            containers: volumeUsers.get(volume.name)?.length ?? 0,
          })),
        }
      }),
    )

const volumesUsage = (
  { perVolume, volumesBytes }: RootUsage,
  users: ReadonlyMap<string, readonly string[]>,
): UsageTotal => {
  const idle = perVolume.filter(({ name }) => !users.has(name))
  return {
    count: perVolume.length,
    active: perVolume.length - idle.length,
    sizeBytes: volumesBytes,
    reclaimableBytes: idle.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
  }
}

const partedImages = (
  ports: ImagePorts,
  containers: readonly UsingContainer[],
): TE.TaskEither<EngineError, readonly Parted[]> =>
  pipe(
    TE.Do,
    TE.bind('entries', () => ports.store.entries),
    TE.bind('records', () => ports.store.records),
    TE.flatMap(({ entries, records }) =>
      pipe(
        [...new Map([...entries].reverse().map((entry) => [entry.digest, entry])).values()].reverse(),
        TE.traverseSeqArray((entry) => {
          const own = records.filter(({ target }) => target === entry.digest)
          return pipe(
            mark(ports.store, [entry], own),
            TE.map(({ blobs, layers, stacks }): Parted => {
              const ids = new Set<string>(own.map(({ imageId }) => imageId))
              return {
                entry,
                record: own[0],
                parts: [...partsOf('blob', blobs), ...partsOf('layer', layers), ...partsOf('stack', stacks)],
                users: containers.filter(({ imageId }) => ids.has(imageId)).length,
              }
            }),
          )
        }),
      ),
    ),
  )

const partsOf = (kind: ImagePart['kind'], ids: ReadonlySet<string>): readonly ImagePart[] =>
  [...ids].map((id) => ({ kind, id }))

const keyOf = ({ kind, id }: ImagePart): string => `${kind} ${id}`

/** Layers before stacks: a file they share counts for the layer. */
const ORDER = { blob: 0, layer: 1, stack: 2 } as const

const sizesOf = (
  ports: ImagePorts,
  images: readonly Parted[],
): TE.TaskEither<EngineError, ReadonlyMap<string, number>> => {
  const parts = [
    ...new Map(images.flatMap((image) => image.parts.map((part) => [keyOf(part), part]))).values(),
  ]
  parts.sort((a, b) => ORDER[a.kind] - ORDER[b.kind])
  return pipe(
    ports.disk.parts(parts),
    TE.map((sizes) => new Map(parts.map((part, at) => [keyOf(part), sizes[at] ?? 0]))),
  )
}

const ownersOf = (images: readonly Parted[]): ReadonlyMap<string, number> => {
  const owners = new Map<string, number>()
  for (const { parts } of images)
    for (const part of parts) owners.set(keyOf(part), (owners.get(keyOf(part)) ?? 0) + 1)
  return owners
}

const usageOf = (
  { entry, record, parts, users }: Parted,
  sizes: ReadonlyMap<string, number>,
  owners: ReadonlyMap<string, number>,
): ImageUsage => {
  const sumOf = (isWanted: (key: string) => boolean) =>
    parts
      .map(keyOf)
      .filter(isWanted)
      .reduce((total, key) => total + (sizes.get(key) ?? 0), 0)
  const sharedBytes = sumOf((key) => (owners.get(key) ?? 0) > 1)
  const uniqueBytes = sumOf((key) => owners.get(key) === 1)
  const name = nameOf(entry)
  return {
    ...(record === undefined ? {} : { id: record.imageId }),
    ...(name === undefined ? {} : { reference: printable(name) }),
    ...timeOfMaking(record?.created),
    sizeBytes: sharedBytes + uniqueBytes,
    sharedBytes,
    uniqueBytes,
    containers: users,
  }
}
