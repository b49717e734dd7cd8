// After a reboot: what was to run, and is to run by its policy, runs again.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import { runs, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { DetachedContainer } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { startContainer } from './start.ts'

export interface StartedAgain {
  readonly started: readonly string[]
  /** Of one that could not be started the others do not suffer. */
  readonly failed: readonly { readonly name: string; readonly error: EngineError }[]
}

/** Docker's rules: `always` also where it had been stopped, `on-failure` where its last run was none of success. */
const isDue = (container: DetachedContainer): boolean => {
  const { document, exit, isWanted } = container
  if (runs(statusOf(container))) return false
  switch (document.policies.restart.name) {
    case 'no':
      return false
    case 'always':
      return isWanted || exit !== undefined
    case 'unless-stopped':
      return isWanted
    case 'on-failure':
      return isWanted && exit?.exitCode !== 0
  }
}

/** One after another, in the order they were made. */
export const startWanted =
  (ports: Ports): TaskEither<never, StartedAgain> =>
  async () => {
    const started: string[] = []
    const failed: { name: string; error: EngineError }[] = []
    const due = ports.detached.list().containers.filter(isDue)
    for (const { document } of due.toSorted((a, b) => a.document.createdMs - b.document.createdMs)) {
      const result = await startContainer(document.id)(ports)()
      if (E.isLeft(result)) failed.push({ name: document.name, error: result.left })
      else {
        result.right.connection?.close()
        started.push(document.name)
      }
    }
    return E.right({ started, failed })
  }
