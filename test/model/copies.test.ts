// Where a copy goes, by docker-cp(1), and what is asked for by untyped JavaScript.
import * as E from '#fp/Either'
import { decodeEnds, decodePath, kindOf, lastPart, placeCopy } from '../../src/model/copies.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/copies')

test('the last part of a path is its name, and none where the content is asked for', () => {
  for (const [path, name] of [
    ['/etc/hosts', 'hosts'],
    ['etc', 'etc'],
    ['/srv/', 'srv'],
    ['/srv//', 'srv'],
    ['/srv/.', ''],
    ['.', ''],
    ['/', ''],
    ['/a/b/..', 'a'],
    ['a.', 'a.'],
    ['/a/.b', '.b'],
  ] as const)
    assert.is(lastPart(path), name, path)
})

test('each pair of source and target has its place, or a reason', () => {
  const place = (path: string, isDirectory: boolean, to: string, found: 'directory' | 'file' | undefined) =>
    E.match(
      (why: string) => why,
      ({ directory, name }: { readonly directory: string; readonly name: string }) => `${directory} ${name}`,
    )(placeCopy({ path, isDirectory }, { path: to, found }))
  for (const [path, isDirectory, to, found, expected] of [
    ['/a/file', false, '/to', 'directory', '/to file'],
    ['/a/file', false, '/to/old', 'file', '/to old'],
    ['/a/file', false, '/to/new', undefined, '/to new'],
    ['/a/file', false, 'new', undefined, '. new'],
    ['/a/file', false, '/new', undefined, '/ new'],
    ['/a/dir', true, '/to', 'directory', '/to dir'],
    ['/a/dir/.', true, '/to', 'directory', '/to '],
    ['/', true, '/to', 'directory', '/to '],
    ['/a/dir', true, '/to/new/', undefined, '/to new'],
    ['/a/dir/.', true, '/to/new/.', undefined, '/to new'],
    ['/a/dir', true, '/to/../x/new', undefined, '/x new'],
  ] as const)
    assert.is(place(path, isDirectory, to, found), expected, `${path} ${to}`)
  assert.match(place('/a/dir', true, '/to/old', 'file'), /onto a file/)
  for (const to of ['/to/new/', '/to/new/.'])
    assert.match(place('/a/file', false, to, undefined), /no such directory/)
})

test('kinds are told by the type in a mode', () => {
  const modes = [0o040755, 0o100644, 0o120777, 0o010644, 0o140755, 0o020666, 0o060660, 0o777]
  assert.equal(modes.map(kindOf), [
    'directory',
    'file',
    'symbolic link',
    'named pipe',
    'socket',
    'device',
    'device',
    'node of an unknown kind',
  ])
})

test('one end is a container’s and the other one a path; everything else is refused by its option', () => {
  const web = { container: 'web', path: '/x' }
  assert.equal(expectRight(decodeEnds('/a', web)), {
    container: 'web',
    inside: '/x',
    outside: '/a',
    isInto: true,
  })
  assert.equal(expectRight(decodeEnds(web, 'a')), {
    container: 'web',
    inside: '/x',
    outside: 'a',
    isInto: false,
  })
  for (const [from, to] of [
    ['/a', '/b'],
    [web, web],
    [undefined, web],
    [3, web],
    ['', web],
    ['/a', { container: 'web' }],
    ['/a', { container: 'web', path: '' }],
    ['a\0', web],
  ])
    assert.is(expectLeft(decodeEnds(from, to))._tag, 'InvalidOption')
  for (const bad of [undefined, 1, '', 'a\0b']) assert.is(expectLeft(decodePath(bad))._tag, 'InvalidOption')
})

test.run()
