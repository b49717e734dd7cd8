// slipway cp: files out of a container and into it.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { CopyEnd } from '../../model/copies.ts'
import { type EngineError, SlipwayError } from '../../model/errors.ts'
import { inside } from '../callers-files.ts'
import { type Context, command, type Flags, type FlagTable } from '../command.ts'
import { humanBytes } from '../human.ts'
import { interruptible } from '../image-flags.ts'
import { misuse } from '../report.ts'

const flags = {
  archive: { kind: 'boolean', short: 'a', help: 'Keep uid and gid' },
  'follow-link': { kind: 'boolean', short: 'L', help: 'Follow a symbolic link at the source' },
  quiet: { kind: 'boolean', short: 'q', help: 'Do not say how much was copied' },
} as const satisfies FlagTable

type CpContext = Context & { readonly args: { readonly flags: Flags<typeof flags> } }

export const cp = command({
  name: 'cp',
  summary: 'Copy files between a container and this machine',
  usage: '[OPTIONS] CONTAINER:PATH|PATH|- CONTAINER:PATH|PATH|-',
  positionals: { min: 2, max: 2 },
  flags,
  run: (context) => {
    const [from = '', to = ''] = context.args.positionals
    const [source, target] = [placeOf(from), placeOf(to)]
    if ((source === undefined) === (target === undefined))
      return Promise.resolve(
        misuse(
          context,
          'cp',
          source === undefined
            ? 'one of both must be in a container, as in web:/etc/hosts'
            : 'one of both must be on this machine: between containers, as in slipway cp a:/srv - | slipway cp - b:/',
        ),
      )
    if (to === '-' && source !== undefined) return toOutput(context, source)
    if (from === '-' && target !== undefined) return fromInput(context, target)
    const host = (text: string): string => inside(context.cwd, text)
    return between(context, source ?? host(from), target ?? host(to), to)
  },
})

interface Place {
  readonly container: string
  readonly path: string
}

/** Docker's rule: what begins with a slash or a dot, or has no colon, is on this machine. */
const placeOf = (text: string): Place | undefined => {
  const at = text.indexOf(':')
  if (at <= 0 || text.startsWith('/') || text.startsWith('.')) return undefined
  return { container: text.slice(0, at), path: text.slice(at + 1) || '/' }
}

const between = async (context: CpContext, from: CopyEnd, to: CopyEnd, name: string): Promise<number> => {
  const { archive, 'follow-link': followLink, quiet } = context.args.flags
  const copied = await interruptible(context, async (signal) =>
    (await context.engine()).containers.copy(from, to, { archive, followLink, signal }),
  )
  if (E.isLeft(copied)) return copied.left
  const { bytes, skippedDevices } = copied.right
  if (skippedDevices > 0)
    context.stderr.write(
      `slipway: ${skippedDevices} device nodes were left out: they may not be made there\n`,
    )
  if (!quiet) context.stderr.write(`Successfully copied ${humanBytes(bytes)} to ${name}\n`)
  return 0
}

const toOutput = async (context: CpContext, { container, path }: Place): Promise<number> => {
  const { stdout } = context
  if (stdout.isTTY())
    return misuse(context, 'cp', 'standard output is a terminal: redirect it, or name a file')
  const { 'follow-link': followLink } = context.args.flags
  const written = await interruptible(context, async (signal) => {
    const { containers } = await context.engine()
    return pipe(
      containers.copyFrom(container, path, { followLink, signal }),
      TE.flatMap(
        ({ tar }) =>
          () =>
            drain(tar, stdout.write),
      ),
    )
  })
  return E.isLeft(written) ? written.left : 0
}

const drain = async (
  tar: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => void,
): Promise<E.Either<EngineError, void>> => {
  try {
    for await (const chunk of tar) write(chunk)
    return E.right(undefined)
  } catch (error) {
    if (error instanceof SlipwayError) return E.left(error.error)
    throw error
  }
}

const fromInput = async (context: CpContext, { container, path }: Place): Promise<number> => {
  const { stdin } = context
  if (stdin.isTTY()) return misuse(context, 'cp', 'standard input is a terminal: pipe a tar in')
  const { archive } = context.args.flags
  const copied = await interruptible(context, async (signal) =>
    (await context.engine()).containers.copyInto(container, path, stdin.stream(), { archive, signal }),
  )
  return E.isLeft(copied) ? copied.left : 0
}
