// The page about the command line says of every flag of run what the command line does with it.
import { readFileSync } from 'node:fs'
import type { FlagSpec } from '../../../src/cli/command.ts'
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

test.run()
