// run: create and start, and unless it is detached the wait and the delete.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { RunRequest } from '../../model/oci-requests.ts'
import { type Console, serveConsole, withWindow } from './console.ts'
import { create, type Made } from './create.ts'
import type { Parts } from './parts.ts'
import { remove } from './remove.ts'
import { passSignals } from './signals.ts'
import { start } from './start.ts'

/** The exit code, 128 + n after signal n; 0 when detached. Fails as create and start do. */
export const run = async (parts: Parts, request: RunRequest): Promise<E.Either<EngineError, number>> => {
  const made = await create(parts, request.detach ? request : inWindow(request), !request.detach)
  if (E.isLeft(made)) return made
  const { launch } = made.right
  let terminal: Console | undefined
  const stop = passSignals(launch, () => terminal?.resize)
  try {
    const container = parts.state.load(request.id)
    if (E.isLeft(container)) {
      await giveUp(made.right, container.left)
      return container
    }
    if (!request.detach && launch.terminal !== undefined) terminal = serveConsole(parts, launch.terminal)
    const { id } = request
    const started = await start(parts, { id })
    const takeDown = (): Promise<E.Either<EngineError, void>> => remove(parts, { id, force: true })
    if (E.isLeft(started)) {
      await takeDown()
      return started
    }
    if (request.detach) {
      launch.leave()
      return E.right(0)
    }
    const code = await launch.end
    if (request.keep) return E.right(code)
    const removed = await takeDown()
    return E.isLeft(removed) ? removed : E.right(code)
  } finally {
    await terminal?.close()
    stop()
  }
}

/** What it was made by is known here alone. One that somebody deleted meanwhile is no longer ours to remove: its id may be another's. */
const giveUp = async ({ launch, undo }: Made, { _tag }: EngineError): Promise<void> => {
  if (_tag !== 'ContainerNotFound') return undo()
  launch.kill()
  await launch.end
}

const inWindow = (request: RunRequest): RunRequest => {
  const { spec } = request
  return spec.process === undefined
    ? request
    : { ...request, spec: { ...spec, process: withWindow(spec.process) } }
}
