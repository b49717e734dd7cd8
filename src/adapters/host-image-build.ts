// Makes the skeleton of the host image: one small tree on disk, complete before it gets its name.
import { createHash } from 'node:crypto'
import { constants, type Dirent, lstatSync } from 'node:fs'
import {
  chmod,
  lstat,
  mkdir,
  open,
  opendir,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import { type EtcKind, etcKind, hasPasswordColumn, isHarmless, withoutPasswords } from './host-image-etc.ts'
import {
  FRESH_FILES,
  FRESH_FOLDERS,
  FRESH_LINKS,
  hostLayout,
  type Layout,
  type TopEntry,
} from './host-image-layout.ts'
import { seen } from './host-image-watch.ts'
import { makeFolders } from './make-folders.ts'

/** One thing of the skeleton. Files keep their contents, so that the whole can be named after what is in it. */
interface Copied {
  /** Below the skeleton, e.g. `etc/passwd`. */
  readonly path: string
  readonly content: { readonly file: Buffer; readonly mode: number } | { readonly link: string } | 'folder'
}

export interface HostTree {
  readonly layout: Layout
  readonly copied: readonly Copied[]
  /** Paths below the host's root, and what lstat(2) said of each before it was read. */
  readonly watched: ReadonlyMap<string, string>
}

/** Larger files have no place in a skeleton; a tree of more entries is not an /etc we understand. */
const MAX_FILE_BYTES = 4 * 1024 * 1024
const MAX_ENTRIES = 20_000

/** Reads everything the skeleton will hold. Rejects when the host's root cannot be listed. */
export const readHostTree = async (hostRoot: string): Promise<HostTree> => {
  const reader = new HostReader(hostRoot)
  for (const at of ['', 'etc', 'opt', 'usr', 'usr/local']) reader.watch(at)
  const layout = hostLayout(await topEntries(hostRoot), await ownFileSystems(hostRoot))
  await reader.readEtc('')
  return { layout, copied: reader.copied, watched: reader.watched }
}

const topEntries = async (hostRoot: string): Promise<TopEntry[]> => {
  const entries = await readdir(hostRoot, { withFileTypes: true })
  return Promise.all(entries.map((entry) => topEntry(hostRoot, entry)))
}

const topEntry = async (hostRoot: string, entry: Dirent): Promise<TopEntry> => {
  const { name } = entry
  const full = path.join(hostRoot, name)
  if (entry.isSymbolicLink()) return { name, kind: 'link', link: await readlink(full) }
  if (!entry.isDirectory()) return { name, kind: 'other' }
  return { name, kind: 'folder', empty: await isEmpty(full) }
}

/** A folder that cannot be read counts as empty: nobody could use it. */
const isEmpty = async (folder: string): Promise<boolean> => {
  try {
    const handle = await opendir(folder)
    const first = await handle.read()
    await handle.close()
    return first === null
  } catch {
    return true
  }
}

/** Folders of /usr with a file system of their own: an overlay over /usr would show them empty. */
const ownFileSystems = async (hostRoot: string): Promise<string[]> => {
  const usr = path.join(hostRoot, 'usr')
  const device = lstatSync(usr, { throwIfNoEntry: false })?.dev
  return (await names(usr)).filter((name) => {
    const found = lstatSync(path.join(usr, name), { throwIfNoEntry: false })
    return found?.isDirectory() === true && found.dev !== device
  })
}

const names = async (folder: string): Promise<string[]> => {
  try {
    return (await readdir(folder)).sort()
  } catch {
    return []
  }
}

/** Collects what the allow-list admits. */
class HostReader {
  readonly copied: Copied[] = []
  readonly watched = new Map<string, string>()
  private readonly hostRoot: string

  constructor(hostRoot: string) {
    this.hostRoot = hostRoot
  }

  watch(at: string): void {
    this.watched.set(at, seen(this.hostRoot, at))
  }

  /** One level of /etc that has to be judged entry by entry. */
  async readEtc(below: string): Promise<void> {
    for (const name of await names(path.join(this.hostRoot, 'etc', below))) {
      const at = below === '' ? name : `${below}/${name}`
      const kind = etcKind(at)
      if (kind !== undefined) await this.readEntry(at, kind)
    }
  }

  private async readEntry(at: string, kind: EtcKind): Promise<void> {
    this.watch(`etc/${at}`)
    const found = await copyOf(this.hostRoot, `etc/${at}`)
    if (found === undefined || !fits(found, kind)) return
    this.copied.push(found)
    if (found.content !== 'folder') return
    await (kind === 'folder' ? this.readFolder(at) : this.readEtc(at))
  }

  /** A folder with everything harmless below it. Only folders are watched here: packages replace files, they edit none. */
  private async readFolder(below: string): Promise<void> {
    for (const name of await names(path.join(this.hostRoot, 'etc', below))) {
      const at = `etc/${below}/${name}`
      if (!isHarmless(name) || this.copied.length >= MAX_ENTRIES) continue
      const found = await copyOf(this.hostRoot, at)
      if (found === undefined) continue
      if (found.content === 'folder') this.watch(at)
      this.copied.push(found)
      if (found.content === 'folder') await this.readFolder(`${below}/${name}`)
    }
  }
}

/** A symlink may stand for a file or a folder of the list, but nothing is looked up behind it. */
const fits = ({ content }: Copied, kind: EtcKind): boolean => {
  if (content === 'folder') return kind !== 'file'
  return 'link' in content ? kind !== 'parent' : kind === 'file'
}

const WORLD_READ = 0o004
const WORLD_ENTER = 0o005

/** What everyone on the host may read, and nothing else: root's right to read all must not reach a container this way. */
const copyOf = async (hostRoot: string, at: string): Promise<Copied | undefined> => {
  const full = path.join(hostRoot, at)
  try {
    const found = await lstat(full)
    if (found.isSymbolicLink()) return { path: at, content: { link: await readlink(full) } }
    if (found.isDirectory()) {
      return (found.mode & WORLD_ENTER) === WORLD_ENTER ? { path: at, content: 'folder' } : undefined
    }
    if (!found.isFile() || (found.mode & WORLD_READ) === 0 || found.size > MAX_FILE_BYTES) return undefined
    return { path: at, content: { file: await readPlain(full, at), mode: 0o644 | (found.mode & 0o111) } }
  } catch {
    return undefined
  }
}

/** Throws when the file has meanwhile become something else. */
const readPlain = async (full: string, at: string): Promise<Buffer> => {
  const handle = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const found = await handle.stat()
    if (!found.isFile() || (found.mode & WORLD_READ) === 0) throw new Error(`${full} changed`)
    const content = await handle.readFile()
    return hasPasswordColumn(at) ? Buffer.from(withoutPasswords(content.toString())) : content
  } finally {
    await handle.close()
  }
}

/** Hosts with equal contents share a name, however often their files were touched. 16 hex digits. */
export const contentName = ({ layout, copied }: HostTree): string => {
  const hash = createHash('sha256').update(JSON.stringify(layout))
  for (const { path: at, content } of copied) {
    hash.update(`\0${at}\0`)
    if (content === 'folder') continue
    if ('link' in content) hash.update(`->${content.link}`)
    else hash.update(`${content.mode}:${content.file.length}:`).update(content.file)
  }
  return hash.digest('hex').slice(0, 16)
}

/** Writes the tree to `<snapshots>/<name>/fs` unless it is there. The name must tell the content. */
export const writeSkeleton = async (snapshots: string, name: string, tree: HostTree): Promise<void> => {
  const final = path.join(snapshots, name)
  if (await exists(path.join(final, 'fs'))) return
  const staging = path.join(snapshots, `.${name}.${process.pid}.${Math.random().toString(36).slice(2)}`)
  try {
    makeFolders(staging, 0o700)
    await fill(path.join(staging, 'fs'), tree)
    await chmod(staging, 0o755)
    await rename(staging, final)
  } catch (error) {
    await rm(staging, { recursive: true, force: true })
    if (!(await exists(path.join(final, 'fs')))) throw error
  }
}

export const exists = async (at: string): Promise<boolean> => {
  try {
    await lstat(at)
    return true
  } catch {
    return false
  }
}

const fill = async (fs: string, { layout, copied }: HostTree): Promise<void> => {
  await makeFolder(fs, 0o755)
  for (const [name, mode] of FRESH_FOLDERS) await makeFolder(path.join(fs, name), mode)
  for (const folder of layout.mounted) await makeFolder(path.join(fs, folder), 0o755)
  for (const { name, target } of layout.links) await symlink(target, path.join(fs, name))
  for (const [name, target] of FRESH_LINKS) await symlink(target, path.join(fs, name))
  for (const name of FRESH_FILES) await writeFile(path.join(fs, name), '')
  for (const entry of copied) await write(path.join(fs, entry.path), entry)
}

/** mkdir(2) subtracts the umask; the mode of a skeleton must not depend on who made it. */
const makeFolder = async (at: string, mode: number): Promise<void> => {
  await mkdir(at)
  await chmod(at, mode)
}

const write = async (at: string, { content }: Copied): Promise<void> => {
  if (content === 'folder') return makeFolder(at, 0o755)
  if ('link' in content) return symlink(content.link, at)
  await writeFile(at, content.file)
  await chmod(at, content.mode)
}
