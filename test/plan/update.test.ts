// Other limits as writes, and the short plans on a process by its pidfd.
import * as E from '#fp/Either'
import { message } from '../../src/model/errors.ts'
import type { OwnGroup } from '../../src/model/group-paths.ts'
import { exitCodeIn, planExitStatus, planOpenProcess, planSignal } from '../../src/plan/process-handle.ts'
import { planUpdate } from '../../src/plan/update.ts'
import { assert, suite } from '../support/suite.ts'

const Update = suite('plan/update')

const v1: readonly OwnGroup[] = [
  { version: 1, controllers: ['memory'], directory: '/m/a' },
  { version: 1, controllers: ['pids'], directory: '/p/a' },
]
const v2: readonly OwnGroup[] = [
  { version: 2, controllers: ['memory', 'cpu', 'cpuset', 'pids', 'io'], directory: '/u/a' },
]
const writesOf = (...args: Parameters<typeof planUpdate>) => {
  const planned = planUpdate(...args)
  if (E.isLeft(planned)) throw new Error(message(planned.left))
  return planned.right.map(({ path, value }) => `${path} = ${value}`)
}

Update('each limit goes to the group of its controller', () => {
  const resources = { memory: { limit: 100, swap: 300 }, pids: { limit: -1 } }
  assert.equal(writesOf(v1, resources), [
    '/m/a/memory.limit_in_bytes = 100',
    '/m/a/memory.memsw.limit_in_bytes = 300',
    '/p/a/pids.max = max',
  ])
  assert.equal(writesOf(v2, resources), [
    '/u/a/memory.max = 100',
    '/u/a/memory.swap.max = 200',
    '/u/a/pids.max = max',
  ])
})

Update('on v2 every limit has its file in the one group', () => {
  const cpu = { period: 100_000, quota: 50_000, shares: 512, cpus: '0-1' }
  assert.equal(writesOf(v2, { cpu, blockIO: { weight: 500 } }), [
    '/u/a/cpu.weight = 59',
    '/u/a/cpu.max = 50000 100000',
    '/u/a/cpuset.cpus = 0-1',
    '/u/a/io.bfq.weight = 500',
  ])
})

Update('a limit that no group of the container could hold is refused', () => {
  const planned = planUpdate(v1, { cpu: { shares: 5 } })
  assert.ok(E.isLeft(planned))
  if (E.isLeft(planned)) assert.match(message(planned.left), /^a limit of cpu: not available on this host/)
})

Update('the status of a process is read where the kernel puts it', () => {
  const plan = planExitStatus('x64')
  const data = Buffer.alloc(plan.status + 8)
  const status = (mask: bigint, wait: number): number | undefined => {
    data.writeBigUInt64LE(mask, plan.mask)
    data.writeInt32LE(wait, plan.status)
    return exitCodeIn(data, plan)
  }
  assert.is(status(8n, 3 << 8), 3)
  assert.is(status(9n, 9), 137)
  assert.is(status(8n, 0x80 | 11), 139)
  assert.is(status(1n, 0), undefined)
  assert.is(plan.status - plan.mask, 60)
})

Update('the plans are one call each', () => {
  for (const plan of [planOpenProcess('x64', 5), planSignal('arm64', 9), planExitStatus('arm64').bytes])
    assert.ok(plan.length > 0)
})

Update.run()
