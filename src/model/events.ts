// What happened to images, containers and volumes, in the shape of Docker's events (moby api/types/events), and which of it is asked for.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { array, record, text } from './decode.ts'
import type { EngineError } from './errors.ts'
import { formatRfc3339, parsePeriod } from './moment.ts'
import { optionsOf } from './options-decode.ts'
import { abortSignal } from './options-decode-streams.ts'
import { flag } from './options-decode-values.ts'

export interface NewEvent {
  /** `image`, `container`, `volume`, `network` … */
  readonly Type: string
  /** `pull`, `start`, `die` … */
  readonly Action: string
  readonly Actor: {
    /** An id, or for what is known by its name, the name. */
    readonly ID: string
    /** `name`, labels, and what the action adds, e.g. `exitCode`. */
    readonly Attributes: Readonly<Record<string, string>>
  }
}
export interface EngineEvent extends NewEvent {
  readonly scope: 'local'
  /** Seconds since 1970. */
  readonly time: number
  /** Nanoseconds since 1970: more than a number can hold. */
  readonly timeNano: bigint
}

/** As JSON, with `timeNano` last: a decimal of 19 digits, which JSON has room for and JSON.parse has not. */
export const eventJson = ({ timeNano, ...event }: EngineEvent): string =>
  `${JSON.stringify(event).slice(0, -1)},"timeNano":${timeNano}}`

/** Longest line that is written. */
export const MAX_EVENT_BYTES = 65_536

/** What is kept of a journal: segments of this size, together about 30,000 events. */
export const JOURNAL = { segmentBytes: 1 << 20, segments: 8 } as const

/** With a newline on either side: what a torn write left before it is then a line of its own, which cannot be read and is passed over. */
export const eventLine = (event: EngineEvent): string => {
  const line = `\n${eventJson(event)}\n`
  return Buffer.byteLength(line) <= MAX_EVENT_BYTES
    ? line
    : `\n${eventJson({ ...event, ...shortened(event) })}\n`
}

/** Without what makes it long. */
const shortened = ({ Type, Action, Actor: { ID, Attributes } }: NewEvent): NewEvent => {
  const { name } = Attributes
  const Actor = {
    ID: ID.slice(0, 1024),
    Attributes: name === undefined ? {} : { name: name.slice(0, 1024) },
  }
  return { Type, Action, Actor }
}

/**
 * A line for a writer that knows no JSON: behind `actor` come attributes of the moment, each with a comma behind it, and behind `tail`
 * seconds, `,"timeNano":`, nanoseconds and `}`.
 */
export interface EventPieces {
  readonly action: string
  readonly actor: string
  readonly tail: string
}

/** For times, and for attributes that such a writer adds. */
const ROOM_BYTES = 256

/** The last attribute is behind the place of those that are added, so that there is one at least. */
export const eventPieces = (event: NewEvent): EventPieces => {
  const pieces = piecesOf(event)
  const bytes = Buffer.byteLength(Object.values(pieces).join(''))
  return bytes + ROOM_BYTES <= MAX_EVENT_BYTES ? pieces : piecesOf(shortened(event))
}

const piecesOf = ({ Type, Action, Actor: { ID, Attributes } }: NewEvent): EventPieces => {
  const attributes = Object.entries(Attributes).map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  )
  const before = attributes.slice(0, -1).map((attribute) => `${attribute},`)
  return {
    action: `${JSON.stringify({ Type, Action }).slice(0, -1)},"Actor":`,
    actor: `{"ID":${JSON.stringify(ID)},"Attributes":{${before.join('')}`,
    tail: `${attributes.at(-1) ?? '"name":""'}}},"scope":"local","time":`,
  }
}

const NANO = /,"timeNano":(\d{1,19})\}$/

/** Undefined for a line that is empty, torn, or somebody else's. */
export const parseEvent = (line: string): EngineEvent | undefined => {
  const timeNano = NANO.exec(line)?.[1]
  if (timeNano === undefined) return undefined
  try {
    const { Type, Action, Actor, time } = JSON.parse(line) as EngineEvent
    const sound =
      typeof Type === 'string' &&
      typeof Action === 'string' &&
      typeof time === 'number' &&
      typeof Actor?.ID === 'string' &&
      typeof Actor.Attributes === 'object' &&
      Actor.Attributes !== null
    if (!sound) return undefined
    const { ID, Attributes } = Actor
    return { Type, Action, Actor: { ID, Attributes }, scope: 'local', time, timeNano: BigInt(timeNano) }
  } catch {
    return undefined
  }
}

/** As `docker events` prints it: time, type, action, actor, and attributes by name in brackets. */
export const eventText = ({ Type, Action, Actor, timeNano }: EngineEvent): string => {
  const attributes = Object.entries(Actor.Attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
  const shown = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`
  return `${formatRfc3339(timeNano)} ${Type} ${Action} ${Actor.ID}${shown}`
}

export interface EventOptions {
  /** Events from this time on: RFC 3339, seconds since 1970, how long ago (`'10m'`), or nanoseconds. Default: from now on. */
  readonly since?: string | number | bigint
  /** Up to this time, and then no more. */
  readonly until?: string | number | bigint
  /**
   * By key `type`, `event`, `image`, `container`, `volume`, `network`, `label`, `scope`: one of the values of each must hold, of `label`
   * all.
   */
  readonly filters?: Readonly<Record<string, readonly string[]>>
  /** Go on with what happens later. Default: true. */
  readonly follow?: boolean
  readonly signal?: AbortSignal
}

export interface EventRequest {
  readonly sinceNs?: bigint
  readonly untilNs?: bigint
  readonly passes: (event: EngineEvent) => boolean
  readonly follow: boolean
  readonly signal?: AbortSignal
}

type Test = (event: EngineEvent, value: string) => boolean

/** moby daemon/events/filter.go. An id may be begun, a name must be whole. */
const TESTS: Readonly<Record<string, Test>> = {
  type: ({ Type }, value) => Type === value,
  // `exec_start: ls` is an `exec_start`.
  event: ({ Action }, value) => Action === value || Action.startsWith(`${value}:`),
  scope: ({ scope }, value) => scope === value,
  image: (event, value) => imageNames(event).some((name) => name === value || withoutTag(name) === value),
  container: (event, value) => event.Type === 'container' && isActor(event, value),
  volume: (event, value) => event.Type === 'volume' && isActor(event, value),
  network: (event, value) => event.Type === 'network' && isActor(event, value),
  label: ({ Actor: { Attributes } }, value) => {
    const [key = '', ...rest] = value.split('=')
    return Object.hasOwn(Attributes, key) && (rest.length === 0 || Attributes[key] === rest.join('='))
  },
}
const ALL_MUST_HOLD = 'label'

const isActor = ({ Actor: { ID, Attributes } }: EngineEvent, value: string): boolean =>
  Attributes.name === value || (value !== '' && ID.startsWith(value))

const imageNames = ({ Type, Actor: { ID, Attributes } }: EngineEvent): readonly string[] => {
  if (Type === 'image') return [ID, ...(Attributes.name === undefined ? [] : [Attributes.name])]
  return Attributes.image === undefined ? [] : [Attributes.image]
}

/** Of an image's name. A colon before the last slash is a port's. */
export const withoutTag = (name: string): string => name.replace(/@.*$/, '').replace(/:[^:/]*$/, '')

const decodeOptions = optionsOf<EventOptions>({
  since: (given) => E.right(given),
  until: (given) => E.right(given),
  filters: record(array(text)),
  follow: flag,
  signal: abortSignal,
})

/** Fails: InvalidOption. */
export const decodeEventOptions = (given: unknown, nowNs: bigint): Either<EngineError, EventRequest> =>
  E.flatMap((options: EventOptions): Either<EngineError, EventRequest> => {
    const { filters = {}, follow = true, signal } = options
    const unknown = Object.keys(filters).find((key) => !Object.hasOwn(TESTS, key))
    if (unknown !== undefined) return E.left(noSuchKey(unknown))
    const period = parsePeriod(options, nowNs)
    if (E.isLeft(period)) return period
    return E.right({
      passes: passing(filters),
      follow,
      ...period.right,
      ...(signal === undefined ? {} : { signal }),
    })
  })(decodeOptions(given))

const noSuchKey = (key: string): EngineError => ({
  _tag: 'InvalidOption',
  option: 'filters',
  value: key,
  why: `no such key; there are ${Object.keys(TESTS).join(', ')}`,
})

const passing =
  (filters: NonNullable<EventOptions['filters']>): EventRequest['passes'] =>
  (event) =>
    Object.entries(filters).every(([key, values]) => {
      const test = TESTS[key]
      if (test === undefined || values.length === 0) return true
      return key === ALL_MUST_HOLD
        ? values.every((value) => test(event, value))
        : values.some((value) => test(event, value))
    })
