// cp: files out of a container and into it, whether it runs or not.
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import { cancelled, onAbort } from '../model/abort.ts'
import {
  type Copied,
  type CopyEnds,
  type CopyFromOptions,
  type CopyIntoOptions,
  type CopyOptions,
  type CopyTarget,
  kindOf,
  lastPart,
  type PathStat,
  type Placing,
  placeCopy,
} from '../model/copies.ts'
import { type EngineError, SlipwayError } from '../model/errors.ts'
import { type ContainerRoot, type CopyTools, openContainerRoot } from './container-root.ts'
import { findContainer } from './containers.ts'
import type { FoundNode, OpenRoot } from './ports/copies.ts'

type Program<A> = (tools: CopyTools) => TaskEither<EngineError, A>

/** A tar and what it is of. Whoever has it reads it to its end, or stops: until then a container that does not run is kept from starting. */
export interface CopiedOut {
  readonly stat: PathStat
  readonly tar: AsyncIterable<Uint8Array>
  /** For whoever does not read it at all. */
  readonly close: () => Promise<void>
}

const HOST: OpenRoot = { name: '' }
const ENOENT = 2
/** As many as the kernel follows: path_resolution(7). */
const MOST_LINKS = 40

export const refused = ({ name }: OpenRoot, at: string, why: string): EngineError => ({
  _tag: 'CopyRefused',
  path: name === '' ? at : `${name}:${at}`,
  why,
})

const missing = ({ name }: OpenRoot, at: string): EngineError => ({
  _tag: 'SyscallFailed',
  step: 'copy_stat_path',
  errno: ENOENT,
  path: name === '' ? at : `${name}:${at}`,
})

/** Runs the program while the container's root is held open. */
const withRoot =
  <A>(wanted: string, use: (root: OpenRoot, tools: CopyTools) => TaskEither<EngineError, A>): Program<A> =>
  (tools) =>
    pipe(
      openContainerRoot(wanted)(tools),
      TE.flatMap(
        (root) => () =>
          pipe(
            use(root, tools),
            TE.mapLeft((error) => removal(tools, root) ?? error),
          )().finally(root.close),
      ),
    )

/** Its files went away under the copy, where it was removed meanwhile. */
const removal = ({ ports }: CopyTools, { id }: ContainerRoot): EngineError | undefined => {
  const found = findContainer(ports, id)
  return E.isLeft(found) ? found.left : undefined
}

/** What is there; a symbolic link there is followed only with a slash behind it. Fails: ContainerNotFound, WrongStatus, SyscallFailed. */
export const statPath = (wanted: string, at: string): Program<PathStat> =>
  withRoot(wanted, (root, tools) => statIn(tools, root, at))

const statIn = (tools: CopyTools, root: OpenRoot, at: string): TaskEither<EngineError, PathStat> =>
  pipe(
    demanded(tools, root, at, false),
    TE.bindTo('node'),
    TE.bind('linkTarget', ({ node }) =>
      node.link === undefined ? TE.right('') : TE.map(({ at: end }: Ended) => end)(endOf(tools, root, at)),
    ),
    TE.map(({ node: { size, mode, mtimeMs }, linkTarget }) => ({
      name: lastPart(at) || path.posix.basename(path.posix.normalize(at)) || '/',
      size,
      mode,
      mtimeMs,
      linkTarget,
    })),
  )

const demanded = (
  { copies }: CopyTools,
  root: OpenRoot,
  at: string,
  follow: boolean,
): TaskEither<EngineError, FoundNode> =>
  pipe(
    copies.stat(root, at, follow),
    TE.flatMap((node) => (node === undefined ? TE.left(missing(root, at)) : TE.right(node))),
  )

interface Ended {
  readonly at: string
  readonly node: FoundNode | undefined
}

/** Where a chain of symbolic links ends, be anything there or not. `..` in a target is left to the kernel. */
const endOf =
  ({ copies }: CopyTools, root: OpenRoot, from: string): TaskEither<EngineError, Ended> =>
  async () => {
    let at = from
    for (let links = 0; links < MOST_LINKS; links++) {
      const found = await copies.stat(root, at, false)()
      if (E.isLeft(found)) return found
      const link = found.right?.link
      if (link === undefined) return E.right({ at, node: found.right })
      at = link.startsWith('/') ? link : `${path.posix.dirname(at)}/${link}`
    }
    return E.left(refused(root, from, 'its symbolic links lead in a circle'))
  }

/** A tar of a path. Fails: ContainerNotFound, WrongStatus, SyscallFailed; iterating fails: CopyRefused, SyscallFailed. */
export const copyFrom =
  (
    wanted: string,
    at: string,
    { followLink = false, signal }: CopyFromOptions,
    closing: AbortSignal,
  ): Program<CopiedOut> =>
  (tools) =>
    pipe(
      openContainerRoot(wanted)(tools),
      TE.flatMap((root) =>
        pipe(
          // The entries have the name of what is read, as Docker's.
          followLink ? TE.map((end: Ended) => end.at)(endOf(tools, root, at)) : TE.right(at),
          TE.bindTo('from'),
          TE.bind('stat', ({ from }) => statIn(tools, root, from)),
          TE.bimap(
            (error) => {
              root.close()
              return error
            },
            ({ from, stat }) => {
              const unlisten = onAbort(closing, root.close)
              const close = (): Promise<void> => {
                unlisten()
                return root.close()
              }
              const tar = tools.copies.archive(root, from, { follow: false, name: lastPart(from) })
              return { stat, tar: heldWhile(tar, signal, close), close }
            },
          ),
        ),
      ),
    )

async function* heldWhile(
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  close: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of tar) {
      if (signal?.aborted === true) throw new SlipwayError(cancelled(signal.reason, 'copy'))
      yield chunk
    }
  } finally {
    await close()
  }
}

/** Unpacks a tar, compressed or not, into a directory of a container. Fails: ContainerNotFound, WrongStatus, CopyRefused, SyscallFailed, InvalidSpec, LayerRefused, Cancelled. */
export const copyInto = (
  wanted: string,
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  { archive = false, overwrite = false, signal }: CopyIntoOptions,
): Program<void> =>
  withRoot(wanted, (root, tools) =>
    pipe(
      demanded(tools, root, directory, true),
      TE.flatMap(({ mode }) =>
        kindOf(mode) === 'directory'
          ? tools.copies.receiveGiven(root, directory, tar, choices(archive, overwrite, signal))
          : TE.left(refused(root, directory, 'it is no directory, and an archive goes into one')),
      ),
      TE.map(() => undefined),
    ),
  )

const choices = (keepOwner: boolean, replace: boolean, signal: AbortSignal | undefined) => ({
  keepOwner,
  replace,
  ...(signal === undefined ? {} : { signal }),
})

/** Between a path of this machine and one of a container. Fails as copyFrom and copyInto do. */
export const copy = (
  { container, inside, outside, isInto }: CopyEnds,
  options: CopyOptions,
): Program<Copied> =>
  withRoot(container, (root, tools) =>
    isInto
      ? between(tools, { root: HOST, path: outside }, { root, path: inside }, options)
      : between(tools, { root, path: inside }, { root: HOST, path: outside }, options),
  )

interface End {
  readonly root: OpenRoot
  readonly path: string
}

const between = (
  tools: CopyTools,
  from: End,
  to: End,
  { archive = false, followLink = false, onProgress, signal }: CopyOptions,
): TaskEither<EngineError, Copied> => {
  let bytes = 0
  async function* counted(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of tar) {
      bytes += chunk.byteLength
      onProgress?.(bytes)
      yield chunk
    }
  }
  return pipe(
    demanded(tools, from.root, from.path, followLink),
    TE.flatMap((node) => placed(tools, from, node, to)),
    TE.flatMap(({ directory, name }) =>
      tools.copies.receive(
        to.root,
        directory,
        counted(tools.copies.archive(from.root, from.path, { follow: followLink, name })),
        choices(archive, false, signal),
      ),
    ),
    TE.map(({ skippedDevices }) => ({ bytes, skippedDevices })),
  )
}

/** A symbolic link as the target is followed, also where it leads to nothing yet. */
const placed = (tools: CopyTools, from: End, source: FoundNode, to: End): TaskEither<EngineError, Placing> =>
  pipe(
    endOf(tools, to.root, to.path),
    TE.flatMapEither(({ at, node }) => targetOf(to, at, node)),
    TE.flatMapEither((target) =>
      E.mapLeft((why: string) => refused(to.root, to.path, why))(
        placeCopy({ path: from.path, isDirectory: kindOf(source.mode) === 'directory' }, target),
      ),
    ),
  )

/** Docker's rule: only files are overwritten. */
const targetOf = (
  { root, path: given }: End,
  at: string,
  node: FoundNode | undefined,
): E.Either<EngineError, CopyTarget> => {
  if (node === undefined) return E.right({ path: at, found: undefined })
  const kind = kindOf(node.mode)
  if (kind === 'directory' || kind === 'file') return E.right({ path: at, found: kind })
  return E.left(refused(root, given, `it is a ${kind}, which is not replaced by a copy`))
}
