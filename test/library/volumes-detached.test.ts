// Volumes of containers that outlive their engine: named once, the same with each start, and gone with a container that removes itself.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { comeAndGo, failure, librarySuite, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('library/volumes-detached')
const containers = () => box().engine.containers
const create = (script: string, options = {}) =>
  containers().create({ rootfs: box().rootfs }, ['sh', '-c', script], options)
const names = async (): Promise<readonly string[]> => (await box().engine.volumes()).map(({ name }) => name)
const data = { type: 'volume', source: 'data', target: '/data' } as const
const own = { type: 'volume', target: '/own' } as const
const read = (name: string, file: string): string =>
  readFileSync(path.join(box().root, 'volumes', name, '_data', file), 'utf8')

test('its volumes are made with it, are the same with each start, and in use until it is removed', async () => {
  const { id } = await create('echo x >> /data/f; echo y >> /own/f', { name: 'stays', mounts: [data, own] })
  const [anonymous = ''] = (await names()).filter((name) => name !== 'data')
  assert.match(anonymous, /^[0-9a-f]{64}$/)
  for (let start = 0; start < 2; start++) {
    await containers().start(id)
    assert.is(await containers().wait(id, 'not-running'), 0)
  }
  assert.equal([read('data', 'f'), read(anonymous, 'f')], ['x\nx\n', 'y\ny\n'])
  const { error } = await failure(box().engine.removeVolume('data'))
  assert.ok(error._tag === 'VolumeInUse')
  assert.equal(error.by, ['stays'])
  const borrowed = await box().engine.run({ rootfs: box().rootfs }, ['cat', '/own/f'], {
    volumesFrom: ['stays:ro'],
  })
  assert.is(borrowed.stdout, 'y\ny\n')
  await box().engine.remove(id, { volumes: true })
  assert.equal(await names(), ['data'])
  await box().engine.removeVolume('data')
})

test('one that cannot be made leaves no volume of its own', async () => {
  const taken = await create('true', { name: 'taken' })
  await failure(create('true', { name: 'taken', mounts: [own] }))
  await failure(
    containers().create({ rootfs: box().rootfs }, ['true'], { user: 'nobody-is-this', mounts: [own] }),
  )
  await failure(create('true', { volumesFrom: ['no-such-one'] }))
  assert.equal(await names(), [])
  await box().engine.remove(taken.id)
})

test('one that removes itself takes its own volumes along, with the next engine of its root', async () => {
  const { id } = await create('sleep 0.1', { autoRemove: true, mounts: [own, data] })
  assert.is((await names()).length, 2)
  await containers().start(id)
  await until('it has removed itself', () => !existsSync(path.join(box().root, 'containers', id)))
  await comeAndGo(box())
  assert.equal(await names(), ['data'])
  assert.not.ok(readdirSync(box().root).includes('owned'))
  const killed = await create('sleep 100', { autoRemove: true, mounts: [own] })
  await containers().start(killed.id)
  await box().engine.remove(killed.id, { force: true })
  assert.equal(await names(), ['data'])
  await box().engine.removeVolume('data')
})

run()
