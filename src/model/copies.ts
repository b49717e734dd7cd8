// Copies between a container and its caller, by the rules of docker-cp(1): pure.
import path from 'node:path'
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { isObject, type Mismatch, mismatch, text } from './decode.ts'
import type { EngineError } from './errors.ts'
import { optionsOf, problem, type Table } from './options-decode.ts'
import { abortSignal } from './options-decode-streams.ts'
import { called, flag } from './options-decode-values.ts'

/** What is at a path of a container, as Docker's `X-Docker-Container-Path-Stat` tells it. */
export interface PathStat {
  /** The last part of its path; `/` for the root. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** st_mode, with the type (inode(7)). */
  readonly mode: number
  /** Milliseconds since 1970. */
  readonly mtimeMs: number
  /** Of a symbolic link: where it leads in the end, as a path of the container. Empty for anything else. */
  readonly linkTarget: string
}

export interface CopyFromOptions {
  /** A symbolic link at the path itself is followed, and the entries have the name of what it leads to. Default: the link is what is copied. */
  readonly followLink?: boolean
  readonly signal?: AbortSignal
}

export interface CopyIntoOptions {
  /** The archive's uid and gid. Default: those of the container's root. */
  readonly archive?: boolean
  /** A file may take the place of a directory, and a directory that of a file. Docker's `noOverwriteDirNonDir` is the contrary. */
  readonly overwrite?: boolean
  readonly signal?: AbortSignal
}

/** A path of this machine, or of a container. */
export type CopyEnd = string | { readonly container: string; readonly path: string }

export interface CopyOptions {
  /** uid and gid stay. Default: those of the container's root, or of the caller. */
  readonly archive?: boolean
  /** A symbolic link at the source itself is followed. */
  readonly followLink?: boolean
  /** Told how many bytes of the archive have passed. */
  readonly onProgress?: (bytes: number) => void
  readonly signal?: AbortSignal
}

export interface Copied {
  /** Of the archive they passed as. */
  readonly bytes: number
  /** Device nodes that may not be made where they were to go. */
  readonly skippedDevices: number
}

const FROM: Table = { followLink: flag, signal: abortSignal }
const INTO: Table = { archive: flag, overwrite: flag, signal: abortSignal }
const COPY: Table = { archive: flag, followLink: flag, onProgress: called, signal: abortSignal }
export const decodeCopyFrom = optionsOf<CopyFromOptions>(FROM)
export const decodeCopyInto = optionsOf<CopyIntoOptions>(INTO)
export const decodeCopy = optionsOf<CopyOptions>(COPY)

/** Of a container: relative to its root, be there a slash in front or not. */
export const decodePath = (value: unknown, option = 'path'): Either<EngineError, string> =>
  E.mapLeft((found: Mismatch) => problem(option, found))(
    E.flatMap((given: string) =>
      given === ''
        ? mismatch('is empty', value)
        : given.includes('\0')
          ? mismatch('has a NUL in it', value)
          : E.right(given),
    )(text(value)),
  )

export interface CopyEnds {
  readonly container: string
  /** Of the container. */
  readonly inside: string
  /** Of this machine. */
  readonly outside: string
  readonly isInto: boolean
}

/** One of both ends is a container's. Fails: InvalidOption. */
export const decodeEnds = (from: unknown, to: unknown): Either<EngineError, CopyEnds> => {
  const ends = [from, to]
  const places = ends.filter(isObject)
  const paths = ends.filter((end) => typeof end === 'string')
  const [place] = places
  if (place === undefined || paths.length !== 1)
    return E.left({
      _tag: 'InvalidOption',
      option: 'from, to',
      value: JSON.stringify(ends),
      why:
        places.length === 2
          ? 'one of both must be a path of this machine: a copy from container to container goes through a tar'
          : 'one of both must be { container, path }, the other one a path of this machine',
    })
  return E.flatMap((inside: string) =>
    E.map(
      (outside: string): CopyEnds => ({
        container: String(place.container),
        inside,
        outside,
        isInto: isObject(to),
      }),
    )(decodePath(paths[0], isObject(to) ? 'from' : 'to')),
  )(decodePath(place.path))
}

export interface CopySource {
  readonly path: string
  readonly isDirectory: boolean
}

export interface CopyTarget {
  readonly path: string
  /** Undefined: nothing is there. */
  readonly found: 'directory' | 'file' | undefined
}

/** Where the entries go: `name` is the first part of every entry's name, or empty for the content of a directory. */
export interface Placing {
  readonly directory: string
  readonly name: string
}

/** The last part, empty where the path asks for what is in a directory: `/`, `.` and `/srv/.`. */
export const lastPart = (given: string): string =>
  /(^|\/)\.$/.test(given) ? '' : path.posix.basename(path.posix.normalize(given))

/** docker-cp(1): "The behavior is similar to the common Unix utility cp -a". Left: why it cannot be done. */
export const placeCopy = (source: CopySource, target: CopyTarget): Either<string, Placing> => {
  const own = lastPart(source.path)
  if (target.found === 'directory') return E.right({ directory: target.path, name: own })
  if (target.found === 'file' && source.isDirectory) return E.left('a directory cannot be copied onto a file')
  if (target.found === undefined && !source.isDirectory && /\/\.?$/.test(target.path))
    return E.left('no such directory: without the slash at its end a file of that name would be made')
  const whole = path.posix.normalize(target.path).replace(/(.)\/+$/, '$1')
  return E.right({ directory: path.posix.dirname(whole), name: path.posix.basename(whole) })
}

const S_IFMT = 0o170000
const KINDS: ReadonlyMap<number, string> = new Map([
  [0o040000, 'directory'],
  [0o100000, 'file'],
  [0o120000, 'symbolic link'],
  [0o010000, 'named pipe'],
  [0o140000, 'socket'],
  [0o020000, 'device'],
  [0o060000, 'device'],
])

/** In words, e.g. `directory` or `named pipe`. */
export const kindOf = (mode: number): string => KINDS.get(mode & S_IFMT) ?? 'node of an unknown kind'
