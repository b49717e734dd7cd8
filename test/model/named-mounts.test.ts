// Who has the last word on a place, which volumes get a name, and what of a container another one may borrow.
import * as E from '#fp/Either'
import { isPlanned, nameMounts, renameVolumes } from '../../src/model/named-mounts.ts'
import type { DecodedMount, NamedMount } from '../../src/model/options-decoded.ts'
import type { PreparedImage } from '../../src/model/prepared-image.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/named-mounts')

const image = (...volumes: string[]): PreparedImage => ({
  reference: 'app:1',
  id: 'sha256:1',
  config: { Volumes: volumes },
  rootfs: { kind: 'layers', lowers: ['/l'] },
})
const lent: readonly NamedMount[] = [
  { type: 'volume', source: 'v', target: '/v', anonymous: true },
  { type: 'bind', source: '/h', target: '/b' },
  { type: 'image', source: 'i', target: '/i' },
  { type: 'tmpfs', target: '/t' },
]
const name = (mounts: readonly DecodedMount[], volumesFrom: readonly string[] = [], from = image()) => {
  let drawn = 0
  return nameMounts({
    options: { mounts, volumesFrom },
    image: from,
    drawName: () => `drawn-${drawn++}`,
    mountsOf: (container) =>
      container === 'gone' ? E.left({ _tag: 'ContainerNotFound', container }) : E.right(lent),
  })
}

test('a volume without a name is given one, and one that has a name keeps it', () => {
  const first = expectRight(
    name([
      { type: 'volume', target: '/a' },
      { type: 'volume', source: 'x', target: '/b' },
    ]),
  )
  assert.equal(first.fresh, ['drawn-0'])
  assert.equal(first.mounts, [
    { type: 'volume', target: '/a', source: 'drawn-0', anonymous: true },
    { type: 'volume', source: 'x', target: '/b' },
  ])
  assert.equal(expectRight(name(first.mounts as readonly DecodedMount[])), {
    mounts: first.mounts,
    fresh: [],
  })
})

test('what is borrowed is no longer anybody’s own, and read-only where that is said', () => {
  const { mounts, fresh } = expectRight(name([], ['web:ro']))
  assert.equal(fresh, [])
  assert.equal(mounts, [
    { type: 'volume', source: 'v', target: '/v', readonly: true },
    { type: 'bind', source: '/h', target: '/b', readonly: true },
    { type: 'image', source: 'i', target: '/i' },
  ])
  assert.is(expectRight(name([], ['web:rw'])).mounts.length, 3)
  assert.is(expectLeft(name([], ['gone']))._tag, 'ContainerNotFound')
})

test('the options win over what is borrowed, and both over the image', () => {
  const own: DecodedMount = { type: 'tmpfs', target: '/v' }
  const { mounts, fresh } = expectRight(name([own], ['web'], image('/v', '/b/', '/new/./x')))
  assert.equal(fresh, ['drawn-0'])
  assert.equal(
    mounts.map(({ type, target }) => [type, target]),
    [
      ['tmpfs', '/v'],
      ['bind', '/b'],
      ['image', '/i'],
      ['volume', '/new/x'],
    ],
  )
})

test('a volume of an image that would hide what the engine mounts is refused', () => {
  for (const place of ['/', '/proc', '/proc/x', '/dev/shm', '/sys', '/a/../proc', 'relative', ''])
    assert.is(expectLeft(name([], [], image(place)))._tag, 'Unsupported', place)
  assert.ok(E.isRight(name([], [], image('/process', '/devices'))))
})

test('without volumes, images and loans nothing has to be looked up', () => {
  assert.ok(isPlanned({}, image()))
  assert.ok(isPlanned({ mounts: [{ type: 'bind', source: '/a', target: '/a' }] }, image()))
  assert.not.ok(isPlanned({}, image('/v')))
  assert.not.ok(isPlanned({ volumesFrom: [] }, image()))
  assert.not.ok(isPlanned({ mounts: [{ type: 'volume', target: '/a' }] }, image()))
  assert.not.ok(isPlanned({ mounts: [{ type: 'image', source: 'a', target: '/a' }] }, image()))
})

test('names that were drawn are drawn anew, and no other', () => {
  const { mounts, fresh } = expectRight(
    name([
      { type: 'volume', target: '/a' },
      { type: 'volume', source: 'x', target: '/b' },
    ]),
  )
  assert.equal(
    renameVolumes(mounts, fresh, ['other']).map((mount) => 'source' in mount && mount.source),
    ['other', 'x'],
  )
})

test.run()
