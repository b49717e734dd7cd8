// Verbs on containers that outlive their engine, with the monitor that writes their log.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine, type DetachedOptions, type Engine, type LogEntry } from '../../src/index.ts'
import { openTestEngine, type TestEngine } from '../support/engine.ts'
import { comeAndGo, failure } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'

const Detached = suite('library/living detached')
Detached.requires('root', 'program:busybox')

let box: TestEngine
let other: Engine
Detached.before(() => {
  box = openTestEngine()
})
Detached.after(() => box.close())
Detached.beforeEach(() => {
  other = createEngine({ root: box.root, networksAhead: 0 })
})
Detached.afterEach(async () => {
  for (const { id } of await other.list()) await other.remove(id, { force: true })
  await other.close()
})

const begin = async (words: readonly string[], options: DetachedOptions = {}): Promise<string> => {
  const { containers } = box.engine
  const { id } = await containers.create({ rootfs: box.rootfs }, words, options)
  await containers.start(id)
  return id
}
const textOf = async (log: AsyncIterable<LogEntry>, stream: 'stdout' | 'stderr'): Promise<string> => {
  const parts: Uint8Array[] = []
  for await (const entry of log) {
    assert.is(entry._tag, 'Line')
    if (entry._tag === 'Line' && entry.stream === stream) parts.push(entry.bytes)
  }
  return Buffer.concat(parts).toString()
}

/** Written while it is followed, over several segments. */
const WRITER = 'i=0; while [ $i -lt 8000 ]; do i=$((i+1)); echo out $i; echo err $i >&2; done; printf end'
const lines = (word: string): string =>
  Array.from({ length: 8000 }, (_, index) => `${word} ${index + 1}\n`).join('')

for (const form of ['compact', 'json-file'] as const)
  Detached(`${form}: everything a container writes is followed, to its last words`, async () => {
    const id = await begin(['sh', '-c', WRITER], { log: { form, maxSize: '64k', maxFiles: 1000 } })
    const out = await textOf(other.containers.logs(id, { follow: true }), 'stdout')
    assert.is(out, `${lines('out')}end`)
    assert.is(await textOf(other.containers.logs(id), 'stderr'), lines('err'))
    assert.is(await textOf(other.containers.logs(id, { tail: 2, stderr: false }), 'stdout'), 'out 8000\nend')
    assert.ok(readdirSync(`${box.root}/containers/${id}/log`).length > 1)
  })

Detached('a container that has not been started has an empty log', async () => {
  const { id } = await box.engine.containers.create({ rootfs: box.rootfs }, ['true'])
  assert.is(await textOf(other.containers.logs(id, { follow: true }), 'stdout'), '')
})

Detached('pause, unpause and a paused end, also while other engines come and go', async () => {
  const id = await begin(['sleep', '300'], { name: 'held' })
  await other.containers.pause('held')
  await comeAndGo(box)
  assert.is((await other.list())[0]?.status, 'paused')
  assert.match((await failure(other.containers.pause('held'))).message, /is already paused$/)
  await other.containers.unpause('held')
  assert.is((await other.list())[0]?.status, 'running')
  await other.containers.pause('held')
  await other.containers.kill('held')
  assert.is(await other.containers.wait(id), 137)
  assert.equal(readdirSync(`${box.root}/run/frozen`), [])
})

Detached('kill, wait, top and stats', async () => {
  const id = await begin(['sh', '-c', 'trap "exit 7" HUP; while :; do sleep 0.01; done'], { memory: '64MiB' })
  const waiting = other.containers.wait(id)
  assert.is(
    (await other.containers.top(id)).processes[0]?.at(-1),
    'sh -c trap "exit 7" HUP; while :; do sleep 0.01; done',
  )
  for await (const { stats } of other.containers.stats([id], { intervalMs: 20 }))
    assert.is(stats[0]?.memoryLimitBytes, 64 * 2 ** 20)
  // A shell that has not set its trap yet dies of the signal.
  await sleep(100)
  await other.containers.kill(id, 'HUP')
  assert.is(await waiting, 7)
  for (const verb of ['kill', 'pause', 'unpause', 'top'] as const)
    assert.is((await failure(other.containers[verb](id)))._tag, 'WrongStatus')
})

Detached('a new name is in the document, and the old one is free', async () => {
  const id = await begin(['sleep', '300'], { name: 'old' })
  await other.containers.rename('old', 'new')
  assert.is((await other.containers.inspect('new')).document.name, 'new')
  const second = await begin(['sleep', '300'], { name: 'old' })
  assert.is((await failure(other.containers.rename('old', 'new')))._tag, 'NameInUse')
  await other.remove(id, { force: true })
  await other.containers.rename('old', 'new')
  assert.is((await other.list())[0]?.id, second)
  await other.remove('new', { force: true })
  assert.equal(readdirSync(`${box.root}/names`), [])
})

Detached('new limits hold at once, and at the next start', async () => {
  const id = await begin(['sleep', '300'])
  await other.containers.update(id, { memory: '64MiB', pids: 40 })
  const limit = async (): Promise<string | undefined> => {
    const groups = (await other.list()).find((each) => each.id === id)?.groups ?? []
    const files = groups.flatMap((group) => [`${group}/memory.max`, `${group}/memory.limit_in_bytes`])
    const file = files.find(existsSync)
    return file === undefined ? undefined : readFileSync(file, 'utf8').trim()
  }
  assert.is(await limit(), String(64 * 2 ** 20))
  const { document } = await other.containers.inspect(id)
  assert.equal([document.options.memory, document.options.pids], [64 * 2 ** 20, 40])
  await other.containers.stop(id, { timeout: 0 })
  await other.containers.update(id, { memory: '80MiB' })
  await other.containers.start(id)
  assert.is(await limit(), String(80 * 2 ** 20))
})

Detached('nothing is left of any of it', async () => {
  // The engine's own directory in each hierarchy stays as long as an engine is open.
  const first = await begin(['sleep', '300'])
  await other.containers.update(first, { pids: 20, cpus: 0.5 })
  await other.remove(first, { force: true })
  await other.close()
  const before = box.census()
  other = createEngine({ root: box.root, networksAhead: 0 })
  const id = await begin(['sleep', '300'], { name: 'all' })
  await other.containers.update('all', { pids: 20, cpus: 0.5 })
  await other.containers.pause('all')
  await other.containers.rename('all', 'others')
  await other.containers.kill('others')
  await other.containers.wait(id)
  await other.remove('others')
  await other.close()
  await comeAndGo(box)
  assert.equal(await box.unchanged(before), [])
  other = createEngine({ root: box.root, networksAhead: 0 })
})

Detached.run()
