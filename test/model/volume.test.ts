// Names of volumes, their documents, and what the local driver's options mean.
import {
  decodeVolumeDocument,
  encodeVolumeDocument,
  isVolumeName,
  sourceOfOptions,
  type VolumeDocument,
} from '../../src/model/volume.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/volume')

test('names are Docker’s', () => {
  for (const name of ['a', '1', 'A_b.c-d', 'f'.repeat(255)]) assert.ok(isVolumeName(name), name)
  for (const name of ['', '.a', '-a', '_a', 'a/b', '..', 'a b', 'ä', 'a\n', 'f'.repeat(256)])
    assert.not.ok(isVolumeName(name), name)
})

const document: VolumeDocument = {
  version: 1,
  name: 'data',
  driver: 'local',
  options: {},
  labels: { a: 'b' },
  createdMs: 1,
  anonymous: false,
}

test('a document is read back as it was written', () => {
  for (const volume of [document, { ...document, anonymous: true, engine: 'ab' }])
    assert.equal(expectRight(decodeVolumeDocument(encodeVolumeDocument(volume), '/f')), volume)
})

test('what is wrong with a document is told with its place', () => {
  for (const [text, why] of [
    ['{', /is no JSON/],
    ['[]', /^\$: expected an object/],
    [JSON.stringify({ ...document, version: 2 }), /^\$\.version: is not between 1 and 1: 2$/],
    [JSON.stringify({ ...document, name: '../x' }), /^\$\.name: a volume's name/],
    [JSON.stringify({ ...document, driver: 'nfs' }), /^\$\.driver: expected one of local/],
    [JSON.stringify({ ...document, options: { size: '1' } }), /^\$\.options: size is not there/],
    [JSON.stringify({ ...document, labels: { a: 1 } }), /^\$\.labels\.a: expected a string: 1$/],
  ] as const) {
    const error = expectLeft(decodeVolumeDocument(text, '/f'))
    assert.ok(error._tag === 'StateDamaged' && error.path === '/f')
    if (error._tag === 'StateDamaged') assert.match(error.why, why)
  }
})

test('driver options mean a directory, a bind, or a file system', () => {
  assert.equal(expectRight(sourceOfOptions({})), { kind: 'data' })
  assert.equal(expectRight(sourceOfOptions({ type: 'none', device: '/srv', o: 'bind,ro' })), {
    kind: 'bind',
    path: '/srv',
    options: ['bind', 'ro'],
  })
  assert.equal(expectRight(sourceOfOptions({ device: '/srv', o: 'rbind,rslave' })), {
    kind: 'bind',
    path: '/srv',
    options: ['rbind', 'rslave'],
  })
  assert.equal(expectRight(sourceOfOptions({ type: 'nfs4', device: ':/x', o: 'addr=192.0.2.1,,rw' })), {
    kind: 'filesystem',
    filesystem: 'nfs4',
    device: ':/x',
    options: ['addr=192.0.2.1', 'rw'],
  })
})

test('driver options that mean nothing are refused with the reason', () => {
  for (const [options, why] of [
    [{ size: '1g' }, /^size is not there/],
    [{ colour: 'red' }, /^colour is no option of the local driver/],
    [{ type: 'tmpfs' }, /^device is missing/],
    [{ device: 'tmpfs' }, /^type is missing/],
    [{ type: 'none', device: '/x' }, /^type is missing/],
    [{ type: 'a b', device: '/x' }, /is no name of a file system/],
    [{ type: 'none', device: 'x', o: 'bind' }, /^device must be an absolute path/],
    [{ device: '/x', o: 'bind,size=1' }, /"size=1" is no option of a bind mount/],
  ] as const)
    assert.match(expectLeft(sourceOfOptions(options)), why)
})

test.run()
