// Templates for --format: what is understood, and how everything else is refused.
import * as E from '#fp/Either'
import { compileFormat, formatRecords } from '../../../src/cli/format.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/format')

const RECORD = {
  ID: 'abc',
  Names: 'web',
  Count: 3,
  Off: false,
  Nothing: null,
  State: { Pid: 7, Deep: { Er: 'x' } },
  List: ['a', 'b'],
  Labels: { 'com.x': 'y', n: null },
}
const HEADERS = { ID: 'CONTAINER ID', Names: 'NAMES' }

const render = (template: string): E.Either<string, string> => {
  const format = compileFormat(template)
  if (E.isLeft(format)) return E.left(format.left.message)
  const text = format.right.render(RECORD)
  return E.isLeft(text) ? E.left(text.left.message) : text
}

const GOOD: readonly (readonly [string, string])[] = [
  ['plain', 'plain'],
  ['{{.ID}}', 'abc'],
  ['{{ .ID }}/{{.Names}}!', 'abc/web!'],
  ['{{.State.Pid}}', '7'],
  ['{{.State.Deep.Er}}', 'x'],
  ['{{.Count}} {{.Off}}', '3 false'],
  ['{{.Nothing}}', '<no value>'],
  ['{{.List}}', '[a b]'],
  ['{{json .List}}', '["a","b"]'],
  ['{{json .ID}}', '"abc"'],
  ['{{json .Nothing}}', 'null'],
  ['{{.State | json}}', '{"Pid":7,"Deep":{"Er":"x"}}'],
  ['{{join .List ", "}}', 'a, b'],
  ['{{join .List `|`}}', 'a|b'],
  ['{{upper .ID}} {{.ID | upper | lower}} {{title .Names}}', 'ABC abc Web'],
  ['{{len .List}} {{len .ID}} {{len .Labels}}', '2 3 2'],
  ['{{index .List 1}}', 'b'],
  ['{{index .Labels "com.x"}}', 'y'],
  ['{{index .State "Deep" "Er"}}', 'x'],
  ['{{index .Labels "absent"}}', '<no value>'],
  ['{{join (split .ID "b") "-"}}', 'a-c'],
  ['{{println .ID .Count}}', 'abc 3\n'],
  ['{{print "a}}" .ID}}', 'a}}abc'],
  ['{{"q\\"uote"}}', 'q"uote'],
  ['a {{- .ID -}} b', 'aabcb'],
  ['a{{/* nothing */}}b', 'ab'],
  ['{{.ID}}\\t{{.ID}}\\n', 'abc\tabc\n'],
  ['json', JSON.stringify(RECORD)],
  ['{{json .}}', JSON.stringify(RECORD)],
]
for (const [template, text] of GOOD)
  test(`${template} gives its value`, () => assert.equal(render(template), E.right(text)))

const BAD: readonly (readonly [string, string])[] = [
  ['{{.Nope}}', 'there is no field .Nope'],
  ['{{constructor}}', '{{constructor}}: a field starts with a dot: {{.constructor}}'],
  ['{{.ID.X}}', 'there is no field .ID.X'],
  ['{{.Nothing.X}}', 'there is no field .Nothing.X'],
  ['{{.constructor}}', 'there is no field .constructor'],
  ['{{..ID}}', 'cannot read ..ID'],
  ['{{ID}}', '{{ID}}: a field starts with a dot: {{.ID}}'],
  ['{{json ID}}', '{{ID}}: a field starts with a dot: {{.ID}}'],
  ['{{.ID', 'a {{ is not closed'],
  ['{{}}', 'an action is empty'],
  ['{{.ID .ID}}', 'a value is not a function'],
  ['{{.ID | .ID}}', 'a value is not a function'],
  ['{{"open}}', 'a {{ is not closed'],
  ['{{json (.ID}}', 'brackets do not match'],
  ['{{json .ID)}}', 'brackets do not match'],
  ['{{"\\x"}}', 'cannot read the text "\\x"'],
  ['{{join .ID ","}}', 'join needs a list'],
  ['{{join .List 3}}', 'join needs a text'],
  ['{{upper .List}}', 'upper needs a text'],
  ['{{index .ID 0}}', 'index needs a list or a map'],
  ['{{index .List 9}}', 'index 9 is out of range'],
]
for (const [template, why] of BAD)
  test(`${template} is refused: ${why}`, () => assert.equal(render(template), E.left(`--format: ${why}`)))

test('words of Go that are not there are named', () => {
  for (const word of ['range .List', 'if .Off', 'printf "%s" .ID']) {
    const got = render(`{{${word}}}`)
    assert.ok(E.isLeft(got) && got.left.includes(`{{${word.split(' ')[0]}}} is not supported so far`), word)
  }
})

test('a table has a header made of the names of its columns', () => {
  const rows = [RECORD, { ...RECORD, ID: 'a-longer-id' }]
  assert.equal(
    formatRecords('table {{.ID}}\\t{{.Names}}', rows, HEADERS),
    E.right('CONTAINER ID   NAMES\nabc            web\na-longer-id    web\n'),
  )
})

test('a table shows control characters instead of obeying them', () => {
  const got = formatRecords('table {{.ID}}', [{ ID: 'x\u001b[2J' }], HEADERS)
  assert.equal(got, E.right('CONTAINER ID\nx\\u001b[2J\n'))
})

test('records come one per line', () => {
  assert.equal(formatRecords('{{.ID}}', [RECORD, RECORD], HEADERS), E.right('abc\nabc\n'))
})

test('no record gives no line, and a table still its header', () => {
  assert.equal(formatRecords('{{.ID}}', [], HEADERS), E.right(''))
  assert.equal(formatRecords('table {{.ID}}', [], HEADERS), E.right('CONTAINER ID\n'))
})

test('an unknown field is answered with those there are', () => {
  const got = formatRecords('{{.Id}}', [RECORD], HEADERS)
  assert.ok(E.isLeft(got) && got.left.hint === 'the fields are ID, Names')
})

test.run()
