// The directories groups are made in, and whether a new cpuset there begins with processors.
import { handsDownCpus, planOpenParents } from '../../src/plan/cgroup-parents.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('plan/cgroup-parents')

test('each directory is opened, and of cpuset what it hands down', () => {
  const { infos, parents, cpus } = planOpenParents('x64', [
    { directory: '/sys/fs/cgroup/memory/web', hasCpus: false },
    { directory: '/sys/fs/cgroup/cpuset/web', hasCpus: true },
  ])
  assert.equal(
    infos.map(({ path }) => path),
    [
      '/sys/fs/cgroup/memory/web',
      '/sys/fs/cgroup/cpuset/web',
      '/sys/fs/cgroup/cpuset/web/cpuset.cpus',
      '/sys/fs/cgroup/cpuset/web/cpuset.mems',
      '/sys/fs/cgroup/cpuset/web/cgroup.clone_children',
    ],
  )
  assert.equal(
    [parents, cpus],
    [
      [0, 1],
      [2, 3, 4],
    ],
  )
})

const SAID: readonly (readonly [boolean, ...(string | undefined)[]])[] = [
  [true],
  [true, '0-1\n', '0\n', '1\n'],
  [false, '\n', '0\n', '1\n'],
  [false, '0-1\n', '\n', '1\n'],
  [false, '0-1\n', '0\n', '0\n'],
  [false, '0-1\n', '0\n', undefined],
  [false, undefined, undefined, undefined],
]

for (const [handsDown, ...texts] of SAID)
  test(`${JSON.stringify(texts)} hands ${handsDown ? 'processors' : 'nothing'} down`, () => {
    assert.is(handsDownCpus(texts), handsDown)
  })

test.run()
