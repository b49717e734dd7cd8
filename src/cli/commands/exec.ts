// slipway exec: one more program in a container that runs.
import * as E from '#fp/Either'
import type { ExecProcess } from '../../fp.ts'
import { signalNumber } from '../../model/signals.ts'
import { readCallersFile } from '../callers-files.ts'
import { type Args, type Context, command, type FlagTable } from '../command.ts'
import { chosenDetachKeys } from '../detach-keys.ts'
import { environment } from '../key-value-files.ts'
import { refuseProgram, reportError } from '../report.ts'
import { PASSED_ON } from '../signals.ts'
import { relayTerminal, terminalSize, unfitInput } from '../tty-relay.ts'

const flags = {
  interactive: { kind: 'boolean', short: 'i', help: 'Hand our standard input to it' },
  tty: { kind: 'boolean', short: 't', help: 'Give it a terminal of its own' },
  detach: { kind: 'boolean', short: 'd', help: 'Leave it running; what it writes goes nowhere' },
  env: { kind: 'list', short: 'e', value: 'NAME[=VALUE]', help: 'A variable; without a value, ours' },
  'env-file': { kind: 'list', value: 'FILE', help: 'Variables, one on a line' },
  user: {
    kind: 'text',
    short: 'u',
    value: 'USER[:GROUP]',
    help: "Who it runs as (default: the container's user)",
  },
  workdir: { kind: 'text', short: 'w', value: 'DIR', help: "Where it begins (default: the container's)" },
  privileged: { kind: 'boolean', help: 'With all capabilities, and no seccomp filter' },
  'detach-keys': {
    kind: 'text',
    value: 'KEYS',
    help: 'With -it: keys that leave it running, e.g. ctrl-p,ctrl-q (the default)',
  },
} as const satisfies FlagTable

/** docker-run(1), Exit Status: the failure is ours, not the program's. */
const ENGINE_FAILED = 125

export const exec = command({
  name: 'exec',
  summary: 'Run a program in a container that runs',
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  positionals: { min: 2 },
  // As Docker: an exit code of 1 may be the program's own.
  usageExitCode: ENGINE_FAILED,
  stopsAtPositional: true,
  flags,
  run: async (context) => {
    const { args, cwd, env, onSignal } = context
    const [container = '', ...argv] = args.positionals
    const { detach, interactive, tty } = args.flags
    const keys = await chosenDetachKeys(context, args.flags['detach-keys'], !detach && interactive && tty)
    if (E.isLeft(keys)) return refuseProgram(context, keys.left)
    const unfit = interactive && tty && !detach ? unfitInput(context) : undefined
    if (unfit !== undefined) return refuseProgram(context, unfit)
    const variables = environment(args.flags['env-file'], args.flags.env, env, readCallersFile(cwd))
    if (E.isLeft(variables)) return refuseProgram(context, variables.left)
    const engine = await context.engine()
    const options = optionsOf(context, args.flags, variables.right)
    const started = await engine.containers.exec(container, argv, options)()
    if (E.isLeft(started)) return refuseProgram(context, started.left)
    const process = started.right
    if (detach) return 0
    const stop = onSignal(PASSED_ON, (name) => void process.kill(signalNumber(name) ?? 0))
    try {
      if (!tty) return await process.exit
      const isLeft = await relayTerminal(process, context, {
        passInput: interactive,
        leave: () => void process.kill(HANGUP),
        ...(process.isDetachable
          ? { detach: { keys: keys.right, run: () => detached(context, process) } }
          : {}),
      })
      return isLeft ? 0 : await process.exit
    } finally {
      stop()
    }
  },
})

const HANGUP = 1

/** True when it goes on without us; else it stays ours, and is told why. */
const detached = async (
  { stderr }: Pick<Context, 'stderr'>,
  { detach }: Pick<ExecProcess, 'detach'>,
): Promise<boolean> => {
  const done = await detach()
  if (E.isLeft(done)) reportError(stderr, done.left)
  return E.isRight(done)
}

const NOWHERE = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const
const INHERITED = { stdout: 'inherit', stderr: 'inherit' } as const

const optionsOf = (
  context: Context<typeof flags>,
  { tty, interactive, detach, user, workdir, privileged, 'detach-keys': keys }: Args<typeof flags>['flags'],
  env: Readonly<Record<string, string>>,
) => ({
  env,
  ...(user === undefined ? {} : { user }),
  ...(workdir === undefined ? {} : { cwd: workdir }),
  ...(privileged ? { privileged } : {}),
  ...(!detach && tty && interactive && (keys ?? '') !== '' ? { detachable: true } : {}),
  ...(detach ? { detach } : {}),
  ...(tty ? { tty: context.stdout.isTTY() ? terminalSize(context) : true } : {}),
  ...(tty ? {} : detach ? NOWHERE : ({ ...INHERITED, stdin: interactive ? 'inherit' : 'ignore' } as const)),
})
