import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/compare')
test.requires('root', 'program:unshare', 'program:mkfs.ext4', 'program:git', 'program:cc')

const compare = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, ['bench/compare.mjs', ...args], { encoding: 'utf8' })

interface Comparison {
  readonly sessions: readonly { readonly a: readonly number[]; readonly b: readonly number[] }[]
  readonly block: number
  readonly result: { readonly rounds: { readonly count: number }; readonly verdict: string }
  readonly environment: object
}

/** What a comparison of the working tree with itself writes. */
const measured = (...args: string[]): Comparison => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-compare-'))
  try {
    const file = path.join(folder, 'result.json')
    const { status, stderr } = compare('.', '.', '--rounds', '6', '--json', file, ...args)
    assert.is(status, 0, stderr)
    return JSON.parse(readFileSync(file, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

for (const [kind, args] of [
  ['cold starts', []],
  ['starts from a pool', ['--pool']],
] as const) {
  test(`${kind} of both sides are measured equally often, and every one counts`, () => {
    const { sessions, block, result, environment } = measured(...args)
    assert.is(sessions.length, 2)
    for (const side of sessions.flatMap(({ a, b }) => [a, b])) {
      assert.is(side.length, 3 * block)
      assert.ok(side.every((nanoseconds) => nanoseconds > 0))
    }
    assert.is(result.rounds.count, 6)
    assert.match(result.verdict, /^(no difference seen|not sure|B is)/)
    assert.ok('kernel' in environment)
  })
}

test('wrong arguments are refused before anything is measured', () => {
  for (const [args, why] of [
    [['.'], 'two revisions are compared, not 1'],
    [['.', '.', '--rounds', '3'], '--rounds 3: not a whole number from 4 on'],
    [['.', '.', '--rounds', 'many'], '--rounds many'],
    [['.', '.', '--shape', 'none'], '--shape none: not one of pid+mnt'],
    [['.', '.', '--shape', 'nonsense'], '--shape nonsense'],
    [['.', 'no-such-branch'], 'resolve revision: no-such-branch'],
    [['.', '.', '--faster'], "Unknown option '--faster'"],
  ] as const) {
    const { status, stderr } = compare(...args)
    assert.is(status, 2, stderr)
    assert.match(stderr, `compare: `)
    assert.match(stderr, why)
  }
})

test.run()
