// containers/<id>/container.json: what was asked of a container that outlives whoever asked. Replaced whole, never changed in place.
import * as E from '#fp/Either'
import {
  array,
  boolean,
  check,
  type Decoder,
  integer,
  isObject,
  mismatch,
  object,
  oneOf,
  optional,
  record,
  text,
} from './decode.ts'
import type { Policies } from './detached-options.ts'
import type { DecodedHealth, HealthCheck } from './health.ts'
import type { DecodedOptions } from './options-decoded.ts'
import { decodeDocument } from './state-document.ts'

export const DOCUMENT_VERSION = 1

export interface ContainerDocument {
  readonly version: typeof DOCUMENT_VERSION
  /** 64 lower-case hex digits. */
  readonly id: string
  /** Given, or drawn by the id. */
  readonly name: string
  /** Milliseconds since 1970. */
  readonly createdMs: number
  /** The image as it was asked for, and the id it had then: a name may move on, a container stays with its image. */
  readonly image: { readonly reference: string; readonly id: string }
  /** As asked for: none stands for the image's own command. */
  readonly argv: readonly string[]
  /** What is executed, with the image's entrypoint and command. */
  readonly command: readonly string[]
  readonly options: DecodedOptions
  /** Those of its image at that time. Absent where it had none. */
  readonly imageLabels?: Readonly<Record<string, string>>
  readonly policies: Policies
  /** Its own, or its image's. */
  readonly stopSignal: string
  readonly health?: HealthCheck
  /** What of that was asked for: the rest is the image's. */
  readonly askedHealth?: DecodedHealth | false
  /** Id of the one whose name it has taken: that one is out of sight, and on its way out. */
  readonly supersedes?: string
}

const id: Decoder<string> = check(text, (value) =>
  /^[0-9a-f]{64}$/.test(value) ? undefined : 'is not 64 hex digits',
)

const policies = object({
  restart: object({
    name: oneOf('no', 'on-failure', 'always', 'unless-stopped'),
    most: integer(0),
  }),
  log: object({
    form: oneOf('compact', 'json-file', 'none'),
    maxBytes: integer(1),
    maxFiles: integer(1),
    blocking: boolean,
  }),
  stdin: boolean,
  stopMs: integer(-1),
  autoRemove: boolean,
})

/** They are decoded again when the container is started: then it shows whether this host still has what they name. */
const options: Decoder<DecodedOptions> = (value) =>
  isObject(value) ? E.right(value as DecodedOptions) : mismatch('expected an object', value)

const health = object({
  argv: array(text),
  intervalMs: integer(1),
  timeoutMs: integer(1),
  startPeriodMs: integer(0),
  startIntervalMs: integer(1),
  retries: integer(1),
  onUnhealthy: oneOf('none', 'stop', 'restart', 'kill'),
})

/** Put together with the image's again, and decoded with it. */
const askedHealth: Decoder<DecodedHealth | false> = (value) =>
  value === false || isObject(value)
    ? E.right(value as DecodedHealth | false)
    : mismatch('expected an object or false', value)

const document = object({
  version: integer(DOCUMENT_VERSION, DOCUMENT_VERSION) as Decoder<typeof DOCUMENT_VERSION>,
  id,
  name: text,
  createdMs: integer(0),
  image: object({ reference: text, id: text }),
  argv: array(text),
  command: array(text),
  options,
  imageLabels: optional(record(text)),
  policies,
  stopSignal: text,
  health: optional(health),
  askedHealth: optional(askedHealth),
  supersedes: optional(id),
})

/** As Docker: its image's, and its own over them. */
export const labelsOf = ({
  imageLabels,
  options,
}: Pick<ContainerDocument, 'imageLabels' | 'options'>): Readonly<Record<string, string>> => ({
  ...imageLabels,
  ...options.labels,
})

/** Fails: StateDamaged. */
export const decodeContainerDocument = decodeDocument<ContainerDocument>(document)

export const encodeContainerDocument = (value: ContainerDocument): string =>
  `${JSON.stringify(value, null, 2)}\n`
