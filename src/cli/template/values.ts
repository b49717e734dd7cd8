// How values look to a template, which was written for Go's: what is a map, what an empty list is, how each is printed.
import { fail } from './failure.ts'

/** Fields that are maps in Docker's answers: a key that is missing is no mistake there, as a field would be. */
const MAPS: ReadonlySet<string> = new Set([
  'Annotations',
  'annotations',
  'Attributes',
  'Data',
  'ExposedPorts',
  'Labels',
  'Networks',
  'Options',
  'PortBindings',
  'Ports',
  'Sysctls',
  'Tmpfs',
  'Volumes',
])
/** Fields that are lists there, and null where they are empty. */
const LISTS: ReadonlySet<string> = new Set([
  'Args',
  'Binds',
  'CapAdd',
  'CapDrop',
  'DeviceCgroupRules',
  'Cmd',
  'Entrypoint',
  'Env',
  'ExtraHosts',
  'GroupAdd',
  'Mounts',
  'OnBuild',
  'RepoDigests',
  'RepoTags',
  'SecurityOpt',
  'Shell',
  'Test',
  'Ulimits',
  'VolumesFrom',
])

export class GoMap {
  /** Undefined: Go's nil, which prints as an empty map and is null in JSON. */
  readonly entries: Readonly<Record<string, unknown>> | undefined
  constructor(entries: Readonly<Record<string, unknown>> | undefined) {
    this.entries = entries
  }
  get keys(): readonly string[] {
    return Object.keys(this.entries ?? {}).sort()
  }
  get(key: string): unknown {
    return this.entries !== undefined && Object.hasOwn(this.entries, key) ? this.entries[key] : undefined
  }
  toJSON(): unknown {
    return this.entries === undefined
      ? null
      : Object.fromEntries(this.keys.map((key) => [key, this.get(key)]))
  }
}

/** Go's nil list: empty, and null in JSON. */
class NilList extends Array<unknown> {
  toJSON(): null {
    return null
  }
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof GoMap)

/** Fields that Docker's programs call otherwise than its JSON: a template may say either. */
const NAMES_IN_GO: Readonly<Record<string, string>> = {
  ID: 'Id',
  MediaType: 'mediaType',
  Digest: 'digest',
  Size: 'size',
}

/** Pointers in Docker's programs: nil where its JSON leaves them out. */
const POINTERS: ReadonlySet<string> = new Set(['Health', 'Healthcheck'])

/** A field that is not there is an error, as in Go; a key that is not in a map is not. */
export const fieldOf = (value: unknown, name: string, path: string): unknown => {
  if (value instanceof GoMap) return value.get(name)
  const found = isObject(value) ? nameIn(value, name) : undefined
  if (isObject(value) && found === undefined && POINTERS.has(name)) return null
  return isObject(value) && found !== undefined ? asGo(value[found], name) : fail(`there is no field ${path}`)
}

const nameIn = (value: Readonly<Record<string, unknown>>, name: string): string | undefined =>
  [name, NAMES_IN_GO[name]].find((each) => each !== undefined && Object.hasOwn(value, each))

const asGo = (found: unknown, name: string): unknown => {
  if (found === null && LISTS.has(name)) return new NilList()
  if (MAPS.has(name) && (found === null || isObject(found))) return new GoMap(found ?? undefined)
  return found
}

/** `missing`: a key that a map has not. */
export const show = (value: unknown): string => {
  if (value === undefined) return '<no value>'
  if (value === null) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`
  if (value instanceof GoMap)
    return `map[${value.keys.map((key) => `${key}:${show(value.get(key))}`).join(' ')}]`
  if (!isObject(value)) return String(value)
  return `{${Object.entries(value)
    .map(([name, field]) => show(asGo(field, name)))
    .join(' ')}}`
}

/** What `if` takes for true: neither zero nor empty. */
export const isTrue = (value: unknown): boolean => {
  if (value instanceof GoMap) return value.keys.length > 0
  if (Array.isArray(value)) return value.length > 0
  return isObject(value) || Boolean(value)
}

/** Go's word for the type, as its printf shows it. */
export const typeName = (value: unknown): string => {
  if (value === null || value === undefined) return '<nil>'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'string') return 'string'
  return Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}'
}
