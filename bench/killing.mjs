// What the storms of kills have in common: a worker that tells each step before it takes it, killed at a moment chosen at random.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { projectRoot } from './build.mjs'

/**
 * Starts `bench/drivers/<driver>.mjs` and hears its lines. `isDoomed(line)` chooses the step it is killed in, up to `longestMs` milliseconds
 * after its beginning. Gives how it ended: `{ code, signal, said }`, `said` being the first lines of its standard error.
 */
export const untilKilled = (driver, args, { isDoomed, longestMs, onLine }) =>
  new Promise((resolve) => {
    const script = path.join(projectRoot, 'bench/drivers', `${driver}.mjs`)
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    let doomed = false
    child.stderr.on('data', (text) => {
      said += text
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      onLine(line)
      if (doomed || !isDoomed(line)) return
      doomed = true
      setTimeout(() => child.kill('SIGKILL'), Math.random() * longestMs)
    })
    child.on('close', (code, signal) => resolve({ code, signal, said: firstLines(said) }))
  })

const firstLines = (text) => text.trim().split('\n').slice(0, 6).join(' | ')

/** How often each thing happened, and what was wrong. */
export const tally = () => {
  const times = {}
  const faults = []
  return {
    faults,
    count: (what) => {
      times[what] = (times[what] ?? 0) + 1
    },
    total: () => Object.values(times).reduce((sum, each) => sum + each, 0),
    print: () => {
      for (const [what, number] of Object.entries(times).sort())
        console.log(`  ${String(number).padStart(5)} ${what}`)
      for (const fault of faults.slice(0, 20)) console.log(`  ${fault}`)
    },
  }
}
