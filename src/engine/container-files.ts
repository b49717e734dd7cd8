// Where a container's files lie, and holding it still while they are read.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { ContainerFiles } from './commit.ts'
import { type ContainerSummary, findContainer } from './containers.ts'
import type { Ports } from './ports.ts'

export interface FoundContainer {
  readonly files: ContainerFiles
  readonly summary: ContainerSummary
}

/** By name, id or unique beginning of an id; one that runs, or was kept. Fails: ContainerNotFound, AmbiguousContainer, Unsupported for the host image. */
export const findFiles = (ports: Ports, wanted: string): E.Either<EngineError, FoundContainer> => {
  const found = findContainer(ports, wanted)
  if (E.isLeft(found)) return found
  const summary = found.right
  const { id, imageId, command } = summary
  if (imageId === 'host')
    return E.left({
      _tag: 'Unsupported',
      feature: `container ${id.slice(0, 12)}`,
      why: "its image is this machine's own userland, which has no layers; containers of other images have",
    })
  const upper = `${ports.host.state.root}/containers/${id}/upper`
  return E.right({
    summary,
    files: imageId.startsWith('/')
      ? { kind: 'directory', path: imageId }
      : { kind: 'layers', imageId, upper, command },
  })
}

/** Runs the program while nothing in the container moves; at once where nothing runs. Fails, besides as the program: HostUnfit, SyscallFailed. */
export const heldStill = <A>(
  { host }: Ports,
  { id, status, groups }: ContainerSummary,
  program: TE.TaskEither<EngineError, A>,
): TE.TaskEither<EngineError, A> =>
  status !== 'running'
    ? program
    : pipe(
        host.freeze(id, groups),
        TE.flatMap((thaw) => () => program().finally(thaw)),
      )
