// commit: an image out of a container, exactly its changes as one layer. And what else is made of a container's files: diff, export.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, untoldLayers } from '../model/image.ts'
import { applyChanges } from '../model/image-changes.ts'
import type { CommitOptions, ExportOptions, FileChange, MadeImage, SaveTarget } from '../model/image-verbs.ts'
import { layerCompression, OCI_LAYER, ociLayerType } from '../model/media-type.ts'
import { untilAborted } from './byte-streams.ts'
import { makeImage, making, nameIn } from './images-make.ts'
import { type OpenedImage, openImage } from './images-open.ts'
import type { Stored } from './ports/content-store.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'
import type { TreePair } from './ports/trees.ts'

/** What a container's files are: a writable layer over an image, or a directory that was given as its root. */
export type ContainerFiles =
  | {
      readonly kind: 'layers'
      readonly imageId: string
      readonly upper: string
      readonly command: readonly string[]
    }
  | { readonly kind: 'directory'; readonly path: string }

/** Where every start mounts something; what the engine had to make for that is none of the container's doing. */
const MOUNT_POINTS = ['dev', 'proc', 'sys', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf']
/** An archive of nothing: two blocks of zeros. */
const EMPTY_TAR_BYTES = 1024

/**
 * The image has its base's configuration, changed by `changes`; what the container was started with stays the container's. Fails:
 * InvalidReference, InvalidOption, ImageNotFound when its image is gone, Unsupported, LayerRefused, SyscallFailed, Cancelled.
 */
export const commit =
  (files: ContainerFiles, options: CommitOptions = {}): ImageProgram<MadeImage> =>
  (ports) => {
    if (files.kind === 'directory') return TE.left(noLayers('commit'))
    return making(
      ports,
      pipe(
        TE.fromEither(nameIn(options)),
        TE.bindTo('name'),
        TE.bind('base', () => openImage(ports, files.imageId)),
        TE.bind('config', ({ base }) => TE.fromEither(configOf(base, options))),
        TE.bind('layer', ({ base }) => storeLayer(ports, files.upper, base, options.signal)),
        TE.flatMap(({ name, base, config, layer }) =>
          makeImage(
            ports,
            documentOf(base, config, layer, files.command, options),
            [...base.layers.map(({ blob }) => ociLayer(blob)), ...layerOf(layer)],
            name,
            options.signal,
          ),
        ),
      ),
    )
  }

/** What the container changed of its image. */
export const changesOf =
  (files: ContainerFiles): ImageProgram<readonly FileChange[]> =>
  (ports) => {
    if (files.kind === 'directory') return TE.left(noLayers('diff'))
    return pipe(
      treesOf(ports, files),
      TE.flatMap((trees) => ports.trees.changes(trees)),
    )
  }

/** Everything the container's root shows, but for what is mounted in it. */
export const exportFiles =
  (files: ContainerFiles, target: SaveTarget, { signal }: ExportOptions = {}): ImageProgram<void> =>
  (ports) =>
    pipe(
      treesOf(ports, files),
      TE.flatMap((trees) =>
        ports.archives.writeTar(ports.trees.archive(trees), target, signal === undefined ? {} : { signal }),
      ),
    )

/** Docker's order: from the first to the second image. */
export const compareImages =
  (before: string, after: string): ImageProgram<readonly FileChange[]> =>
  (ports) =>
    ports.store.keeping(
      pipe(
        TE.Do,
        TE.bind('from', () => stackOf(ports, before)),
        TE.bind('to', () => stackOf(ports, after)),
        TE.flatMap(({ from, to }) => ports.trees.compare(from, to)),
      ),
    )

const noLayers = (verb: string): EngineError => ({
  _tag: 'Unsupported',
  feature: `${verb} of a container whose root is a directory`,
  why: 'its changes are in the directory itself, and no layer of its own; export works, and import of that',
})

const stackOf = (ports: ImagePorts, text: string): TE.TaskEither<EngineError, string> =>
  pipe(
    openImage(ports, text),
    TE.flatMap((image) => treeUnder(ports, image)),
  )

const treeUnder = (
  { snapshotter }: ImagePorts,
  { layers }: OpenedImage,
): TE.TaskEither<EngineError, string> =>
  pipe(
    snapshotter.prepareStack(layers.map(({ diffId }) => diffId)),
    TE.map(({ path }) => path),
  )

const treesOf = (ports: ImagePorts, files: ContainerFiles): TE.TaskEither<EngineError, TreePair> =>
  files.kind === 'directory'
    ? TE.right({ lower: files.path })
    : pipe(
        stackOf(ports, files.imageId),
        TE.map((lower) => ({ lower, upper: files.upper, hidden: MOUNT_POINTS })),
      )

const storeLayer = (
  ports: ImagePorts,
  upper: string,
  base: OpenedImage,
  signal: AbortSignal | undefined,
): TE.TaskEither<EngineError, Stored> =>
  pipe(
    treeUnder(ports, base),
    TE.flatMap((lower) => {
      const bytes = ports.trees.layer({ lower, upper, hidden: MOUNT_POINTS })
      return ports.store.write({ what: 'the layer of a container' }, untilAborted(bytes, signal))
    }),
  )

/** No layer for a container that changed nothing, as in Docker. */
const layerOf = (stored: Stored): readonly Descriptor[] =>
  stored.size === EMPTY_TAR_BYTES ? [] : [{ mediaType: OCI_LAYER, ...stored }]

/** An OCI manifest names its layers in OCI's words, whatever the base image had; the bytes are the same. */
const ociLayer = (blob: Descriptor): Descriptor => {
  if (!blob.mediaType.startsWith('application/vnd.docker.image.rootfs.diff.')) return blob
  return { ...blob, mediaType: ociLayerType(layerCompression(blob.mediaType) ?? 'none') }
}

const configOf = (base: OpenedImage, { changes = [] }: CommitOptions) =>
  applyChanges((base.rawConfig.config ?? {}) as Readonly<Record<string, unknown>>, changes)

/** Docker's own fields about the container an image was made in. */
const OF_THE_BASE = ['id', 'parent', 'container', 'container_config', 'docker_version', 'throwaway']

const documentOf = (
  base: OpenedImage,
  config: object,
  layer: Stored,
  command: readonly string[],
  { author, message, createdMs = Date.now() }: CommitOptions,
) => {
  const rest = Object.fromEntries(
    Object.entries(base.rawConfig).filter(([name]) => !OF_THE_BASE.includes(name)),
  )
  const created = new Date(createdMs).toISOString()
  const isEmpty = layerOf(layer).length === 0
  const step = {
    created,
    created_by: command.join(' '),
    ...(author === undefined ? {} : { author }),
    ...(message === undefined ? {} : { comment: message }),
    ...(isEmpty ? { empty_layer: true } : {}),
  }
  const diffIds = base.layers.map(({ diffId }) => diffId)
  return {
    ...rest,
    created,
    ...(author === undefined ? {} : { author }),
    architecture: base.config.architecture,
    os: base.config.os,
    config,
    rootfs: { type: 'layers', diff_ids: isEmpty ? diffIds : [...diffIds, layer.digest] },
    history: [...told(base), step],
  }
}

/** Layers the base's history does not tell of get a step each: tools count the steps against the layers. */
const told = ({ rawConfig, config, layers }: OpenedImage): readonly unknown[] => [
  ...Array.from({ length: untoldLayers(config, layers.length) }, () => ({
    created: config.created ?? '1970-01-01T00:00:00Z',
  })),
  ...((rawConfig.history ?? []) as readonly unknown[]),
]
