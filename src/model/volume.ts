// Volumes: their names, their documents, and what the local driver's options mean.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import {
  boolean,
  check,
  type Decoder,
  integer,
  mismatch,
  object,
  oneOf,
  optional,
  record,
  show,
  text,
} from './decode.ts'
import { decodeDocument } from './state-document.ts'

export const VOLUME_VERSION = 1
const MAX_NAME = 255

/** moby volume/local/local.go, names.RestrictedNamePattern. */
export const isVolumeName = (name: string): boolean =>
  /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) && name.length <= MAX_NAME

export const volumeName: Decoder<string> = check(text, (name) =>
  isVolumeName(name)
    ? undefined
    : "a volume's name has letters and digits, and _.- after the first; a folder of the host is an absolute path",
)

/** `volumes/<name>/volume.json`: written once, replaced whole. */
export interface VolumeDocument {
  readonly version: typeof VOLUME_VERSION
  readonly name: string
  readonly driver: 'local'
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly createdMs: number
  /** Nobody gave it its name. */
  readonly anonymous: boolean
  /** The engine that made it for a container that goes at its end, which then takes the volume along. */
  readonly engine?: string
}

/** What is mounted where a volume is: its own data, or what its driver options say. */
export type VolumeSource =
  | { readonly kind: 'data' }
  | { readonly kind: 'bind'; readonly path: string; readonly options: readonly string[] }
  | {
      readonly kind: 'filesystem'
      readonly filesystem: string
      readonly device: string
      readonly options: readonly string[]
    }

const DRIVER_OPTIONS = ['type', 'o', 'device'] as const

/** Options of mount(8), `o`, that make a bind mount of it. */
const BINDS: ReadonlySet<string> = new Set(['bind', 'rbind'])
/** And those a bind mount has besides. */
const OF_BINDS =
  /^(?:r?(?:ro|rw|nosuid|suid|nodev|dev|noexec|exec|noatime|relatime|nosymfollow)|r?(?:private|slave|shared))$/

/** What is wrong with the driver's options, or what they mean. moby volume/local/local_unix.go, `setOpts`. */
export const sourceOfOptions = (options: Readonly<Record<string, string>>): Either<string, VolumeSource> => {
  const names = Object.keys(options)
  if (names.length === 0) return E.right({ kind: 'data' })
  const unknown = names.find((name) => !(DRIVER_OPTIONS as readonly string[]).includes(name))
  if (unknown !== undefined)
    return E.left(
      unknown === 'size'
        ? 'size is not there: the host file system would have to count; use type=tmpfs with o=size=…'
        : `${unknown} is no option of the local driver, which has type, o and device`,
    )
  const { type = '', device = '', o = '' } = options
  if (device === '') return E.left('device is missing: what is to be mounted, e.g. tmpfs or /srv/data')
  const words = o.split(',').filter((word) => word !== '')
  if (!words.some((word) => BINDS.has(word)))
    return type === '' || type === 'none'
      ? E.left('type is missing: the file system, e.g. nfs; o=bind mounts a folder')
      : /^[a-z0-9_.-]+$/i.test(type)
        ? E.right({ kind: 'filesystem', filesystem: type, device, options: words })
        : E.left(`${show(type)} is no name of a file system`)
  if (!device.startsWith('/')) return E.left('device must be an absolute path for o=bind')
  const foreign = words.find((word) => !BINDS.has(word) && !OF_BINDS.test(word))
  return foreign === undefined
    ? E.right({ kind: 'bind', path: device, options: words })
    : E.left(`${show(foreign)} is no option of a bind mount`)
}

export const driverOptions: Decoder<Readonly<Record<string, string>>> = (value) => {
  const decoded = record(text)(value)
  if (E.isLeft(decoded)) return decoded
  const source = sourceOfOptions(decoded.right)
  return E.isLeft(source) ? mismatch(source.left, value) : decoded
}

const document = object({
  version: integer(VOLUME_VERSION, VOLUME_VERSION) as Decoder<typeof VOLUME_VERSION>,
  name: volumeName,
  driver: oneOf('local'),
  options: driverOptions,
  labels: record(text),
  createdMs: integer(0),
  anonymous: boolean,
  engine: optional(text),
})

/** Fails: StateDamaged. */
export const decodeVolumeDocument = decodeDocument<VolumeDocument>(document)

export const encodeVolumeDocument = (volume: VolumeDocument): string => `${JSON.stringify(volume)}\n`
