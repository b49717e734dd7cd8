// All that a monitor needs of a container: its start, and its health check.
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import type { EngineError } from '../../model/errors.ts'
import type { DetachedStart } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { planJoining } from './joining.ts'
import { type DetachedPlan, planDetached } from './plan.ts'

/** By its id: a container stays with the image it was made of. */
export const imageOf = ({ image }: Pick<ContainerDocument, 'image'>): string | { readonly rootfs: string } =>
  image.id.startsWith('/') ? { rootfs: image.id } : image.id

export const wholePlan = (
  ports: Ports,
  document: ContainerDocument,
): TaskEither<EngineError, DetachedPlan & DetachedStart> =>
  pipe(
    ports.host.prepareImage(imageOf(document)),
    TE.map((image) => ({ ...image, reference: document.image.reference })),
    TE.bindTo('image'),
    TE.bind('start', ({ image }) => planDetached(ports, { ...document, image })),
    TE.bind('probe', ({ image }) => {
      const { health, id } = document
      return health === undefined
        ? TE.right(undefined)
        : planJoining(ports, document, image, ports.detached.processDirectory(id), health, undefined)
    }),
    TE.map(({ start, probe }) => ({
      ...start,
      ...(probe === undefined ? {} : { probe: { plan: probe.plan, groups: probe.groups } }),
    })),
  )
