// slipway-oci exec: one more process in a running container.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { EngineError } from '../../model/errors.ts'
import type { ExecRequest } from '../../model/oci-requests.ts'
import type { Process } from '../../model/oci-spec.ts'
import { allow, type OciContainer } from '../../model/oci-status.ts'
import { attempt } from '../attempt.ts'
import { type Context, command } from '../command.ts'
import { named } from '../container.ts'
import { decodeProcessText, processFlags, processOfFlags, subCgroups } from '../exec-process.ts'
import { handoverFlags, handoverOf } from '../handover.ts'
import { keptConfig } from '../kept-config.ts'

const execFlags = {
  ...processFlags,
  ...handoverFlags,
  detach: { kind: 'boolean', short: 'd', help: 'Return once it runs' },
  cgroup: { kind: 'list', value: '[CONTROLLER:]PATH', help: 'Run it in this cgroup below the container’s' },
  'ignore-paused': { kind: 'boolean', help: 'Even where the container is paused' },
} as const

type ExecContext = Context<typeof execFlags>

export const exec = command({
  name: 'exec',
  summary: 'Run one more program in a running container',
  usage: '[OPTION...] ID COMMAND [ARG...] | [OPTION...] --process FILE ID',
  flags: execFlags,
  stopsAtPositional: true,
  positionals: { min: 1 },
  // runc's: no exit code of a program says as clearly that none ran.
  failure: { prefix: 'exec failed: ', exitCode: 255 },
  run: async (context) => {
    const request = requestOf(context)
    if (E.isLeft(request)) return request
    return (await context.runtime()).exec(request.right)
  },
})

const requestOf = (context: ExecContext): E.Either<EngineError, ExecRequest> => {
  const { flags, world } = context
  const detach = flags.detach === true
  return pipe(
    named(context),
    E.flatMap((found) => allow(flags['ignore-paused'] ? 'exec ignoring pause' : 'exec', found)),
    E.bindTo('container'),
    E.bind('process', ({ container }) => processOf(context, container)),
    E.bind('handover', ({ process }) =>
      handoverOf(flags, { detach, terminal: process.terminal === true }, world),
    ),
    E.bind('cgroups', () => subCgroups(flags.cgroup ?? [])),
    E.map(({ handover, ...rest }) => ({ ...rest, ...handover, detach })),
  )
}

/** A document says everything, the terminal too. */
const processOf = (
  { flags, positionals, world }: ExecContext,
  container: OciContainer,
): E.Either<EngineError, Process> => {
  if (flags.process) {
    const file = resolve(world.cwd, flags.process)
    return pipe(
      attempt(() => readFileSync(file, 'utf8')),
      E.flatMap((text) => decodeProcessText(text, file)),
    )
  }
  return pipe(
    keptConfig(container),
    E.flatMap(({ process }) =>
      process === undefined
        ? E.left<EngineError, Process>({
            _tag: 'StateDamaged',
            path: container.directory,
            why: 'it has no process',
          })
        : processOfFlags(process, flags, positionals.slice(1)),
    ),
  )
}
