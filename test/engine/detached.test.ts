// Containers that outlive whoever starts them, on the real kernel: create, start, attach, stop, restart, remove.
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { createEngine } from '../../src/index.ts'
import { failure, isAlive, librarySuite, pause, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/detached')
const containers = () => box().engine.containers
const image = () => ({ rootfs: box().rootfs })

const create = (script: string, options = {}) => containers().create(image(), ['sh', '-c', script], options)
const remove = (container: string) => box().engine.remove(container, { force: true })
/** Made, used and removed: nothing of it may be left. */
const withContainer = async (
  script: string,
  options: object,
  use: (id: string) => Promise<void>,
): Promise<void> => {
  const before = box().census()
  const { id } = await create(script, options)
  try {
    await use(id)
  } finally {
    await remove(id).catch(() => {})
  }
  assert.equal(await box().unchanged(before), [])
}
const textOf = async (stream: Readable): Promise<string> => {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}
const removeGroupsOf = (id: string): void => {
  for (const group of box()
    .census()
    .cgroups.filter((name) => name.endsWith(id)))
    rmdirSync(group)
}
const statusOf = async (id: string): Promise<string | undefined> =>
  (await box().engine.list()).find((each) => each.id === id)?.status
const untilItsMonitorIsGone = (id: string): Promise<void> =>
  until('its monitor is gone', () => !existsSync(path.join(box().root, 'run', 'monitors', id, 'socket')))
const log = (id: string): string => {
  const folder = path.join(box().root, 'containers', id, 'log')
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(path.join(folder, name), 'latin1'))
    .join('')
}

test('a first one makes what stays of a root', async () => {
  const { id } = await create('sleep 100')
  await containers().start(id)
  const process = await containers().exec(id, ['true'])
  await process.exit
  await remove(id)
})
test('one is made, started, waited for, and removed', () =>
  withContainer('echo out; echo err >&2; exit 3', { name: 'life' }, async (id) => {
    assert.is(await statusOf(id), 'created')
    assert.is((await containers().start('life')).id, id)
    assert.is(await containers().wait(id), 3)
    assert.is(await statusOf(id), 'stopped')
    assert.match(log(id), 'out')
    assert.match(log(id), 'err')
  }))
test('one goes on without its engine, and another engine finds it', () =>
  withContainer('trap "exit 7" TERM; echo up; while :; do sleep 0.05; done', {}, async (id) => {
    const first = createEngine({ root: box().root, networksAhead: 0 })
    await first.containers.start(id)
    await first.close()
    assert.is(await statusOf(id), 'running')
    await until('it is up', () => log(id).includes('up'))
    await containers().stop(id)
    assert.is(await containers().wait(id), 7)
  }))
test('it can be started again, and keeps what it wrote', () =>
  withContainer('[ -e /seen ] && exit 5; touch /seen; exit 4', {}, async (id) => {
    await containers().start(id)
    assert.is(await containers().wait(id), 4)
    await containers().start(id)
    assert.is(await containers().wait(id, 'not-running'), 5)
  }))
test('streams from the first byte to the last, and the exit', () =>
  withContainer('read line; echo "got $line"; echo bad >&2; exit 2', { stdin: true }, async (id) => {
    const streams = await containers().startAttached(id, { stdin: true })
    streams.stdin?.write('hello\n')
    const [out, err, end] = await Promise.all([textOf(streams.stdout), textOf(streams.stderr), streams.exit])
    assert.is(out, 'got hello\n')
    assert.is(err, 'bad\n')
    assert.is(end?.exitCode, 2)
  }))
test('output that is read when the container and its monitor are gone is there, or counted', () =>
  withContainer('head -c 1000000 /dev/zero; exit 5', {}, async (id) => {
    const streams = await containers().startAttached(id)
    await untilItsMonitorIsGone(id)
    let bytes = 0
    streams.stdout.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length
    })
    assert.is((await streams.exit)?.exitCode, 5)
    assert.ok(streams.missedBytes > 0)
    assert.is(bytes + streams.stdout.readableLength + streams.missedBytes, 1_000_000)
    streams.close()
  }))
test('who reads late has the streams of one run alone', () =>
  withContainer('echo run; exit 1', { restart: 'on-failure:1' }, async (id) => {
    const streams = await containers().startAttached(id)
    await untilItsMonitorIsGone(id)
    assert.is((await streams.exit)?.restarts, 0)
    assert.is(log(id).split('run').length, 3)
    assert.is(await textOf(streams.stdout), 'run\n')
    streams.close()
  }))
test('a terminal', () =>
  withContainer(
    'stty size 2>/dev/null; tty >/dev/null && echo terminal; read x; echo "<$x>"',
    { tty: true, stdin: true },
    async (id) => {
      const streams = await containers().startAttached(id, { stdin: true })
      streams.stdin?.write('hi\n')
      const out = await textOf(streams.stdout)
      assert.match(out, '<hi>')
      assert.is((await streams.exit)?.exitCode, 0)
    },
  ))
test('a program that is not there is told, and the container can be removed', () =>
  withContainer('', {}, async () => {
    const { id } = await containers().create(image(), ['/no/such/program'])
    const error = await failure(containers().start(id))
    assert.is(error._tag, 'CommandNotFound')
    assert.is(await statusOf(id), 'created')
    await remove(id)
  }))
test('what ignores its stop signal is killed after the timeout', () =>
  withContainer('trap "" TERM; echo up; while :; do sleep 0.05; done', { stopTimeout: 50 }, async (id) => {
    await containers().start(id)
    await until('it is up', () => log(id).includes('up'))
    await containers().stop(id)
    assert.is(await containers().wait(id), 137)
  }))
test('kill sends a signal', () =>
  withContainer('trap "exit 9" HUP; echo up; while :; do sleep 0.05; done', {}, async (id) => {
    await containers().start(id)
    await until('it is up', () => log(id).includes('up'))
    await containers().kill(id, 'SIGHUP')
    assert.is(await containers().wait(id), 9)
  }))
test('a policy starts it again, and a stop ends that', () =>
  withContainer('echo run; exit 1', { restart: 'always' }, async (id) => {
    await containers().start(id)
    await until('it ran three times', () => log(id).split('run').length > 3)
    await containers().stop(id)
    assert.is(await statusOf(id), 'stopped')
    const seen = log(id)
    await pause(300)
    assert.is(log(id), seen)
  }))
test('on-failure ends with success, and with its tries', async () => {
  await withContainer('echo run; exit 1', { restart: 'on-failure:2' }, async (id) => {
    await containers().start(id)
    await until('its tries are over', () => log(id).split('run').length > 3)
    await until('it is over', () => existsSync(path.join(box().root, 'containers', id, 'exit.json')))
    assert.is(await containers().wait(id), 1)
  })
  await withContainer('echo run; exit 0', { restart: 'on-failure' }, async (id) => {
    await containers().start(id)
    assert.is(await containers().wait(id), 0)
    assert.is(log(id).split('run').length, 2)
  })
})
/** Of all threads of this process, zombies too. */
const children = (): readonly string[] =>
  readdirSync('/proc/self/task')
    .flatMap((thread) => readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' '))
    .filter((pid) => pid !== '')
    .sort()
test('a start that fails before there is a monitor leaves no process that waits to be one', () => {
  const source = '/proc/version/below-a-file'
  const mounts = [{ type: 'bind', source, target: '/mnt', createSource: true }] as const
  return withContainer('true', { mounts }, async (id) => {
    const before = new Set(children())
    assert.match((await failure(containers().start(id))).message, source)
    assert.equal(
      children().filter((pid) => !before.has(pid)),
      [],
    )
    assert.is(await statusOf(id), 'created')
  })
})

test('one that removes itself leaves nothing', async () => {
  const before = box().census()
  const { id } = await create('exit 0', { autoRemove: true, name: 'once' })
  await containers().start(id)
  await until('it is gone', () => !existsSync(path.join(box().root, 'containers', id)))
  const again = await create('exit 0', { name: 'once' })
  await remove(again.id)
  await createEngine({ root: box().root, networksAhead: 0 }).close()
  assert.equal(await box().unchanged(before), [])
})
test('one that removes itself stays over a restart, and goes at its next end', async () => {
  const before = box().census()
  const { id } = await create('echo up; sleep 1000', { autoRemove: true, stopTimeout: 0 })
  await containers().start(id)
  await until('it is up', () => log(id).includes('up'))
  await containers().restart(id)
  assert.is(await statusOf(id), 'running')
  assert.is((await containers().inspect(id)).document.policies.autoRemove, true)
  const { _tag } = await failure(containers().restart(id, { signal: 'SIGNOPE' }))
  assert.is(_tag, 'InvalidOption')
  assert.is((await containers().inspect(id)).document.policies.autoRemove, true, 'also where it is refused')
  await containers().kill(id)
  await containers()
    .wait(id, 'removed')
    .catch(() => {})
  assert.equal(await box().unchanged(before), [])
})

test('another policy holds from the next end on', () =>
  withContainer('echo run; until [ -e /go ]; do sleep 0.02; done; exit 1', {}, async (id) => {
    await containers().start(id)
    await containers().update(id, { restart: 'on-failure:2' })
    await (await containers().exec(id, ['touch', '/go'])).exit
    await until('it was started again twice', () => log(id).split('run').length === 4)
    for (let tries = 0; tries < 600 && (await statusOf(id)) !== 'stopped'; tries++) await pause(50)
    assert.is((await containers().inspect(id)).exit?.restarts, 2)
    await containers().update(id, { restart: 'always', memory: '64MiB' })
    const { policies, options } = (await containers().inspect(id)).document
    assert.equal([policies.restart, options.memory], [{ name: 'always', most: 0 }, 64 * 2 ** 20])
    await containers().start(id)
    await containers().update(id, { restart: 'no' })
    for (let tries = 0; tries < 600 && (await statusOf(id)) !== 'stopped'; tries++) await pause(50)
    assert.is(await statusOf(id), 'stopped')
  }))

test('one whose log driver is none has no logs, and that is told', () =>
  withContainer('echo run', { log: { form: 'none' } }, async (id) => {
    await containers().start(id)
    await containers().wait(id)
    const { _tag, message } = await failure(
      (async () => {
        for await (const _ of containers().logs(id)) assert.unreachable()
      })(),
    )
    assert.is(_tag, 'Unsupported')
    assert.match(message, /its log driver is none, and nothing is kept$/)
  }))

test('one that removes itself is given no policy', async () => {
  const { id } = await create('sleep 1000', { autoRemove: true })
  const { message } = await failure(containers().update(id, { restart: 'always' }))
  assert.is(
    message,
    'restart: "always": a container that is removed at its end (autoRemove) cannot be started again',
  )
  assert.is((await containers().inspect(id)).document.policies.restart.name, 'no')
  await remove(id)
})

test('names are one container’s, and an unknown one is told', async () => {
  const { id } = await create('true', { name: 'taken' })
  assert.is((await failure(create('true', { name: 'taken' })))._tag, 'NameInUse')
  assert.is((await failure(containers().start('nobody')))._tag, 'ContainerNotFound')
  await remove(id)
  const again = await create('true', { name: 'taken' })
  await remove('taken')
  assert.is.not(again.id, id)
})
test('one that runs is not removed without force', () =>
  withContainer('sleep 100', {}, async (id) => {
    await containers().start(id)
    const error = await failure(box().engine.remove(id))
    assert.is(error._tag, 'WrongStatus')
    await remove(id)
    assert.is(await statusOf(id), undefined)
  }))
test('a monitor that is killed loses no container: the next command adopts it', () =>
  withContainer('trap "echo bye; exit 6" TERM; echo up; while :; do sleep 0.05; done', {}, async (id) => {
    await containers().start(id)
    await until('it is up', () => log(id).includes('up'))
    const { state } = await containers().inspect(id)
    process.kill(state?.monitorPid ?? 0, 'SIGKILL')
    await until('the monitor is gone', () => !isAlive(state?.monitorPid ?? 0))
    assert.is(await statusOf(id), 'running')
    await containers().stop(id)
    assert.is(await statusOf(id), 'stopped')
    assert.match(log(id), 'bye')
  }))
test('what a monitor and its container left behind is no hindrance to the next start', () =>
  withContainer('[ -e /left ] && exit 5; touch /left; sleep 100', {}, async (id) => {
    await containers().start(id)
    await until('it was here', () => existsSync(path.join(box().rootfs, 'left')))
    const { state } = await containers().inspect(id)
    for (const pid of [state?.monitorPid ?? 0, state?.pid ?? 0]) process.kill(pid, 'SIGKILL')
    await until('both are gone', () => !isAlive(state?.monitorPid ?? 0) && !isAlive(state?.pid ?? 0))
    // Nobody saw how it ended.
    const found = (await box().engine.list()).find((each) => each.id === id)
    assert.equal([found?.status, found?.exitCode], ['stopped', -1])
    await containers().start(id)
    assert.is(await containers().wait(id), 5)
  }))
test('after a reboot what is to run runs again, and nothing else', async () => {
  const before = box().census()
  const script = 'while :; do sleep 0.05; done'
  const made = {
    always: await create(script, { restart: 'always', stopTimeout: 10 }),
    stopped: await create(script, { restart: 'always', stopTimeout: 10 }),
    unlessStopped: await create(script, { restart: 'unless-stopped', stopTimeout: 10 }),
    leftStopped: await create(script, { restart: 'unless-stopped', stopTimeout: 10 }),
    plain: await create(script),
    neverStarted: await create(script, { restart: 'always' }),
  }
  const ids = Object.values(made).map(({ id }) => id)
  for (const id of ids.slice(0, -1)) await containers().start(id)
  await containers().stop(made.stopped.id)
  await containers().stop(made.leftStopped.id)
  // What a reboot does: every process is gone, and the runtime directory is empty.
  for (const { state } of await Promise.all(ids.map((id) => containers().inspect(id)))) {
    for (const pid of [state?.monitorPid ?? 0, state?.pid ?? 0]) if (pid > 0) process.kill(pid, 'SIGKILL')
    await until('they are gone', () => !isAlive(state?.monitorPid ?? 0) && !isAlive(state?.pid ?? 0))
  }
  for (const id of ids) removeGroupsOf(id)
  rmSync(path.join(box().root, 'run', 'monitors'), { recursive: true })
  const { started, failed } = await containers().startWanted()
  assert.equal(failed, [])
  assert.equal(new Set(started), new Set([made.always.name, made.stopped.name, made.unlessStopped.name]))
  assert.is(await statusOf(made.always.id), 'running')
  assert.is.not(await statusOf(made.leftStopped.id), 'running')
  assert.equal((await containers().startWanted()).started, [])
  for (const id of ids) await remove(id)
  assert.equal(
    (await box().unchanged(before)).filter((line) => !/run\/monitors\/$/.test(line)),
    [],
  )
})
test('exec runs one more program in it', () =>
  withContainer('touch /here; sleep 100', { env: { A: '1' } }, async (id) => {
    await containers().start(id)
    await until('it was here', () => existsSync(path.join(box().rootfs, 'here')))
    const process = await containers().exec(id, ['sh', '-c', 'ls /here; echo $A$B; id -u; exit 8'], {
      env: { B: '2' },
      user: '12:34',
    })
    assert.is(await textOf(process.stdout as Readable), '/here\n12\n12\n')
    assert.is(await process.exit, 8)
  }))
test('a health check is done, and an unhealthy one is started again', () =>
  withContainer(
    'echo run; while :; do sleep 0.05; done',
    {
      restart: 'always',
      stopTimeout: 50,
      health: { command: 'test -e /well', interval: '30ms', retries: 2, onUnhealthy: 'restart' },
    },
    async (id) => {
      await containers().start(id)
      await until('it was started again', () => log(id).split('run').length > 2)
      const well = await containers().exec(id, ['touch', '/well'])
      await well.exit
      let health: string | undefined
      await until('it is well', () => {
        containers()
          .inspect(id)
          .then(({ state }) => {
            health = state?.health?.status
          })
        return health === 'healthy'
      })
      await containers().stop(id)
    },
  ))
test('exec in one that does not run, and of what is not there, is told', () =>
  withContainer('sleep 100', {}, async (id) => {
    assert.is((await failure(containers().exec(id, ['true'])))._tag, 'WrongStatus')
    await containers().start(id)
    assert.is((await failure(containers().exec(id, ['nothing'])))._tag, 'CommandNotFound')
  }))
run()
