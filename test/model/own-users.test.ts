// The ranges of subuid(5) and the maps that are made of them.
import {
  countOf,
  givesGroup,
  isMapped,
  mapsOf,
  type OwnUsers,
  rangesOf,
  rangesOfList,
} from '../../src/model/own-users.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/own-users')
const ADA = { uid: 1000, name: 'ada' }

const RANGES: readonly (readonly [
  what: string,
  text: string,
  ranges: readonly (readonly [number, number])[],
])[] = [
  ['by name', 'ada:100000:65536\n', [[100000, 65536]]],
  ['by number', '1000:100000:65536', [[100000, 65536]]],
  [
    'both, in the order of the file',
    '1000:300000:10\nbob:1:1\nada:100000:65536\n',
    [
      [300000, 10],
      [100000, 65536],
    ],
  ],
  ['nobody else’s', 'adam:1:1\nad:1:1\n10001:1:1\n', []],
  [
    'no line that cannot be read',
    'ada:1\nada:x:1\nada:-5:1\nada:1:1:1\nada:: \n#ada:1:1\nada:12345678901:1\n',
    [],
  ],
  ['no empty range', 'ada:100:0\n', []],
  ['none past the largest id', 'ada:4294967290:10\nada:4294967290:5\n', [[4294967290, 5]]],
]
for (const [what, text, ranges] of RANGES)
  test(`lines are read ${what}`, () => {
    assert.equal(
      rangesOf(text, ADA),
      ranges.map(([start, count]) => ({ start, count })),
    )
  })

test('a uid that passwd does not know has the lines of its number', () => {
  const text = 'undefined:1:1\n1000:5:6\n'
  assert.equal(rangesOf(text, { uid: 1000, name: undefined }), [{ start: 5, count: 6 }])
})

test('what getsubids prints is read', () => {
  assert.equal(rangesOfList('0: ada 100000 65536\n1: ada 300000 10\nno ranges\n'), [
    { start: 100000, count: 65536 },
    { start: 300000, count: 10 },
  ])
})

test('root is the user, and the ranges follow one another from 1 on', () => {
  const maps = mapsOf(1000, [
    { start: 100000, count: 65536 },
    { start: 300000, count: 10 },
  ])
  assert.equal(maps, [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 100000, size: 65536 },
    { containerID: 65537, hostID: 300000, size: 10 },
  ])
  assert.is(countOf(maps), 65547)
  assert.equal(
    [0, 65546, 65547].map((id) => isMapped(maps, id)),
    [true, true, false],
  )
})

test('no id is mapped twice, and no map has more lines than the kernel takes', () => {
  const overlapping = mapsOf(1000, [
    { start: 900, count: 200 },
    { start: 5000, count: 10 },
    { start: 5009, count: 10 },
  ])
  assert.equal(overlapping, [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 5000, size: 10 },
  ])
  const many = mapsOf(
    1000,
    Array.from({ length: 500 }, (_, index) => ({ start: 10_000 + 2 * index, count: 1 })),
  )
  assert.is(many.length, 340)
  const huge = mapsOf(0, [
    { start: 1, count: 4294967294 },
    { start: 4294967295, count: 1 },
  ])
  assert.is(huge.length, 2)
})

test('groups are given where they are mapped and setgroups is allowed', () => {
  const users = (setsGroups: boolean): OwnUsers => ({
    fd: 3,
    uidMappings: [],
    gidMappings: mapsOf(5, [{ start: 100, count: 9 }]),
    setsGroups,
  })
  assert.equal(
    [givesGroup(users(true), 9), givesGroup(users(true), 10), givesGroup(users(false), 9)],
    [true, false, false],
  )
})

test.run()
