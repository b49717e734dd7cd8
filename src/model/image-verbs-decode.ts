// What the image verbs are given by untyped JavaScript → what they can work with.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { InspectContainerOptions } from './container-inspect.ts'
import {
  array,
  type Decoder,
  integer,
  isObject,
  type Mismatch,
  mismatch,
  object,
  oneOf,
  optional,
  text,
} from './decode.ts'
import type { EngineError } from './errors.ts'
import type {
  AskOptions,
  CheckOptions,
  CommitOptions,
  ExportOptions,
  ImportOptions,
  InspectOptions,
  LoadOptions,
  LoadSource,
  LoginOptions,
  PruneOptions,
  PullOptions,
  PushOptions,
  ReferrersOptions,
  RemoveOptions,
  SaveOptions,
  SaveTarget,
  SearchOptions,
} from './image-verbs.ts'
import { optionsOf, problem, type Table } from './options-decode.ts'
import { abortSignal } from './options-decode-streams.ts'
import { called, flag } from './options-decode-values.ts'

const platform: Decoder<unknown> = (value) =>
  isObject(value) && typeof value.os === 'string' && typeof value.architecture === 'string'
    ? E.right(value)
    : mismatch('expected { os, architecture }', value)

/** The last moment a Date can have. ECMA-262, Time Values. */
const MAX_TIME_MS = 8.64e15

const PULL: Table = { platform, onProgress: called, signal: abortSignal }
const LOAD: Table = { ...PULL, name: text }
const REMOVE: Table = { force: flag }
const SAVE: Table = {
  format: oneOf('docker-archive', 'oci-archive', 'oci-dir'),
  platform,
  signal: abortSignal,
}
const MAKE: Table = {
  name: text,
  changes: array(text),
  message: text,
  createdMs: integer(0, MAX_TIME_MS),
  signal: abortSignal,
}
const COMMIT: Table = { ...MAKE, author: text, pause: flag }
const IMPORT: Table = { ...MAKE, platform }
const EXPORT: Table = { signal: abortSignal }
const labelled: Decoder<unknown> = object({ key: text, value: optional(text), not: optional(flag) })
const PRUNE: Table = { all: flag, untilMs: integer(0, MAX_TIME_MS), labels: array(labelled) }
const CHECK: Table = { heal: flag, trees: flag, signal: abortSignal }
const INSPECT: Table = { platform }
const INSPECT_CONTAINER: Table = { size: flag }
const PUSH: Table = { ...PULL, allTags: flag }
const ASK: Table = { signal: abortSignal }
const REFERRERS: Table = { ...ASK, artifactType: text }
const SEARCH: Table = { ...ASK, limit: integer(1, 1000) }
const LOGIN: Table = { ...ASK, username: text, password: text }

export const decodeInspectContainerOptions = optionsOf<InspectContainerOptions>(INSPECT_CONTAINER)
export const decodePullOptions = optionsOf<PullOptions>(PULL)
export const decodeLoadOptions = optionsOf<LoadOptions>(LOAD)
export const decodeInspectOptions = optionsOf<InspectOptions>(INSPECT)
export const decodeSaveOptions = optionsOf<SaveOptions>(SAVE)
export const decodeCommitOptions = optionsOf<CommitOptions>(COMMIT)
export const decodeImportOptions = optionsOf<ImportOptions>(IMPORT)
export const decodeExportOptions = optionsOf<ExportOptions>(EXPORT)
export const decodePruneOptions = optionsOf<PruneOptions>(PRUNE)
export const decodeCheckOptions = optionsOf<CheckOptions>(CHECK)
export const decodeRemoveOptions = optionsOf<RemoveOptions>(REMOVE)
export const decodePushOptions = optionsOf<PushOptions>(PUSH)
export const decodeAskOptions = optionsOf<AskOptions>(ASK)
export const decodeReferrersOptions = optionsOf<ReferrersOptions>(REFERRERS)
export const decodeSearchOptions = optionsOf<SearchOptions>(SEARCH)

/** Both must be there. A password is in no error. */
export const decodeLoginOptions = (value: unknown): Either<EngineError, LoginOptions> => {
  const given = isObject(value) ? value : {}
  for (const option of ['username', 'password'])
    if (typeof given[option] !== 'string')
      return E.left({ _tag: 'InvalidOption', option, value: '', why: 'expected a string' })
  return E.mapLeft((error: EngineError) =>
    error._tag === 'InvalidOption' ? { ...error, value: '' } : error,
  )(optionsOf<LoginOptions>(LOGIN)(given))
}

/** What a reference may look like is decided where it is read. */
export const decodeReference = (value: unknown, option = 'reference'): Either<EngineError, string> =>
  E.mapLeft((found: Mismatch) => problem(option, found))(text(value))

const pathOrStream =
  <A>(option: string, isStream: (stream: Readonly<Record<PropertyKey, unknown>>) => boolean) =>
  (value: unknown): Either<EngineError, A> => {
    const { path, stream } = isObject(value) ? value : {}
    const isPath = typeof path === 'string' && path !== ''
    return isPath || (isObject(stream) && isStream(stream))
      ? E.right(value as A)
      : E.left(problem(option, { where: '', why: 'expected { path } or { stream }', value }))
  }
export const decodeLoadSource = pathOrStream<LoadSource>('source', (from) => Symbol.asyncIterator in from)
export const decodeSaveTarget = pathOrStream<SaveTarget>('target', ({ write }) => typeof write === 'function')

/** One reference or several. */
export const decodeReferences = (value: unknown): Either<EngineError, readonly string[]> =>
  pipe(
    array(text)(typeof value === 'string' ? [value] : value),
    E.flatMap((names) =>
      names.length > 0 ? E.right(names) : mismatch('expected at least one reference', value),
    ),
    E.mapLeft((found: Mismatch) => problem('references', found)),
  )
