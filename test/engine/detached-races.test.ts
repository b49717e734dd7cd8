// Containers that outlive their engine, when two things happen to one at once: each case was wrong once.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import type { DetachedOptions } from '../../src/index.ts'
import { unlessMissing } from '../../src/model/unless.ts'
import { loadAddon } from '../../src/native/load.ts'
import { comeAndGo, failure, isAlive, librarySuite, pause, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/detached-races')
const containers = () => box().engine.containers
const image = () => ({ rootfs: box().rootfs })
const STAYS = 'echo up; while :; do sleep 0.02; done'
const LOCK_EX = 2
const IGNORES = `trap "" TERM; ${STAYS}`

const create = (script: string, options: DetachedOptions = {}) =>
  containers().create(image(), ['sh', '-c', script], options)
const begin = async (script: string, options: DetachedOptions = {}): Promise<string> => {
  const { id } = await create(script, options)
  await containers().start(id)
  return id
}
const isUp = async (id: string): Promise<void> => {
  const folder = path.join(box().root, 'containers', id, 'log')
  const text = (): string =>
    readdirSync(folder)
      .map((name) => readFileSync(path.join(folder, name), 'latin1'))
      .join('')
  await until('it is up', () => text().includes('up'))
}
const remove = (id: string) => box().engine.remove(id, { force: true })
const statusOf = async (id: string): Promise<string | undefined> =>
  (await box().engine.list()).find((each) => each.id === id)?.status
const names = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(path.join(box().root, 'names')).flatMap((name) => {
      // One that removes itself may give its name up meanwhile.
      const target = unlessMissing(() => readlinkSync(path.join(box().root, 'names', name)))
      return target === undefined ? [] : [[name, target.split('.')[0] ?? '']]
    }),
  )
const monitorPid = async (id: string): Promise<number> => {
  const { state } = await containers().inspect(id)
  return state?.monitorPid ?? 0
}

test('limits of one that ends meanwhile and runs again hold for the next run, too', async () => {
  const { ports } = await box().engine.open()
  const id = await begin(STAYS, { memory: '64m', restart: 'always' })
  const { state } = await containers().inspect(id)
  const group = state?.groups?.find((each) => each.includes('memory')) ?? state?.groups?.[0] ?? ''
  const file = path.join(
    group,
    existsSync(path.join(group, 'memory.max')) ? 'memory.max' : 'memory.limit_in_bytes',
  )
  const { setLimits } = ports.host
  const port = ports.host as { setLimits: typeof setLimits }
  let calls = 0
  port.setLimits = (writes) => {
    calls++
    if (calls > 1) return setLimits(writes)
    // Between the look at its groups and the write to them. Its monitor makes the next run's, of the same name.
    process.kill(state?.pid ?? 0, 'SIGKILL')
    for (const end = Date.now() + 30_000; existsSync(group) && Date.now() < end; ) {}
    return setLimits(writes)
  }
  try {
    await containers().update(id, { memory: '32m' })
  } finally {
    port.setLimits = setLimits
  }
  await until('it runs again', async () => (await containers().inspect(id)).state?.restarts === 1)
  await until('it has a group', () => existsSync(file))
  assert.is(readFileSync(file, 'utf8').trim(), String(32 << 20))
  await remove(id)
})

test('one that was killed while it was paused is not paused when it runs again', async () => {
  const id = await begin(STAYS)
  await containers().pause(id)
  await containers().stop(id, { timeout: 0 })
  assert.equal(readdirSync(path.join(box().root, 'run', 'frozen')), [])
  await containers().start(id)
  assert.is(await statusOf(id), 'running')
  await containers().pause(id)
  assert.is(await statusOf(id), 'paused')
  await containers().unpause(id)
  await remove(id)
})
test('one that starts itself again after it was paused is not paused', async () => {
  const id = await begin(STAYS, { restart: 'always' })
  await containers().pause(id)
  process.kill((await containers().inspect(id)).state?.pid ?? 0, 'SIGKILL')
  let restarts = 0
  await until('it was started again', () => {
    containers()
      .inspect(id)
      .then(({ state }) => {
        if (state?.status === 'running') restarts = state.restarts
      })
    return restarts > 0
  })
  assert.is(await statusOf(id), 'running')
  await remove(id)
})
test('one that removes itself gives up the name it has by then, and nobody else’s', async () => {
  const id = await begin(STAYS, { name: 'before', autoRemove: true })
  await containers().rename('before', 'after')
  const other = await create('true', { name: 'before' })
  await containers().kill(id)
  await until('it is gone', () => !('after' in names()))
  assert.equal(names(), { before: other.id })
  assert.is((await failure(create('true', { name: 'before' })))._tag, 'NameInUse')
  await remove(other.id)
})
test('one that removes itself, and lost its monitor before it could, is removed by the next command', async () => {
  const id = await begin('[ -e /seen ] && exit 5; touch /seen; echo up; sleep 100', { autoRemove: true })
  await isUp(id)
  const { state } = await containers().inspect(id)
  for (const pid of [state?.monitorPid ?? 0, state?.pid ?? 0]) process.kill(pid, 'SIGKILL')
  await until('both are gone', () => !isAlive(state?.monitorPid ?? 0) && !isAlive(state?.pid ?? 0))
  assert.is((await failure(containers().start(id)))._tag, 'ContainerNotFound')
  assert.is(existsSync(path.join(box().root, 'containers', id)), false)
})
test('of two names that are given at once the last one stays, and the other one is free', async () => {
  const { id } = await create('true', { name: 'first' })
  await Promise.all([containers().rename(id, 'second'), containers().rename(id, 'third')])
  const { document } = await containers().inspect(id)
  assert.equal(names(), { [document.name]: id })
  await remove(id)
})
test('a name that a death left behind is free', async () => {
  const { id } = await create('true', { name: 'mine' })
  const dead = '0123456789abcdef'
  symlinkSync(`${id}.${dead}`, path.join(box().root, 'names', 'half-renamed'))
  const other = await create('true', { name: 'half-renamed' })
  assert.equal(names(), { mine: id, 'half-renamed': other.id })
  assert.is((await failure(create('true', { name: 'mine' })))._tag, 'NameInUse')
  for (const each of [id, other.id]) await remove(each)
  assert.equal(names(), {})
})
test('names without a container go when what a dead engine left is cleared away', async () => {
  const { id } = await create('true', { name: 'there' })
  const dead = '00000000deadbeef'
  for (const [name, holder] of [
    ['renamed', id],
    ['removed', 'f'.repeat(64)],
  ] as const)
    symlinkSync(`${holder}.${dead}`, path.join(box().root, 'names', name))
  writeFileSync(path.join(box().root, 'run', 'engines', dead), '')
  await comeAndGo(box())
  await until('they are gone', () => Object.keys(names()).length === 1)
  assert.equal(names(), { there: id })
  await remove(id)
})
test('whoever removes, stops, kills or attaches to one that ends by itself is never told of a lost connection', async () => {
  const tags = new Set<string>()
  for (let round = 0; round < 24; round++) {
    const id = await begin('sleep 0.01')
    await pause(round % 12)
    const verbs = [
      () => containers().kill(id),
      () => containers().stop(id),
      () => containers().attach(id),
      () => remove(id),
    ]
    await verbs[round % 4]?.().catch(({ _tag }) => tags.add(_tag))
    await remove(id).catch(({ _tag }) => tags.add(_tag))
  }
  tags.delete('WrongStatus')
  tags.delete('ContainerNotFound')
  assert.equal([...tags], [])
})
test('a start waits for the last words of the monitor before', async () => {
  const id = await begin('head -c 3000000 /dev/zero; [ -e /again ] && sleep 100; touch /again')
  const streams = await containers().attach(id)
  await containers().wait(id)
  await containers().start(id)
  assert.is(await statusOf(id), 'running')
  streams.close()
  await remove(id)
})
test('a wait that comes between the end and its record gives the exit code', async () => {
  const id = await begin('exit 5')
  assert.is(await containers().wait(id), 5)
  await until('its monitor has left', async () => !(await containers().inspect(id)).hasMonitor)
  // As it is for a moment: the monitor has taken its state back, and the record was not there yet when it was looked for.
  const record = path.join(box().root, 'containers', id, 'exit.json')
  renameSync(record, `${record}.later`)
  const lock = openSync(path.join(box().root, 'run', 'monitors', id, 'lock'), 'a')
  assert.is(loadAddon().flock(lock, LOCK_EX), 0)
  const waiting = containers().wait(id)
  await Promise.race([waiting, pause(200)])
  renameSync(`${record}.later`, record)
  closeSync(lock)
  assert.is(await waiting, 5)
  await remove(id)
})
test('a stop is not over before the container is, also where its monitor dies in the middle of it', async () => {
  const id = await begin(IGNORES, { stopTimeout: 400 })
  await isUp(id)
  const stopped = containers().stop(id)
  await pause(100)
  const [monitor, { state }] = [await monitorPid(id), await containers().inspect(id)]
  process.kill(monitor, 'SIGKILL')
  await stopped
  assert.not.ok(isAlive(state?.pid ?? 0))
  assert.is(await containers().wait(id), 137)
  await remove(id)
})
test('a container that restarts itself all the time is stopped by one stop', async () => {
  for (let round = 0; round < 12; round++) {
    const id = await begin('exit 1', { restart: 'always' })
    await pause(100 + round)
    await containers().stop(id)
    assert.is(await statusOf(id), 'stopped')
    const { exit } = await containers().inspect(id)
    await pause(5)
    assert.equal((await containers().inspect(id)).exit, exit)
    await remove(id)
  }
})
test('a program that is to run in one that ends all the time runs, or finds that it does not run', async () => {
  const id = await begin('sleep 0.02; exit 1', { restart: 'always' })
  const tags = new Set<string>()
  for (let round = 0; round < 40; round++) {
    const done = containers().exec(id, ['true'], { stdout: 'ignore', stderr: 'ignore' })
    await done.then(({ exit }) => exit).catch(({ _tag }) => tags.add(_tag))
    if (round % 8 === 7) await containers().stop(id)
    if (round % 8 === 7) await containers().start(id)
  }
  await remove(id)
  for (const tag of ['WrongStatus', 'LaunchDied']) tags.delete(tag)
  assert.equal([...tags], [])
})
test('between two runs there is nobody to signal, and SIGKILL ends that', async () => {
  const id = await begin('exit 1', { restart: 'always' })
  await until('it waits for a second', async () => {
    const { state } = await containers().inspect(id)
    return state?.status === 'restarting' && (state.nextMs ?? 0) - Date.now() > 1000
  })
  assert.is((await failure(containers().kill(id, 'SIGHUP')))._tag, 'WrongStatus')
  await containers().kill(id, 'SIGKILL')
  await until('it is over', async () => (await statusOf(id)) === 'stopped')
  await remove(id)
})
test('whoever attaches with an input to one that has none is attached without', async () => {
  const id = await begin(STAYS)
  const streams = await containers().attach(id, { stdin: true })
  assert.is(streams.stdin, null)
  streams.close()
  await remove(id)
})
test('one that removes itself, and whose start was killed before it had a monitor, is removed by the next command', async () => {
  const { id } = await create(STAYS, { autoRemove: true })
  const { ports } = await box().engine.open()
  const { document } = await containers().inspect(id)
  assert.is(ports.detached.want(document, true)._tag, 'Right')
  // As of one that was killed there: nothing but the note is left of it.
  assert.is(await statusOf(id), 'created')
  await comeAndGo(box())
  assert.is(await statusOf(id), undefined)
})
test('a change of one that removes itself meanwhile finds no container', async () => {
  const tags = new Set<string>()
  for (let round = 0; round < 12; round++) {
    const id = await begin('sleep 0.02', { autoRemove: true, memory: '64MiB' })
    const gone = () => !existsSync(path.join(box().root, 'containers', id))
    while (!gone())
      await containers()
        .update(id, { memory: '80MiB' })
        .catch(({ _tag }) => tags.add(_tag))
  }
  tags.delete('ContainerNotFound')
  assert.equal([...tags], [])
})
test('limits that come while it ends are kept for its next start', async () => {
  for (let round = 0; round < 6; round++) {
    const id = await begin('sleep 0.02', { memory: '64MiB' })
    await pause(15 + round * 3)
    await containers().update(id, { memory: '80MiB' })
    assert.is((await containers().inspect(id)).document.options.memory, 80 * 2 ** 20)
    await remove(id)
  }
})
test('a directory of a monitor whose container is gone goes', async () => {
  const folder = path.join(box().root, 'run', 'monitors', 'e'.repeat(64))
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'lock'), '')
  await comeAndGo(box())
  await until('it is gone', () => !existsSync(folder))
})
test('a container whose document was never written is no container, and goes', async () => {
  const id = 'd'.repeat(64)
  const folder = path.join(box().root, 'containers', id)
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'container.json'), '')
  assert.is(await statusOf(id), undefined)
  assert.is((await failure(containers().start(id)))._tag, 'ContainerNotFound')
  // Others are at work here: what is older than any creation lasts is nobody's.
  const old = Date.now() / 1000 - 61
  utimesSync(folder, old, old)
  writeFileSync(path.join(box().root, 'run', 'engines', '0000000000000bad'), '')
  await comeAndGo(box())
  await until('it is gone', () => !existsSync(folder))
})
run()
