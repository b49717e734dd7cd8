// create: image, argv and options become a container that waits on disk to be started.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { type ContainerDocument, DOCUMENT_VERSION } from '../../model/container-document.ts'
import type { DecodedDetached } from '../../model/detached-options.ts'
import type { EngineError } from '../../model/errors.ts'
import { healthCheck } from '../../model/health.ts'
import type { ImageSource } from '../../model/options.ts'
import type { NamedMount } from '../../model/options-decoded.ts'
import type { PreparedImage } from '../../model/prepared-image.ts'
import { imageGone, unlessGone } from '../image-gone.ts'
import { containerName } from '../names.ts'
import { noteOf } from '../note.ts'
import type { Ports } from '../ports.ts'
import { dropVolumesOf, withNamedMounts, withVolumes } from './mounts.ts'
import { specOfDetached } from './plan.ts'
import { removeContainer } from './remove.ts'

export interface CreateRequest extends DecodedDetached {
  readonly image: ImageSource
  readonly argv: readonly string[]
}

/** Of names that nobody chose. */
const MOST_DRAWS = 100

/**
 * All that a start decides is decided once here, so that what cannot be started is not made. Fails: as a start does, and NameInUse.
 */
export const createContainer =
  (request: CreateRequest) =>
  (ports: Ports): TaskEither<EngineError, ContainerDocument> =>
  async () =>
    unlessGone(ports, request.image, await create(request, ports)(), request.options.mounts)

const create = (request: CreateRequest, ports: Ports): TaskEither<EngineError, ContainerDocument> =>
  pipe(
    ports.host.prepareImage(request.image),
    TE.bindTo('image'),
    TE.bind('options', ({ image }) => withNamedMounts(ports, request.options, image)),
    TE.bind('spec', ({ image, options }) => specOfDetached(ports, { ...request, options, image })),
    TE.bind('document', ({ image, options, spec }) =>
      pipe(
        TE.fromEither(takeName(ports, request.options.name)),
        TE.map(
          ({ id, name }): ContainerDocument => ({
            version: DOCUMENT_VERSION,
            id,
            name,
            createdMs: Date.now(),
            image: { reference: image.reference, id: image.id },
            argv: request.argv,
            command: spec.process?.args ?? [],
            options,
            ...imageLabels(image),
            policies: request.policies,
            stopSignal: request.options.stopSignal ?? image.config.StopSignal ?? 'SIGTERM',
            ...checkOf(request, image),
          }),
        ),
      ),
    ),
    TE.flatMap(({ image, document }) =>
      pipe(
        withVolumes(ports, document, image.rootfs, TE.fromEither(ports.detached.create(document))),
        TE.tapError(() => TE.fromTask(() => undo(ports, document))),
        TE.tap(() => noteOf(ports, 'create', document)),
        TE.flatMap(() => () => unlessImageGone(ports, request.image, image, document)),
      ),
    ),
  )

const unlessImageGone = async (
  ports: Ports,
  source: ImageSource,
  image: PreparedImage,
  document: ContainerDocument,
): Promise<E.Either<EngineError, ContainerDocument>> => {
  const gone = await imageGone(ports, source, image, document.options.mounts as readonly NamedMount[])
  if (gone === undefined) return E.right(document)
  await removeContainer(document.id, { force: true, volumes: true })(ports)()
  return gone
}

const undo = async (ports: Ports, document: ContainerDocument): Promise<void> => {
  ports.host.state.freeName(document.name, document.id)
  await dropVolumesOf(ports, document, true)
}

const imageLabels = ({ config: { Labels = {} } }: PreparedImage): Pick<ContainerDocument, 'imageLabels'> =>
  Object.keys(Labels).length === 0 ? {} : { imageLabels: Labels }

const checkOf = (
  { health }: CreateRequest,
  { config }: PreparedImage,
): Pick<ContainerDocument, 'health' | 'askedHealth'> => {
  const check = healthCheck(health, config.Healthcheck)
  return {
    ...(check === undefined ? {} : { health: check }),
    ...(health === undefined ? {} : { askedHealth: health }),
  }
}

/** A name, and the id that has it: where nobody chose one, an id is drawn until its own name is free. */
const takeName = (
  { host }: Ports,
  wanted: string | undefined,
): E.Either<EngineError, { readonly id: string; readonly name: string }> => {
  const draw = (left: number): ReturnType<typeof takeName> => {
    const id = host.randomId()
    const name = wanted ?? (left > 0 ? containerName(id) : `${containerName(id)}_${id.slice(0, 6)}`)
    const taken = host.state.takeName(name, id)
    if (E.isRight(taken)) return E.right({ id, name })
    return wanted === undefined && taken.left._tag === 'NameInUse' && left > 0 ? draw(left - 1) : taken
  }
  return draw(MOST_DRAWS)
}
