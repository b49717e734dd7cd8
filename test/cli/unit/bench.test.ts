// slipway bench as far as it goes without a container: what it refuses, and how it tells its progress.
import { benchProgress, progressLine } from '../../../src/cli/bench-progress.ts'
import { assert, suite } from '../../support/suite.ts'
import { call } from '../fake-world.ts'

const test = suite('cli/bench')

const REFUSED: readonly (readonly [readonly string[], string])[] = [
  [['--only', 'nope'], '--only: there is no part or engine "nope"'],
  [['--runs', '0'], '--runs: 0 is not between 1 and 100000'],
  [['--runs', 'x'], '--runs: "x" is not a whole number'],
  [['--time', '5'], '--time: "5": needs a unit: ms, s, m, h or d'],
  [['--time', '0s'], '--time: there is nothing to measure in no time'],
  [['--quick', '--time', '5s'], '--quick and --time exclude each other'],
  [['--out', ''], '--out: needs a directory'],
  [['extra'], 'unexpected argument "extra"'],
]
for (const [words, why] of REFUSED)
  test(`bench ${words.join(' ')} is refused, and nothing is started`, async () => {
    const made = call(['bench', ...words])
    assert.is(await made.code, 1)
    assert.is(made.stderr().split('\n')[0], `slipway: ${why}`)
    assert.equal([made.stdout(), made.roots], ['', []])
  })

test('a word that is neither part nor engine gets all that are', async () => {
  const made = call(['bench', '--only', 'nope'])
  await made.code
  assert.match(
    made.stderr(),
    /hint: known are parts, engines, pid, .*, seccomp, .*, crun, runc, podman, docker\n/,
  )
})

test('where no container can be made that is said before anything is', async () => {
  const store = { _tag: 'StateDamaged', path: '/s', why: 'y' } as const
  const made = call(['bench'], { answers: { store } })
  assert.is(await made.code, 125)
  assert.is(made.stderr(), 'slipway: /s: damaged: y\n')
})

const at = (phase: 'parts' | 'engines', round: number, leftMs?: number) => ({
  phase,
  title: 'x',
  round,
  ...(leftMs === undefined ? {} : { leftMs }),
})

test('a line of progress says what runs, and from the second round on how long yet', () => {
  assert.is(progressLine({ phase: 'setting up', title: 'crun run' }), 'setting up  crun run')
  assert.is(progressLine(at('parts', 0)), 'parts  round 1  x')
  assert.is(progressLine(at('engines', 11, 61_000)), 'engines  round 12  1 min 01 s left  x')
})

const display = (isTTY: boolean, columns = 80) => {
  let written = ''
  let now = 0
  const shown = benchProgress(
    {
      fd: 2,
      isTTY: () => isTTY,
      hungUp: () => false,
      columns: () => columns,
      rows: () => 24,
      write: (text) => {
        written += text
      },
    },
    () => now,
  )
  return { ...shown, later: (ms: number) => (now += ms), written: () => written }
}

test('a terminal has one line that is written over, no wider than the window, and cleared at the end', () => {
  const { update, finish, later, written } = display(true, 12)
  update(at('parts', 0))
  update(at('parts', 1))
  later(150)
  update(at('parts', 2))
  finish()
  assert.is(written(), '\r\x1b[2Kparts  roun\r\x1b[2Kparts  roun\r\x1b[2K')
})

test('a pipe gets a line for each phase, and one now and then', () => {
  const { update, later, written } = display(false)
  update(at('parts', 0))
  later(3000)
  update(at('parts', 5))
  update(at('engines', 0))
  later(10_000)
  update(at('engines', 7, 2000))
  assert.is(written(), 'parts  round 1  x\nengines  round 1  x\nengines  round 8  2 s left  x\n')
})

test.run()
