// The check that every tag and step has its row in docs/errors.md.
import { assert, suite } from '../support/suite.ts'
import { runScript, withProject } from './project.ts'

const TAGS = `export interface A {\n  readonly _tag: 'Lost'\n}\nexport interface B {\n  readonly _tag: 'Found'\n}\n`
const STEPS = `export const STEPS = {\n  'pivot_root': '…',\n  'make cgroup': '…',\n}\n`
const page = (tags: readonly string[], steps: readonly string[]) =>
  `# Errors\n\n## Tags\n\n${rows(tags)}\n## Steps\n\n${rows(steps)}\n`
const rows = (names: readonly string[]) =>
  `| name | when |\n|---|---|\n${names.map((name) => `| \`${name}\` | now |\n`).join('')}`

const check = (text: string, steps?: string) =>
  withProject(
    {
      'src/model/errors.ts': TAGS,
      'docs/errors.md': text,
      ...(steps === undefined ? {} : { 'src/plan/steps.ts': steps }),
    },
    (root) => runScript('check-errors.mjs', root),
  )

const Errors = suite('check-errors')
Errors('a page with every tag and step is accepted', () => {
  const text = page(['Lost', 'Found'], ['pivot_root', 'make cgroup'])
  assert.equal(check(text, STEPS), { status: 0, lines: [] })
})
Errors('steps need no rows while there is no list of steps', () => {
  assert.equal(check(page(['Lost', 'Found'], [])), { status: 0, lines: [] })
})

const FAULTS: readonly (readonly [name: string, tags: string[], steps: string[], line: string])[] = [
  ['a tag without a row', ['Lost'], ['pivot_root', 'make cgroup'], 'Tags: no row for Found'],
  [
    'a row for a tag that is gone',
    ['Lost', 'Found', 'Gone'],
    ['pivot_root', 'make cgroup'],
    'Tags: Gone does not exist',
  ],
  [
    'two rows for one tag',
    ['Lost', 'Found', 'Lost'],
    ['pivot_root', 'make cgroup'],
    'Tags: two rows for Lost',
  ],
  ['a step without a row', ['Lost', 'Found'], ['pivot_root'], 'Steps: no row for make cgroup'],
  [
    'a tag’s row below another heading',
    ['Lost'],
    ['Found', 'pivot_root', 'make cgroup'],
    'Tags: no row for Found',
  ],
]
for (const [name, tags, steps, line] of FAULTS) {
  Errors(`${name} is refused`, () => {
    const { status, lines } = check(page(tags, steps), STEPS)
    assert.is(status, 1)
    assert.ok(lines.includes(`docs/errors.md: ${line}`), lines.join('\n'))
  })
}
Errors('a project without the page is refused', () => {
  const { status } = withProject({ 'src/model/errors.ts': TAGS }, (root) =>
    runScript('check-errors.mjs', root),
  )
  assert.is(status, 1)
})
Errors.run()
