// run, where the container cannot be read once it was made: nothing of it goes on.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { parseOciId } from '../../../src/model/oci-container-id.ts'
import { decodeSpecText } from '../../../src/model/oci-spec-decode.ts'
import { openRuntime } from '../../../src/oci/live.ts'
import type { RuntimeSettings } from '../../../src/oci/runtime.ts'
import { openStateDir } from '../../../src/oci/state-dir.ts'
import { expectLeft, expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Box, NEEDS, openBox } from './support.ts'

const test = suite('oci/life-cycle/undone')
test.requires(...NEEDS)

let box: Box
test.before(() => {
  box = openBox()
})
test.after(() => box.close())

test('a state that is damaged after the container was made is told, and nothing is left', async () => {
  for (const manner of [[], ['--detach']]) {
    const id = box.newId()
    // The pid is all that the file says then.
    const file = path.join(box.root, id, 'state.json')
    const words = ['run', ...manner, '--pid-file', file, '--bundle', box.bundle(id), id]
    const { code, err } = await box.call(words)
    assert.is(code, 1)
    assert.match(err, /state\.json: damaged/)
    assert.equal(box.left(id), [])
  }
})

test('a container that somebody deleted meanwhile is killed, and its directory let alone: the id may be another’s', async () => {
  const name = box.newId()
  const id = expectRight(parseOciId(name))
  const bundle = box.bundle(name)
  const config = readFileSync(path.join(bundle, 'config.json'), 'utf8')
  const state = openStateDir(box.root)
  let loads = 0
  const settings: RuntimeSettings = {
    globals: {
      root: box.root,
      rootIsGiven: true,
      logFormat: 'text',
      logLevel: 'error',
      cgroupManager: 'cgroupfs',
      rootless: false,
    },
    state: {
      ...state,
      load: () => {
        loads++
        return E.left({ _tag: 'ContainerNotFound', container: name })
      },
    },
    log: { error: () => {}, warn: () => {}, debug: () => {} },
    env: {},
  }
  const runtime = await openRuntime(settings)
  const failed = await runtime.run({
    id,
    bundle,
    spec: expectRight(decodeSpecText(config, 'config.json')),
    config,
    streams: { stdin: 0, stdout: 1, stderr: 2 },
    extraFds: 0,
    listenFds: 0,
    noPivot: false,
    noNewKeyring: false,
    noSubreaper: false,
    detach: false,
    keep: false,
  })
  await runtime.close()
  assert.is(expectLeft(failed)._tag, 'ContainerNotFound')
  assert.is(loads, 1)
  assert.ok(existsSync(path.join(box.root, name)))
  assert.is((await box.state(name)).status, 'stopped')
  await box.gone(name)
})

test.run()
