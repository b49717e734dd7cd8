// slipway run -it in a real pseudo-terminal: raw mode while it runs, everything as before afterwards.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { type Bundle, bundle } from './bundle.ts'

const test = suite('cli/terminal')

let cli: Bundle
const notes = mkdtempSync(path.join(tmpdir(), 'slipway-terminal-'))
test.before(async () => {
  cli = await bundle('test/cli/terminal-entry.ts')
  writeFileSync(path.join(notes, 'during'), '')
})
test.after(() => {
  cli.remove()
  rmSync(notes, { recursive: true, force: true })
})

interface Session {
  readonly seen: string
  readonly code: number
  readonly before: string
  readonly during: string
  readonly after: string
}

/** Runs the words in a terminal of 90 by 30; `talk` gets the output so far and answers with keys, or acts. */
const session = (
  words: string,
  talk: (seen: string, type: (keys: string) => void) => void,
): Promise<Session> => {
  const inner = [
    'stty cols 90 rows 30',
    'tty > "$NOTES/tty"',
    'stty -g > "$NOTES/before"',
    `"$NODE" "$CLI" ${words}`,
    'echo $? > "$NOTES/code"',
    'stty -g > "$NOTES/after"',
  ].join('\n')
  writeFileSync(path.join(notes, 'inner.sh'), inner)
  const child = spawn('script', ['-qec', `sh ${path.join(notes, 'inner.sh')}`, '/dev/null'], {
    env: { ...process.env, NOTES: notes, NODE: process.execPath, CLI: cli.file },
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), 30_000)
  let seen = ''
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString()
    talk(seen, (keys) => child.stdin.write(keys))
  })
  return new Promise((resolve) =>
    child.on('close', () => {
      clearTimeout(limit)
      const [before, during, after] = ['before', 'during', 'after'].map(noted)
      resolve({
        seen,
        code: Number(noted('code')),
        before: before ?? '',
        during: during ?? '',
        after: after ?? '',
      })
    }),
  )
}

/** Calls each answer once, when its cue is first seen. */
const dialogue = (
  ...turns: readonly (readonly [cue: string, answer: (type: (keys: string) => void) => void])[]
) => {
  const waiting = [...turns]
  return (seen: string, type: (keys: string) => void) => {
    const turn = waiting[0]
    if (turn === undefined || !seen.includes(turn[0])) return
    waiting.shift()
    turn[1](type)
  }
}

const hasScript = spawnSync('script', ['--version']).status === 0
const terminalTest = (name: string, body: () => Promise<void>) =>
  hasScript ? test(name, body) : test.skip(name, 'needs script(1)')

const typing = (keys: string) => (type: (keys: string) => void) => type(keys)
const noted = (name: string) => readFileSync(path.join(notes, name), 'utf8').trim()

terminalTest('keys arrive raw, Ctrl-C among them, and the terminal is restored', async () => {
  const talk = dialogue(['ready', typing('a')], ['<A>', typing('\u0003')], ['<CTRL-C>', typing('q')])
  const got = await session('run -it img', talk)
  assert.is(got.code, 7)
  assert.match(got.seen, /ready<A><CTRL-C><Q>/)
  assert.is.not(got.during, got.before)
  assert.is(got.after, got.before)
  assert.is(noted('size'), '{"columns":90,"rows":30}')
})

terminalTest('the container follows when the window changes its size', async () => {
  const talk = dialogue(
    ['ready', () => spawnSync('stty', ['-F', noted('tty'), 'cols', '70', 'rows', '20'])],
    ['[70x20]', typing('q')],
  )
  const got = await session('run -it img', talk)
  assert.is(got.code, 7)
  assert.is(got.after, got.before)
})

terminalTest('a signal from outside goes to the container, and the terminal is restored', async () => {
  const talk = dialogue(['ready', () => process.kill(Number(noted('pid')), 'SIGTERM')])
  const got = await session('run -it img', talk)
  assert.match(got.seen, /\(SIGTERM\)/)
  assert.is(got.code, 143)
  assert.is(got.after, got.before)
})

terminalTest('even a bug leaves the terminal as it was', async () => {
  const talk = dialogue(['ready', typing('t')])
  const got = await session('run -it img', talk)
  assert.match(got.seen, /a bug/)
  assert.is.not(got.during, got.before)
  assert.is(got.after, got.before)
})

terminalTest('-t without -i leaves our terminal alone', async () => {
  const talk = dialogue(['ready', () => process.kill(Number(noted('pid')), 'SIGTERM')])
  const got = await session('run -t img', talk)
  assert.is(got.code, 143)
  assert.is(got.after, got.before)
})

terminalTest('login shows the name and not the password, and the terminal is restored', async () => {
  const talk = dialogue(['Username: ', typing('me\r')], ['Password: ', typing('secreX\x7ft\r')])
  const got = await session('login reg.lan', talk)
  assert.is(got.code, 0)
  assert.match(got.seen, /Username: me\r\nPassword: \r\nLogin Succeeded/)
  assert.is(noted('login'), '["reg.lan","me","secret"]')
  assert.is(got.after, got.before)
})
terminalTest('Ctrl-C at the password of a login ends it with 130, and the terminal is restored', async () => {
  const talk = dialogue(['Password: ', typing('sec\x03')])
  const got = await session('login -u me reg.lan', talk)
  assert.is(got.code, 130)
  assert.not.match(got.seen, /sec/)
  assert.is(got.after, got.before)
})
terminalTest('a signal from outside at the password of a login restores the terminal', async () => {
  const talk = dialogue([
    'Password: ',
    () => {
      const found = spawnSync('ps', ['-t', noted('tty').replace('/dev/', ''), '-o', 'pid=,args='], {
        encoding: 'utf8',
      })
      const [, pid] = /(\d+) \S*node\S* .*login/.exec(found.stdout) ?? []
      process.kill(Number(pid), 'SIGTERM')
    },
  ])
  const got = await session('login -u me reg.lan', talk)
  assert.is(got.code, 143)
  assert.is(got.after, got.before)
})

test.run()
