// slipway replace: a new container, of another image or with other settings, takes the place of one that is there.
import * as E from '#fp/Either'
import type { ReplaceChanges, ReplaceOptions } from '../../fp.ts'
import type { EngineError } from '../../model/errors.ts'
import { readCallersFile } from '../callers-files.ts'
import { type Context, command } from '../command.ts'
import { detachedOptions } from '../detached-options.ts'
import { given } from '../given.ts'
import { progressDisplay } from '../progress.ts'
import { refuse, refuseProgram } from '../report.ts'
import { type RunFlags, runFlags } from '../run-flags.ts'
import { type RunRequest, runArgsToOptions } from '../run-options.ts'
import { cancelOnSignals } from '../signals.ts'
import { printable } from '../table.ts'

/** Those of `run` that are about the time it stays, about one that goes, or about a name it has already. */
const LEFT_OUT = {
  rm: false,
  name: undefined,
  cidfile: undefined,
  attach: [],
  detach: true,
  'detach-keys': undefined,
  'sig-proxy': true,
  timing: false,
} as const
const flags = {
  ...Object.fromEntries(Object.entries(runFlags).filter(([name]) => !(name in LEFT_OUT))),
  timeout: {
    kind: 'text',
    value: 'DURATION',
    help: 'Give up and put the old one back after this long (default: 60s)',
  },
  grace: {
    kind: 'text',
    value: 'DURATION',
    help: 'Without a health check: how long the new one must run (default: 5s)',
  },
} as const

type ReplaceFlags = RunFlags & { readonly grace: { readonly kind: 'text'; readonly help: string } }

export const replace = command({
  name: 'replace',
  summary: 'Put a new container in the place of one, if it is healthy',
  usage: '[OPTIONS] CONTAINER [IMAGE [COMMAND] [ARG...]]',
  positionals: { min: 1 },
  // The first word of the command: what follows is its own.
  stopsAtPositional: 3,
  flags: flags as unknown as ReplaceFlags,
  run: async (context) => {
    const { timeout, grace } = context.args.flags
    const [container = ''] = context.args.positionals
    const changes = changesOf(context)
    if (E.isLeft(changes)) return refuse(context, changes.left)
    const signals = cancelOnSignals(context.onSignal, 0)
    const display = changes.right.quiet ? undefined : progressDisplay(context.stderr)
    try {
      const engine = await context.engine()
      const options: ReplaceOptions = { ...given({ timeout, grace }), signal: signals.cancel }
      const { pull, platform } = changes.right
      const replaced = await engine.replace(container, changes.right.changes, options, {
        ...given({ pull, platform }),
        ...(display === undefined ? {} : { onProgress: display.update }),
        signal: signals.cancel,
      })()
      display?.finish()
      if (E.isLeft(replaced)) {
        const error = replaced.left
        if (error._tag === 'ReplaceFailed')
          for (const line of error.log) context.stderr.write(`${printable(line)}\n`)
        return refuseProgram(context, error)
      }
      context.stdout.write(`${replaced.right.id}\n`)
      return 0
    } finally {
      signals.stop()
    }
  },
})

interface Changes extends Pick<RunRequest['options'], 'pull' | 'platform'> {
  readonly changes: ReplaceChanges
  readonly quiet: boolean
}

/** The flags of `run`, on what is there. */
const changesOf = (context: Context<ReplaceFlags>): E.Either<EngineError, Changes> => {
  const { args, env, cwd } = context
  const { rootfs } = args.flags
  const [, image, ...argv] = args.positionals
  const words = rootfs === undefined ? [image ?? NO_IMAGE, ...argv] : args.positionals.slice(1)
  const written: Context<RunFlags>['args'] = {
    positionals: words,
    flags: { ...args.flags, ...LEFT_OUT, timeout: undefined },
  }
  const request = runArgsToOptions(written, { env, cwd, readFile: readCallersFile(cwd) })
  if (E.isLeft(request)) return request
  const { pull, platform, quiet, ...others } = request.right.options
  const wanted = detachedOptions(written.flags, others)
  return E.map((options: ReplaceChanges) => ({
    changes: {
      ...options,
      ...(rootfs === undefined && image === undefined ? {} : { image: request.right.image }),
      ...(request.right.argv.length === 0 ? {} : { argv: request.right.argv }),
    },
    ...(pull === undefined ? {} : { pull }),
    ...(platform === undefined ? {} : { platform }),
    quiet: quiet === true,
  }))(wanted)
}

/** Stands where none is given; the container's own is taken then. */
const NO_IMAGE = 'host'
