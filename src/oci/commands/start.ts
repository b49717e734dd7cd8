// slipway-oci start: the program of a created container is executed.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { allow } from '../../model/oci-status.ts'
import { command } from '../command.ts'
import { named } from '../container.ts'

export const start = command({
  name: 'start',
  summary: 'Execute the program of a created container',
  usage: 'ID',
  flags: {},
  positionals: { min: 1, max: 1 },
  run: async (context) => {
    const container = pipe(
      named(context),
      E.flatMap((found) => allow('start', found)),
    )
    if (E.isLeft(container)) return container
    const socket = context.world.env.NOTIFY_SOCKET
    const notify = socket === undefined || socket === '' ? {} : { notifySocket: socket }
    return E.map(() => 0)(await (await context.runtime()).start({ id: container.right.record.id, ...notify }))
  },
})
