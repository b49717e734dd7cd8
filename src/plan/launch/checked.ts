// The plan of a document that somebody else wrote: refused by name where a field of it cannot be honoured.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { type LaunchInput, type LaunchPlan, planLaunch } from './index.ts'
import { refusal } from './refuse.ts'

/** Fails: InvalidSpec, HostUnfit, Unsupported. */
export const planDocument = (input: LaunchInput): E.Either<EngineError, LaunchPlan> => {
  const refused = refusal(input)
  return refused === undefined ? E.right(planLaunch(input)) : E.left(refused)
}
