// The life of containers in the journal: told by monitors while no engine is there, and by the verbs of whatever engine.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { createEngine, type DetachedOptions, type EngineEvent } from '../../src/index.ts'
import { eventText } from '../../src/model/events.ts'
import { isAtLeast } from '../../src/model/host-facts.ts'
import { eventsOf, failure, isAlive, librarySuite, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/container events')
const containers = () => box().engine.containers
const image = () => ({ rootfs: box().rootfs })
const create = (script: string, options: DetachedOptions = {}) =>
  containers().create(image(), ['sh', '-c', script], options)
const remove = (container: string) => box().engine.remove(container, { force: true })
const folder = () => path.join(box().root, 'events')

const actionsOf = async (id: string): Promise<readonly string[]> =>
  (await eventsOf(box().root, id)).map(({ Action }) => Action)
const isOrdered = (events: readonly EngineEvent[]): boolean =>
  events.every(({ timeNano }, index) => index === 0 || timeNano > (events[index - 1]?.timeNano ?? 0n))
/** Of the text, without times and how many seconds it took. */
const words = (event: EngineEvent | undefined): string =>
  event === undefined
    ? ''
    : eventText(event)
        .replace(/^\S+ /, '')
        .replace(/(?<=execDuration=)\d+/, 'N')
const PATIENCE_MS = 30_000
/** As `until`, for what takes a while to look at. */
const eventually = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
  const limit = Date.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (Date.now() > limit) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
const untilTold = (what: string, id: string, isSo: (actions: readonly string[]) => boolean): Promise<void> =>
  eventually(what, async () => isSo(await actionsOf(id)))

test('a life is told in its order, with the attributes of Docker', async () => {
  const { id } = await create('exit 3', { name: 'web', labels: { tier: 'front', exitCode: 'mine' } })
  await containers().start(id)
  assert.is(await containers().wait(id), 3)
  await remove(id)
  const events = await eventsOf(box().root, id)
  assert.equal(events.map(words), [
    `container create ${id} (exitCode=mine, image=${box().rootfs}, name=web, tier=front)`,
    `container start ${id} (exitCode=mine, image=${box().rootfs}, name=web, tier=front)`,
    `container die ${id} (execDuration=N, exitCode=3, image=${box().rootfs}, name=web, tier=front)`,
    `container destroy ${id} (exitCode=mine, image=${box().rootfs}, name=web, tier=front)`,
  ])
  assert.ok(isOrdered(events))
})

test('a stop is a kill, a death and a stop; a restart goes on to a start', async () => {
  const { id } = await create('trap "exit 4" TERM; echo up; while :; do sleep 0.02; done', {
    name: 'stopped',
  })
  const streams = await containers().startAttached(id)
  await new Promise((resolve) => streams.stdout.once('data', resolve))
  await containers().restart(id)
  await containers().stop(id, { timeout: 0 })
  await remove(id)
  const events = await eventsOf(box().root, id)
  assert.equal(
    events.map(
      ({ Action, Actor: { Attributes } }) => `${Action} ${Attributes.signal ?? Attributes.exitCode ?? ''}`,
    ),
    [
      'create ',
      'start ',
      'attach ',
      'kill 15',
      'die 4',
      'stop ',
      'start ',
      'restart ',
      ...events
        .slice(8)
        .map(
          ({ Action, Actor: { Attributes } }) =>
            `${Action} ${Attributes.signal ?? Attributes.exitCode ?? ''}`,
        ),
    ],
  )
  assert.is(events[8]?.Action, 'kill')
  assert.equal(
    events.slice(-3).map(({ Action }) => Action),
    ['die', 'stop', 'destroy'],
  )
  assert.ok(isOrdered(events))
})

test('policies start again, and tell each run, while no engine is there', async () => {
  const first = createEngine({ root: box().root, networksAhead: 0 })
  const { id } = await first.containers.create(image(), ['sh', '-c', 'exit 1'], { restart: 'on-failure:2' })
  await first.containers.start(id)
  await first.close()
  await untilTold('three runs are over', id, (all) => all.filter((action) => action === 'die').length === 3)
  assert.equal(await actionsOf(id), ['create', 'start', 'die', 'start', 'die', 'start', 'die'])
  await remove(id)
})

test('who follows sees it happen, with no other engine there', async () => {
  const first = createEngine({ root: box().root, networksAhead: 0 })
  const { id } = await first.containers.create(image(), ['sh', '-c', 'sleep 0.2; exit 8'], {
    autoRemove: true,
  })
  await first.containers.start(id)
  await first.close()
  const seen: string[] = []
  for await (const { Action } of box().engine.events({ since: '1m', filters: { container: [id] } })) {
    seen.push(Action)
    if (Action === 'destroy') break
  }
  assert.equal(seen, ['create', 'start', 'die', 'destroy'])
})

test('one that removes itself tells that, once, also where somebody removes it', async () => {
  const { id } = await create('sleep 0.1', { name: 'passing', autoRemove: true })
  await containers().start(id)
  await untilTold('it is gone', id, (all) => all.includes('destroy'))
  assert.equal(await actionsOf(id), ['create', 'start', 'die', 'destroy'])
  const second = await create('sleep 300', { autoRemove: true })
  await containers().start(second.id)
  await remove(second.id)
  assert.equal(await actionsOf(second.id), ['create', 'start', 'kill', 'die', 'destroy'])
})

test('a new name is told at the end, and is the one that is freed', async () => {
  const { id } = await create('sleep 300', { name: 'old', autoRemove: true })
  await containers().start(id)
  await containers().rename('old', 'new')
  const second = await create('sleep 300', { name: 'old' })
  await containers().kill(id, 'KILL')
  await untilTold('it is gone', id, (all) => all.includes('destroy'))
  const names = (await eventsOf(box().root, id)).map(
    ({ Action, Actor }) => `${Action} ${Actor.Attributes.name}`,
  )
  assert.equal(names, ['create old', 'start old', 'rename new', 'kill new', 'die new', 'destroy new'])
  // The other one's name has stayed, and ours is free.
  assert.is((await failure(create('true', { name: 'old' })))._tag, 'NameInUse')
  await remove((await create('true', { name: 'new' })).id)
  await remove(second.id)
})

test('limits that are changed hold after a restart by the policy', async () => {
  const { id } = await create('sleep 300', { restart: 'always', name: 'limited' })
  await containers().start(id)
  await containers().update(id, { memory: '64MiB', pids: 40 })
  const pidOf = async (): Promise<number> => {
    const { state } = await containers().inspect(id)
    return state?.status === 'running' ? state.pid : 0
  }
  const before = await pidOf()
  process.kill(before, 'SIGKILL')
  // Its number is known before it is in its groups.
  await eventually('it runs again', async () => {
    const { state } = await containers().inspect(id)
    return state?.status === 'running' && state.pid !== before
  })
  const groups = readFileSync(`/proc/${await pidOf()}/cgroup`, 'utf8')
  const limits = (await box().engine.list()).find((each) => each.id === id)?.groups ?? []
  const read = (...names: string[]): string | undefined =>
    limits
      .flatMap((group) => names.map((name) => path.join(group, name)))
      .flatMap((file) => {
        try {
          return [readFileSync(file, 'utf8').trim()]
        } catch {
          return []
        }
      })[0]
  assert.match(groups, id)
  assert.is(read('memory.max', 'memory.limit_in_bytes'), String(64 * 2 ** 20))
  assert.is(read('pids.max'), '40')
  await remove(id)
})

test('whatever runs out of memory is told before the death', async () => {
  const { id } = await create('tail /dev/zero', { memory: '16MiB' })
  await containers().start(id)
  assert.is(await containers().wait(id), 137)
  assert.equal(await actionsOf(id), ['create', 'start', 'oom', 'die'])
  await remove(id)
})

test('health is told as it changes', async () => {
  const { id } = await create('sleep 300', {
    health: { command: 'test ! -e /bad', interval: '50ms', retries: 1 },
  })
  await containers().start(id)
  await untilTold('it is well', id, (all) => all.includes('health_status: healthy'))
  await (await containers().exec(id, ['touch', '/bad'])).exit
  await untilTold('it is not', id, (all) => all.includes('health_status: unhealthy'))
  await remove(id)
  assert.equal(
    (await actionsOf(id)).filter((action) => !action.startsWith('exec')),
    ['create', 'start', 'health_status: healthy', 'health_status: unhealthy', 'kill', 'die', 'destroy'],
  )
})

test('exec, attach, resize and detach are told by who does it', async () => {
  const { id } = await create('sleep 300', { tty: true })
  await containers().start(id)
  const program = await containers().exec(id, ['sh', '-c', 'exit 6'])
  assert.is(await program.exit, 6)
  const streams = await containers().attach(id)
  streams.resize(100, 40)
  streams.close()
  await untilTold('it has left', id, (all) => all.includes('detach'))
  const events = (await eventsOf(box().root, id)).slice(2)
  assert.equal(
    events.map(({ Action }) => Action),
    ['exec_create: sh -c exit 6', 'exec_start: sh -c exit 6', 'exec_die', 'attach', 'resize', 'detach'],
  )
  const ids = new Set(events.slice(0, 3).map(({ Actor }) => Actor.Attributes.execID))
  assert.is(ids.size, 1)
  assert.match([...ids][0] ?? '', /^[0-9a-f]{64}$/)
  assert.is(events[2]?.Actor.Attributes.exitCode, '6')
  assert.is(events[4]?.Actor.Attributes.height, '40')
  assert.is(events[4]?.Actor.Attributes.width, '100')
  await remove(id)
})

test('an exec is begun before anything of it is there, also one that cannot be executed', async () => {
  const { id } = await create('sleep 300')
  await containers().start(id)
  assert.is((await failure(containers().exec(id, ['nothing', 'at all'])))._tag, 'CommandNotFound')
  assert.is((await failure(containers().exec(id, ['true'], { user: 'nobody-here' })))._tag, 'UnknownUser')
  assert.equal((await actionsOf(id)).slice(2), ['exec_create: nothing at all', 'exec_start: nothing at all'])
  await remove(id)
})

test('the end of a detached exec is told once by the monitor, whoever asked for it', async () => {
  const { id } = await create('sleep 300')
  await containers().start(id)
  const quiet = { detach: true, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const
  const own = createEngine({ root: box().root, networksAhead: 0 })
  await own.containers.exec(id, ['sh', '-c', 'sleep 0.2; exit 3'], quiet)
  await own.close()
  const left = await containers().exec(id, ['sh', '-c', 'sleep 0.3; exit 4'], quiet)
  await untilTold('both have ended', id, (all) => all.filter((each) => each === 'exec_die').length === 2)
  assert.is(await left.exit, 4)
  // As long as the container runs, and after it has ended, too.
  await containers().exec(id, ['sleep', '300'], quiet)
  await remove(id)
  const ends = (await eventsOf(box().root, id)).filter(({ Action }) => Action === 'exec_die')
  assert.is(ends.length, 3)
  assert.is(new Set(ends.map(({ Actor }) => Actor.Attributes.execID)).size, 3)
  const { facts } = (await box().engine.open()).ports.host
  if (isAtLeast(facts.kernel, 6, 15))
    assert.equal(
      ends.map(({ Actor }) => Actor.Attributes.exitCode),
      ['3', '4', '137'],
    )
})

test('volumes are told as they are made, mounted, unmounted and removed', async () => {
  const { engine } = box()
  const { id } = await create('true', {
    mounts: [{ type: 'volume', source: 'told', target: '/data', readonly: true }],
  })
  await containers().start(id)
  await containers().wait(id)
  await remove(id)
  await engine.removeVolume('told')
  const other: string[] = []
  for await (const event of engine.events({ since: 0, follow: false, filters: { volume: ['told'] } }))
    other.push(words(event))
  assert.equal(other, [
    'volume create told (driver=local)',
    `volume mount told (container=${id}, destination=/data, driver=local, propagation=, read/write=false)`,
    `volume unmount told (container=${id}, driver=local)`,
    'volume destroy told (driver=local)',
  ])
  assert.equal(await actionsOf(id), ['create', 'mount', 'start', 'die', 'unmount', 'destroy'])
})

test('a start that fails is none', async () => {
  const { id } = await containers().create(image(), ['/none'])
  assert.is((await failure(containers().start(id)))._tag, 'CommandNotFound')
  await remove(id)
  assert.equal(await actionsOf(id), ['create', 'destroy'])
})

const killMonitor = async (id: string): Promise<number> => {
  const { state } = await containers().inspect(id)
  process.kill(state?.monitorPid ?? 0, 'SIGKILL')
  await until('the monitor is gone', () => !isAlive(state?.monitorPid ?? 0))
  return state?.pid ?? 0
}

test('a monitor that takes over tells the rest, and nothing twice', async () => {
  const { id } = await create('sleep 300')
  await containers().start(id)
  await killMonitor(id)
  const streams = await containers().attach(id)
  streams.close()
  await killMonitor(id)
  await containers().stop(id, { timeout: 0 })
  await remove(id)
  assert.equal(
    (await actionsOf(id)).filter((action) => !['attach', 'detach', 'kill'].includes(action)),
    ['create', 'start', 'die', 'stop', 'destroy'],
  )
})

test('a death that nobody told is told by who finds it, once', async () => {
  const { id } = await create('sleep 300')
  await containers().start(id)
  const first = await killMonitor(id)
  process.kill(first, 'SIGKILL')
  await until('it is gone', () => !isAlive(first))
  await containers().start(id)
  assert.equal(await actionsOf(id), ['create', 'start', 'die', 'start'])
  assert.is((await eventsOf(box().root, id))[2]?.Actor.Attributes.exitCode, '-1')
  await remove(id)
})

/** As a monitor leaves it that is killed with its record on disk. `toTell`: and with its event written, too. */
const killedAtTheEnd = async (toTell: boolean): Promise<readonly string[]> => {
  const { id } = await create('sleep 0.3; exit 9')
  await containers().start(id)
  const state = path.join(box().root, 'run', 'monitors', id, 'state')
  const text = readFileSync(state, 'utf8')
  assert.is(await containers().wait(id), 9)
  await eventually('the monitor has left', async () => !(await containers().inspect(id)).hasMonitor)
  writeFileSync(state, text)
  if (!toTell)
    for (const name of readdirSync(folder())) {
      const file = path.join(folder(), name)
      const lines = readFileSync(file, 'utf8').split('\n')
      const isDeath = (line: string): boolean => line.includes(id) && line.includes('"Action":"die"')
      writeFileSync(file, lines.filter((line) => !isDeath(line)).join('\n'))
    }
  // Two that find it, and one of them twice.
  await containers().rename(id, `found${toTell}`)
  const other = createEngine({ root: box().root, networksAhead: 0 })
  await other.containers.rename(id, `again${toTell}`)
  await other.close()
  const { endedMs = 0, begunMs = 0 } = (await containers().inspect(id)).exit ?? {}
  await remove(id)
  const deaths = (await eventsOf(box().root, id)).filter(({ Action }) => Action === 'die')
  const isRight = (seconds: string): boolean => Math.abs((endedMs - begunMs) / 1000 - Number(seconds)) < 1.1
  return deaths.map(
    ({ Actor: { Attributes } }) => `${Attributes.exitCode} ${isRight(Attributes.execDuration ?? '')}`,
  )
}
test('killed between its record and its event, a monitor leaves one death to be told', async () => {
  assert.equal(await killedAtTheEnd(false), ['9 true'])
  assert.equal(await killedAtTheEnd(true), ['9 true'])
})

test('what the end of the machine ended is told by nobody', async () => {
  const { id } = await create('sleep 300')
  await containers().start(id)
  const first = await killMonitor(id)
  process.kill(first, 'SIGKILL')
  await until('it is gone', () => !isAlive(first))
  const state = path.join(box().root, 'run', 'monitors', id, 'state')
  const { bootId, ...other } = JSON.parse(readFileSync(state, 'utf8'))
  assert.match(bootId, /^[0-9a-f-]{36}$/)
  writeFileSync(state, JSON.stringify({ ...other, bootId: '00000000-0000-4000-8000-000000000000' }))
  for (const group of box()
    .census()
    .cgroups.filter((name) => name.endsWith(id)))
    rmdirSync(group)
  await containers().start(id)
  await remove(id)
  assert.equal(await actionsOf(id), ['create', 'start', 'start', 'kill', 'die', 'destroy'])
})

test('a full disk loses events, and nothing else; they go on when there is room', async () => {
  mkdirSync(folder(), { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder()])
  // One that has the folder open which is below would write there.
  const fresh = createEngine({ root: box().root, networksAhead: 0 })
  try {
    const { id } = await fresh.containers.create(image(), ['sleep', '300'], { name: 'full' })
    await fresh.containers.start(id)
    // The last page that the journal has takes half a line.
    const file = path.join(folder(), readdirSync(folder())[0] ?? '')
    const room = 4096 - (statSync(file).size % 4096)
    appendFileSync(file, `${' '.repeat(Math.max(0, room - 100))}`)
    assert.throws(() => writeFileSync(path.join(folder(), 'filler'), Buffer.alloc(1 << 17)), /ENOSPC/)
    await fresh.containers.stop(id, { timeout: 0 })
    assert.is((await fresh.containers.inspect(id)).exit?.exitCode, 137)
    assert.not(readFileSync(file, 'utf8').endsWith('\n'), 'no line was cut')
    assert.equal(await actionsOf(id), ['create', 'start'])
    rmSync(path.join(folder(), 'filler'))
    await fresh.containers.start(id)
    await fresh.remove(id, { force: true })
    assert.equal(await actionsOf(id), ['create', 'start', 'start', 'kill', 'die', 'destroy'])
  } finally {
    await fresh.close()
    execFileSync('umount', [folder()])
  }
})

test('a journal that was removed begins anew, and one that cannot be written to stops nobody', async () => {
  const { id } = await create('sleep 300', { restart: 'always' })
  await containers().start(id)
  rmSync(folder(), { recursive: true })
  await containers().stop(id, { timeout: 0 })
  assert.equal(
    (await actionsOf(id)).filter((action) => action !== 'kill'),
    ['die', 'stop'],
  )
  rmSync(folder(), { recursive: true })
  writeFileSync(folder(), 'no folder')
  await containers().start(id)
  await containers().stop(id, { timeout: 0 })
  assert.is((await containers().inspect(id)).exit?.stopped, true)
  await remove(id)
  rmSync(folder())
})

test('an engine that is asked to tells of what belongs to it, and no other does', async () => {
  const telling = createEngine({ root: box().root, networksAhead: 0, events: true })
  const mounts = [{ type: 'volume', source: 'mine', target: '/data' }] as const
  const { id } = await telling.start(image(), ['sh', '-c', 'exit 5'], { name: 'own', mounts })
  const kept = await telling.start(image(), ['sleep', '300'], { keep: true })
  const quiet = await box().engine.start(image(), ['true'])
  await quiet.removed
  await telling.close()
  assert.equal((await eventsOf(box().root, id)).map(words).slice(0, 4), [
    `container create ${id} (image=${box().rootfs}, name=own)`,
    `volume mount mine (container=${id}, destination=/data, driver=local, propagation=, read/write=true)`,
    `container start ${id} (image=${box().rootfs}, name=own)`,
    `container die ${id} (execDuration=N, exitCode=5, image=${box().rootfs}, name=own)`,
  ])
  assert.equal(await actionsOf(id), ['create', 'mount', 'start', 'die', 'unmount', 'destroy'])
  await remove(kept.id)
  assert.equal(await actionsOf(kept.id), ['create', 'start', 'die', 'destroy'])
  assert.equal(await actionsOf(quiet.id), [])
  await box().engine.removeVolume('mine')
})

test('monitors and an engine that write and rotate at once lose and tear nothing', async () => {
  const AT_ONCE = 12
  const { engine } = box()
  // Long lines, so that segments fill: a label of 16 KiB makes 64 of them a segment.
  const labels = { long: 'x'.repeat(16_384) }
  const made = await Promise.all(
    Array.from({ length: AT_ONCE }, () => create('exit 1', { labels, restart: 'on-failure:3' })),
  )
  await Promise.all(made.map(({ id }) => containers().start(id)))
  const isOver = async ({ id }: { id: string }): Promise<boolean> =>
    (await containers().inspect(id)).hasMonitor === false
  for (const one of made)
    await eventually('it is over', async () => {
      await containers().rename(one.id, `r${one.id.slice(0, 8)}${Math.random().toString(36).slice(2)}`)
      return isOver(one)
    })
  for (const { id } of made) {
    const lives = (await actionsOf(id)).filter((action) => action !== 'rename')
    assert.equal(lives, ['create', ...Array(4).fill(['start', 'die']).flat()])
  }
  assert.ok(readdirSync(folder()).length > 1, 'nothing was rotated')
  for (const name of readdirSync(folder()))
    for (const line of readFileSync(path.join(folder(), name), 'utf8').split('\n'))
      if (line !== '') JSON.parse(line)
  assert.ok(readdirSync(folder()).every((name) => statSync(path.join(folder(), name)).size < 2 ** 21))
  for (const { id } of made) await engine.remove(id, { force: true })
})

run()
