// run and exec with a terminal that the command serves itself, in a real pseudo-terminal and without one.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { type Box, NEEDS, openBox } from './support.ts'

const test = suite('oci/life-cycle/terminal')
test.requires(...NEEDS, 'program:script', 'program:stty')

let box: Box
test.before(() => {
  box = openBox()
})
test.after(() => box.close())

const COMMAND = path.resolve('dist/oci.cjs')
const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ')
const commandOf = (words: readonly string[]): string => quoted([COMMAND, '--root', box.root, ...words])

/** Runs the words in a terminal of 90 by 30 and answers each cue once; what was seen, with the settings before and after. */
const inTerminal = (
  words: readonly string[],
  turns: readonly (readonly [cue: string, answer: (type: (keys: string) => void) => void])[],
): Promise<string> => {
  const inner = `stty cols 90 rows 30; tty > ${ours()}; echo "[$(stty -g)]"; ${commandOf(words)}; echo "code $?"; echo "[$(stty -g)]"`
  const child = spawn('script', ['-qec', inner, '/dev/null'], { env: { ...process.env, SHELL: '/bin/sh' } })
  const waiting = [...turns]
  let seen = ''
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString()
    const turn = waiting[0]
    if (turn === undefined || !seen.includes(turn[0])) return
    waiting.shift()
    turn[1]((keys) => child.stdin.write(keys))
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), 20_000)
  return new Promise((resolve) =>
    child.on('close', () => {
      clearTimeout(limit)
      resolve(seen)
    }),
  )
}
const ours = (): string => path.join(box.folder, 'ours')

const typing = (keys: string) => (type: (keys: string) => void) => type(keys)
/** Of 90 by 30, then of what it is changed to; ends with 7 when Ctrl-C is pressed. */
const SCRIPT =
  'trap "echo interrupted; exit 7" INT; trap "busybox stty size" WINCH; busybox tty; busybox stty size; read x; echo "got $x"; while :; do sleep 0.05; done'
const TURNS = [
  ['30 90', typing('word\r')],
  [
    'got word',
    () => spawnSync('stty', ['-F', readFileSync(ours(), 'utf8').trim(), 'cols', '70', 'rows', '20']),
  ],
  ['20 70', typing('\u0003')],
] as const

const isResized = (line = ''): boolean => /^\d+ 70$/.test(line)
/** Node's raw mode leaves the newlines of output to the terminal: it adds a carriage return of its own. */
const check = (seen: string): void => {
  // stty changes columns and rows one after the other: on a slow machine each is told.
  const lines = seen.split(/\r+\n/).filter((line, at, all) => !(isResized(line) && isResized(all[at + 1])))
  assert.match(lines[1] ?? '', /^\/dev\/pts\/\d+$/, JSON.stringify(seen))
  const said = ['30 90', 'word', 'got word', '20 70', '^Cinterrupted', 'code 7']
  assert.equal(lines.slice(2, 8), said, JSON.stringify(seen))
  const [before, after] = [lines[0], lines[8]]
  assert.match(before ?? '', /^\[.+\]$/)
  assert.is(after, before)
}

const bundleOf = (id: string, args: readonly string[]): string =>
  box.bundle(id, { args, process: { terminal: true } })

test('run serves the terminal of the container, and ours is restored', async () => {
  const id = box.newId()
  check(await inTerminal(['run', '--bundle', bundleOf(id, ['sh', '-c', SCRIPT]), id], TURNS))
  assert.equal(box.left(id), [])
})

test('exec -t serves the terminal of the process, and ours is restored', async () => {
  const id = await box.started()
  check(await inTerminal(['exec', '-t', id, 'sh', '-c', SCRIPT], TURNS))
  await box.gone(id)
})

test('without a terminal of ours it is served all the same', async () => {
  const id = box.newId()
  const bundle = bundleOf(id, ['sh', '-c', 'busybox tty; read x; echo "got $x"; exit 3'])
  const { code, out } = await box.call(['run', '--bundle', bundle, id], { input: 'word\n' })
  assert.is(code, 3)
  assert.match(out, /\/dev\/pts\/0\r\n/)
  assert.match(out, /got word\r\n$/)
  assert.equal(box.left(id), [])
})

test('a process that stays behind with the terminal of exec keeps nobody waiting', async () => {
  const id = await box.started()
  const { code, out } = await box.call(['exec', '-t', id, 'sh', '-c', 'trap "" HUP; sleep 60 & echo done'])
  assert.equal([code, out], [0, 'done\r\n'])
  await box.gone(id)
})

test('when nobody reads our output any more, the terminal hangs up', async () => {
  const id = box.newId()
  const words = [
    'run',
    '--bundle',
    bundleOf(id, ['sh', '-c', 'trap "exit 9" HUP; while :; do echo line; done']),
    id,
  ]
  const code = path.join(box.folder, 'code')
  spawnSync('sh', ['-c', `{ ${commandOf(words)}; echo $? > '${code}'; } | head -n 1`], { timeout: 20_000 })
  assert.is(readFileSync(code, 'utf8'), '9\n')
  assert.equal(box.left(id), [])
})

test.run()
