// Docker's config.json as a file: where it is looked for, and what is told of one that is none.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { readClientSettings } from '../../src/adapters/docker-config.ts'
import { message } from '../../src/model/errors.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('adapters/docker-config')
let folder = ''
let file = ''
test.beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-docker-'))
  file = path.join(folder, 'config.json')
})
test.afterEach(() => rmSync(folder, { recursive: true, force: true }))

const read = (env: Readonly<Record<string, string>> = { DOCKER_CONFIG: folder }) => readClientSettings(env)()

test('keys are read where DOCKER_CONFIG says, else in the home', async () => {
  writeFileSync(file, JSON.stringify({ auths: {}, detachKeys: 'ctrl-a' }))
  assert.equal(expectRight(await read()), { file, detachKeys: 'ctrl-a' })
  const home = path.join(folder, '.docker')
  mkdirSync(home)
  writeFileSync(path.join(home, 'config.json'), JSON.stringify({ detachKeys: 'x' }))
  for (const env of [{ HOME: folder }, { HOME: folder, DOCKER_CONFIG: '' }])
    assert.equal(expectRight(await read(env)), { file: path.join(home, 'config.json'), detachKeys: 'x' })
})

for (const [what, text] of [
  ['an empty one', ''],
  ['one without keys', '{"auths":{}}'],
  ['one with null', '{"detachKeys":null}'],
] as const)
  test(`${what} has none`, async () => {
    writeFileSync(file, text)
    assert.equal(expectRight(await read()), { file })
  })

test('no file, and no folder, have none', async () => {
  assert.equal(expectRight(await read()), { file })
  const none = path.join(folder, 'none')
  assert.equal(expectRight(await read({ DOCKER_CONFIG: none })), { file: path.join(none, 'config.json') })
})

for (const [what, text, why] of [
  ['no JSON', '{', '$: it is not JSON'],
  ['no object', '[]', '$: expected an object'],
  ['keys that are no text', '{"detachKeys":7}', '$.detachKeys: expected text'],
] as const)
  test(`${what} is told with the file and the field`, async () => {
    writeFileSync(file, text)
    assert.is(message(expectLeft(await read())), `${file}: ${why}`)
  })

test('a folder in its place is told with its path', async () => {
  mkdirSync(file)
  assert.ok(message(expectLeft(await read())).includes(`${file}: EISDIR`))
})
test.run()
