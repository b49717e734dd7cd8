// The values of --volume, --mount and --tmpfs as mount options of the library.
import * as E from '#fp/Either'
import type { EngineError, InvalidOption, Unsupported } from '../model/errors.ts'
import { lookUp } from '../model/look-up.ts'
import type { MountIdMap, MountIdMaps, MountOption } from '../model/options.ts'
import { isVolumeName } from '../model/volume.ts'

type Result<A> = E.Either<EngineError, A>
type Bind = Extract<MountOption, { type: 'bind' }>
type Volume = Extract<MountOption, { type: 'volume' }>
type Tmpfs = Extract<MountOption, { type: 'tmpfs' }>
type Image = Extract<MountOption, { type: 'image' }>
type Propagation = NonNullable<Bind['propagation']>

const invalid = (option: string, value: string, why: string): E.Either<InvalidOption, never> =>
  E.left({ _tag: 'InvalidOption', option, value, why })
const unsupported = (feature: string, why: string): E.Either<Unsupported, never> =>
  E.left({ _tag: 'Unsupported', feature, why })

const PROPAGATIONS: ReadonlySet<string> = new Set([
  'private',
  'rprivate',
  'slave',
  'rslave',
  'shared',
  'rshared',
])
/** Docker Desktop's consistency words: Linux has one consistency, so they change nothing there and here. */
const CONSISTENCY: ReadonlySet<string> = new Set(['consistent', 'cached', 'delegated', 'default'])

/**
 * `HOST:PATH[:OPTIONS]`, `NAME:PATH[:OPTIONS]` or `PATH`, a volume of the container's own. A HOST that starts with a dot is taken
 * relative to `cwd`; a missing one is created, as a missing volume is.
 */
export const parseVolume = (value: string, cwd: string): Result<MountOption> => {
  const parts = value.split(':')
  const [source = '', target, options = ''] = parts
  if (parts.length > 3)
    return invalid('--volume', value, 'too many colons; the form is [HOST|NAME:]PATH[:OPTIONS]')
  const words = options === '' ? [] : options.split(',')
  if (target === undefined) return ownVolume(value)
  if (!target.startsWith('/')) return invalid('--volume', value, 'the path inside must be absolute')
  if (source === '')
    return invalid('--volume', value, 'the path on the host, or the name of a volume, is empty')
  const host = hostPath(source, cwd)
  if (host !== undefined)
    return withOptions<Bind>({ type: 'bind', source: host, target, createSource: true }, value, words, ofBind)
  if (!isVolumeName(source))
    return invalid(
      '--volume',
      value,
      `${JSON.stringify(source)} is no name of a volume; a path begins with / or ./`,
    )
  return withOptions<Volume>({ type: 'volume', source, target }, value, words, ofVolume)
}

const ownVolume = (value: string): Result<Volume> =>
  value.startsWith('/')
    ? E.right({ type: 'volume', target: value })
    : invalid('--volume', value, 'a volume without a name is written as an absolute path inside')

const hostPath = (source: string, cwd: string): string | undefined => {
  if (source.startsWith('/')) return source
  return /^\.\.?(\/|$)/.test(source) ? `${cwd}/${source}` : undefined
}

/** Words that change nothing: no file gets a SELinux label here, and no container is confined by one. */
const NO_MATTER: ReadonlySet<string> = new Set(['rw', 'z', 'Z', ...CONSISTENCY])

/** `own`: what a word says that only this type of mount has; undefined for any other. */
const withOptions = <M extends Bind | Volume>(
  plain: M,
  value: string,
  options: readonly string[],
  own: (option: string) => Partial<M> | undefined,
): Result<M> => {
  let mount = plain
  for (const option of options) {
    const more = own(option)
    if (option === 'ro') mount = { ...mount, readonly: true }
    else if (more !== undefined) mount = { ...mount, ...more }
    else if (isIdmap(option)) {
      const maps = parseIdmap('--volume', value, option)
      if (E.isLeft(maps)) return maps
      mount = { ...mount, idmap: maps.right }
    } else if (!NO_MATTER.has(option)) {
      const what = plain.type === 'bind' ? 'a bind mount' : 'a volume'
      return invalid('--volume', value, `${JSON.stringify(option)} is not an option of ${what}`)
    }
  }
  return E.right(mount)
}

const ofBind = (option: string): Partial<Bind> | undefined => {
  if (option === 'rbind') return {}
  return PROPAGATIONS.has(option) ? { propagation: option as Propagation } : undefined
}

const ofVolume = (option: string): Partial<Volume> | undefined =>
  option === 'nocopy' ? { nocopy: true } : undefined

const isIdmap = (option: string): boolean => option === 'idmap' || option.startsWith('idmap=')

/** `idmap` or `idmap=uids=FROM-TO-SIZE#…;gids=FROM-TO-SIZE#…`, as podman writes it. */
const parseIdmap = (flag: string, value: string, option: string): Result<MountIdMaps> => {
  const [, text] = split(option)
  if (text === undefined || text === 'true') return E.right(true)
  const [, uids = '', gids = ''] = /^uids=([^;]+);gids=([^;]+)$/.exec(text) ?? []
  const maps = { uids: idMaps(uids), gids: idMaps(gids) }
  return maps.uids === undefined || maps.gids === undefined
    ? invalid(flag, value, 'the form is idmap=uids=FROM-TO-SIZE;gids=FROM-TO-SIZE, several separated by #')
    : E.right({ uids: maps.uids, gids: maps.gids })
}

const idMaps = (text: string): readonly MountIdMap[] | undefined => {
  const maps = text.split('#').map((map) => /^(\d{1,10})-(\d{1,10})-(\d{1,10})$/.exec(map))
  return maps.every((map) => map !== null)
    ? maps.map(([, from, to, size]) => ({ from: Number(from), to: Number(to), size: Number(size) }))
    : undefined
}

/** `PATH[:OPTIONS]`, options as mount(8) spells them. `size` and `mode` are understood, the rest is passed on. */
export const parseTmpfs = (value: string): Result<MountOption> => {
  const colon = value.indexOf(':')
  const target = colon < 0 ? value : value.slice(0, colon)
  const options = colon < 0 ? [] : value.slice(colon + 1).split(',')
  if (!target.startsWith('/')) return invalid('--tmpfs', value, 'the path inside must be absolute')
  let mount: Tmpfs = { type: 'tmpfs', target }
  for (const option of options) {
    const [name = '', argument = ''] = split(option)
    if (name === 'size') mount = { ...mount, size: argument }
    else if (name === 'mode') {
      const mode = octal(argument)
      if (mode === undefined) return invalid('--tmpfs', value, 'mode must be octal, e.g. 1777')
      mount = { ...mount, mode }
    } else if (option === 'ro') mount = { ...mount, readonly: true }
    else if (option !== 'rw' && option !== '')
      mount = { ...mount, options: [...(mount.options ?? []), option] }
  }
  return E.right(mount)
}

const octal = (text: string): number | undefined =>
  /^[0-7]{1,5}$/.test(text) ? Number.parseInt(text, 8) : undefined

/** At the first `=`; without one the second part is absent. */
export const split = (text: string): readonly [string, string?] => {
  const equals = text.indexOf('=')
  return equals < 0 ? [text] : [text.slice(0, equals), text.slice(equals + 1)]
}

/** What `--mount` says: the last value of each key, and all of those that may be repeated. */
interface Settings {
  readonly value: string
  readonly cwd: string
  readonly one: ReadonlyMap<string, string>
  readonly all: ReadonlyMap<string, readonly string[]>
}

/** `type=bind,source=/a,target=/b,readonly`. Values with a comma are quoted as a whole: `"source=/a,b"`. */
export const parseMount = (value: string, cwd: string): Result<MountOption> => {
  const fields = csvFields(value)
  if (fields === undefined) return invalid('--mount', value, 'a quotation mark is not closed')
  const one = new Map<string, string>()
  const all = new Map<string, readonly string[]>()
  for (const field of fields) {
    const [rawName, argument = 'true'] = split(field)
    const name = KEY_ALIASES.get(rawName.toLowerCase()) ?? rawName.toLowerCase()
    if (!KNOWN_KEYS.has(name))
      return invalid('--mount', value, `${JSON.stringify(rawName)} is not a key of a mount`)
    one.set(name, argument)
    all.set(name, [...(all.get(name) ?? []), argument])
  }
  return mountOf({ value, cwd, one, all })
}

const KEY_ALIASES: ReadonlyMap<string, string> = new Map([
  ['src', 'source'],
  ['dst', 'target'],
  ['destination', 'target'],
  ['ro', 'readonly'],
])

/** Keys that belong to one type begin with its name. */
const KNOWN_KEYS: ReadonlySet<string> = new Set([
  'type',
  'source',
  'target',
  'readonly',
  'consistency',
  'idmap',
  'bind-propagation',
  'bind-recursive',
  'bind-nonrecursive',
  'bind-create-src',
  'volume-driver',
  'volume-label',
  'volume-nocopy',
  'volume-opt',
  'volume-subpath',
  'tmpfs-size',
  'tmpfs-mode',
  'image-subpath',
])

/** One record of comma-separated values (RFC 4180); `undefined` when a quotation mark stays open. */
export const csvFields = (text: string): readonly string[] | undefined => {
  const fields: string[] = []
  let field = ''
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (char === '"' && quoted && text.charAt(i + 1) === '"') field += text.charAt(i++)
    else if (char === '"') quoted = !quoted
    else if (char === ',' && !quoted) {
      fields.push(field)
      field = ''
    } else field += char
  }
  return quoted ? undefined : [...fields, field]
}

const TYPES = ['bind', 'volume', 'tmpfs', 'image'] as const
type Type = (typeof TYPES)[number]

const isType = (type: string): type is Type => (TYPES as readonly string[]).includes(type)

const mountOf = (settings: Settings): Result<MountOption> => {
  const { value, one } = settings
  const type = one.get('type') ?? 'volume'
  const target = one.get('target')
  if (!isType(type))
    return type === 'npipe' || type === 'cluster'
      ? unsupported(`--mount type=${type}`, 'it concerns Windows, or swarms')
      : invalid(
          '--mount',
          value,
          `${JSON.stringify(type)} is no type of a mount; there are ${TYPES.join(', ')}`,
        )
  if (target === undefined || !target.startsWith('/'))
    return invalid('--mount', value, 'target must be an absolute path')
  const foreign = [...one.keys()].find((key) => isForeign(key, type))
  if (foreign !== undefined) return invalid('--mount', value, `${foreign} does not go with type=${type}`)
  for (const name of FLAGS)
    if (flag(one.get(name)) === undefined) return invalid('--mount', value, `${name} must be true or false`)
  return MOUNTS[type](settings, { target, ...(flag(one.get('readonly')) === true ? { readonly: true } : {}) })
}

const FLAGS = ['readonly', 'bind-nonrecursive', 'bind-create-src', 'volume-nocopy'] as const

const isForeign = (key: string, type: Type): boolean =>
  TYPES.some((other) => other !== type && key.startsWith(`${other}-`)) ||
  (key === 'idmap' && type !== 'bind' && type !== 'volume')

const flag = (text: string | undefined): boolean | undefined => {
  if (text === undefined || text === 'false' || text === '0') return false
  return text === 'true' || text === '1' ? true : undefined
}

interface Common {
  readonly target: string
  readonly readonly?: true
}

const idmapOf = ({ value, one }: Settings): Result<{ readonly idmap?: MountIdMaps }> => {
  const text = one.get('idmap')
  if (text === undefined) return E.right({})
  return E.map((idmap: MountIdMaps) => ({ idmap }))(parseIdmap('--mount', value, `idmap=${text}`))
}

const RECURSIVE = {
  enabled: {},
  disabled: { recursive: false },
  writable: { recursive: 'writable' },
  readonly: { recursive: 'readonly' },
} as const

const bindMount = (settings: Settings, common: Common): Result<Bind> => {
  const { value, cwd, one } = settings
  const source = hostPath(one.get('source') ?? '', cwd)
  if (source === undefined) return invalid('--mount', value, 'source must be an absolute path')
  const word = one.get('bind-recursive') ?? 'enabled'
  const recursive = lookUp<(typeof RECURSIVE)[keyof typeof RECURSIVE]>(RECURSIVE, word)
  if (recursive === undefined)
    return invalid('--mount', value, `bind-recursive is one of ${Object.keys(RECURSIVE).join(', ')}`)
  const propagation = one.get('bind-propagation')
  if (propagation !== undefined && !PROPAGATIONS.has(propagation))
    return invalid('--mount', value, `${JSON.stringify(propagation)} is not a propagation`)
  const idmap = idmapOf(settings)
  if (E.isLeft(idmap)) return idmap
  return E.right({
    type: 'bind',
    source,
    ...common,
    ...recursive,
    ...(flag(one.get('bind-nonrecursive')) === true ? { recursive: false } : {}),
    ...(flag(one.get('bind-create-src')) === true ? { createSource: true } : {}),
    ...(propagation === undefined ? {} : { propagation: propagation as Propagation }),
    ...idmap.right,
  })
}

const volumeMount = (settings: Settings, common: Common): Result<Volume> => {
  const { value, one, all } = settings
  const source = one.get('source')
  const driver = one.get('volume-driver') ?? 'local'
  if (driver !== 'local')
    return unsupported(`--mount volume-driver=${driver}`, 'volumes have the driver local alone')
  if (source !== undefined && !isVolumeName(source))
    return invalid(
      '--mount',
      value,
      `${JSON.stringify(source)} is no name of a volume; type=bind takes a path`,
    )
  const idmap = idmapOf(settings)
  if (E.isLeft(idmap)) return idmap
  const subpath = one.get('volume-subpath')
  return E.right({
    type: 'volume',
    ...(source === undefined ? {} : { source }),
    ...common,
    ...(flag(one.get('volume-nocopy')) === true ? { nocopy: true } : {}),
    ...(subpath === undefined ? {} : { subpath }),
    ...pairsOf('driverOptions', all.get('volume-opt')),
    ...pairsOf('labels', all.get('volume-label')),
    ...idmap.right,
  })
}

/** `KEY=VALUE` each; without one the value is empty. */
export const pairs = (texts: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    texts.map((text) => {
      const [key, value = ''] = split(text)
      return [key, value]
    }),
  )

const pairsOf = (
  name: 'driverOptions' | 'labels',
  texts: readonly string[] | undefined,
): Partial<Pick<Volume, 'driverOptions' | 'labels'>> => (texts === undefined ? {} : { [name]: pairs(texts) })

const tmpfsMount = ({ value, one }: Settings, common: Common): Result<Tmpfs> => {
  if (one.has('source')) return invalid('--mount', value, 'a tmpfs has no source')
  const size = one.get('tmpfs-size')
  const modeText = one.get('tmpfs-mode')
  const mode = modeText === undefined ? undefined : octal(modeText)
  if (modeText !== undefined && mode === undefined)
    return invalid('--mount', value, 'tmpfs-mode must be octal, e.g. 1777')
  return E.right({
    type: 'tmpfs',
    ...common,
    ...(size === undefined ? {} : { size }),
    ...(mode === undefined ? {} : { mode }),
  })
}

const imageMount = ({ value, one }: Settings, { target }: Common): Result<Image> => {
  const source = one.get('source')
  if (source === undefined || source === '') return invalid('--mount', value, 'source must name an image')
  if (flag(one.get('readonly') ?? 'true') !== true)
    return invalid('--mount', value, 'the files of an image are shown read-only')
  const subpath = one.get('image-subpath')
  return E.right({ type: 'image', source, target, ...(subpath === undefined ? {} : { subpath }) })
}

const MOUNTS: Readonly<Record<Type, (settings: Settings, common: Common) => Result<MountOption>>> = {
  bind: bindMount,
  volume: volumeMount,
  tmpfs: tmpfsMount,
  image: imageMount,
}
