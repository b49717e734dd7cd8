// The `host` image: this machine's own userland as an image. A small skeleton on disk, plus folders of the host.
import { readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { ImageRuntimeConfig, PreparedImage } from '../model/prepared-image.ts'
import type { HostSkeleton } from './host-image-make.ts'
import { seen } from './host-image-watch.ts'

export interface HostImageInput {
  /** Engine root; the skeleton lives in its `snapshots` folder. */
  readonly root: string
  /** Of this boot: a skeleton is made anew after each, since nothing of it was forced to disk. */
  readonly bootId: string
  /** The host's root folder; another one in tests. */
  readonly hostRoot?: string
}

/** Raised whenever what a skeleton holds changes. */
const FORMAT = 1

/** What `<root>/snapshots/host.json` says about the skeleton in use. */
interface Stamp {
  readonly format: number
  readonly bootId: string
  readonly hostRoot: string
  /** Where the state was then: it must not lie in what is mounted. */
  readonly root: string
  /** Folder name below `snapshots`. */
  readonly name: string
  readonly directories: readonly string[]
  /** What lstat(2) said of the few paths that are looked at in every start, and of all that were copied. */
  readonly quick: string
  readonly full: string
  readonly watched: readonly string[]
}

/** Package managers and passwd(1) replace files, which shows in their folder; an edit in place shows only in the file. */
const QUICK = [
  '',
  'etc',
  'opt',
  'etc/passwd',
  'etc/group',
  'etc/ld.so.cache',
  'etc/alternatives',
  'etc/ssl/certs',
]
/** So all files are looked at when nobody did for this long. */
const FULL_CHECK_MS = 10_000

const CONFIG: ImageRuntimeConfig = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  Cmd: ['/bin/sh'],
}

/**
 * The host as an image: /usr, /opt and the like under a private writable layer, harmless parts of /etc copied, all else
 * empty. Cheap when nothing changed: one small file and some lstat calls. A folder of the host that holds the engine's
 * own state is left out, or refused when it is /usr. Fails: HostUnfit, SyscallFailed.
 */
export const prepareHostImage = (input: HostImageInput): TaskEither<EngineError, PreparedImage> => {
  const hostRoot = input.hostRoot ?? '/'
  return () => {
    const stamp = readStamp(input, hostRoot)
    return stamp === undefined ? makeImage(input, hostRoot)() : TE.right(toImage(input.root, stamp))()
  }
}

const toImage = (root: string, { name, directories }: Stamp): PreparedImage => ({
  reference: 'host',
  id: 'host',
  config: CONFIG,
  rootfs: { kind: 'host', skeleton: path.join(root, 'snapshots', name, 'fs'), directories },
})

const stampFile = (root: string): string => path.join(root, 'snapshots', 'host.json')

/** The stamp, if it is of this boot and nothing it watches has changed since. Its mtime is the last full check. */
const readStamp = (input: HostImageInput, hostRoot: string): Stamp | undefined => {
  const file = stampFile(input.root)
  try {
    const stamp = JSON.parse(readFileSync(file, 'utf8')) as Stamp
    if (!isOurs(stamp, input, hostRoot) || !hasSkeleton(input.root, stamp)) return undefined
    if (keyOf(hostRoot, QUICK) !== stamp.quick) return undefined
    // Either way round: the clock may have been set back, and Date.now() drops what is below a millisecond.
    if (Math.abs(Date.now() - statSync(file).mtimeMs) < FULL_CHECK_MS) return stamp
    if (keyOf(hostRoot, stamp.watched) !== stamp.full) return undefined
    touch(file)
    return stamp
  } catch {
    return undefined
  }
}

const isOurs = (stamp: Stamp, { root, bootId }: HostImageInput, hostRoot: string): boolean =>
  stamp.format === FORMAT && stamp.bootId === bootId && stamp.root === root && stamp.hostRoot === hostRoot

const hasSkeleton = (root: string, { name }: Stamp): boolean =>
  statSync(path.join(root, 'snapshots', name, 'fs')).isDirectory()

const touch = (file: string): void => {
  const now = new Date()
  utimesSync(file, now, now)
}

const keyOf = (hostRoot: string, watched: readonly string[]): string =>
  watched.map((at) => seen(hostRoot, at)).join(' ')

/** Loaded only now: most starts find a skeleton that is good. */
const makeImage = (input: HostImageInput, hostRoot: string): TaskEither<EngineError, PreparedImage> =>
  pipe(
    TE.tryCatch(async () => {
      const quick = keyOf(hostRoot, QUICK)
      const { makeSkeleton } = await import('./host-image-make.ts')
      const made = await makeSkeleton(input.root, hostRoot, input.bootId.slice(0, 8))
      return E.map((skeleton: HostSkeleton) => saveStamp(input, hostRoot, quick, skeleton))(made)
    }, asEngineError),
    TE.flatMapEither((saved) => saved),
    TE.map((stamp) => toImage(input.root, stamp)),
  )

const saveStamp = (
  { root, bootId }: HostImageInput,
  hostRoot: string,
  quick: string,
  { name, directories, watched }: HostSkeleton,
): Stamp => {
  const full = [...watched.values()].join(' ')
  const paths = [...watched.keys()]
  const stamp: Stamp = {
    format: FORMAT,
    bootId,
    hostRoot,
    root,
    name,
    directories,
    quick,
    full,
    watched: paths,
  }
  const temporary = `${stampFile(root)}.${process.pid}`
  writeFileSync(temporary, JSON.stringify(stamp), { mode: 0o600 })
  renameSync(temporary, stampFile(root))
  return stamp
}

const asEngineError = (error: unknown): EngineError => {
  const { errno, syscall, path: at } = error as NodeJS.ErrnoException
  return {
    _tag: 'SyscallFailed',
    step: `prepare host image: ${syscall ?? 'unknown call'}`,
    errno: Math.abs(errno ?? 0),
    ...(at === undefined ? {} : { path: at }),
  }
}
