// `npm run check`: everything that needs no privilege, in under a minute. Quick checks first, two at a time.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(path.dirname(path.dirname(fileURLToPath(import.meta.url))))
const NOT_CHECKED = 3
const KEPT_LINES = 60
const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' }
const JOBS = 2
const node = (...args) => [process.execPath, ...args]

const CHECKS = [
  {
    name: 'format and lint',
    command: ['node_modules/.bin/biome', 'ci', '--error-on-warnings', '--colors=off'],
  },
  { name: 'types', command: node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json') },
  { name: 'layers', command: node('scripts/check-layers.mjs') },
  { name: 'native format', command: node('scripts/format-native.mjs') },
  { name: 'error pages', command: node('scripts/check-errors.mjs'), needs: 'docs/errors.md' },
  { name: 'pages', command: node('scripts/check-docs.mjs') },
  { name: 'plot of the history', command: node('bench/plot-history.mjs', '--check') },
  { name: 'pure tests', command: node('test/run.mjs', '--unit', '--jobs=1') },
  { name: 'native build', command: node('scripts/native-build.mjs') },
  { name: 'child symbols', command: node('scripts/check-child-symbols.mjs'), after: 'native build' },
]

const run = (command) =>
  new Promise((resolve) => {
    const [program, ...args] = command
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
    child.on('error', (error) => resolve({ code: 1, text: String(error) }))
    child.on('close', (code) => resolve({ code, text }))
  })

const done = new Map()
const perform = async ({ name, command, needs, after }) => {
  const started = Date.now()
  if (after !== undefined) await done.get(after)
  const missing = needs !== undefined && !existsSync(needs)
  const { code, text } = missing ? { code: NOT_CHECKED, text: `${needs} does not exist` } : await run(command)
  const word = code === 0 ? 'ok  ' : code === NOT_CHECKED ? 'skip' : 'FAIL'
  console.log(`${word} ${name} (${Date.now() - started} ms)${word === 'skip' ? `: ${text.trim()}` : ''}`)
  if (word === 'FAIL') console.log(excerpt(text).replace(/^/gm, '     | '))
  return word
}

const excerpt = (text) => {
  const lines = text.trimEnd().split('\n')
  const more = lines.length - KEPT_LINES
  return more > 0 ? [...lines.slice(0, KEPT_LINES), `… ${more} more lines`].join('\n') : lines.join('\n')
}

const queue = [...CHECKS]
const worker = async () => {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    const result = perform(check)
    done.set(check.name, result)
    await result
  }
}
await Promise.all(Array.from({ length: JOBS }, worker))

const words = await Promise.all(done.values())
const count = (word) => words.filter((each) => each === word).length
const skipped = count('skip') > 0 ? `, ${count('skip')} skipped` : ''
console.log(`${count('ok  ')} passed, ${count('FAIL')} failed${skipped}`)
process.exit(count('FAIL') === 0 ? 0 : 1)
