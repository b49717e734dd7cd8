// inspect: a container in Docker's words.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type * as T from '#fp/Task'
import * as TE from '#fp/TaskEither'
import type { ContainerInspect, ContainerInspectState } from '../model/container-inspect.ts'
import { statusOf } from '../model/container-status.ts'
import { errnoText } from '../model/errno.ts'
import type { EngineError } from '../model/errors.ts'
import type { StartFailure } from '../model/monitor-state.ts'
import { type ContainerSummary, findAmong, isDetached, listContainers } from './containers.ts'
import { findContainer } from './detached/find.ts'
import type { Images } from './images-verbs.ts'
import { configOf, hostOf, mountsOf } from './inspect-options.ts'
import type { DetachedContainer } from './ports/detached.ts'
import type { Ports } from './ports.ts'

/** By name, id or unique beginning of an id. Fails: ContainerNotFound, StateDamaged; with sizes as `usage`. */
export const inspectContainer =
  (wanted: string, withSizes: boolean, images: T.Task<Images>) =>
  (ports: Ports): TE.TaskEither<EngineError, ContainerInspect> => {
    const summaries = listContainers(ports)
    const found = findAmong(summaries, wanted)
    if (E.isLeft(found)) return TE.fromEither(found)
    const summary = found.right
    const known = describe(summary, ports.host.state.root)
    return pipe(
      isDetached(summary) ? detached(ports, known, images) : TE.right<EngineError, ContainerInspect>(known),
      TE.flatMap((container) =>
        withSizes
          ? pipe(
              TE.fromTask<Images, EngineError>(images),
              TE.flatMap((verbs) => sizesOf(verbs, summary, summaries)),
              TE.map((sizes) => ({ ...container, ...sizes })),
            )
          : TE.right(container),
      ),
    )
  }

/** Go's zero time, which Docker prints for what has not been. */
const NEVER = '0001-01-01T00:00:00Z'
const timeOf = (ms: number | undefined): string => (ms ? new Date(ms).toISOString() : NEVER)

const describe = (summary: ContainerSummary, root: string): ContainerInspect => {
  const { id, name, image, imageId, command, labels, createdMs } = summary
  const [program = '', ...args] = command
  return {
    Id: id,
    Created: timeOf(createdMs),
    Path: program,
    Args: args,
    State: stateOf(summary),
    Image: imageId,
    Name: `/${name}`,
    RestartCount: 0,
    LogPath: '',
    Driver: 'overlay2',
    Platform: 'linux',
    AppArmorProfile: '',
    MountLabel: '',
    ProcessLabel: '',
    Config: { Image: image, Labels: labels },
    GraphDriver: {
      Name: 'overlay2',
      Data: imageId.startsWith('/') ? null : { UpperDir: `${root}/containers/${id}/upper` },
    },
  }
}

/** Of one that ends with its command: that creates and starts it in one. */
const stateOf = ({
  status,
  pid,
  exitCode,
  createdMs,
  finishedMs,
}: ContainerSummary): ContainerInspectState => ({
  // One that is damaged is not found.
  ...stateWords(status === 'stopped' || status === 'damaged' ? 'exited' : status),
  Pid: pid ?? 0,
  ExitCode: status === 'stopped' ? (exitCode ?? null) : 0,
  Error: '',
  StartedAt: timeOf(createdMs),
  FinishedAt: timeOf(finishedMs),
})

const stateWords = (status: ContainerInspectState['Status']) => ({
  Status: status,
  Running: status === 'running' || status === 'paused',
  Paused: status === 'paused',
  Restarting: status === 'restarting',
  Dead: false as const,
})

/** One that outlives its command has a document, and a monitor that tells of it. An image that is gone adds nothing. */
const detached = (
  ports: Ports,
  known: ContainerInspect,
  images: T.Task<Images>,
): TE.TaskEither<EngineError, ContainerInspect> =>
  pipe(
    TE.fromEither(findContainer(ports, known.Id)),
    TE.bindTo('container'),
    TE.bind('verbs', () => TE.fromTask<Images, EngineError>(images)),
    TE.bind('image', ({ container, verbs }) =>
      TE.fromTask(async () => {
        const image = await verbs.inspect(container.document.image.id)()
        return E.isRight(image) ? image.right.Config : undefined
      }),
    ),
    TE.map(({ container, image }) => ({
      ...known,
      State: detachedState(ports, container),
      LogPath: logPath(container, ports.host.state.root),
      RestartCount: container.state?.restarts ?? container.exit?.restarts ?? 0,
      Config: configOf(container.document, image),
      HostConfig: hostOf(container.document),
      Mounts: mountsOf(container.document),
    })),
  )

const logPath = ({ document: { id, policies } }: DetachedContainer, root: string): string =>
  policies.log.form === 'none' ? '' : `${root}/containers/${id}/log`

const detachedState = (ports: Ports, container: DetachedContainer): ContainerInspectState => {
  const { exit, state } = container
  const words = stateWords(statusOf(container))
  return {
    ...words,
    OOMKilled: exit?.oomKilled ?? false,
    ...(container.document.health === undefined ? {} : { Health: healthOf(ports, container, words.Status) }),
    Pid: words.Running ? (state?.pid ?? 0) : 0,
    ExitCode: words.Running || exit === undefined ? 0 : exit.exitCode < 0 ? null : exit.exitCode,
    Error: !words.Running && exit?.failure !== undefined ? failureText(exit.failure) : '',
    StartedAt: timeOf(words.Running ? state?.begunMs : exit?.begunMs),
    FinishedAt: timeOf(exit?.endedMs),
  }
}

const failureText = ({ errno }: StartFailure): string =>
  errno === 0 ? 'it died before it was executed' : `it could not be started: ${errnoText(errno)}`

/** moby's rule: what nobody looks at any more counts as unhealthy. */
const healthOf = (
  ports: Ports,
  { document, state }: DetachedContainer,
  status: ContainerInspectState['Status'],
): NonNullable<ContainerInspectState['Health']> => {
  const Log = ports.detached.probeResults(document.id).map(({ begunMs, endedMs, exitCode, output }) => ({
    Start: timeOf(begunMs),
    End: timeOf(endedMs),
    ExitCode: exitCode,
    Output: output,
  }))
  if (status === 'exited') return { Status: 'unhealthy', FailingStreak: 0, Log }
  const { status: Status, failing: FailingStreak } = state?.health ?? { status: 'starting', failing: 0 }
  return { Status, FailingStreak, Log }
}

const sizesOf = (
  images: Images,
  { id, imageId }: ContainerSummary,
  all: readonly ContainerSummary[],
): TE.TaskEither<EngineError, Pick<ContainerInspect, 'SizeRw' | 'SizeRootFs'>> =>
  pipe(
    TE.Do,
    TE.bind('usage', () => images.usage(all, new Map())),
    TE.bind('list', () => images.list()),
    TE.map(({ usage, list }) => {
      const SizeRw = usage.perContainer.find((container) => container.id === id)?.sizeBytes ?? 0
      const image = list.find((each) => each.id === imageId)
      return image === undefined ? { SizeRw } : { SizeRw, SizeRootFs: SizeRw + image.sizeBytes }
    }),
  )
