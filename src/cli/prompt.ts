// Questions on a terminal: a line that is seen, and one that is not.
import type { Readable } from 'node:stream'
import type { Context } from './command.ts'

export interface Prompt {
  /** The line typed, without its end; undefined where the input ended or the user gave up. */
  readonly ask: (question: string) => Promise<string | undefined>
  /** The same without an echo. */
  readonly askSecret: (question: string) => Promise<string | undefined>
  /** The signal that ended the questions, if one did. */
  readonly cancelledBy: () => NodeJS.Signals | undefined
  /** Lets go of the input and the signals. */
  readonly close: () => void
}

const CTRL_C = '\x03'
const CTRL_D = '\x04'
const CTRL_U = '\x15'
const ERASE = new Set(['\x7f', '\b'])

/** Standard input is read for the questions alone, one character after the other: more than one line may come at once. */
export const openPrompt = ({
  stdin,
  stderr,
  onSignal,
}: Pick<Context, 'stdin' | 'stderr' | 'onSignal'>): Prompt => {
  const source: Readable = stdin.stream()
  const waiting: string[] = []
  let ended = false
  let wake = (): void => {}
  const onData = (chunk: Buffer | string): void => {
    waiting.push(...chunk.toString('utf8'))
    wake()
  }
  const onEnd = (): void => {
    ended = true
    wake()
  }
  let cancelledBy: NodeJS.Signals | undefined
  // A signal must not leave the terminal without its echo.
  const undoSignals = onSignal(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'], (name) => {
    cancelledBy ??= name
    waiting.length = 0
    onEnd()
  })
  source.on('data', onData)
  source.on('end', onEnd)
  source.on('close', onEnd)
  const next = async (): Promise<string | undefined> => {
    while (waiting.length === 0 && !ended)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    return waiting.shift()
  }
  const line = async (): Promise<string | undefined> => {
    let text = ''
    for (let key = await next(); key !== undefined; key = await next()) {
      if (key === '\n' || key === '\r') return text
      if (key === CTRL_C || (key === CTRL_D && text === '')) return undefined
      if (key === CTRL_U) text = ''
      else if (ERASE.has(key)) text = [...text].slice(0, -1).join('')
      else text += key
    }
    return text === '' || cancelledBy !== undefined ? undefined : text
  }
  return {
    ask: (question) => {
      stderr.write(question)
      return line()
    },
    askSecret: async (question) => {
      stdin.setRaw(true)
      try {
        stderr.write(question)
        return await line()
      } finally {
        stdin.setRaw(false)
        stderr.write('\n')
      }
    },
    cancelledBy: () => cancelledBy,
    close: () => {
      undoSignals()
      source.off('data', onData)
      source.off('end', onEnd)
      source.off('close', onEnd)
      source.pause()
    },
  }
}
