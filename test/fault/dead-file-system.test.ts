// A bind mount, a root or a user database on a file system that never answers holds up its own start alone.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Engine, type EngineError, message, type SlipwayError } from '../../src/index.ts'
import { type DeadMount, type ListenedMount, mountListened, mountSilent } from '../support/dead-fuse.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Dead = suite('fault/dead-file-system')
const reason = engineNeeds() ?? lacking('file:/dev/fuse', 'program:mount', 'program:umount')
let box: TestEngine
let top: string
let silent: DeadMount
let listened: ListenedMount

Dead.before(async () => {
  if (reason !== undefined) return
  box = openTestEngine({ networksAhead: 0 })
  top = mkdtempSync(path.join(tmpdir(), 'slipway-dead-'))
  await other(box.engine)
})
Dead.beforeEach(() => {
  if (reason !== undefined) return
  silent = mountSilent(path.join(top, 'silent'))
  listened = mountListened(path.join(top, 'listened'))
})
Dead.afterEach(async () => {
  if (reason !== undefined) return
  await silent.end()
  await listened.end()
  rmSync(top, { recursive: true })
  top = mkdtempSync(path.join(tmpdir(), 'slipway-dead-'))
})
Dead.after(async () => {
  if (reason !== undefined) return
  await box.close()
  rmSync(top, { recursive: true, force: true })
})
const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Dead(name, body)
  else Dead.skip(name, reason)
}

const other = async (engine: Engine): Promise<void> => {
  assert.is((await engine.run({ rootfs: box.rootfs }, ['echo', 'on'], { user: 'app' })).stdout, 'on\n')
}

/** Other containers, several at a time, while `stuck` is; the loop's longest delay is printed. */
const othersGoOn = async (what: string): Promise<void> => {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  for (let round = 0; round < 5; round++)
    await Promise.all(Array.from({ length: 4 }, () => other(box.engine)))
  delays.disable()
  console.log(
    `${what}: 20 other containers ran; longest turn of the loop ${(delays.max / 1e6).toFixed(1)} ms`,
  )
}

/** What there is when every container's removal is over. */
const census = async (): Promise<ReturnType<TestEngine['census']>> => {
  while ((await box.engine.list()).length > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  return box.census()
}

const failure = async (attempt: Promise<unknown>): Promise<EngineError> => {
  try {
    await attempt
  } catch (error) {
    return (error as SlipwayError).error
  }
  throw new Error('it started')
}

const bindOf = (source: string, createSource = false) => ({
  mounts: [{ type: 'bind' as const, source, target: '/work', createSource }],
})

test('a bind of a silent file system is cancelled by an abort, and leaves nothing', async () => {
  const before = await census()
  for (const source of [silent.path, `${silent.path}/below`]) {
    const controller = new AbortController()
    const options = { ...bindOf(source), signal: controller.signal }
    const stuck = failure(box.engine.run({ rootfs: box.rootfs }, ['true'], options))
    await othersGoOn('a silent bind source')
    controller.abort(new Error('enough'))
    assert.is(message(await stuck), 'start: cancelled: enough')
    assert.equal(await box.unchanged(before), [])
  }
})

test('its time limit ends a start that waits for one', async () => {
  const before = await census()
  const options = { ...bindOf(`${silent.path}/below`), timeout: '1s' }
  const error = await failure(box.engine.run({ rootfs: box.rootfs }, ['true'], options))
  assert.is(message(error), 'start: cancelled: not started within 1000 ms')
  assert.equal(await box.unchanged(before), [])
})

test('a missing source that is to be made there is given up, too', async () => {
  const before = await census()
  const options = { ...bindOf(`${silent.path}/below/it`, true), timeout: '1s', name: 'dead' }
  const error = await failure(box.engine.run({ rootfs: box.rootfs }, ['true'], options))
  assert.is(message(error), 'start: cancelled: not started within 1000 ms')
  await othersGoOn('a source being made')
  assert.equal(await box.unchanged(before), [])
})

test('a root whose user database is there holds up no other look-up', async () => {
  const before = await census()
  const stuck = Array.from({ length: 6 }, () =>
    failure(box.engine.run({ rootfs: `${silent.path}/root` }, ['true'], { timeout: '1s' })),
  )
  await othersGoOn('six silent roots')
  for (const error of await Promise.all(stuck))
    assert.is(message(error), 'start: cancelled: not started within 1000 ms')
  assert.equal(await box.unchanged(before), [])
})

test('a start that not even SIGKILL ends is given up; what it holds goes when the file system does', async () => {
  const before = await census()
  const controller = new AbortController()
  const options = { ...bindOf(`${listened.path}/below`), signal: controller.signal, name: 'stuck' }
  const stuck = failure(box.engine.run({ rootfs: box.rootfs }, ['true'], options))
  await listened.asked()
  controller.abort(new Error('enough'))
  const from = performance.now()
  assert.is(message(await stuck), 'start: cancelled: enough')
  console.log(`given up ${(performance.now() - from).toFixed(0)} ms after the abort`)
  assert.ok((await box.unchanged(before)).length > 0, 'its process is still there')
  await othersGoOn('an unkillable start')
  await listened.end()
  const left = async (): Promise<readonly string[]> =>
    (await box.unchanged(before)).filter((line) => line.includes('left behind'))
  assert.equal(await left(), [])
  listened = mountListened(path.join(top, 'again'))
})

Dead.run()
