// docs/embedding.md shows the table that test/matrix checks.
import { readFileSync } from 'node:fs'
import { PAGE, withMatrix } from '../matrix/render.mjs'
import { CASES, EXCEPTIONS } from '../matrix/table.mjs'
import { assert, suite } from '../support/suite.ts'

const test = suite('scripts/embedding-doc')

test('the page shows the table as it is: npm run test:matrix -- --write-docs', () => {
  const text = readFileSync(PAGE, 'utf8')
  assert.is(text, withMatrix(text))
})

test('a page that says something else is made anew, and one without a block is an error', () => {
  const made = withMatrix('before\n<!-- matrix -->\nno table at all\n<!-- /matrix -->\nafter\n')
  assert.match(made, /^before\n<!-- matrix -->\n\| case \| Node /)
  assert.not.match(made, /no table at all/)
  for (const name of CASES) assert.ok(made.includes(`| ${name} |`), name)
  assert.throws(() => withMatrix('no block'), /no block between/)
})

test('every runtime can do all of it, and the page says so', () => {
  assert.equal(EXCEPTIONS, [])
  assert.not.match(readFileSync(PAGE, 'utf8'), /\| no \(\d\) \|/)
})

test.run()
