// Which log is read: a container's own, while its monitor writes it or after that.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { LogEntry, LogRequest } from '../model/log.ts'
import { type ContainerSummary, findContainer, isDetached } from './containers.ts'
import type { Living } from './living.ts'
import { readLog } from './logs.ts'

/** Fails: ContainerNotFound, AmbiguousContainer, Unsupported where nothing is kept of what it writes. */
export const containerLog = (
  { ports, living }: Living,
  wanted: string,
  request: LogRequest,
): E.Either<EngineError, AsyncIterable<readonly LogEntry[]>> =>
  E.flatMap((found: ContainerSummary): E.Either<EngineError, AsyncIterable<readonly LogEntry[]>> => {
    const { id } = found
    if (isDetached(found) && keepsNothing(ports, id)) return E.left(nothingKept(id, 'its log driver is none'))
    // The folder of one that outlives its engine comes with its first start.
    const log = living.log(id, isDetached(found))
    return log === undefined
      ? E.left(nothingKept(id, 'it runs attached: what it writes goes to the command that started it'))
      : E.right(readLog(log.port, request, request.follow ? log.writerEnded() : undefined))
  })(findContainer(ports, wanted))

const keepsNothing = ({ detached }: Living['ports'], id: string): boolean => {
  const read = detached.read(id)
  return E.isRight(read) && read.right?.document.policies.log.form === 'none'
}

const nothingKept = (id: string, why: string): EngineError => ({
  _tag: 'Unsupported',
  feature: `logs of container ${id.slice(0, 12)}`,
  why: `${why}, and nothing is kept`,
})
