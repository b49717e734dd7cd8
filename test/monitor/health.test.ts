// The health check: probes in the container, and what follows from them.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { MonitorState } from '../../src/model/monitor-state.ts'
import type { HealthOptions } from '../../src/plan/monitor-table.ts'
import { assert, suite } from '../support/suite.ts'
import { type Driver, endContainer, type Monitor, openDriver, type Wanted } from './driver.ts'

const Health = suite('monitor/health')
Health.requires('root', 'program:busybox')

let driver: Driver
Health.before(() => {
  driver = openDriver()
})
Health.after(() => driver.close())

const FOREVER = 'trap "exit 7" TERM; echo ready; while :; do sleep 0.02; done'
const often = {
  intervalMs: 20,
  timeoutMs: 10_000,
  startPeriodMs: 0,
  startIntervalMs: 0,
  retries: 2,
  action: 'none',
} as const satisfies Omit<HealthOptions, 'launch' | 'groups'>

const withProbe = (
  script: string,
  more: Partial<Omit<HealthOptions, 'launch' | 'groups'>> = {},
  args?: readonly string[],
): Pick<Wanted, 'probe'> => ({
  probe: { script, ...often, ...more, ...(args === undefined ? {} : { args }) },
})

const healths = (monitor: Monitor): readonly (MonitorState['health'] | undefined)[] =>
  monitor.client.states().map(({ health }) => health)
const becomes = (monitor: Monitor, status: string): Promise<void> =>
  driver.eventually(`health ${status}`, () => healths(monitor).at(-1)?.status === status)

interface Result {
  readonly begunMs: number
  readonly endedMs: number
  readonly exitCode: number
  readonly output: string
}
const results = (monitor: Monitor): readonly Result[] =>
  readFileSync(path.join(monitor.runDirectory, 'health'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result)

Health('a probe runs inside the container, and its success makes it healthy', async () => {
  const monitor = driver.start(
    `echo here > /tmp/mark; ${FOREVER}`,
    withProbe('echo pid $$; echo "$(hostname)" >&2; test "$(cat /proc/1/comm)" = sh'),
  )
  await becomes(monitor, 'healthy')
  assert.is(healths(monitor).find((each) => each !== undefined)?.status, 'starting')
  const [result] = results(monitor)
  assert.is(result?.exitCode, 0)
  assert.match(result?.output ?? '', /^pid \d+\n/)
  await endContainer(monitor.client)
})

Health('it is unhealthy after as many failures in a row as are said, and may recover', async () => {
  const mark = path.join(driver.rootfs, 'work', 'good')
  const monitor = driver.start(FOREVER, withProbe('test -e /work/good'))
  await becomes(monitor, 'unhealthy')
  assert.equal(
    healths(monitor).filter((each) => each !== undefined && each.failing === 1)[0]?.status,
    'starting',
  )
  writeFileSync(mark, '')
  await becomes(monitor, 'healthy')
  assert.is(healths(monitor).at(-1)?.failing, 0)
  rmSync(mark)
  await becomes(monitor, 'unhealthy')
  await endContainer(monitor.client)
})

Health('in the start period failures do not count, and a success ends it', async () => {
  const mark = path.join(driver.rootfs, 'work', 'up')
  const monitor = driver.start(
    FOREVER,
    withProbe('echo tried; test -e /work/up', { startPeriodMs: 600_000, startIntervalMs: 5, retries: 1 }),
  )
  await monitor.client.state('running')
  await driver.eventually('some tries', () => {
    try {
      return results(monitor).length === 5
    } catch {
      return false
    }
  })
  assert.equal(healths(monitor).at(-1), { status: 'starting', failing: 0 })
  writeFileSync(mark, '')
  await becomes(monitor, 'healthy')
  rmSync(mark)
  await becomes(monitor, 'unhealthy')
  await endContainer(monitor.client)
})

Health('the last five results are kept, with the beginning of what they said', async () => {
  const monitor = driver.start(
    FOREVER,
    withProbe('i=0; while [ $i -lt 500 ]; do echo "line \\"$i\\""; i=$((i+1)); done; exit 3'),
  )
  await becomes(monitor, 'unhealthy')
  await driver.eventually('five results', () => results(monitor).length === 5)
  for (const { exitCode, output, begunMs, endedMs } of results(monitor)) {
    assert.is(exitCode, 3)
    assert.is(Buffer.byteLength(output), 4096)
    assert.ok(output.startsWith('line "0"\nline "1"\n'))
    assert.ok(endedMs >= begunMs)
  }
  await endContainer(monitor.client)
})

Health('a probe that takes too long is killed, and has failed', async () => {
  const monitor = driver.start(FOREVER, withProbe('echo begun; sleep 1000', { timeoutMs: 30, retries: 1 }))
  await becomes(monitor, 'unhealthy')
  const [result] = results(monitor)
  assert.is(result?.exitCode, -1)
  assert.match(result?.output ?? '', /the probe took longer than 30 ms$/)
  await endContainer(monitor.client)
})

Health('a probe that cannot be started has failed, and says where', async () => {
  const monitor = driver.start(FOREVER, withProbe('', { retries: 1 }, ['/bin/none']))
  await becomes(monitor, 'unhealthy')
  const [result] = results(monitor)
  assert.is(result?.exitCode, -1)
  assert.match(result?.output ?? '', /could not be started: phase 0, stage \d+, operation \d+, errno 2$/)
  await endContainer(monitor.client)
})

Health('unhealthy: it is stopped, and stays so', async () => {
  const restart = { kind: 'always', maximumRetries: 0, firstMs: 1, longestMs: 1, settledMs: 1000 } as const
  const monitor = driver.start(FOREVER, { ...withProbe('exit 1', { action: 'stop' }), restart })
  const exit = await monitor.client.exit()
  assert.is(exit.exitCode, 7)
  assert.ok(exit.stopped)
  await monitor.client.state('stopped')
})

Health('unhealthy: it is stopped, and starts again where its policy says so', async () => {
  const restart = {
    kind: 'on-failure',
    maximumRetries: 1,
    firstMs: 1,
    longestMs: 1,
    settledMs: 1000,
  } as const
  const monitor = driver.start(FOREVER, { ...withProbe('exit 1', { action: 'restart' }), restart })
  assert.not((await monitor.client.exit()).stopped)
  const again = await monitor.client.state('running')
  assert.is(again.restarts, 1)
  assert.is(again.health?.status, 'starting')
  assert.is((await monitor.client.exit()).restarts, 1)
  await monitor.client.state('stopped')
})

Health('unhealthy: it is killed', async () => {
  const monitor = driver.start(FOREVER, withProbe('exit 1', { action: 'kill' }))
  const exit = await monitor.client.exit()
  assert.is(exit.signal, 9)
  assert.ok(exit.stopped)
})

Health('an end while a probe runs ends it, too', async () => {
  const monitor = driver.start('sleep 0.2; exit 3', withProbe('sleep 1000'))
  assert.is((await monitor.client.exit()).exitCode, 3)
  assert.equal(await monitor.ended(), { code: 0 })
})

Health('hundreds of probes leave nothing', async () => {
  const monitor = driver.start(FOREVER, withProbe('exit 0', { intervalMs: 1 }))
  await becomes(monitor, 'healthy')
  const seen = new Set<number>()
  await driver.eventually('two hundred probes', () => {
    for (const { begunMs } of results(monitor)) seen.add(begunMs)
    return seen.size >= 200
  })
  await driver.eventually('no zombie', () => driver.childrenOf(monitor.pid()) <= 2)
  assert.ok(driver.descriptorsOf(monitor.pid()) < 40)
  await endContainer(monitor.client)
})

Health.run()
