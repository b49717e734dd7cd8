// slipway-oci delete: what is left of a container.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { allow, type OciContainer } from '../../model/oci-status.ts'
import { type Context, command } from '../command.ts'
import { matching, named, namedId } from '../container.ts'
import { deleteFound, deleteRest } from '../delete-rest.ts'
import type { Failure } from '../wording.ts'

const deleteFlags = {
  force: { kind: 'boolean', short: 'f', help: 'Kill it first; no failure where there is none' },
  regex: { kind: 'boolean', short: 'r', help: 'All containers whose id matches ID' },
} as const

type DeleteContext = Context<typeof deleteFlags>

export const remove = command({
  name: 'delete',
  summary: 'Remove what is left of a container that has ended, or was never started',
  usage: '[OPTION...] ID',
  flags: deleteFlags,
  positionals: { min: 1, max: 1 },
  run: async (context) => {
    if (context.flags.regex) return deleteAll(context)
    const container = named(context)
    if (E.isRight(container)) return E.map(() => 0)(await deleteOne(context, container.right))
    return pipe(
      namedId(context),
      E.flatMap((id) => deleteRest(context.state, id, context.flags.force === true, container.left)),
      E.map(() => 0),
    )
  },
})

const deleteAll = async (context: DeleteContext): Promise<E.Either<Failure, number>> => {
  const chosen = matching(context)
  if (E.isLeft(chosen)) return chosen
  for (const container of chosen.right) {
    const deleted = await deleteOne(context, container)
    if (E.isLeft(deleted)) return deleted
  }
  return E.right(0)
}

const deleteOne = async (
  context: DeleteContext,
  container: OciContainer,
): Promise<E.Either<Failure, void>> => {
  const force = context.flags.force === true
  const allowed = force ? E.right(container) : allow('delete', container)
  return E.isLeft(allowed) ? allowed : deleteFound(await context.runtime(), container.record.id, force)
}
