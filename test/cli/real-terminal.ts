// A command of the real command line in a terminal of its own, by script(1).
import { spawn } from 'node:child_process'
import type { RealCli } from './real-cli.ts'

export interface TerminalSession {
  readonly type: (keys: string) => void
  /** Resolves when the text has been shown; rejects with what was shown where the command ends before. */
  readonly shows: (text: string | RegExp) => Promise<void>
  /** All that was shown, and the exit code. Its terminal is compared with what it was: `isRestored`. */
  readonly over: Promise<{ readonly code: number; readonly seen: string; readonly isRestored: boolean }>
  /** script(1) and its terminal are gone at once. */
  readonly close: () => void
}

/** A terminal that nobody talks to any more. */
const LIMIT_MS = 120_000

export const inTerminal = (cli: RealCli, words: string): TerminalSession => {
  const inner = `before=$(stty -g); "$NODE" -- "$CLI" ${words}; code=$?; test "$before" = "$(stty -g)"; echo "code $code $?"`
  const child = spawn('script', ['-qec', `sh -c '${inner.replaceAll("'", "'\\''")}'`, '/dev/null'], {
    env: { ...process.env, ...cli.env, NODE: process.execPath, CLI: cli.file },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  let seen = ''
  let look = (): void => {}
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString()
    look()
  })
  const closed = new Promise<void>((resolve) =>
    child.once('close', () => {
      clearTimeout(limit)
      resolve()
    }),
  )
  return {
    type: (keys) => void child.stdin.write(keys),
    shows: (text) =>
      Promise.race([
        new Promise<void>((resolve) => {
          look = () => {
            if (typeof text === 'string' ? seen.includes(text) : text.test(seen)) resolve()
          }
          look()
        }),
        closed.then(() => {
          throw new Error(`ended without ${text}: ${seen}`)
        }),
      ]),
    over: closed.then(() => {
      const [, code = '-1', differs] = /code (\d+) (\d)\r?\n$/.exec(seen) ?? []
      return { code: Number(code), seen, isRestored: differs === '0' }
    }),
    close: () => void child.kill('SIGKILL'),
  }
}
