// inspect of containers: what a real one's record tells, while it runs and afterwards.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SlipwayError } from '../../src/index.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { assert, suite } from '../support/suite.ts'

const Inspect = suite('library/inspect')
const why = engineNeeds()
const test = (name: string, body: () => Promise<void>): void =>
  why === undefined ? Inspect(name, body) : Inspect.skip(name, why)

let box: TestEngine
let folder = ''
Inspect.beforeEach(async () => {
  if (why !== undefined) return
  box = openTestEngine()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-inspect-'))
  const tar = path.join(folder, 'base.tar')
  execFileSync('tar', ['c', '-C', box.rootfs, '-f', tar, '.'])
  await box.engine.import({ path: tar }, { name: 'base:1', changes: ['ENV PATH=/bin'] })
})
Inspect.afterEach(async () => {
  if (why !== undefined) return
  await box.close()
  rmSync(folder, { recursive: true, force: true })
})

test('a container that runs has a process, and one that ended how and when', async () => {
  const image = await box.engine.inspectImage('base:1')
  const container = await box.engine.start('base:1', ['sleep', '1000'], {
    name: 'web',
    labels: { a: 'b' },
    keep: true,
  })
  const running = await box.engine.inspect('web')
  assert.is(running.Id, container.id)
  assert.is(running.Name, '/web')
  assert.equal([running.Path, running.Args], ['sleep', ['1000']])
  assert.equal([running.Image, running.Config], [image.Id, { Image: 'base:1', Labels: { a: 'b' } }])
  assert.equal(
    [running.State.Status, running.State.Running, running.State.Pid, running.State.ExitCode],
    ['running', true, container.pid, 0],
  )
  assert.is(running.State.FinishedAt, '0001-01-01T00:00:00Z')
  assert.ok(existsSync(running.GraphDriver.Data?.UpperDir ?? ''))
  container.kill('SIGKILL')
  await container.removed
  const { State } = await box.engine.inspect(container.id.slice(0, 10))
  assert.equal([State.Status, State.Running, State.Pid, State.ExitCode], ['exited', false, 0, 137])
  assert.ok(Date.parse(State.FinishedAt) >= Date.parse(State.StartedAt))
})

test('sizes are counted when asked for', async () => {
  const script = 'dd if=/dev/zero of=/x bs=1000000 count=1 2>/dev/null; sync'
  const container = await box.engine.start('base:1', ['sh', '-c', script], { name: 'big', keep: true })
  await container.removed
  assert.is((await box.engine.inspect('big')).SizeRw, undefined)
  const { SizeRw = 0, SizeRootFs = 0 } = await box.engine.inspect('big', { size: true })
  assert.ok(SizeRw >= 1_000_000, String(SizeRw))
  assert.is(SizeRootFs - SizeRw, (await box.engine.inspectImage('base:1')).Size)
})

test('a directory as the root has no layer of its own, and host is the image of its name', async () => {
  for (const [image, Image, hasLayer] of [
    [{ rootfs: box.rootfs }, box.rootfs, false],
    ['host', 'host', true],
  ] as const) {
    const container = await box.engine.start(image, ['sh', '-c', 'exit 3'], { name: 'it', keep: true })
    await container.removed
    const found = await box.engine.inspect('it', { size: true })
    assert.equal([found.Image, found.GraphDriver.Data !== null], [Image, hasLayer])
    assert.is(found.State.ExitCode, 3)
    assert.is(found.SizeRootFs, undefined)
    await box.engine.remove('it')
  }
})

test('what is no container, and options that are none, are refused by name', async () => {
  const failed = async (name: string, options?: object) => {
    try {
      await box.engine.inspect(name, options)
    } catch (error) {
      return error instanceof SlipwayError ? error.error._tag : String(error)
    }
    return 'nothing'
  }
  assert.is(await failed('nope'), 'ContainerNotFound')
  assert.is(await failed('nope', { sise: true }), 'InvalidOption')
  assert.is(await failed('nope', { size: 'yes' }), 'InvalidOption')
})

Inspect.run()
