// slipway events: what happened on this root, and what happens from now on.
import * as E from '#fp/Either'
import type { EngineEvent, EventOptions } from '../../fp.ts'
import { eventJson, eventText } from '../../model/events.ts'
import type { UsageError } from '../args.ts'
import { command } from '../command.ts'
import { compileFormat } from '../format.ts'
import { split } from '../mount-flags.ts'
import { misuse } from '../report.ts'
import { showAsItComes } from '../show-as-it-comes.ts'
import { printable } from '../table.ts'

export const events = command({
  name: 'events',
  summary: 'Show what happens to images and containers',
  usage: '[OPTIONS]',
  flags: {
    filter: {
      kind: 'list',
      short: 'f',
      value: 'KEY=VALUE',
      help: 'Only what passes: type, event, image, container, volume, network, label, scope',
    },
    format: {
      kind: 'text',
      value: 'FORMAT',
      help: "'json', or a Go template such as '{{.Action}} {{.Actor.ID}}'",
    },
    since: {
      kind: 'text',
      value: 'TIME',
      help: "From this time on: RFC 3339, seconds since 1970, or how long ago, e.g. '10m'. Default: from now on",
    },
    until: { kind: 'text', value: 'TIME', help: 'Up to this time, and then no more' },
  },
  run: async (context) => {
    const { filter, format, since, until } = context.args.flags
    const filters = filtersOf(filter)
    if (typeof filters === 'string') return misuse(context, 'events', filters)
    const line = lineOf(format)
    if (E.isLeft(line)) return misuse(context, 'events', line.left)
    const options: EventOptions = {
      filters,
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    }
    return showAsItComes(
      context,
      'events',
      (engine, signal) => engine.events({ ...options, signal }),
      (event) => {
        const text = line.right(event)
        if (E.isLeft(text)) return text.left
        context.stdout.write(`${text.right}\n`)
        return undefined
      },
    )
  },
})

type Line = (event: EngineEvent) => E.Either<UsageError, string>

const filtersOf = (words: readonly string[]): Readonly<Record<string, readonly string[]>> | string => {
  const filters: Record<string, string[]> = {}
  for (const word of words) {
    const [key, value] = split(word)
    if (value === undefined) return `--filter ${JSON.stringify(word)}: the form is KEY=VALUE`
    filters[key] = [...(filters[key] ?? []), value]
  }
  return filters
}

/** The whole of an event has a number that Node's JSON cannot write. */
const WHOLE = /^(json|\{\{\s*json\s+\.\s*\}\})$/

const lineOf = (format: string | undefined): E.Either<UsageError, Line> => {
  if (format === undefined || format === '') return E.right((event) => E.right(printable(eventText(event))))
  if (WHOLE.test(format)) return E.right((event) => E.right(eventJson(event)))
  return E.map(
    ({ render }: { readonly render: (record: unknown) => E.Either<UsageError, string> }): Line =>
      (event) =>
        render(recordOf(event)),
  )(compileFormat(format))
}

/** `Status`, `ID` and `From` are what older templates say for the action, the actor and its image. */
const recordOf = ({ Type, Action, Actor, scope, time, timeNano }: EngineEvent) => ({
  Type,
  Action,
  Actor,
  Scope: scope,
  Time: time,
  TimeNano: String(timeNano),
  Status: Action,
  ID: Actor.ID,
  From: Actor.Attributes.image ?? '',
})
