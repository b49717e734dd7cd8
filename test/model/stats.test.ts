// Shares out of two samples, columns of ps, and a container's groups by controller.
import * as E from '#fp/Either'
import { message } from '../../src/model/errors.ts'
import { ownGroups, pathsByController } from '../../src/model/group-paths.ts'
import { type ContainerRecord, findRecord, RECORD_VERSION } from '../../src/model/record.ts'
import { cpuPercent, type GroupSample, memoryPercent, statsOf } from '../../src/model/stats.ts'
import { parsePs, psWords } from '../../src/model/top.ts'
import { plainFacts } from '../cli/fake-world.ts'
import { assert, suite } from '../support/suite.ts'

const Stats = suite('model/stats')

const sample = (over: Partial<GroupSample>): GroupSample => ({
  systemCpuNs: 0,
  onlineCpus: 4,
  memoryLimitBytes: 1000,
  ...over,
})

for (const [what, before, now, percent] of [
  ['half a processor of four', { cpuNs: 0 }, { cpuNs: 500, systemCpuNs: 4000 }, 50],
  ['all four', { cpuNs: 100 }, { cpuNs: 4100, systemCpuNs: 4000 }, 400],
  ['nothing', { cpuNs: 7 }, { cpuNs: 7, systemCpuNs: 4000 }, 0],
  ['a host whose clock did not move', { cpuNs: 0 }, { cpuNs: 10 }, 0],
  ['less than before, since who had used it has gone', { cpuNs: 9 }, { cpuNs: 3, systemCpuNs: 4000 }, 0],
  ['a share that nobody counts', {}, { systemCpuNs: 4000 }, undefined],
] as const)
  Stats(`${what} is ${percent} %`, () => assert.is(cpuPercent(sample(before), sample(now)), percent))

Stats('memory is a share of the limit', () => {
  assert.is(memoryPercent(sample({ memoryBytes: 250 })), 25)
  assert.is(memoryPercent(sample({})), undefined)
  assert.is(memoryPercent(sample({ memoryBytes: 1, memoryLimitBytes: 0 })), undefined)
})

Stats('a first sample has no share of the processors', () => {
  const first = statsOf({ id: 'a', name: 'b' }, 5, sample({ cpuNs: 5, memoryBytes: 10 }))
  assert.equal([first.cpuPercent, first.memoryPercent, first.atMs], [undefined, 1, 5])
})

const PS = `UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 10:00 ?        00:00:01 /sbin/init  splash
root          12       1  0 10:00 pts/0    00:00:00 sh -c a   b
app          123      12  0 Jan01 ?        00:00:00 [kworker]
`
Stats('of what ps prints the lines of the container are taken, with the command as it is', () => {
  const found = parsePs(PS, [12, 123, 999], ['-ef'])
  assert.ok(E.isRight(found))
  if (E.isLeft(found)) return
  assert.equal(found.right.titles, ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'])
  assert.equal(
    found.right.processes.map((row) => [row[1], row[7]]),
    [
      ['12', 'sh -c a   b'],
      ['123', '[kworker]'],
    ],
  )
})

Stats('without a column of pids nothing can be told', () => {
  const found = parsePs('COMMAND\nsh\n', [12], ['-eo', 'comm'])
  assert.is(
    E.isLeft(found) && message(found.left),
    'ps: "-eo comm": shows no column PID, by which the processes of the container are told',
  )
})

Stats('words for ps may be one text', () => {
  assert.equal(psWords([]), ['-ef'])
  assert.equal(psWords(['-o pid,args', 'x']), ['-o', 'pid,args', 'x'])
})

const v1 = {
  cgroup: {
    ...plainFacts.cgroup,
    mode: 'hybrid' as const,
    unified: '/sys/fs/cgroup/unified',
    controllers: [
      { name: 'cpu', mountpoint: '/sys/fs/cgroup/cpu,cpuacct', version: 1 as const },
      { name: 'cpuacct', mountpoint: '/sys/fs/cgroup/cpu,cpuacct', version: 1 as const },
      { name: 'memory', mountpoint: '/sys/fs/cgroup/memory', version: 1 as const },
    ],
  },
}
Stats('groups of v1 stand for the controllers of their hierarchy, one of v2 for all', () => {
  const groups = ownGroups(v1, ['/sys/fs/cgroup/memory/slipway/a', '/sys/fs/cgroup/cpu,cpuacct/slipway/a'])
  assert.equal(pathsByController(groups), {
    memory: '/sys/fs/cgroup/memory/slipway/a',
    cpu: '/sys/fs/cgroup/cpu,cpuacct/slipway/a',
    cpuacct: '/sys/fs/cgroup/cpu,cpuacct/slipway/a',
  })
  const [only] = ownGroups(plainFacts, ['/sys/fs/cgroup/slipway/a'])
  assert.equal(only, {
    version: 2,
    controllers: ['cpuset', 'cpu', 'memory', 'pids'],
    directory: '/sys/fs/cgroup/slipway/a',
  })
})

const recordWith = (id: string, name: string): ContainerRecord => ({
  version: RECORD_VERSION,
  id,
  name,
  engine: 'ab',
  bootId: 'b',
  image: 'i',
  imageId: 'i',
  command: [],
  labels: {},
  createdMs: 1,
  groups: [],
  keep: false,
})
Stats('a beginning that several ids have is told with all of them', () => {
  const [one, two] = [recordWith(`abc1${'0'.repeat(60)}`, 'web'), recordWith(`abc2${'0'.repeat(60)}`, '')]
  const found = findRecord([one, two], 'abc')
  assert.is(
    '_tag' in found && message(found),
    'abc: several containers have ids that begin so: web (abc100000000), abc200000000',
  )
  assert.equal(findRecord([one, two], 'abc1'), one)
  // A name comes before the beginning of an id.
  assert.equal(
    findRecord([recordWith('0'.repeat(64), 'abc'), one, two], 'abc'),
    recordWith('0'.repeat(64), 'abc'),
  )
})

Stats.run()
