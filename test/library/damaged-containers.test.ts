// Files of a container that cannot be read, or are half-written: it is said which one, others are not held up, and it can be removed.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { createEngine, type Engine } from '../../src/index.ts'
import { failure, isAlive, librarySuite, pause, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('library/damaged containers')
const STAYS = 'trap "exit 7" TERM; echo up; while :; do sleep 0.02; done'
const containers = () => box().engine.containers
const at = (...names: readonly string[]): string => path.join(box().root, ...names)
const fileOf = (id: string, name: string): string => at('containers', id, name)
const runFileOf = (id: string, name: string): string => at('run', 'monitors', id, name)

const begin = async (name: string, script = STAYS, options = {}): Promise<string> => {
  const { id } = await containers().create({ rootfs: box().rootfs }, ['sh', '-c', script], {
    name,
    stopTimeout: 100,
    ...options,
  })
  await containers().start(id)
  return id
}
const pidOf = async (id: string): Promise<number> => (await containers().inspect(id)).state?.pid ?? 0
const statusOf = async (id: string, of: Engine = box().engine): Promise<string | undefined> =>
  (await of.list()).find((each) => each.id === id)?.status
const remove = (container: string) => box().engine.remove(container, { force: true })

const cut = (file: string): void => truncateSync(file, Math.floor(statSync(file).size / 2))
const DOCUMENTS: Readonly<Record<string, (file: string) => void>> = {
  'cut in half': cut,
  empty: (file) => truncateSync(file, 0),
  noise: (file) => writeFileSync(file, Buffer.alloc(300, 0xa5)),
  'of another version': (file) =>
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"version": ?1/, '"version": 99')),
  'another document': (file) => writeFileSync(file, '{"version":1}'),
  'a folder': (file) => {
    rmSync(file)
    mkdirSync(path.join(file, 'inside'), { recursive: true })
  },
  'a link in a circle': (file) => {
    rmSync(file)
    symlinkSync('container.json', file)
  },
}

test('a first one makes what stays of a root', async () => {
  const id = await begin('first', STAYS, { mounts: [{ type: 'volume', source: 'first', target: '/srv' }] })
  await (await containers().exec(id, ['true'])).exit
  await remove(id)
  await box().engine.pruneVolumes({ all: true })
  await box().engine.pruneImages()
})

for (const [what, damage] of Object.entries(DOCUMENTS))
  test(`a document that is ${what}: the container is listed as damaged, held up by nobody, and removed by force`, async () => {
    const before = box().census()
    const { engine } = box()
    const other = await begin('other')
    const id = await begin('broken', STAYS, { mounts: [{ type: 'volume', source: 'kept', target: '/srv' }] })
    const pid = await pidOf(id)
    const document = fileOf(id, 'container.json')
    damage(document)
    const found = (await engine.list()).find((each) => each.id === id)
    assert.equal([found?.status, found?.name], ['damaged', 'broken'])
    assert.match(JSON.stringify(found?.damage), document)
    for (const verb of [
      () => containers().start('broken'),
      () => containers().stop(id),
      () => containers().inspect(id.slice(0, 12)),
      () => containers().exec('broken', ['true']),
      () => containers().pause('broken'),
      () => containers().rename('broken', 'renamed'),
      () => containers().update('broken', { memory: '64MiB' }),
      () => containers().kill('broken'),
      () => containers().replace('broken', {}),
      () => engine.inspect('broken'),
      () => engine.remove('broken'),
    ])
      assert.match((await failure(verb(), String(verb))).message, document)
    // Others, and what is about all of them.
    assert.is(await statusOf(other), 'running')
    assert.is(await (await containers().exec('other', ['true'])).exit, 0)
    await containers().rename('other', 'another')
    await containers().stop('another')
    assert.equal(await containers().startWanted(), { started: [], failed: [] })
    assert.equal((await engine.pruneVolumes({ all: true })).removed, [])
    assert.is((await failure(engine.removeVolume('kept')))._tag, 'VolumeInUse')
    await engine.pruneImages({ all: true })
    await engine.usage()
    assert.is(
      (await failure(containers().create({ rootfs: box().rootfs }, ['true'], { name: 'broken' })))._tag,
      'NameInUse',
    )
    assert.is(isAlive(pid), true)
    await remove('broken')
    assert.is(isAlive(pid), false)
    assert.is(await statusOf(id), undefined)
    assert.equal((await engine.pruneVolumes({ all: true })).removed, ['kept'])
    await begin('broken')
    for (const name of ['broken', 'another']) await remove(name)
    assert.equal(await box().unchanged(before), [])
  })

test('a damaged one whose monitor was killed is ended and removed all the same', async () => {
  const id = await begin('orphan')
  const { state } = await containers().inspect(id)
  process.kill(state?.monitorPid ?? 0, 'SIGKILL')
  await until('the monitor is gone', () => !isAlive(state?.monitorPid ?? 0))
  cut(fileOf(id, 'container.json'))
  await remove(id)
  await until('it is gone', () => !isAlive(state?.pid ?? 0))
  assert.equal([existsSync(at('containers', id)), existsSync(at('run', 'monitors', id))], [false, false])
})

test('what a power cut left of a creation is no container, and goes, whichever boot it was in', async () => {
  const id = 'c'.repeat(64)
  mkdirSync(at('containers', id))
  writeFileSync(fileOf(id, 'container.json'), '')
  utimesSync(at('containers', id), 1000, 1000)
  assert.is(await statusOf(id), undefined)
  writeFileSync(at('run', 'engines', '0000000000000bad'), '')
  const next = createEngine({ root: box().root, networksAhead: 0 })
  await next.list()
  await next.close()
  assert.is(existsSync(at('containers', id)), false)
})

for (const [what, damage] of [
  ['cut in half', cut],
  ['noise', (file: string) => writeFileSync(file, Buffer.alloc(300, 0xa5))],
  ['empty', (file: string) => truncateSync(file, 0)],
  ['a folder', DOCUMENTS['a folder'] ?? cut],
] as const) {
  test(`a record of its end that is ${what} says nothing, and the container starts again`, async () => {
    const id = await begin('ended', 'exit 3')
    await containers().wait(id)
    await until('its monitor is gone', () => !existsSync(runFileOf(id, 'state')))
    damage(fileOf(id, 'exit.json'))
    assert.is(await statusOf(id), 'created')
    await containers().start(id)
    assert.is(await containers().wait(id), 3)
    await remove(id)
  })

  test(`a state that is ${what}: its monitor is asked, and nobody takes it for one that does not run`, async () => {
    const id = await begin('stateless')
    const pid = await pidOf(id)
    damage(runFileOf(id, 'state'))
    assert.is(await statusOf(id), 'running')
    assert.is((await failure(box().engine.remove(id)))._tag, 'WrongStatus')
    const refused = await failure(containers().exec(id, ['true']))
    assert.equal([refused._tag, refused.message.includes(runFileOf(id, 'state'))], ['StateDamaged', true])
    assert.is(isAlive(pid), true)
    await containers().stop(id)
    assert.is(isAlive(pid), false)
    await remove(id)
  })

  test(`a state that is ${what}, of a monitor that listens no more: what is asked of it waits until it has left`, async () => {
    for (const ask of [() => containers().stop('stateless'), () => remove('stateless')]) {
      const id = await begin('stateless', STAYS, { restart: 'no' })
      const pid = await pidOf(id)
      damage(runFileOf(id, 'state'))
      rmSync(runFileOf(id, 'socket'))
      let isDone = false
      const done = ask().finally(() => {
        isDone = true
      })
      // Long enough for one that does not wait.
      await pause(200)
      assert.is(isDone, false)
      process.kill(pid, 'SIGKILL')
      await done
      assert.is(isAlive(pid), false)
      await remove(id).catch(({ _tag }) => assert.is(_tag, 'ContainerNotFound'))
    }
  })

  test(`a table that is ${what} is passed over`, async () => {
    const id = await begin('tabled', 'sleep 0.2; exit 4', { restart: 'on-failure:1' })
    writeFileSync(runFileOf(id, 'table'), Buffer.alloc(500, 0x5a))
    damage(runFileOf(id, 'table'))
    await until('it ended twice', async () => (await containers().inspect(id)).exit?.restarts === 1)
    assert.is(await containers().wait(id), 4)
    await remove(id)
  })
}

test('a name that leads nowhere, or is no link, is free', async () => {
  symlinkSync(`${'e'.repeat(64)}.nobody`, at('names', 'dangling'))
  const id = await begin('dangling')
  writeFileSync(at('names', 'file'), '')
  const other = await begin('file')
  assert.equal([await statusOf(id), await statusOf(other)], ['running', 'running'])
  for (const each of [id, other]) await remove(each)
})

const VOLUME_DOCUMENTS: Readonly<Record<string, (file: string) => void>> = {
  ...DOCUMENTS,
  gone: (file) => rmSync(file),
  'a link in a circle': (file) => {
    rmSync(file)
    symlinkSync('volume.json', file)
  },
}
for (const [what, damage] of Object.entries(VOLUME_DOCUMENTS))
  test(`a document of a volume that is ${what}: it is listed as damaged, keeps its files, and is removed by force alone`, async () => {
    const { engine } = box()
    await engine.createVolume({ name: 'sound' })
    const { mountpoint } = await engine.createVolume({ name: 'broken' })
    writeFileSync(path.join(mountpoint, 'precious'), 'still here')
    const document = at('volumes', 'broken', 'volume.json')
    damage(document)
    const listed = await engine.volumes()
    assert.equal(
      listed.map(({ name, damage: found }) => [name, found === undefined]),
      [
        ['broken', false],
        ['sound', true],
      ],
    )
    assert.match(JSON.stringify(listed[0]?.damage), document)
    assert.is(listed[0]?.mountpoint, mountpoint)
    const mounts = [{ type: 'volume', source: 'broken', target: '/srv' }] as const
    for (const verb of [
      () => engine.inspectVolume('broken'),
      () => engine.removeVolume('broken'),
      () => engine.createVolume({ name: 'broken' }),
      () => engine.exportVolume('broken', { path: at('broken.tar') }),
      () => engine.run({ rootfs: box().rootfs }, ['true'], { mounts }),
    ])
      assert.match((await failure(verb(), String(verb))).message, document)
    assert.equal((await engine.pruneVolumes({ all: true })).removed, ['sound'])
    assert.is(readFileSync(path.join(mountpoint, 'precious'), 'utf8'), 'still here')
    await engine.removeVolume('broken', { force: true })
    assert.equal(
      [await engine.volumes(), existsSync(at('volumes', 'broken')), readdirSync(at('trash'))],
      [[], false, []],
    )
    await engine.createVolume({ name: 'broken' })
    await engine.removeVolume('broken')
  })

test('a damaged volume that a container has is not removed by force either', async () => {
  const id = await begin('holder', STAYS, { mounts: [{ type: 'volume', source: 'held', target: '/srv' }] })
  writeFileSync(at('volumes', 'held', 'volume.json'), 'noise')
  const error = await failure(box().engine.removeVolume('held', { force: true }))
  assert.equal([error._tag, existsSync(at('volumes', 'held', '_data'))], ['VolumeInUse', true])
  assert.equal((await box().engine.volumes())[0]?.usedBy, ['holder'])
  await remove(id)
  await box().engine.removeVolume('held', { force: true })
})

test('a file among the volumes is none of them', async () => {
  mkdirSync(at('volumes'), { recursive: true })
  writeFileSync(at('volumes', 'stray'), '')
  assert.equal(await box().engine.volumes(), [])
  rmSync(at('volumes', 'stray'))
})

for (const [what, options] of Object.entries({
  'while it ran': {},
  'with a volume of its own': { mounts: [{ type: 'volume', target: '/own' }] },
}))
  test(`one that removes itself, and died with its monitor ${what}, is removed by the next command`, async () => {
    const volumes = async () => (await box().engine.volumes()).length
    for (const next of ['a command on it', 'a command on another']) {
      const id = await begin('passing', STAYS, { autoRemove: true, ...options })
      const { state } = await containers().inspect(id)
      for (const pid of [state?.monitorPid ?? 0, state?.pid ?? 0]) process.kill(pid, 'SIGKILL')
      await until('both are gone', () => !isAlive(state?.monitorPid ?? 0) && !isAlive(state?.pid ?? 0))
      if (next === 'a command on it')
        assert.is((await failure(containers().start(id)))._tag, 'ContainerNotFound')
      else {
        const engine = createEngine({ root: box().root, networksAhead: 0 })
        await engine.volumes()
        await engine.close()
      }
      assert.is(await statusOf(id), undefined, next)
      assert.equal(
        [existsSync(at('containers', id)), readdirSync(at('names')), await volumes()],
        [false, [], 0],
      )
    }
  })

test('one that removes itself and was never started stays', async () => {
  const { id } = await containers().create({ rootfs: box().rootfs }, ['true'], {
    name: 'waits',
    autoRemove: true,
  })
  const engine = createEngine({ root: box().root, networksAhead: 0 })
  await engine.list()
  await engine.close()
  assert.is(await statusOf(id), 'created')
  await containers().start(id)
  await until('it is gone', async () => (await statusOf(id)) === undefined)
  // Its monitor's last word is written behind that.
  await until('that is told', async () => {
    for await (const { Action, Actor } of box().engine.events({ since: 0, follow: false }))
      if (Action === 'destroy' && Actor.ID === id) return true
    return false
  })
})
run()
