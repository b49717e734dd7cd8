// A command line for the terminal tests: real descriptors, real signals, and an engine whose container echoes its keys.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import * as TE from '#fp/TaskEither'
import { commandGroups } from '../../src/cli/commands/index.ts'
import { dispatch } from '../../src/cli/dispatch.ts'
import { input, output } from '../../src/cli/streams.ts'
import { type FakeContainer, fakeContainer, fakeEngine } from './fake-world.ts'

const tty = (): typeof import('node:tty') => require('node:tty')
const notes = process.env.NOTES ?? ''
const note = (name: string, text: string) => writeFileSync(`${notes}/${name}`, text)

/** `q` ends it with 7, `t` throws as a bug would; every other key comes back in upper case. */
const echo = (): FakeContainer => {
  const container = fakeContainer()
  note('pid', String(process.pid))
  // A real container's pidfd keeps the event loop alive; this one has none.
  const alive = setInterval(() => {}, 1000)
  container.exit.then(() => clearInterval(alive))
  container.printed.write('ready')
  container.typed.on('data', (chunk: Buffer) => {
    note('during', execFileSync('stty', ['-g'], { stdio: ['inherit', 'pipe', 'inherit'] }).toString())
    const keys = chunk.toString()
    if (keys.includes('t')) throw new Error('a bug')
    container.printed.write(`<${keys.toUpperCase().replace('\u0003', 'CTRL-C')}>`)
    if (keys.includes('q')) container.end({ exitCode: 7 })
  })
  const resize = container.resize
  return {
    ...container,
    resize: (columns, rows) => {
      resize(columns, rows)
      container.printed.write(`[${columns}x${rows}]`)
    },
    kill: (signal) => {
      container.printed.write(`(${signal})`)
      container.end({ exitCode: 143 })
    },
  }
}

dispatch(
  {
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    platform: { node: process.version, arch: process.arch, program: [] },
    stdin: input(0, tty, () => process.stdin),
    stdout: output(1, tty, () => process.stdout),
    stderr: output(2, tty, () => process.stderr),
    onSignal: (names, listener) => {
      for (const name of names) process.on(name, listener)
      return () => {
        for (const name of names) process.off(name, listener)
      }
    },
    engineOf: async () =>
      fakeEngine({
        start: async ({ options }) => {
          note('size', JSON.stringify(options.tty))
          return echo()
        },
        images: {
          login: (registry, { username, password }) => {
            note('login', JSON.stringify([registry, username, password]))
            return TE.right({ registry, where: 'box', plain: false })
          },
        },
      }).engine,
  },
  commandGroups,
).then((code) => process.exit(code))
