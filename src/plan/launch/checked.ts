// The plan of a document that somebody else wrote: refused by name where a field of it cannot be honoured.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { type LaunchInput, type LaunchPlan, type PlannedProgram, planLaunch } from './index.ts'
import { unsupported } from './refusals.ts'
import { refusal } from './refuse.ts'

/** Fails: InvalidSpec, HostUnfit, Unsupported. */
export const planDocument = (input: LaunchInput): E.Either<EngineError, LaunchPlan> => {
  const refused = refusal(input)
  if (refused !== undefined) return E.left(refused)
  const plan = planLaunch(input)
  const size = tooLarge(plan)
  return size === undefined
    ? E.right(plan)
    : E.left(unsupported('a document of this size', `its plan has ${size}`))
}

/** What native/launch/plan.h and protocol.h take. */
const MAX_OPERATIONS = 4096
const MAX_SLOTS = 1024
const MAX_DESCRIPTORS = 200

const tooLarge = ({ prepare, after, layers, network, stages, slotCount }: LaunchPlan): string | undefined => {
  const programs: readonly PlannedProgram[] = [prepare, after, layers, network, ...stages].filter(
    (program) => program !== undefined,
  )
  const operations = Math.max(...programs.map(({ infos }) => infos.length))
  if (operations > MAX_OPERATIONS) return `${operations} operations in a program`
  const slots = Math.max(slotCount, ...stages.map(({ bytes }) => Buffer.from(bytes).readUInt32LE(12)))
  if (slots > MAX_SLOTS) return `${slots} slots`
  const descriptors = Math.max(...stages.map(({ fds }) => fds.length))
  return descriptors > MAX_DESCRIPTORS ? `${descriptors} descriptors in a stage` : undefined
}
