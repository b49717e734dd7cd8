// slipway-oci state: one container as JSON.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { named } from '../container.ts'
import { shownState } from '../list-table.ts'

export const state = command({
  name: 'state',
  summary: 'Print the state of a container',
  usage: 'ID',
  flags: {},
  positionals: { min: 1, max: 1 },
  run: async (context) => {
    const container = named(context)
    if (E.isLeft(container)) return container
    context.world.stdout(`${JSON.stringify(shownState(container.right), null, 2)}\n`)
    return E.right(0)
  },
})
