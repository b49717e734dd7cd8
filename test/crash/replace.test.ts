// Whoever replaces a container is killed behind each step: the next command finds the old one or the new one under the name, never none and
// never two, its volumes as they were, and nothing else.
import { spawn } from 'node:child_process'
import { createEngine, type Engine } from '../../src/index.ts'
import { bundleProgram } from '../support/bundle.ts'
import { failure, librarySuite } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('crash/replace')
const containers = () => box().engine.containers

const SCRIPT = 'echo "$VERSION" >> /kept/book; echo "$VERSION" >> /own/book; exec sleep 1000'
const MOUNTS = [
  { type: 'volume', source: 'kept', target: '/kept' },
  { type: 'volume', target: '/own' },
] as const

let script = ''
const killedBehind = (id: string, step: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, box().root, id, box().rootfs, step], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += String(chunk)
      if (text === `${step}\n`) child.kill('SIGKILL')
    })
    child.on('close', (_, signal) =>
      signal === 'SIGKILL' ? resolve() : reject(new Error(`it was to stop behind ${step}, and said ${text}`)),
    )
  })
const storm = (id: string, afterMs: number): Promise<void> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [script, box().root, id, box().rootfs, 'never'], {
      stdio: 'ignore',
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
    child.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })

const begin = async (options: object = {}): Promise<string> => {
  const { id } = await containers().create({ rootfs: box().rootfs }, ['sh', '-c', SCRIPT], {
    name: 'web',
    env: { VERSION: '1' },
    mounts: MOUNTS,
    stopTimeout: 1,
    ...options,
  })
  await containers().start(id)
  while ((await inside(id, 'cat', '/own/book')) === '') {}
  return id
}
const namedWeb = async (engine: Engine): Promise<readonly string[]> =>
  (await engine.list()).filter(({ name }) => name === 'web').map(({ id }) => id)

/** As the next command, whichever: it has the state settled when it has ended. */
const nextCommand = async (use: (engine: Engine) => Promise<unknown>): Promise<void> => {
  const next = createEngine({ root: box().root, networksAhead: 0 })
  await use(next).catch(() => {})
  await next.close()
}

const inside = async (id: string, ...argv: readonly string[]): Promise<string> => {
  const process = await containers().exec(id, argv, { stdin: 'ignore', stderr: 'ignore' })
  let text = ''
  for await (const chunk of process.stdout ?? []) text += String(chunk)
  await process.exit
  return text
}

test('a first one makes what stays of a root', async () => {
  script = await bundleProgram('test/crash/replace-process.ts')
  await begin()
  await containers().replace('web', {}, { grace: 1 })
  await box().engine.remove('web', { force: true, volumes: true })
  await box().engine.removeVolume('kept')
})
for (const [step, isNew] of [
  ['noted', false],
  ['created', false],
  ['stopped', false],
  ['started', false],
  ['good', false],
  ['named', true],
] as const)
  test(`killed behind “${step}”, the ${isNew ? 'new' : 'old'} one has the name at once, and runs after the next command`, async () => {
    const before = box().census()
    const old = await begin()
    await killedBehind(old, step)
    const found = await namedWeb(box().engine)
    assert.is(found.length, 1)
    assert.is(found[0] === old, !isNew)
    await nextCommand((engine) => engine.list())
    const [id = '', ...others] = (await box().engine.list()).map((each) => each.id)
    assert.equal(others, [])
    assert.is(id === old, !isNew)
    const { document, isAlive } = await containers().inspect('web')
    assert.is(document.id, id)
    assert.ok(isAlive)
    assert.is(document.supersedes, undefined)
    assert.match(await inside(id, 'cat', '/kept/book'), /^1\n/)
    assert.match(await inside(id, 'cat', '/own/book'), /^1\n/)
    assert.is((await inside(id, 'sh', '-c', 'echo $VERSION')).trim(), isNew ? '2' : '1')
    await box().engine.remove('web', { force: true, volumes: true })
    await box().engine.removeVolume('kept')
    assert.equal(await box().unchanged(before), [])
  })
for (const [what, use] of [
  ['start', (engine: Engine) => engine.containers.start('web')],
  ['replace', (engine: Engine) => engine.containers.replace('web', {}, { grace: 1 })],
  ['a check of the system', (engine: Engine) => engine.check()],
  ['startWanted', (engine: Engine) => engine.containers.startWanted()],
] as const)
  test(`${what} is such a next command`, async () => {
    const old = await begin()
    await killedBehind(old, 'started')
    await nextCommand(use)
    const found = await box().engine.list()
    assert.is(found.length, 1)
    assert.is(found[0]?.name, 'web')
    assert.is(found[0]?.status, 'running')
    assert.is(found[0]?.id === old, what !== 'replace')
    await box().engine.remove('web', { force: true, volumes: true })
  })
const ROUNDS = Number(process.env.SLIPWAY_REPLACE_KILLS ?? 12)
test(`killed ${ROUNDS} times at any moment, one container has the name and runs, and no line of its volumes is lost`, async () => {
  await begin()
  for (let round = 0; round < ROUNDS; round++) {
    const [id = ''] = await namedWeb(box().engine)
    const had = (await inside(id, 'cat', '/own/book')).split('\n').length
    await storm(id, 150 + ((round * 97) % 700))
    assert.is((await namedWeb(box().engine)).length, 1, `round ${round}`)
    await nextCommand((engine) => engine.list())
    const found = await box().engine.list()
    assert.equal(
      found.map(({ name, status }) => ({ name, status })),
      [{ name: 'web', status: 'running' }],
      `round ${round}`,
    )
    const lines = (await inside('web', 'cat', '/own/book')).split('\n')
    assert.ok(lines.length >= had, `round ${round}: ${lines.length} lines of ${had}`)
    assert.is(lines[0], '1')
  }
  await box().engine.remove('web', { force: true, volumes: true })
})
test('a name that is being replaced is refused at once', async () => {
  const old = await begin()
  const first = containers().replace('web', { env: { VERSION: '2' } }, { grace: 400 })
  const other = createEngine({ root: box().root, networksAhead: 0 })
  const error = await failure(other.containers.replace(old, {}, { grace: 1 }))
  assert.is(error._tag, 'WrongStatus')
  assert.match(error.message, 'already being replaced')
  await first
  await other.close()
  await box().engine.remove('web', { force: true, volumes: true })
})
run()
