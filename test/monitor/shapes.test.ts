// Containers of other shapes under a monitor: shared namespaces, a user namespace, limits, sources that do not answer.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { lastStep } from '../../src/adapters/launch-script.ts'
import { syscallNumber } from '../../src/plan/syscalls/index.ts'
import { mountSilent } from '../support/dead-fuse.ts'
import { callOf, descendants } from '../support/fault.ts'
import { until } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'
import { type Driver, endContainer, openDriver } from './driver.ts'

const Shapes = suite('monitor/shapes')
Shapes.requires('root', 'program:busybox')

let driver: Driver
Shapes.before(() => {
  driver = openDriver()
})
Shapes.after(() => driver.close())

const twice = { kind: 'on-failure', maximumRetries: 1, firstMs: 1, longestMs: 1, settledMs: 1000 } as const

Shapes('in the host’s pid namespace whoever is left is killed at the end', async () => {
  const namespaces = [{ type: 'mount' }, { type: 'ipc' }, { type: 'uts' }, { type: 'network' }]
  const monitor = driver.start('sleep 1000 & echo $!; sleep 0.1; exit 3', {
    change: { linux: { namespaces } },
    killsGroup: true,
    restart: twice,
  })
  await monitor.client.state('stopped')
  assert.is(monitor.record().exitCode, 3)
  const pids = monitor.client.output('stdout').toString().trim().split('\n').map(Number)
  assert.is(pids.length, 2)
  assert.equal(pids.filter(driver.isAlive), [])
  assert.equal(
    monitor.groups.filter((group) => existsSync(group)),
    [],
  )
})

Shapes('a user namespace is made anew for each start', async () => {
  const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }]
  const namespaces = ['pid', 'mount', 'ipc', 'uts', 'network', 'user'].map((type) => ({ type }))
  const monitor = driver.start('cat /proc/self/uid_map; readlink /proc/self/ns/user; exit 1', {
    change: { linux: { namespaces, uidMappings: ids, gidMappings: ids } },
    owner: 100_000,
    restart: twice,
  })
  await monitor.client.state('stopped')
  const [map, first, again, second] = monitor.client.output('stdout').toString().trim().split('\n')
  assert.is(map?.trim().replace(/\s+/g, ' '), '0 100000 65536')
  assert.is(again?.trim(), map?.trim())
  assert.match(first ?? '', /^user:/)
  assert.match(second ?? '', /^user:/)
  assert.is(monitor.record().exitCode, 1)
})

Shapes('another user opens its standard streams again', async () => {
  const monitor = driver.start('echo out >/dev/stdout; echo err >/proc/self/fd/2; exit 5', {
    change: { process: { user: { uid: 1000, gid: 1000 } } },
    owner: 1000,
  })
  const exit = await monitor.client.exit()
  assert.is(exit.exitCode, 5, monitor.client.output('stderr').toString())
  assert.is(monitor.client.output('stdout').toString(), 'out\n')
  assert.is(monitor.client.output('stderr').toString(), 'err\n')
})

Shapes('an end for lack of memory is told as one', async () => {
  const monitor = driver.start('exec dd if=/dev/zero of=/dev/null bs=200M count=1', {
    change: { linux: limited(16 << 20) },
  })
  const exit = await monitor.client.exit()
  assert.is(exit.signal, 9)
  assert.ok(exit.oomKilled)
})

Shapes('a SIGKILL is none', async () => {
  const monitor = driver.start('sleep 1000', { change: { linux: limited(64 << 20) } })
  await monitor.client.state('running')
  assert.not((await endContainer(monitor.client)).oomKilled)
})

const limited = (bytes: number) => ({
  namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })),
  resources: { memory: { limit: bytes } },
})

/** For an answer that nobody gives. */
const isWaiting = (pid: number): boolean =>
  callOf(pid) === String(syscallNumber(process.arch === 'arm64' ? 'arm64' : 'x64', 'fstat'))

Shapes('a start that waits for a dead file system holds up nothing, and a kill ends it', async () => {
  const folder = mkdtempSync('/var/tmp/slipway-dead-')
  const dead = mountSilent(path.join(folder, 'dead'))
  try {
    const monitor = driver.start('exit 0', {
      change: { mounts: [{ destination: '/work', type: 'bind', source: dead.path, options: ['rbind'] }] },
    })
    const { pid, monitorPid } = await monitor.client.state('starting')
    assert.is(pid, 0)
    const other = await monitor.connect()
    await other.state('starting')
    await until('it waits', () => descendants(monitorPid).some(isWaiting))
    assert.is(await other.ask({ _tag: 'Signal', signal: 15 }), 3)
    assert.is(await other.ask({ _tag: 'Stop', signal: 15, timeoutMs: -1 }), 0)
    await other.state('stopped')
    assert.equal(await monitor.ended(), { code: 0 })
    const { failure } = monitor.record()
    assert.is(failure?.errno, 0)
    assert.is(lastStep(monitor.plan, (text) => text, failure?.op ?? 0).step, 'look at bind source')
    assert.ok(monitor.record().stopped)
  } finally {
    await dead.end()
    rmSync(folder, { recursive: true })
  }
})

Shapes.run()
