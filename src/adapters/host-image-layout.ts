// The top level of the host image: which folders of the host are mounted, which are fresh and empty.

/** An entry of the host's root folder. `link` is the text of a symlink. */
export interface TopEntry {
  readonly name: string
  readonly kind: 'folder' | 'link' | 'other'
  readonly link?: string
  /** A folder with nothing in it. */
  readonly empty?: boolean
}

export interface Layout {
  /** Absolute, shallow first: mounted from the host. */
  readonly mounted: readonly string[]
  readonly links: readonly { readonly name: string; readonly target: string }[]
}

/** What holds programs and their data; on a host with merged /usr all but the first and last are symlinks. */
const SYSTEM = /^(?:usr|bin|sbin|lib\d*|libx32|opt)$/

/**
 * `within` are folders of /usr that must be mounted apart. Only links into what is mounted are kept: any other would dangle, or be
 * a way to ask for what is not there.
 */
export const hostLayout = (entries: readonly TopEntry[], within: readonly string[] = []): Layout => {
  const system = entries.filter(({ name }) => SYSTEM.test(name))
  const mounted = system.filter((entry) => entry.kind === 'folder' && entry.empty !== true)
  const names = new Set(mounted.map(({ name }) => name))
  const links = system.flatMap(({ name, link }) =>
    link !== undefined && names.has(firstComponent(link)) ? [{ name, target: link }] : [],
  )
  const inner = names.has('usr') ? within.map((name) => `/usr/${name}`) : []
  return { mounted: [...mounted.map(({ name }) => `/${name}`).sort(), ...inner], links }
}

const firstComponent = (link: string): string =>
  link.split('/').find((part) => part !== '' && part !== '.') ?? ''

/** Fresh folders with their modes (Filesystem Hierarchy Standard 3.0). The engine mounts over the first three. */
export const FRESH_FOLDERS: readonly (readonly [path: string, mode: number])[] = [
  ['proc', 0o555],
  ['sys', 0o555],
  ['dev', 0o755],
  ['etc', 0o755],
  ['home', 0o755],
  ['media', 0o755],
  ['mnt', 0o755],
  ['root', 0o700],
  ['run', 0o755],
  ['run/lock', 0o1777],
  ['srv', 0o755],
  ['tmp', 0o1777],
  ['var', 0o755],
  ['var/cache', 0o755],
  ['var/lib', 0o755],
  ['var/local', 0o755],
  ['var/log', 0o755],
  ['var/mail', 0o755],
  ['var/opt', 0o755],
  ['var/spool', 0o755],
  ['var/tmp', 0o1777],
]

export const FRESH_LINKS: readonly (readonly [path: string, target: string])[] = [
  ['var/lock', '/run/lock'],
  ['var/run', '/run'],
  ['etc/mtab', '/proc/self/mounts'],
]

/** Files the engine binds its own over: there, so that it need not make them in each start. */
export const FRESH_FILES: readonly string[] = ['etc/hostname', 'etc/hosts', 'etc/resolv.conf']
