// image inspect: an image in Docker's words.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import { type Descriptor, nameOf } from '../model/image.ts'
import type { ImageInspect, InspectOptions } from '../model/image-verbs.ts'
import { familiarRepository, parseReference } from '../model/reference.ts'
import { type OpenedImage, openImage, printable } from './images-open.ts'
import { layerSizes } from './images-sizes.ts'
import type { ImageProgram } from './ports/images.ts'

/** Fails: ImageNotFound, InvalidReference, PlatformMismatch, InvalidSpec, DigestMismatch, StateDamaged. */
export const inspectImage =
  (text: string, { platform }: InspectOptions = {}): ImageProgram<ImageInspect> =>
  (ports) =>
    pipe(
      openImage(ports, text, platform),
      TE.bindTo('image'),
      TE.bind('sizes', ({ image }) => layerSizes(ports, image.layers)),
      TE.map(({ image, sizes }) => describe(image, sizes)),
    )

const describe = (image: OpenedImage, sizes: readonly number[]): ImageInspect => {
  const { config, target } = image
  const comment = config.history?.at(-1)?.comment
  return {
    Id: image.imageId,
    RepoTags: image.names.flatMap((entry) => tagOf(entry) ?? []).sort(),
    RepoDigests: [...new Set(image.names.flatMap(repositoryOf))]
      .sort()
      .map((name) => `${name}@${target.digest}`),
    Parent: '',
    Comment: comment ?? '',
    Created: config.created ?? '',
    Author: config.author ?? '',
    Config: { ...NO_CONFIG, ...withoutNull(image.rawConfig.config) },
    Architecture: config.architecture,
    Variant: config.variant ?? '',
    Os: config.os,
    Size: sizes.reduce((sum, size) => sum + size, 0),
    GraphDriver: { Name: 'overlay2', Data: null },
    RootFS: { Type: 'layers', Layers: image.layers.map(({ diffId }) => diffId) },
    Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
    Descriptor: { mediaType: target.mediaType, digest: target.digest, size: target.size },
  }
}

/** Every field a template may ask for is there: Go's structs have them, too. */
const NO_CONFIG = {
  User: '',
  ExposedPorts: null,
  Env: null,
  Entrypoint: null,
  Cmd: null,
  Healthcheck: null,
  Volumes: null,
  WorkingDir: '',
  Labels: null,
  OnBuild: null,
  Shell: null,
  StopSignal: '',
} as const

const withoutNull = (config: unknown): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries((config ?? {}) as object).filter(([, value]) => value !== null))

const tagOf = (entry: Descriptor): string | undefined => {
  const name = nameOf(entry)
  return name === undefined || name.includes('@') ? undefined : printable(name)
}

const repositoryOf = (entry: Descriptor): readonly string[] => {
  const reference = parseReference(nameOf(entry) ?? '')
  return E.isRight(reference) ? [familiarRepository(reference.right)] : []
}
