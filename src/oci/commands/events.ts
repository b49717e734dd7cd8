// slipway-oci events: what a container uses, once or again and again, one JSON object a line.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { EngineError } from '../../model/errors.ts'
import { formatJson } from '../../model/json.ts'
import type { EventsRequest } from '../../model/oci-requests.ts'
import { allow } from '../../model/oci-status.ts'
import { parseDuration } from '../../model/units.ts'
import { type Context, command } from '../command.ts'
import { named } from '../container.ts'

const eventsFlags = {
  interval: { kind: 'text', value: 'DURATION', help: 'Time between two figures (default: 5s)' },
  stats: { kind: 'boolean', help: 'Print the figures once' },
} as const

export const events = command({
  name: 'events',
  summary: 'Print what a container uses, and when it runs out of memory',
  usage: '[OPTION...] ID',
  flags: eventsFlags,
  positionals: { min: 1, max: 1 },
  run: async (context) => {
    const request = requestOf(context)
    if (E.isLeft(request)) return request
    const runtime = await context.runtime()
    const told = await runtime.events(request.right, (event) =>
      context.world.stdout(`${formatJson(event)}\n`),
    )
    return E.map(() => 0)(told)
  },
})

const requestOf = (context: Context<typeof eventsFlags>): E.Either<EngineError, EventsRequest> => {
  const { interval = '5s', stats } = context.flags
  return pipe(
    named(context),
    E.bindTo('container'),
    E.bind('intervalMs', () => positive(interval)),
    E.chainFirst(({ container }) => allow('events', container)),
    E.map(({ container, intervalMs }) => (stats ? { container } : { container, intervalMs })),
  )
}

const positive = (text: string): E.Either<EngineError, number> =>
  pipe(
    parseDuration(text, '--interval'),
    E.flatMap((ms) =>
      ms > 0
        ? E.right(ms)
        : E.left<EngineError, number>({
            _tag: 'InvalidOption',
            option: '--interval',
            value: text,
            why: 'must be above zero',
          }),
    ),
  )
