// docs/oci.md names every command and every flag there is.
import { readFileSync } from 'node:fs'
import { commands } from '../../../src/oci/commands/index.ts'
import { globalFlags } from '../../../src/oci/globals.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('oci/command/docs')
const page = readFileSync('docs/oci.md', 'utf8')
const names = (flag: string): boolean => new RegExp(`--${flag}(?![\\w-])`).test(page)

test('every flag before the command is named', () => {
  for (const flag of Object.keys(globalFlags)) assert.ok(names(flag), flag)
})

test('every command and its flags are named', async () => {
  for (const { name, load } of commands) {
    const command = await load()
    assert.is(command.name, name)
    assert.ok(page.includes(`\`${name}\``), name)
    for (const [flag, { short }] of Object.entries(command.flags)) {
      assert.ok(names(flag), `${name} --${flag}`)
      if (short !== undefined) assert.match(page, new RegExp(`-${short}, --${flag}`), `${name} -${short}`)
    }
  }
})

test.run()
