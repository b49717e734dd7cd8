// A detached container's life under its monitor: start, end, restart, stop.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { PHASE } from '../../src/native/addon.ts'
import type { LaunchPlan } from '../../src/plan/launch/index.ts'
import { Program, SlotSpace } from '../../src/plan/program.ts'
import { assert, suite } from '../support/suite.ts'
import { type Driver, endContainer, isStartFailed, openDriver } from './driver.ts'

const Life = suite('monitor/life')
Life.requires('root', 'program:busybox', 'program:strace')

let driver: Driver
Life.before(() => {
  driver = openDriver()
  copyFileSync(path.join(driver.rootfs, 'bin', 'busybox'), path.join(driver.rootfs, 'bin', 'busybox-once'))
})
Life.after(() => driver.close())

const FOREVER = 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done'
const DEAF = 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
const SHORT = { firstMs: 10, longestMs: 40, settledMs: 60_000 }
const always = { kind: 'always', maximumRetries: 0, ...SHORT } as const

Life('a program runs, and its exit code is recorded before it is told', async () => {
  const { client, record, ended, runDirectory, groups } = driver.start('echo hello; exit 3')
  const running = await client.state('running')
  assert.ok(running.pid > 0 && running.startTime > 0)
  const exit = await client.exit()
  assert.is(exit.exitCode, 3)
  assert.not(exit.stopped)
  assert.equal(record(), exit)
  assert.is(client.output('stdout').toString(), 'hello\n')
  await client.state('stopped')
  assert.equal(await ended(), { code: 0 })
  assert.equal(readdirSync(runDirectory), ['lock'])
  assert.equal(
    groups.filter((group) => existsSync(group)),
    [],
  )
})

for (const kind of ['no', 'always'] as const)
  Life(`restart ${kind}: whoever is told of an end finds a state that knows of it, too`, async () => {
    const restart = {
      kind,
      maximumRetries: 0,
      firstMs: 60_000,
      longestMs: 60_000,
      settledMs: 60_000,
    } as const
    const monitor = driver.start('read x; exit 3', { stdin: 'open', attach: { stdin: true }, restart })
    const { client, ended } = monitor
    await client.state('running')
    // Each file comes a while after the one before.
    const slow = [
      '-qq',
      '-e',
      'trace=renameat2',
      '-e',
      'inject=renameat2:delay_enter=100000',
      '-o',
      '/dev/null',
    ]
    const strace = spawn('strace', [...slow, '-p', String(monitor.pid())], { stdio: 'ignore' })
    const gone = once(strace, 'exit')
    await driver.eventually('it is traced', () =>
      /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${monitor.pid()}/status`, 'utf8')),
    )
    client.send({ _tag: 'Input', bytes: Buffer.from('\n') })
    assert.is((await client.exit()).exitCode, 3)
    assert.is(driver.stateOf(monitor)?.status, kind === 'always' ? 'restarting' : 'stopped')
    if (kind === 'always') assert.is(await client.ask({ _tag: 'Kill' }), 0)
    await ended()
    await gone
  })

Life('while it runs, its state names it as the kernel does', async () => {
  const monitor = driver.start(FOREVER)
  const running = await monitor.client.state('running')
  const stat = readFileSync(`/proc/${running.pid}/stat`, 'utf8')
  assert.is(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]), running.startTime)
  assert.is(running.monitorPid, monitor.pid())
  assert.is(readFileSync(`/proc/${running.monitorPid}/comm`, 'utf8'), 'slipway-monitor\n')
  assert.equal(monitor.readState(), running)
  assert.ok(existsSync(path.join(monitor.runDirectory, 'process', 'ns', 'mnt')))
  assert.is((await endContainer(monitor.client)).signal, 9)
})

if (process.env.SLIPWAY_TEST_SANITIZED !== undefined)
  Life.skip('an idle monitor is small', 'sanitizers need memory of their own')
else if (process.arch === 'x64')
  Life('an idle monitor is small', async () => {
    // The program's own pages are shared by all that run.
    const monitors = Array.from({ length: 8 }, () => driver.start(FOREVER, { restart: always }))
    for (const { client } of monitors) await client.reads('stdout', 'ready')
    const sizes = monitors.map(({ pid }) => {
      const rollup = readFileSync(`/proc/${pid()}/smaps_rollup`, 'utf8')
      return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1])
    })
    assert.ok(
      sizes.every((pss) => pss > 0 && pss < 120),
      `${sizes} kB`,
    )
    for (const { client } of monitors) assert.is(await client.ask({ _tag: 'Kill' }), 0)
    await Promise.all(monitors.map(({ client }) => client.exit()))
  })
else Life.skip('an idle monitor is small', 'pages of another size')

Life('a state with many long groups is whole', async () => {
  const groupPaths = Array.from({ length: 13 }, (_, index) => `/sys/fs/cgroup/${index}/${'x'.repeat(4000)}`)
  const monitor = driver.start(FOREVER, { groupPaths })
  assert.equal((await monitor.client.state('running')).groups, groupPaths)
  assert.equal(monitor.readState().groups, groupPaths)
  await endContainer(monitor.client)
})

Life('a table of another version, or that is not whole, is refused', async () => {
  const tables: readonly ((table: Buffer) => void)[] = [
    (table) => table.writeUInt32LE(99, 4),
    (table) => table.writeUInt32LE(table.length + 8, 8),
    // The plan that is run before the clone: its offset, its size, and one beyond all numbers.
    (table) => table.writeUInt32LE(table.length, 32),
    (table) => table.writeUInt32LE(0xffff_fff8, 36),
    (table) => table.writeUInt32LE(4, 32),
    // Too many stages.
    (table) => table.writeUInt32LE(0xffff, 92),
    // A descriptor of the first stage in a slot that no launch has.
    (table) => table.writeUInt16LE(0xfffe, table.readUInt32LE(table.readUInt32LE(96) + 8)),
    // Paths of groups that have no end.
    (table) => {
      table.writeUInt32LE(table.length - 8, 288)
      table.writeUInt32LE(8, 292)
    },
  ]
  for (const spoil of tables) {
    const monitor = driver.start('exit 0', { spoil })
    assert.is((await monitor.ended()).failed, 'monitor: 71')
    assert.not(existsSync(path.join(monitor.containerDirectory, 'exit.json')))
  }
})

Life('a signal reaches the first process; one that is none is refused', async () => {
  const { client } = driver.start(FOREVER)
  await client.reads('stdout', 'ready')
  for (const signal of [-1, 65]) assert.is(await client.ask({ _tag: 'Signal', signal }), 22)
  assert.is(await client.ask({ _tag: 'Signal', signal: 15 }), 0)
  const exit = await client.exit()
  assert.is(exit.exitCode, 7)
  assert.not(exit.stopped)
})

Life('stop asks with its signal, and nothing starts it again', async () => {
  const { client } = driver.start(FOREVER, { restart: always })
  await client.reads('stdout', 'ready')
  assert.is(await client.ask({ _tag: 'Stop', signal: 0 }), 0)
  const exit = await client.exit()
  assert.is(exit.exitCode, 7)
  assert.ok(exit.stopped)
  await client.state('stopped')
})

Life('stop kills what does not end in time', async () => {
  const { client } = driver.start(DEAF)
  await client.reads('stdout', 'ready')
  assert.is(await client.ask({ _tag: 'Stop', signal: 15, timeoutMs: 50 }), 0)
  const exit = await client.exit()
  assert.is(exit.exitCode, 137)
  assert.is(exit.signal, 9)
  assert.ok(exit.stopped)
})

Life('a second stop brings the kill forward, and never back', async () => {
  const { client } = driver.start(DEAF)
  await client.reads('stdout', 'ready')
  assert.is(await client.ask({ _tag: 'Stop', signal: 15, timeoutMs: -1 }), 0)
  assert.is(await client.ask({ _tag: 'Stop', signal: 15, timeoutMs: 20 }), 0)
  assert.is(await client.ask({ _tag: 'Stop', signal: 15, timeoutMs: 60_000 }), 0)
  assert.is((await client.exit()).signal, 9)
})

Life('always: it starts again and again, each time as new', async () => {
  const { client } = driver.start('echo run; exit 0', { restart: always })
  for (const restarts of [0, 1, 2, 3]) {
    const exit = await client.exit()
    assert.is(exit.restarts, restarts)
    const waiting = await client.state('restarting')
    assert.ok((waiting.nextMs ?? 0) >= exit.endedMs)
  }
  assert.is(await client.ask({ _tag: 'Kill' }), 0)
  const last = await client.state('stopped')
  assert.ok(last.restarts >= 3)
})

Life('a start waits as long as anybody who asked for that is connected, and comes then at once', async () => {
  const monitor = driver.start('echo run; exit 1', {
    restart: { kind: 'always', maximumRetries: 0, firstMs: 2000, longestMs: 2000, settledMs: 60_000 },
  })
  const { client } = monitor
  const waiting = await client.state('restarting')
  const heard = client.states().length
  const holders = [await monitor.connect(), await monitor.connect()]
  for (const each of holders) assert.is(await each.ask({ _tag: 'HoldStarts' }), 0)
  // A second time changes nothing.
  assert.is(await holders[0]?.ask({ _tag: 'HoldStarts' }), 0)
  await driver.eventually('it is overdue', () => Date.now() > (waiting.nextMs ?? 0) + 300)
  holders[0]?.close()
  // Whatever is asked meanwhile is answered.
  for (let asked = 0; asked < 20; asked++) assert.is(await client.ask({ _tag: 'Signal', signal: 0 }), 3)
  assert.is(client.states().length, heard)
  holders[1]?.close()
  assert.is((await client.exit()).restarts, 1)
  assert.is(await client.ask({ _tag: 'Kill' }), 0)
  await client.state('stopped')
})

Life('a start that is held back does not come after a stop', async () => {
  const monitor = driver.start('exit 1', {
    restart: { kind: 'always', maximumRetries: 0, firstMs: 60_000, longestMs: 60_000, settledMs: 60_000 },
  })
  await monitor.client.state('restarting')
  const holder = await monitor.connect()
  assert.is(await holder.ask({ _tag: 'HoldStarts' }), 0)
  assert.is(await monitor.client.ask({ _tag: 'Stop', signal: 15, timeoutMs: 0 }), 0)
  await monitor.client.state('stopped')
  assert.equal(await monitor.ended(), { code: 0 })
})

Life('one that runs has no start to hold back', async () => {
  const { client } = driver.start(FOREVER, { restart: always })
  await client.state('running')
  assert.is(await client.ask({ _tag: 'HoldStarts' }), 16)
  assert.is(await client.ask({ _tag: 'Kill' }), 0)
  await client.exit()
})

Life('on-failure: a success ends it', async () => {
  const { client } = driver.start('exit 0', { restart: { kind: 'on-failure', maximumRetries: 0, ...SHORT } })
  assert.is((await client.exit()).exitCode, 0)
  await client.state('stopped')
})

Life('on-failure: it is tried as often as is said', async () => {
  const { client, record } = driver.start('exit 5', {
    restart: { kind: 'on-failure', maximumRetries: 2, ...SHORT },
  })
  await client.state('stopped')
  assert.is(record().restarts, 2)
  assert.is(record().exitCode, 5)
})

Life('pauses double up to the longest', async () => {
  const { client } = driver.start('exit 1', {
    restart: { kind: 'on-failure', maximumRetries: 5, firstMs: 10, longestMs: 40, settledMs: 60_000 },
  })
  const pauses: number[] = []
  for (let index = 0; index < 5; index++) {
    const { endedMs } = await client.exit()
    const { nextMs = 0 } = await client.state('restarting')
    pauses.push(nextMs - endedMs)
  }
  // The clock goes on between the two readings.
  const least = [10, 20, 40, 40, 40]
  assert.ok(
    pauses.every((pause, index) => pause >= (least[index] ?? 0)),
    String(pauses),
  )
  await client.state('stopped')
})

Life('one that ran for long begins with the first pause again', async () => {
  const { client } = driver.start('exit 1', {
    restart: { kind: 'on-failure', maximumRetries: 4, firstMs: 20, longestMs: 60_000, settledMs: 0 },
  })
  // Doubled four times it would come to 320.
  await client.state('stopped')
  const nexts = client.states().filter(({ status }) => status === 'restarting')
  assert.is(nexts.length, 4)
})

Life('the policy can be changed while it runs', async () => {
  const { client } = driver.start(FOREVER)
  await client.reads('stdout', 'ready')
  const change = { _tag: 'SetRestart', kind: 'always', maximumRetries: 0 } as const
  assert.is(await client.ask(change), 0)
  assert.is(await client.ask({ _tag: 'Signal', signal: 15 }), 0)
  assert.is((await client.exit()).exitCode, 7)
  await client.state('restarting')
  await client.state('running')
  assert.is(await client.ask({ ...change, kind: 'no' }), 0)
  assert.is(await client.ask({ _tag: 'Signal', signal: 9 }), 0)
  assert.is((await client.exit()).exitCode, 137)
  await client.state('stopped')
})

Life('a stop between two starts ends it there', async () => {
  const { client } = driver.start('exit 1', {
    restart: { kind: 'always', maximumRetries: 0, firstMs: 600_000, longestMs: 600_000, settledMs: 1 },
  })
  await client.state('restarting')
  assert.is(await client.ask({ _tag: 'Stop', signal: 0 }), 0)
  await client.state('stopped')
})

Life('a program that is not there: the place is told, and recorded', async () => {
  const { client, record, plan, ended, groups } = driver.start('', {
    change: { process: { args: ['/bin/none'] } },
  })
  const failure = await client.until('failed start', isStartFailed)
  assert.is(failure.phase, PHASE.child)
  assert.is(failure.errno, 2)
  assert.is(plan.stages[failure.stage]?.infos[failure.op]?.step, 'execve')
  await client.state('stopped')
  assert.is(record().exitCode, -1)
  const { phase, stage, op, errno } = failure
  assert.equal(record().failure, { phase, stage, op, errno })
  assert.equal(await ended(), { code: 0 })
  assert.equal(
    groups.filter((group) => existsSync(group)),
    [],
  )
})

const failing = (): Uint8Array => {
  const program = new Program(driver.live.facts.arch, new SlotSpace())
  program.fail('decode plan', 77)
  return program.encode()
}
const broken = {
  prepare: (plan) => ({ ...plan, prepare: { ...plan.prepare, bytes: failing() } }),
  after: (plan) => ({ ...plan, after: { ...plan.after, bytes: failing() } }),
  layers: (plan) => ({ ...plan, layers: { bytes: failing(), infos: [] } }),
  network: (plan) => ({ ...plan, network: { bytes: failing(), infos: [] } }),
} as const satisfies Record<string, (plan: LaunchPlan) => LaunchPlan>

for (const [name, replan] of Object.entries(broken))
  Life(`a failure in ${name} is told with its place, and nothing is left`, async () => {
    const { client, ended, groups, runDirectory } = driver.start('exit 0', { replan })
    const { phase, errno } = await client.until('failed start', isStartFailed)
    assert.is(phase, PHASE[name as keyof typeof broken])
    assert.is(errno, 77)
    assert.equal(await ended(), { code: 0 })
    assert.equal(
      groups.filter((group) => existsSync(group)),
      [],
    )
    assert.equal(readdirSync(runDirectory), ['lock'])
  })

Life('a failure of the clone is told', async () => {
  const { client } = driver.start('exit 0', {
    // CLONE_NEWNS together with CLONE_FS is refused by the kernel.
    replan: (plan) => ({ ...plan, cloneFlags: 0x20200 }),
  })
  const { phase, errno } = await client.until('failed start', isStartFailed)
  assert.is(phase, PHASE.clone)
  assert.is(errno, 22)
})

Life('a later start that fails is an end like others', async () => {
  // It removes its own shell: the next start finds none.
  const { client, record } = driver.start('rm /bin/busybox-once; exit 1', {
    change: { process: { args: ['/bin/busybox-once', 'sh', '-c', 'rm /bin/busybox-once; exit 1'] } },
    restart: { kind: 'on-failure', maximumRetries: 2, ...SHORT },
  })
  await client.state('stopped')
  assert.is(record().restarts, 2)
  assert.is(record().failure?.errno, 2)
})

Life('two monitors of one container: the second one finds the lock held', async () => {
  const first = driver.start(FOREVER)
  const { pid, begunMs } = await first.client.state('running')
  const second = driver.adopt(first, FOREVER, { adopts: { pid, begunMs, restarts: 0 } })
  assert.is((await second.ended()).failed, 'lock monitor: 11')
  await endContainer(first.client)
})

Life('with auto-removal nothing of it is left, and no record is written', async () => {
  const { host } = driver.live.ports
  const program = new Program(host.facts.arch, new SlotSpace())
  const directory = path.join(driver.folder, 'removed')
  program.call('make directory', 'mkdirat', [-100, program.text(directory), 0o700])
  const monitor = driver.start('exit 4', { removal: program.encode() })
  assert.is((await monitor.client.exit()).exitCode, 4)
  assert.equal(await monitor.ended(), { code: 0 })
  assert.ok(existsSync(directory))
  assert.not(existsSync(path.join(monitor.containerDirectory, 'exit.json')))
})

Life('a first client that is gone before the start changes nothing', async () => {
  const monitor = driver.start('sleep 0.2; exit 9')
  monitor.client.close()
  assert.equal(await monitor.ended(), { code: 0 })
  assert.is(monitor.record().exitCode, 9)
})

Life('whoever comes later learns the state at once', async () => {
  const monitor = driver.start(FOREVER)
  const running = await monitor.client.state('running')
  const other = await monitor.connect()
  assert.equal(await other.state('running'), running)
  assert.is((await endContainer(other)).signal, 9)
  assert.is((await monitor.client.exit()).signal, 9)
})

for (const early of [{ _tag: 'Stop', signal: 0 }, { _tag: 'Kill' }] as const)
  Life(`who asks for a ${early._tag} before anything is begun sees nothing begin`, async () => {
    const { client, ended, groups, record } = driver.start('touch /begun', { early, restart: always })
    const { errno } = await client.until('failed start', isStartFailed)
    assert.is(errno, 125)
    assert.equal(await ended(), { code: 0 })
    assert.ok(record().stopped)
    assert.equal(record().begunMs, 0)
    assert.not(existsSync(path.join(driver.rootfs, 'begun')))
    assert.not(groups.some((group) => existsSync(group)))
  })

Life.run()
