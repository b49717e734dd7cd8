// The command line's entry: the one file that touches `process`.
import { commandGroups } from './commands/index.ts'
import { dispatch, type World } from './dispatch.ts'
import { input, output } from './streams.ts'

/** Loaded when asked for: it costs 3 ms. This file only ever runs as the CommonJS bundle, where `require` exists. */
const tty = (): typeof import('node:tty') => require('node:tty')

const done = new Set<string>()
/** What this process has done with success: boot.ts asks at the end, and keeps what V8 compiled for it. */
export const lessons = (): readonly string[] => [...done]

const world: World = {
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  platform: {
    node: process.version,
    arch: process.arch,
    // `--` keeps Node from looking for flags of its own behind it.
    program: [process.execPath, '--', process.argv[1] ?? ''],
  },
  stdin: input(0, tty, () => process.stdin),
  stdout: output(1, tty, () => process.stdout),
  stderr: output(2, tty, () => process.stderr),
  onSignal: (names, listener) => {
    for (const name of names) process.on(name, listener)
    return () => {
      for (const name of names) process.off(name, listener)
    }
  },
  engineOf: async (root, config) => {
    if (config !== undefined) process.env.DOCKER_CONFIG = config
    return (await import('./live-engine.ts')).liveEngine(root, process.env, (how) => done.add(how))
  },
  onSuccess: (name) => done.add(name),
}

/**
 * Node restores the terminals it was started on, and aborts with a core dump where one was hung up. Who is told of a
 * hangup may die of it, though: that is what a shell expects, and what is done here.
 */
const end = (code: number): never => {
  if (world.stdout.hungUp() || world.stderr.hungUp()) {
    process.removeAllListeners('SIGHUP')
    process.kill(process.pid, 'SIGHUP')
  }
  return process.exit(code)
}

// Should the event loop run dry before the verb has an answer, that must not look like success.
process.exitCode = 125

// exit, not exitCode: a terminal or pipe still open for reading would keep the process. Everything is written by then.
dispatch(world, commandGroups).then(end, (error: unknown) => {
  try {
    world.stderr.write(`slipway: this is a bug in slipway: ${error instanceof Error ? error.stack : error}\n`)
  } catch {}
  end(125)
})
