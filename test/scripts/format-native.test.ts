// The form of C++ files: right, wrong, and set right.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { runScript, withProject } from './project.ts'

const WRONG = 'int  main( ){return 0;}\n'
const RIGHT = 'int main() { return 0; }\n'
const LONG = `int a${'a'.repeat(60)} = 1 + 2; // ${'word '.repeat(10)}\n`

const Format = suite('format-native')
Format.requires('program:clang-format-19')
Format('a file in the right form is accepted', () => {
  assert.is(withProject({ 'a.cc': RIGHT }, (root) => runScript('format-native.mjs', root)).status, 0)
})
for (const [name, text] of [
  ['wrong spaces', WRONG],
  ['more than 100 columns', LONG],
] as const) {
  Format(`a file with ${name} is refused by name`, () => {
    const { status, lines } = withProject({ 'sub/a.cc': text }, (root) =>
      runScript('format-native.mjs', root),
    )
    assert.is(status, 1)
    assert.match(lines.join('\n'), 'sub/a.cc')
  })
}
Format('a file in the wrong form is set right on request', () => {
  const text = withProject({ 'a.cc': WRONG }, (root) => {
    runScript('format-native.mjs', '--write', root)
    return readFileSync(path.join(root, 'a.cc'), 'utf8')
  })
  assert.is(text, RIGHT)
})
Format.run()
