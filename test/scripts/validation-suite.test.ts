// What a program of the validation suite said, as it is counted.
import { readTap } from '../../scripts/validation-suite.mjs'
import { assert, suite } from '../support/suite.ts'

const Tap = suite('validation-suite/tap')
const notes = (error: string): string => `  ---\n  {\n    "error": ${JSON.stringify(error)}\n  }\n  ...\n`

const CASES: readonly (readonly [
  name: string,
  text: string,
  code: number,
  passed: number,
  failed: string[],
])[] = [
  ['tests that are ok', 'TAP version 13\nok 1 - a\nok 2 - b\n1..2\n', 0, 2, []],
  ['one that is not, told once', 'not ok 1 - a\nok 2 - b\nnot ok 3 - a\n1..3\n', 0, 1, ['a']],
  ['what is skipped counts for nothing', 'ok 1 # SKIP a\nok 2 - b\n1..2\n', 0, 1, []],
  ['what is known to fail neither', 'not ok 1 # TODO a\nok 2 - b\n1..2\n', 0, 1, []],
  ['an error before any test', `TAP version 13\n${notes('wrong\nsee there')}1..0\n`, 0, 0, ['wrong']],
  ['an error behind a test explains it', `ok 1 - it MUST fail\n${notes('it failed')}1..1\n`, 0, 1, []],
  ['an error that is empty is none', `${notes('')}1..0\n`, 0, 0, []],
  ['several parts with a plan each', 'ok 1 - a\n1..1\nok 1 - b\n1..1\n1..0\n', 0, 2, []],
  ['no plan', 'ok 1 - a\n', 0, 1, ['1 tests were made, and the plan says undefined']],
  ['fewer tests than planned', 'ok 1 - a\n1..2\n', 0, 1, ['1 tests were made, and the plan says 2']],
  ['an exit code', 'ok 1 - a\n', 1, 1, ['exit code 1']],
  ['nothing at all', '', 0, 0, []],
]
for (const [name, text, code, passed, failed] of CASES)
  Tap(name, () => assert.equal(readTap(text, code), { passed, failed }))

Tap.run()
