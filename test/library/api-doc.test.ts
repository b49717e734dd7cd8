// docs/api.md: every block of TypeScript is compiled by a strict consumer of the built package, run, and prints what it says.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { transformSync } from 'esbuild'
import { compile, consumerNeeds, makeConsumer } from '../support/consumer.ts'
import { engineNeeds } from '../support/engine.ts'
import { assert, suite } from '../support/suite.ts'

interface Block {
  /** Line of the page. */
  readonly line: number
  readonly code: string
  readonly heading: string
}

const PAGE = 'docs/api.md'
const PRIVATE_ROOT = '/tmp/slipway-api-example'

const blocksOf = (page: string): readonly Block[] => {
  const lines = page.split('\n')
  let heading = ''
  return lines.flatMap((text, index) => {
    if (text.startsWith('## ')) heading = text.slice(3)
    if (text !== '```ts') return []
    const end = lines.indexOf('```', index)
    return [{ line: index + 1, heading, code: lines.slice(index + 1, end).join('\n') }]
  })
}
const isCompiledOnly = ({ code }: Block): boolean => code.startsWith('// compiled only')
/** One line of output for each `// =>`. */
const promised = ({ code }: Block): readonly string[] =>
  [...code.matchAll(/\/\/ => (.*)$/gm)].map(([, text]) => text ?? '')

const Doc = suite('library/api-doc')
const blocks = blocksOf(readFileSync(PAGE, 'utf8'))
const compiling = consumerNeeds()
const running = compiling ?? engineNeeds()
let folder = ''

const test = (name: string, body: () => void, reason: string | undefined): void =>
  reason === undefined ? Doc(name, body) : Doc.skip(name, reason)

Doc.before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-api-'))
  makeConsumer(
    folder,
    Object.fromEntries(blocks.map(({ line, code }) => [`line-${line}/example.ts`, `${code}\nexport {}\n`])),
  )
})
Doc.after(() => {
  rmSync(folder, { recursive: true, force: true })
  rmSync(PRIVATE_ROOT, { recursive: true, force: true })
})

Doc('the page has examples, and each that is run prints something', () => {
  assert.ok(blocks.length >= 15, `${blocks.length} blocks`)
  assert.equal(
    blocks.filter((block) => !isCompiledOnly(block) && promised(block).length === 0).map(({ line }) => line),
    [],
  )
  assert.equal(blocks.filter(isCompiledOnly).length, 2)
})

test('every example compiles', () => assert.is(compile(folder), ''), compiling)

for (const block of blocks.filter((each) => !isCompiledOnly(each))) {
  test(
    `${block.heading}, line ${block.line}: prints what it says`,
    () => {
      const where = path.join(folder, `line-${block.line}`)
      mkdirSync(where, { recursive: true })
      const { code } = transformSync(block.code, { loader: 'ts', format: 'esm', target: 'node20' })
      writeFileSync(path.join(where, 'example.mjs'), code)
      const { status, stdout, stderr } = spawnSync(process.execPath, ['example.mjs'], {
        cwd: where,
        encoding: 'utf8',
        timeout: 60_000,
        env: {
          ...process.env,
          SLIPWAY_ROOT: path.join(folder, 'state'),
          SLIPWAY_ADDON: path.resolve('build/Release/slipway.node'),
        },
      })
      assert.is(stderr, '')
      assert.is(
        stdout,
        promised(block)
          .map((text) => `${text}\n`)
          .join(''),
      )
      assert.is(status, 0)
    },
    running,
  )
}

Doc.run()
