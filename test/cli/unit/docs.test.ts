// The page about the command line says of every flag of run what the command line does with it.
import { readFileSync } from 'node:fs'
import { WORDS } from '../../../src/bench/selection.ts'
import type { FlagSpec } from '../../../src/cli/command.ts'
import { bench } from '../../../src/cli/commands/bench.ts'
import { runFlags } from '../../../src/cli/run-flags.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/docs')

const rowOf = ([name, spec]: readonly [string, FlagSpec]): string => {
  const flag = `${spec.short === undefined ? '' : `-${spec.short}, `}--${name}`
  const value = spec.kind === 'boolean' || spec.unsupported !== undefined ? '' : ` ${spec.value ?? 'NUMBER'}`
  return `| \`${`${flag}${value}`.replaceAll('|', '\\|')}\` | ${stateOf(spec)} |`
}

const stateOf = ({ unsupported, help }: FlagSpec): string => {
  if (unsupported === undefined)
    return `works: ${help.charAt(0).toLowerCase()}${help.slice(1)}`.replaceAll('|', '\\|')
  return `refused${unsupported.yet ? ' so far' : ''}: ${unsupported.why}`
}

test('docs/cli.md has a row for every flag of run, and each is as the command line has it', () => {
  const page = readFileSync('docs/cli.md', 'utf8')
  const [, section = ''] = page.split('### Every flag of run\n')
  const rows = section.split('\n## ')[0]?.match(/^\| `-.*$/gm) ?? []
  assert.equal(rows, Object.entries<FlagSpec>(runFlags).map(rowOf))
})

test('docs/cli.md has a row for every flag of bench, and every word for --only', () => {
  const [, section = ''] = readFileSync('docs/cli.md', 'utf8').split('\n## bench\n')
  const page = section.split('\n## ')[0] ?? ''
  const rows = Object.entries(bench.flags).map(([name, spec]) => {
    const value = spec.kind === 'boolean' ? '' : ` ${spec.value}`
    return `| \`--${name}${value}\` | ${spec.help.charAt(0).toLowerCase()}${spec.help.slice(1)} |`
  })
  assert.equal(page.match(/^\| `--.*$/gm), rows)
  const [, words = ''] = /^Words for `--only`: ([^.]*)\.$/m.exec(page) ?? []
  assert.equal(words.match(/[^`,;\s]+/g), WORDS)
})

test.run()
