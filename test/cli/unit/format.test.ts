// Templates for --format: what is understood, and how everything else is refused.
import * as E from '#fp/Either'
import { compileFormat, compileInspect, formatRecords } from '../../../src/cli/format.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/format')

const RECORD = {
  ID: 'abc',
  Names: 'web',
  Count: 3,
  Two: 2,
  Off: false,
  Nothing: null,
  State: { Pid: 7, Deep: { Er: 'x' } },
  List: ['a', 'b'],
  Labels: { 'com.x': 'y', n: null },
  Env: null,
  Volumes: null,
  ExposedPorts: { '80/tcp': {} },
  Described: { Id: 'x', mediaType: 'm', size: 3 },
  Mounts: [{ Source: '/a', Target: '/b' }],
  Options: { type: 'tmpfs', o: 'size=1m' },
  Actor: { Attributes: { name: 'web' } },
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
  ['{{.Nothing}}', '<nil>'],
  ['{{.List}}', '[a b]'],
  ['{{.State}}', '{7 {x}}'],
  ['{{json .List}}', '["a","b"]'],
  ['{{json .ID}}', '"abc"'],
  ['{{json .Nothing}}', 'null'],
  ['{{.State | json}}', '{"Pid":7,"Deep":{"Er":"x"}}'],
  ['{{join .List ", "}}', 'a, b'],
  ['{{join .List `|`}}', 'a|b'],
  ['{{upper .ID}} {{.ID | upper | lower}} {{title "two words"}}', 'ABC abc Two Words'],
  ['{{len .List}} {{len .ID}} {{len .Labels}} {{len .State}} {{len "é"}}', '2 3 2 2 2'],
  ['{{index .List 1}}', 'b'],
  ['{{index .Labels "com.x"}}', 'y'],
  ['{{index .State "Deep" "Er"}}', 'x'],
  ['{{join (split .ID "b") "-"}}', 'a-c'],
  ['{{println .ID .Count}}', 'abc 3\n'],
  ['{{print "a}}" .ID}} {{print 1 2 "x" 3}}', 'a}}abc 1 2x3'],
  ['{{"q\\"uote"}} {{"\\x41\\102\\n"}}', 'q"uote AB\n'],
  ['a {{- .ID -}} b', 'aabcb'],
  ['a{{/* no }} thing */}}b {{- /* more */ -}} c', 'abc'],
  ['{{.ID}}\\t{{.ID}}\\n', 'abc\tabc\n'],
  ['json', JSON.stringify(RECORD)],
  ['{{json .}}', JSON.stringify(RECORD)],
  // What a map has not is no mistake, and prints as Go prints it.
  ['{{.Labels}} {{.Volumes}} {{.ExposedPorts}}', 'map[com.x:y n:<nil>] map[] map[80/tcp:{}]'],
  ['{{.Labels.nope}}', '<no value>'],
  ['[{{index .Labels "nope"}}] [{{index .Volumes "nope"}}]', '[] []'],
  ['{{.Options}}', 'map[o:size=1m type:tmpfs]'],
  ['{{.Actor.Attributes.name}} {{.Actor.Attributes.image}}', 'web <no value>'],
  // What an answer may leave out is nil.
  ['{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{json .Healthcheck}}', 'none null'],
  // An empty list or map is null in Docker's JSON.
  ['{{.Env}} {{len .Env}} {{json .Env}} {{json .Volumes}}', '[] 0 null null'],
  ['{{json .Labels}}', '{"com.x":"y","n":null}'],
  ['{{if .Off}}on{{else}}off{{end}}', 'off'],
  ['{{if .Env}}e{{else if .Nothing}}n{{else if eq .Count 3}}three{{else}}none{{end}}', 'three'],
  ['{{if and .ID (not .Off)}}both{{end}}{{if or .Off .Env}}one{{end}}', 'both'],
  ['{{or .Off .Env "last"}} {{and .ID .Off .Nope}}', 'last false'],
  ['{{range .List}}<{{.}}>{{end}}', '<a><b>'],
  ['{{range .List}}{{println .}}{{end}}', 'a\nb\n'],
  ['{{range $i, $e := .List}}{{$i}}={{$e}} {{end}}', '0=a 1=b '],
  ['{{range $k, $v := .Labels}}{{$k}}:{{$v}} {{end}}', 'com.x:y n:<nil> '],
  ['{{range $p, $c := .ExposedPorts}}{{$p}}{{end}}', '80/tcp'],
  ['{{range .Env}}x{{else}}none{{end}}', 'none'],
  ['{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', 'a'],
  ['{{range .List}}{{if eq . "a"}}{{continue}}{{end}}{{.}}{{end}}', 'b'],
  ['{{range 3}}{{.}}{{end}}', '012'],
  ['{{range .List}}{{$.ID}}{{end}}', 'abcabc'],
  ['{{with .State}}{{.Pid}} {{$.ID}}{{end}}{{with .Env}}x{{else}}y{{end}}', '7 abcy'],
  ['{{$x := .ID}}{{range .List}}{{$x = .}}{{end}}{{$x}}', 'b'],
  ['{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}', '21'],
  ['{{(index .Mounts 0).Source}} {{with index .Mounts 0}}{{.Source}}{{end}}', '/a /a'],
  ['{{range .Mounts}}{{.Source}}:{{.Target}}{{"\\n"}}{{end}}', '/a:/b\n'],
  ['{{$m := index .Mounts 0}}{{$m.Source}}', '/a'],
  [
    '{{eq .ID "x" "abc"}} {{ne .ID "x"}} {{lt 1 2}} {{ge 2 2}} {{gt "b" "a"}} {{le 3 2}}',
    'true true true true true false',
  ],
  ['{{eq (len .List) .Two}} {{print (index .List 0) .ID}}', 'true aabc'],
  ['{{eq .Nothing nil}}', 'true'],
  ['{{slice .ID 1}} {{slice .ID 0 2}} {{slice .List 1 2}}', 'bc ab [b]'],
  ['{{truncate .ID 2}} {{truncate .ID 9}} [{{pad .ID 1 2}}] [{{pad "" 1 1}}]', 'ab abc [ abc  ] []'],
  ['{{printf "%s|%5s|%-5s|%.2s|%q" .ID .ID .ID .ID .ID}}', 'abc|  abc|abc  |ab|"abc"'],
  ['{{printf "%d %03d %+d %x %v %t %%" .Count .Count .Count 255 .List .Off}}', '3 003 +3 ff [a b] false %'],
  ['{{printf "%.1f %T" 2.25 .ID}}', '2.3 string'],
  [
    '{{printf "%d" .ID}} {{printf "%s %s" .ID}} {{printf "x" .Count}}',
    '%!d(string=abc) abc %!s(MISSING) x%!(EXTRA int=3)',
  ],
  ['{{.ID | printf "%s-%s" "a"}}', 'a-abc'],
  ['{{.Described.ID}} {{.Described.Id}} {{.Described.MediaType}} {{.Described.Size}}', 'x x m 3'],
  ['{{html "<a&b>"}} {{urlquery "a b/c"}}', '&lt;a&amp;b&gt; a+b%2Fc'],
  ["{{'a'}} {{1.5}} {{true}} {{0x10}}", '97 1.5 true 16'],
  ['{{define "t"}}<{{.}}>{{end}}{{template "t" .ID}}{{template "t"}}', '<abc><<no value>>'],
  ['{{block "b" .ID}}[{{.}}]{{end}}', '[abc]'],
  ['{{if .ID -}}  x  {{- end}}', 'x'],
]
for (const [template, text] of GOOD)
  test(`${template} gives its value`, () => assert.equal(render(template), E.right(text)))

const BAD: readonly (readonly [string, string])[] = [
  ['{{.Nope}}', 'there is no field .Nope'],
  ['{{constructor}}', '{{constructor}}: a field starts with a dot: {{.constructor}}'],
  ['{{.ID.X}}', 'there is no field .ID.X'],
  ['{{.State.Health.Status}}', 'there is no field .State.Health.Status'],
  ['{{.Nothing.X}}', 'there is no field .Nothing.X'],
  ['{{.Described.id}}', 'there is no field .Described.id'],
  ['{{.constructor}}', 'there is no field .constructor'],
  ['{{..ID}}', 'cannot read ..ID'],
  ['{{ID}}', '{{ID}}: a field starts with a dot: {{.ID}}'],
  ['{{json ID}}', '{{ID}}: a field starts with a dot: {{.ID}}'],
  ['{{if false}}{{nope}}{{end}}', '{{nope}}: a field starts with a dot: {{.nope}}'],
  ['{{.ID', 'a {{ is not closed'],
  ['{{/* open }}', 'a {{ is not closed'],
  ['{{}}', 'an action is empty'],
  ['{{.ID .ID}}', '.ID is not a function'],
  ['{{.ID | .ID}}', '.ID is not a function'],
  ['{{"a" .ID}}', 'a value is not a function'],
  ['{{.ID | 3}}', 'a value is not a function'],
  ['{{"open}}', 'a {{ is not closed'],
  ['{{json (.ID}}', 'brackets do not match'],
  ['{{json .ID)}}', 'brackets do not match'],
  ['{{"\\y"}}', 'cannot read the text "\\y"'],
  ['{{join .ID ","}}', 'join needs a list'],
  ['{{join .List 3}}', 'join needs a text'],
  ['{{join .List}}', 'join got 1 values, and takes 2'],
  ['{{upper .List}}', 'upper needs a text'],
  ['{{upper}}', 'upper got 0 values, and takes 1'],
  ['{{index .Count 0}}', 'index needs a list or a map'],
  ['{{index .List 9}}', 'index 9 is out of range'],
  ['{{index .List "a"}}', 'index of a list needs a whole number'],
  ['{{slice .ID 2 9}}', 'slice 2 to 9 is out of range'],
  ['{{slice .Count 1}}', 'slice needs a text or a list'],
  ['{{len .Count}}', 'len needs a text, a list or a map'],
  ['{{eq .ID 3}}', 'abc and 3 cannot be compared'],
  ['{{lt .ID 3}}', 'abc and 3 cannot be compared'],
  ['{{eq .ID}}', 'eq got 1 values, and takes at least 2'],
  ['{{if .ID}}x', 'an {{if}}, {{with}}, {{range}} or {{define}} has no {{end}}'],
  ['{{if}}x{{end}}', '{{if}} of nothing'],
  ['{{end}}', '{{end}} ends nothing'],
  ['{{else}}', '{{else}} ends nothing'],
  ['{{if .ID}}{{else}}{{else}}{{end}}', '{{else}} ends nothing'],
  ['{{range .List}}{{else if .ID}}{{end}}', '{{else if}} does not go with {{range}}'],
  ['{{break}}', '{{break}} belongs into a {{range}}, alone'],
  ['{{range .ID}}{{end}}', 'range needs a list or a map, not abc'],
  ['{{$x}}', 'there is no variable $x'],
  ['{{$x = 1}}', 'there is no variable $x'],
  ['{{.ID := 1}}', 'before := or = stands a variable such as $x'],
  ['{{$a, $b := .List}}', 'before := or = stands a variable such as $x'],
  ['{{nil}}', 'nil is no command'],
  ['{{template "t"}}', 'there is no template "t"'],
  ['{{template .ID}}', '{{template}} needs a name in quotation marks'],
  ['{{define "t"}}{{template "t"}}{{end}}{{template "t"}}', 'the template "t" calls itself without end'],
  ['{{and}}', 'and needs a value'],
  ["{{'ab'}}", "'ab' is not one character"],
]
for (const [template, why] of BAD)
  test(`${template} is refused: ${why}`, () => assert.equal(render(template), E.left(`--format: ${why}`)))

test('words of Go that are not there are named', () => {
  for (const word of ['js', 'call']) {
    const got = render(`{{${word} .ID}}`)
    assert.ok(E.isLeft(got) && got.left.includes(`{{${word}}} is not supported; json, upper`), word)
  }
})

test('inspect takes its template as it stands', () => {
  for (const text of ['table {{.ID}}', '{{.ID}}\\n', 'json']) {
    const format = compileInspect(text)
    assert.ok(E.isRight(format))
    assert.equal(format.right.render(RECORD), E.right(text.replace('{{.ID}}', 'abc')))
  }
})

test('a table has a header made of the names of its columns', () => {
  const rows = [RECORD, { ...RECORD, ID: 'a-longer-id' }]
  assert.equal(
    formatRecords('table {{.ID}}\\t{{.Names}}', rows, HEADERS),
    E.right('CONTAINER ID   NAMES\nabc            web\na-longer-id    web\n'),
  )
})

test('a heading is never cut, and is no JSON', () => {
  const template =
    'table {{truncate .ID 2}}\\t{{json .Names}}\\t{{join (split .ID "b") "-"}}\\t{{.ID | lower | upper}}'
  assert.equal(
    formatRecords(template, [RECORD], HEADERS),
    E.right(
      'CONTAINER ID   NAMES     CONTAINER ID   CONTAINER ID\nab             "web"     a-c            ABC\n',
    ),
  )
})

test('a field may be a method', () => {
  const record = { Label: (key: string) => `<${key}>` }
  assert.equal(
    formatRecords('table {{.Label "a"}}\\t{{"b" | .Label}}', [record], { Label: (key: string) => key }),
    E.right('a         b\n<a>       <b>\n'),
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
