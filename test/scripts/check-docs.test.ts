// The check that every page points at something that is there.
import { assert, suite } from '../support/suite.ts'
import { type Outcome, runScript, withProject } from './project.ts'

const check = (files: Readonly<Record<string, string>>): Outcome =>
  withProject(files, (root) => runScript('check-docs.mjs', root))

const Docs = suite('check-docs')
Docs('links, headings, paths, promises and excerpts that are there are accepted', () => {
  const outcome = check({
    'README.md':
      'See [docs](docs/a.md#two-words), [above](#top) and [the net](https://example.org/x.md).\n\n# Top\n\n[named]: docs/a.md\n',
    'docs/a.md':
      '# A\n\n## Two words!\n\n[back](../README.md), `src/b.ts`, `src/c*.ts`, `test/<name>.ts`\n\n```text src/b.ts\none\n…\nthree\n```\n',
    'docs/promises.md':
      '| promise | kept by | enforced by |\n|---|---|---|\n| a | b | `test/a.test.ts` |\n| c | d | test pending |\n',
    'src/b.ts': 'one\ntwo\n// see docs/a.md\nthree\n',
    'test/a.test.ts': '',
  })
  assert.equal(outcome, { status: 0, lines: [] })
})
Docs('what stands in code is no link and no heading', () => {
  const text = '`[no](link.md)`\n\n```\n[no](link.md)\n# no heading\n```\n'
  assert.equal(check({ 'README.md': text }), { status: 0, lines: [] })
})

const FAULTS: readonly (readonly [name: string, files: Record<string, string>, line: string])[] = [
  ['a link to nothing', { 'README.md': '[x](docs/x.md)' }, 'README.md: docs/x.md does not exist'],
  ['a named link to nothing', { 'README.md': '[x]: docs/x.md' }, 'README.md: docs/x.md does not exist'],
  ['a link out of the project', { 'docs/a.md': '[x](../../x.md)' }, 'docs/a.md: ../../x.md does not exist'],
  [
    'a link to a heading that is gone',
    { 'README.md': '[x](docs/a.md#gone)', 'docs/a.md': '# Here\n' },
    'README.md: docs/a.md#gone: no such heading',
  ],
  [
    'a link to a heading of its own that is gone',
    { 'docs/a.md': '[x](#gone)' },
    'docs/a.md: #gone: no such heading',
  ],
  [
    'a file of the project that is gone',
    { 'docs/d/a.md': 'in `src/x.ts`' },
    'docs/d/a.md: src/x.ts does not exist',
  ],
  [
    'a promise whose test is gone',
    { 'docs/promises.md': '| promise | by |\n|---|---|\n| a | `test/x.test.ts` |\n' },
    'docs/promises.md: test/x.test.ts does not exist',
  ],
  [
    'a promise that nothing enforces',
    { 'docs/promises.md': '| promise | by |\n|---|---|\n| a | hope |\n' },
    'docs/promises.md: a: names no test and does not say "test pending"',
  ],
  [
    'an excerpt with a line that is not in the file',
    { 'docs/a.md': '```text src/b.txt\none\nfour\n```\n', 'src/b.txt': 'one\ntwo\n' },
    'docs/a.md: not in src/b.txt, or not in this order: four',
  ],
  [
    'an excerpt in another order',
    { 'docs/a.md': '```text src/b.txt\ntwo\none\n```\n', 'src/b.txt': 'one\ntwo\n' },
    'docs/a.md: not in src/b.txt, or not in this order: one',
  ],
  [
    'an excerpt of a file that is gone',
    { 'docs/a.md': '```text src/b.txt\none\n```\n' },
    'docs/a.md: an excerpt of src/b.txt, which does not exist',
  ],
  [
    'a comment that names a page that is gone',
    { 'native/a.h': '// see docs/x.md' },
    'native/a.h: docs/x.md does not exist',
  ],
]
const KINDS = 'const KIND = {\n  syscall: 0,\n  fail: 2,\n} as const\n'
const kindPage = (...names: readonly string[]): string =>
  `| kind | does |\n|---|---|\n${names.map((name) => `| \`${name}\` | it |\n`).join('')}\nEnd.\n`
Docs('a page with a row for every kind of operation is accepted', () => {
  const files = { 'src/plan/program.ts': KINDS, 'docs/native.md': kindPage('syscall', 'fail') }
  assert.equal(check(files), { status: 0, lines: [] })
})
Docs('a kind of operation without a row, and a row without its kind, are refused', () => {
  const files = { 'src/plan/program.ts': KINDS, 'docs/native.md': kindPage('syscall', 'gone') }
  assert.equal(check(files), {
    status: 1,
    lines: ['docs/native.md: no row for the kind fail', 'docs/native.md: there is no kind gone'],
  })
})

for (const [name, files, line] of FAULTS) {
  Docs(`${name} is refused`, () => {
    const { status, lines } = check(files)
    assert.is(status, 1)
    assert.equal(lines, [line])
  })
}
Docs.run()
