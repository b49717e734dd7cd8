// docs/errors.md has a row for every tag there is, and for none that is not.
import { readFileSync } from 'node:fs'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/errors-doc')

const matches = (file: string, pattern: RegExp): readonly string[] =>
  [...readFileSync(file, 'utf8').matchAll(pattern)].map((match) => match[1] ?? '').sort()

test('every tag of EngineError has its row in docs/errors.md', () => {
  const tags = matches('src/model/errors.ts', /^ {2}readonly _tag: '(\w+)'/gm)
  assert.ok(tags.length > 10)
  assert.equal(matches('docs/errors.md', /^\| `([A-Z]\w+)` \|/gm), tags)
})

test.run()
