// The programs of cp as verbs that take untyped options, over one open engine.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import {
  type Copied,
  type CopyEnd,
  type CopyFromOptions,
  type CopyIntoOptions,
  type CopyOptions,
  decodeCopy,
  decodeCopyFrom,
  decodeCopyInto,
  decodeEnds,
  decodePath,
  type PathStat,
} from '../model/copies.ts'
import { isObject } from '../model/decode.ts'
import type { EngineError } from '../model/errors.ts'
import { containerEvent } from '../model/events-of-containers.ts'
import { decodeContainer } from '../model/living.ts'
import type { CopyTools } from './container-root.ts'
import { findContainer } from './containers.ts'
import { type CopiedOut, copy, copyFrom, copyInto, statPath } from './copies.ts'
import { noteAll } from './note.ts'

/** On containers of this root, whether they run or not and whichever process they run in; each by name, id or unique beginning of an id. */
export interface CopyVerbs {
  /** What is at a path of a container. Fails: ContainerNotFound, WrongStatus, SyscallFailed (ENOENT where nothing is there). */
  readonly stat: (container: string, path: string) => TaskEither<EngineError, PathStat>
  /** A path of a container as a tar, whose entries begin with its last part. Iterating fails: CopyRefused, SyscallFailed, Cancelled. */
  readonly copyFrom: (
    container: string,
    path: string,
    options?: CopyFromOptions,
  ) => TaskEither<EngineError, CopiedOut>
  /** A tar, also one by gzip or zstd, into a directory of a container. Fails: ContainerNotFound, CopyRefused, SyscallFailed, LayerRefused, Cancelled. */
  readonly copyInto: (
    container: string,
    directory: string,
    tar: AsyncIterable<Uint8Array>,
    options?: CopyIntoOptions,
  ) => TaskEither<EngineError, void>
  /** From a path of this machine to one of a container, or the other way, as `docker cp`. */
  readonly copy: (from: CopyEnd, to: CopyEnd, options?: CopyOptions) => TaskEither<EngineError, Copied>
}

/** `task`: what each of them runs in, and is refused by where the engine is closed. `closing`: ends what is read by nobody. */
export const copyVerbs = (
  task: <A>(
    what: string,
    use: (tools: CopyTools) => TaskEither<EngineError, A>,
  ) => TaskEither<EngineError, A>,
  closing: AbortSignal,
): CopyVerbs => {
  /** The container, a path in it, and the options. */
  const verb = <O, A>(
    container: unknown,
    path: unknown,
    options: E.Either<EngineError, O>,
    program: (
      container: string,
      path: string,
      options: O,
    ) => (tools: CopyTools) => TaskEither<EngineError, A>,
  ): TaskEither<EngineError, A> =>
    task('copy', (tools) =>
      pipe(
        E.Do,
        E.bind('name', () => decodeContainer(container)),
        E.bind('at', () => decodePath(path)),
        E.bind('given', () => options),
        TE.fromEither,
        TE.flatMap(({ name, at, given }) => program(name, at, given)(tools)),
      ),
    )
  return {
    stat: (container, path) => verb(container, path, E.right(undefined), statPath),
    copyFrom: (container, path, wanted) =>
      verb(container, path, decodeCopyFrom(wanted), (name, at, options) =>
        told(name, 'archive-path', copyFrom(name, at, options, closing)),
      ),
    copyInto: (container, directory, tar, wanted) =>
      verb(
        container,
        directory,
        E.flatMap(() => decodeCopyInto(wanted))(decodeTar(tar)),
        (name, at, options) => told(name, 'extract-to-dir', copyInto(name, at, tar, options)),
      ),
    copy: (from, to, wanted) =>
      task('copy', (tools) =>
        pipe(
          E.Do,
          E.bind('ends', () => decodeEnds(from, to)),
          E.tap(({ ends }) => decodeContainer(ends.container)),
          E.bind('options', () => decodeCopy(wanted)),
          TE.fromEither,
          TE.flatMap(({ ends, options }) =>
            told(ends.container, ends.isInto ? 'extract-to-dir' : 'archive-path', copy(ends, options))(tools),
          ),
        ),
      ),
  }
}

/** Docker's words for it, which are told once it is done; of a tar that comes out, once it begins. */
const told =
  <A>(wanted: string, action: string, program: (tools: CopyTools) => TaskEither<EngineError, A>) =>
  (tools: CopyTools): TaskEither<EngineError, A> =>
    pipe(
      TE.fromEither(findContainer(tools.ports, wanted)),
      TE.flatMap((found) =>
        pipe(
          program(tools),
          TE.tapTask(() => () => noteAll(tools.ports, [containerEvent(action, found)])),
        ),
      ),
    )

const decodeTar = (tar: unknown): E.Either<EngineError, void> =>
  isObject(tar) && Symbol.asyncIterator in tar
    ? E.right(undefined)
    : E.left({
        _tag: 'InvalidOption',
        option: 'tar',
        value: String(tar),
        why: 'expected an async iterable of bytes, as a stream is',
      })
