// slipway-oci pause and resume: the freezer.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { allow } from '../../model/oci-status.ts'
import { command } from '../command.ts'
import { named } from '../container.ts'

const freezing = (name: 'pause' | 'resume', summary: string) =>
  command({
    name,
    summary,
    usage: 'ID',
    flags: {},
    positionals: { min: 1, max: 1 },
    run: async (context) => {
      const container = pipe(
        named(context),
        E.flatMap((found) => allow(name, found)),
      )
      if (E.isLeft(container)) return container
      return E.map(() => 0)(await (await context.runtime())[name](container.right))
    },
  })

export const pause = freezing('pause', 'Freeze every process of a container')
export const resume = freezing('resume', 'Let the processes of a paused container go on')
