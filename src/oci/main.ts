// The entry of slipway-oci: the one file of this folder that touches `process`.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { World } from './command.ts'
import { commands } from './commands/index.ts'
import { dispatch } from './dispatch.ts'
import { inUserNamespace } from './user-namespace.ts'
import { writeAll } from './write-all.ts'

/** Where nobody reads any more there is nobody to tell; whatever else is wrong must not look like success. */
const writeTo =
  (fd: number) =>
  (text: string): void => {
    try {
      writeAll(fd, Buffer.from(text))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') process.exit(1)
    }
  }

let opened = false
/** Once the life cycle is loaded what V8 compiled is worth keeping. cli/boot.ts asks at the end. */
export const lessons = (): readonly string[] =>
  opened ? commands.map(({ name }) => name).filter((name) => world.argv.includes(name)) : []

const world: World = {
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  pid: process.pid,
  euid: process.geteuid?.() ?? 0,
  egid: process.getegid?.() ?? 0,
  inUserNamespace,
  stdout: writeTo(1),
  stderr: writeTo(2),
  readStdin: () => readFileSync(0, 'utf8'),
  now: () => new Date(),
  output: (program, args) => {
    const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
    return { code: status ?? 1, text: error === undefined ? `${stdout}${stderr}` : error.message }
  },
  openRuntime: async (settings) => {
    opened = true
    return (await import('./live.ts')).openRuntime(settings)
  },
}

// Should the event loop run dry before the command has an answer, that must not look like success.
process.exitCode = 1

dispatch(world, commands).then(
  (code) => process.exit(code),
  (error: unknown) => {
    world.stderr(`slipway-oci: this is a bug in slipway: ${error instanceof Error ? error.stack : error}\n`)
    process.exit(1)
  },
)
