// inspect: a container in Docker's words.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { ContainerInspect } from '../model/container-inspect.ts'
import type { EngineError } from '../model/errors.ts'
import { findRecord } from '../model/record.ts'
import { type ContainerSummary, listContainers } from './containers.ts'
import type { Images } from './images-verbs.ts'
import type { Ports } from './ports.ts'

/** By name, id or unique beginning of an id. `images`, where sizes are wanted. Fails: ContainerNotFound; with sizes as `usage`. */
export const inspectContainer =
  (wanted: string, images?: Images) =>
  (ports: Ports): TE.TaskEither<EngineError, ContainerInspect> => {
    const summaries = listContainers(ports)
    const found = findRecord(summaries, wanted)
    if ('_tag' in found) return TE.left(found)
    const summary = summaries.find(({ id }) => id === found.id)
    if (summary === undefined) return TE.left({ _tag: 'ContainerNotFound', container: wanted })
    const described = describe(summary, ports.host.state.root)
    return images === undefined
      ? TE.right(described)
      : pipe(
          sizesOf(images, summary, summaries),
          TE.map((sizes) => ({ ...described, ...sizes })),
        )
  }

/** Go's zero time, which Docker prints for what has not been. */
const NEVER = '0001-01-01T00:00:00Z'
const timeOf = (ms: number | undefined): string => (ms === undefined ? NEVER : new Date(ms).toISOString())

const describe = (summary: ContainerSummary, root: string): ContainerInspect => {
  const { id, name, image, imageId, command, labels, createdMs, finishedMs } = summary
  const [program = '', ...args] = command
  const running = summary.status === 'running'
  return {
    Id: id,
    Created: timeOf(createdMs),
    Path: program,
    Args: args,
    State: {
      Status: running ? 'running' : 'exited',
      Running: running,
      Paused: false,
      Restarting: false,
      Dead: false,
      Pid: summary.pid ?? 0,
      ExitCode: running ? 0 : (summary.exitCode ?? null),
      // An attached container is started by what creates it.
      StartedAt: timeOf(createdMs),
      FinishedAt: timeOf(finishedMs),
    },
    Image: imageId,
    Name: `/${name}`,
    RestartCount: 0,
    Platform: 'linux',
    Config: { Image: image, Labels: labels },
    GraphDriver: {
      Name: 'overlay2',
      Data: isDirectory(imageId) ? null : { UpperDir: `${root}/containers/${id}/upper` },
    },
  }
}

const isDirectory = (imageId: string): boolean => imageId.startsWith('/')

const sizesOf = (
  images: Images,
  { id, imageId }: ContainerSummary,
  all: readonly ContainerSummary[],
): TE.TaskEither<EngineError, Pick<ContainerInspect, 'SizeRw' | 'SizeRootFs'>> =>
  pipe(
    TE.Do,
    TE.bind('usage', () => images.usage(all)),
    TE.bind('list', () => images.list()),
    TE.map(({ usage, list }) => {
      const SizeRw = usage.perContainer.find((container) => container.id === id)?.sizeBytes ?? 0
      const image = list.find((each) => each.id === imageId)
      return image === undefined ? { SizeRw } : { SizeRw, SizeRootFs: SizeRw + image.sizeBytes }
    }),
  )
