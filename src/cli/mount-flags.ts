// The values of --volume, --mount and --tmpfs as mount options of the library.
import * as E from '#fp/Either'
import type { EngineError, InvalidOption, Unsupported } from '../model/errors.ts'
import type { MountOption } from '../model/options.ts'

type Result<A> = E.Either<EngineError, A>
type Bind = Extract<MountOption, { type: 'bind' }>
type Tmpfs = Extract<MountOption, { type: 'tmpfs' }>

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

/** `HOST:PATH[:OPTIONS]`. A HOST that starts with a dot is taken relative to `cwd`; a missing one is created. */
export const parseVolume = (value: string, cwd: string): Result<MountOption> => {
  const parts = value.split(':')
  const [source = '', target, options = ''] = parts
  if (parts.length > 3) return invalid('--volume', value, 'too many colons; the form is HOST:PATH[:OPTIONS]')
  if (target === undefined)
    return unsupported(`--volume ${value}`, 'there are no anonymous volumes so far; write HOST:PATH')
  if (!target.startsWith('/')) return invalid('--volume', value, 'the path inside must be absolute')
  const host = hostPath(source, cwd)
  if (host === undefined)
    return source === ''
      ? invalid('--volume', value, 'the path on the host is empty')
      : unsupported(`--volume ${value}`, `${source} names a volume, and there are none so far; a path works`)
  const bind: Bind = { type: 'bind', source: host, target, createSource: true }
  return withVolumeOptions(bind, value, options === '' ? [] : options.split(','))
}

const hostPath = (source: string, cwd: string): string | undefined => {
  if (source.startsWith('/')) return source
  return /^\.\.?(\/|$)/.test(source) ? `${cwd}/${source}` : undefined
}

const withVolumeOptions = (bind: Bind, value: string, options: readonly string[]): Result<Bind> => {
  let mount = bind
  for (const option of options) {
    if (option === 'ro') mount = { ...mount, readonly: true }
    else if (PROPAGATIONS.has(option))
      mount = { ...mount, propagation: option as NonNullable<Bind['propagation']> }
    else if (option === 'z' || option === 'Z')
      return unsupported(`--volume ${value}`, 'files get no SELinux labels; leave z and Z out')
    else if (option !== 'rw' && option !== 'rbind' && !CONSISTENCY.has(option))
      return invalid('--volume', value, `${JSON.stringify(option)} is not an option of a bind mount`)
  }
  return E.right(mount)
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

/** `type=bind,source=/a,target=/b,readonly`. Values with a comma are quoted as a whole: `"source=/a,b"`. */
export const parseMount = (value: string): Result<MountOption> => {
  const fields = csvFields(value)
  if (fields === undefined) return invalid('--mount', value, 'a quotation mark is not closed')
  const settings = new Map<string, string>()
  for (const field of fields) {
    const [rawName, argument = 'true'] = split(field)
    const name = KEY_ALIASES.get(rawName.toLowerCase()) ?? rawName.toLowerCase()
    if (!KNOWN_KEYS.has(name))
      return name.startsWith('volume-') || name.startsWith('image-')
        ? unsupported(`--mount ${name}`, 'only bind and tmpfs mounts work so far')
        : invalid('--mount', value, `${JSON.stringify(rawName)} is not a key of a mount`)
    settings.set(name, argument)
  }
  return mountOf(value, settings)
}

const KEY_ALIASES: ReadonlyMap<string, string> = new Map([
  ['src', 'source'],
  ['dst', 'target'],
  ['destination', 'target'],
  ['ro', 'readonly'],
])
const KNOWN_KEYS: ReadonlySet<string> = new Set([
  'type',
  'source',
  'target',
  'readonly',
  'consistency',
  'bind-propagation',
  'bind-recursive',
  'bind-nonrecursive',
  'tmpfs-size',
  'tmpfs-mode',
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

const mountOf = (value: string, settings: ReadonlyMap<string, string>): Result<MountOption> => {
  const type = settings.get('type') ?? 'volume'
  const target = settings.get('target')
  if (type !== 'bind' && type !== 'tmpfs')
    return unsupported(`--mount type=${type}`, 'only bind and tmpfs mounts work so far')
  if (target === undefined || !target.startsWith('/'))
    return invalid('--mount', value, 'target must be an absolute path')
  const foreign = [...settings.keys()].find((key) => key.startsWith(type === 'bind' ? 'tmpfs-' : 'bind-'))
  if (foreign !== undefined) return invalid('--mount', value, `${foreign} does not go with type=${type}`)
  const readonly = flag(settings.get('readonly'))
  if (readonly === undefined) return invalid('--mount', value, 'readonly must be true or false')
  return type === 'bind'
    ? bindMount(value, settings, target, readonly)
    : tmpfsMount(value, settings, target, readonly)
}

const flag = (text: string | undefined): boolean | undefined => {
  if (text === undefined || text === 'false' || text === '0') return false
  return text === 'true' || text === '1' ? true : undefined
}

const bindMount = (
  value: string,
  settings: ReadonlyMap<string, string>,
  target: string,
  readonly: boolean,
): Result<Bind> => {
  const source = settings.get('source')
  if (source === undefined || !source.startsWith('/'))
    return invalid('--mount', value, 'source must be an absolute path')
  const recursive = settings.get('bind-recursive') ?? 'enabled'
  if (recursive !== 'enabled' && recursive !== 'disabled')
    return unsupported(`--mount bind-recursive=${recursive}`, 'only enabled and disabled work so far')
  const propagation = settings.get('bind-propagation')
  if (propagation !== undefined && !PROPAGATIONS.has(propagation))
    return invalid('--mount', value, `${JSON.stringify(propagation)} is not a propagation`)
  const flat = recursive === 'disabled' || flag(settings.get('bind-nonrecursive')) === true
  return E.right({
    type: 'bind',
    source,
    target,
    ...(readonly ? { readonly } : {}),
    ...(flat ? { recursive: false } : {}),
    ...(propagation === undefined ? {} : { propagation: propagation as NonNullable<Bind['propagation']> }),
  })
}

const tmpfsMount = (
  value: string,
  settings: ReadonlyMap<string, string>,
  target: string,
  readonly: boolean,
): Result<Tmpfs> => {
  if (settings.has('source')) return invalid('--mount', value, 'a tmpfs has no source')
  const size = settings.get('tmpfs-size')
  const modeText = settings.get('tmpfs-mode')
  const mode = modeText === undefined ? undefined : octal(modeText)
  if (modeText !== undefined && mode === undefined)
    return invalid('--mount', value, 'tmpfs-mode must be octal, e.g. 1777')
  return E.right({
    type: 'tmpfs',
    target,
    ...(readonly ? { readonly } : {}),
    ...(size === undefined ? {} : { size }),
    ...(mode === undefined ? {} : { mode }),
  })
}
