// Which verbs are journalled, seen by another engine of the root.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, type EngineEvent, type SlipwayError } from '../../src/index.ts'
import { openTestEngine, type TestEngine } from '../support/engine.ts'
import { until } from '../support/library.ts'
import { findProgram } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'

const Events = suite('library/events')
Events.requires('root', 'program:busybox')

let box: TestEngine
Events.before(() => {
  box = openTestEngine()
})
Events.after(() => box.close())

async function* tar(): AsyncGenerator<Uint8Array> {
  yield tarOf([{ name: 'etc/motd', data: 'hello\n' }])
}
async function* program(): AsyncGenerator<Uint8Array> {
  yield tarOf([{ name: 'busybox', data: readFileSync(findProgram('busybox') ?? '') }])
}
const since = async (mark: bigint): Promise<EngineEvent[]> => {
  const other = createEngine({ root: box.root, networksAhead: 0 })
  const found: EngineEvent[] = []
  try {
    for await (const event of other.events({ since: mark, follow: false })) found.push(event)
  } finally {
    await other.close()
  }
  return found
}
const now = (): bigint => BigInt(Date.now()) * 1_000_000n
const actions = (events: readonly EngineEvent[]): readonly string[] =>
  events.map(({ Type, Action, Actor }) => `${Type} ${Action} ${Actor.Attributes.name ?? ''}`)

Events('image verbs are told, in their order', async () => {
  const mark = now()
  const { engine } = box
  const { id } = await engine.import({ stream: tar() }, { name: 'app:1' })
  await engine.tag('app:1', 'app:2')
  const file = path.join(path.dirname(box.root), 'app.tar')
  await engine.save('app:2', { path: file })
  await engine.removeImage('app:2')
  await engine.removeImage('app:1')
  await engine.load({ path: file })
  await engine.pruneImages({ all: true })
  const found = await since(mark)
  assert.equal(actions(found.filter(({ Action }) => Action !== 'delete')), [
    'image import app:1',
    'image tag app:2',
    'image save app:2',
    'image untag app:2',
    'image untag app:1',
    'image load app:2',
    'image untag app:2',
    'image prune ',
  ])
  for (const { Action, Actor } of found)
    if (['import', 'tag', 'load'].includes(Action) || (Action === 'untag' && Actor.ID !== 'app:2'))
      assert.is(Actor.ID, id)
  assert.ok(found.some(({ Action, Actor }) => Action === 'delete' && Actor.ID === id))
})

Events('what failed has not happened', async () => {
  const mark = now()
  for (const failing of [box.engine.tag('none:1', 'some:1'), box.engine.removeImage('none:1')])
    await failing.then(
      () => assert.unreachable(),
      ({ _tag }: SlipwayError) => assert.is(_tag, 'ImageNotFound'),
    )
  assert.equal(await since(mark), [])
})

Events('verbs on containers that run are told; a start of an attached one is not', async () => {
  const mark = now()
  const { containers } = box.engine
  const container = await box.engine.start({ rootfs: box.rootfs }, ['sleep', '300'], {
    name: 'old',
    labels: { tier: 'front' },
  })
  await containers.rename('old', 'new')
  await containers.pause('new')
  await containers.unpause('new')
  await containers.update('new', { memory: '64MiB' })
  await containers.kill('new', 'KILL')
  await container.removed
  const found = await since(mark)
  assert.equal(actions(found), [
    'container rename new',
    'container pause new',
    'container unpause new',
    'container update new',
    'container kill new',
  ])
  assert.equal(found[0]?.Actor, {
    ID: container.id,
    Attributes: { tier: 'front', oldName: 'old', image: box.rootfs, name: 'new' },
  })
  assert.is(found[4]?.Actor.Attributes.signal, '9')
})

Events('what is made of a container is told of it, and of the image', async () => {
  const { engine } = box
  await engine.import({ stream: program() }, { name: 'base:1' })
  const begin = now()
  const { id } = await engine.containers.create('base:1', ['/busybox', 'true'], { name: 'source' })
  await engine.containers.start('source')
  await engine.containers.wait('source')
  await until('its end is told', async () => actions(await since(begin)).includes('container die source'))
  // The mark counts milliseconds.
  await sleep(2)
  const mark = now()
  const made = await engine.commit('source', { name: 'made:1', message: 'why' })
  await engine.export('source', { path: path.join(path.dirname(box.root), 'source.tar') })
  await engine.remove('source')
  const found = await since(mark)
  assert.equal(actions(found), [
    'image commit made:1',
    'container commit source',
    'container export source',
    'container destroy source',
  ])
  assert.equal(found[1]?.Actor, {
    ID: id,
    Attributes: { comment: 'why', imageID: made.id, imageRef: 'made:1', image: 'base:1', name: 'source' },
  })
})

Events('copies and looks at processes are told, whichever container it is', async () => {
  const { engine } = box
  const { containers } = engine
  await engine.start({ rootfs: box.rootfs }, ['sleep', '300'], { name: 'held' })
  await containers.create({ rootfs: box.rootfs }, ['true'], { name: 'made' })
  const folder = path.join(path.dirname(box.root), 'copied')
  // The mark counts milliseconds.
  await sleep(2)
  const mark = now()
  await containers.stat('held', '/bin')
  await containers.copy({ container: 'held', path: '/bin/sh' }, folder)
  await containers.copy(folder, { container: 'held', path: '/sh' })
  await containers.copyInto('made', '/', tar())
  const { close } = await containers.copyFrom('made', '/etc/motd')
  await close()
  await containers.top('held')
  for (const failing of [
    () => containers.copy({ container: 'held', path: '/none' }, folder),
    () => containers.copyFrom('made', '/none'),
    () => containers.copyInto('held', '/none', tar()),
    () => containers.top('made'),
    () => containers.copyFrom('nobody', '/'),
  ])
    await failing().then(
      () => assert.unreachable(),
      () => {},
    )
  assert.equal(actions(await since(mark)), [
    'container archive-path held',
    'container extract-to-dir held',
    'container extract-to-dir made',
    'container archive-path made',
    'container top held',
  ])
  for (const name of ['held', 'made']) await engine.remove(name, { force: true })
})

Events('following ends with the engine', async () => {
  const other = createEngine({ root: box.root, networksAhead: 0 })
  const names: (string | undefined)[] = []
  const following = (async () => {
    for await (const { Action, Actor } of other.events({ filters: { event: ['tag'] } })) {
      names.push(Actor.Attributes.name, Action)
      await other.close()
    }
  })()
  const { id } = await box.engine.import({ stream: tar() }, { name: 'seen:1' })
  // It may begin to look only after the first of them.
  for (let round = 0; names.length === 0; round++) {
    await box.engine.tag(id, `seen:${round}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await following
  assert.is(names[1], 'tag')
})

Events('options that cannot be meant are refused before anything is read', async () => {
  try {
    for await (const _ of box.engine.events({ filters: { colour: ['red'] } })) assert.unreachable()
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /^filters: "colour": no such key/)
  }
})

Events.run()
