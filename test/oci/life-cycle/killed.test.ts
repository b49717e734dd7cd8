// SIGKILL of the command and of the container's process at any moment: what is left is removed by delete --force.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { type Box, type Call, NEEDS, openBox, sleepMs, until } from './support.ts'

const test = suite('oci/life-cycle/killed')
test.requires(...NEEDS)

let box: Box
test.before(() => {
  box = openBox()
})
test.after(() => box.close())

/** Longer than a `create` takes here; a slower machine is killed earlier within it. */
const LONGEST_MS = 120
const STEP_MS = 3

const killAfter = async ({ child, end }: Call, ms: number): Promise<void> => {
  await sleepMs(ms)
  child.kill('SIGKILL')
  await end
}

/** `delete` waits for what it kills; who was not known to it dies of its own a moment later. */
const goneSoon = async (id: string, after: string): Promise<void> => {
  const { code, err } = await box.call(['delete', '--force', id])
  assert.is(code, 0, `${after}: ${err}`)
  const left = () => box.left(id)
  await until(`${after}: ${left().join('; ')}`, () => (left().length === 0 ? true : undefined), 2000).catch(
    () => assert.equal(left(), [], after),
  )
}

test('create may be killed at any moment', async () => {
  const statuses = new Map<string, number>()
  // A machine with other work gets as far in more time.
  const began = performance.now()
  await box.gone(await box.created())
  const longestMs = Math.max(LONGEST_MS, performance.now() - began)
  for (let ms = 1; ms < longestMs; ms += (STEP_MS * longestMs) / LONGEST_MS) {
    const id = box.newId()
    await killAfter(box.begin(['create', '--bundle', box.bundle(id), id]), ms)
    const { code, out } = await box.call(['state', id])
    const status = code === 0 ? JSON.parse(out).status : 'none'
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    await goneSoon(id, `after ${ms} ms, ${status}`)
  }
  console.log('statuses after a killed create:', Object.fromEntries(statuses))
  assert.ok((statuses.get('none') ?? 0) > 0)
  assert.ok((statuses.get('created') ?? 0) + (statuses.get('stopped') ?? 0) > 0)
})

test('create may be killed while a hook of the runtime runs', async () => {
  const hook = { path: '/bin/sleep', args: ['sleep', '3'] }
  const id = box.newId()
  const bundle = box.bundle(id, { more: { hooks: { createRuntime: [hook] } } })
  const call = box.begin(['create', '--bundle', bundle, id])
  await until('it is being created', () => box.left(id).find((line) => line.startsWith('directory')))
  await killAfter(call, 100)
  await goneSoon(id, 'in a hook')
})

test('create may be killed while a hook of the container runs', async () => {
  const hook = { path: '/bin/sleep', args: ['sleep', '3'] }
  const id = box.newId()
  const bundle = box.bundle(id, { more: { hooks: { createContainer: [hook] } } })
  const call = box.begin(['create', '--bundle', bundle, id])
  await until('it is being created', () => box.left(id).find((line) => line.startsWith('directory')))
  await killAfter(call, 150)
  await goneSoon(id, 'in a hook')
})

/** The container's process is there and has said so; its maker, which is stopped, has yet to write that down. */
const stuck = async (id: string, options: readonly string[]): Promise<{ call: Call; pid: number }> => {
  const [told, fifo] = [path.join(box.folder, `${id}.told`), path.join(box.folder, `${id}.fifo`)]
  execFileSync('mkfifo', [fifo])
  const sh = (script: string) => ({
    path: '/bin/sh',
    args: ['sh', '-c', script],
    env: ['PATH=/usr/bin:/bin'],
  })
  const hooks = {
    createRuntime: [sh(`cat > ${told}.new`)],
    // The last moment at which somebody else has a say.
    createContainer: [sh(`mv ${told}.new ${told}; read word < ${fifo}`)],
  }
  const bundle = box.bundle(id, { more: { hooks } })
  const call = box.begin([...options, 'create', '--bundle', bundle, id])
  const pid = await until('the hooks have run', () =>
    existsSync(told) ? (JSON.parse(readFileSync(told, 'utf8')).pid as number) : undefined,
  )
  call.child.kill('SIGSTOP')
  writeFileSync(fifo, 'go on\n')
  // It waits for the answer, and its root is entered: the folder is one that only the box has.
  await until('it says that it is created', () =>
    /^State:\tS/m.test(statusOf(pid) ?? '') && existsSync(`/proc/${pid}/root/work`) ? true : undefined,
  )
  return { call, pid }
}
const statusOf = (pid: number): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return undefined
  }
}
for (const options of [[], ['--cgroup-manager', 'disabled']])
  test(`create may be killed before it has written down whom it has made (${options.join(' ')})`, async () => {
    const id = box.newId()
    const { call, pid } = await stuck(id, options)
    assert.ok(statusOf(pid), 'it waits')
    call.child.kill('SIGKILL')
    await call.end
    const isGone = () =>
      statusOf(pid) === undefined || /State:\tZ/.test(statusOf(pid) ?? '') ? true : undefined
    await until('it ends with its maker', isGone, 2000)
    await goneSoon(id, 'killed before its pid was known')
  })

test('start may be killed at any moment', async () => {
  for (let ms = 1; ms < LONGEST_MS; ms += 10) {
    const id = await box.created()
    await killAfter(box.begin(['start', id]), ms)
    const { status } = await box.state(id)
    assert.ok(['created', 'running'].includes(status), `after ${ms} ms: ${status}`)
    const again = await box.call(['start', id])
    // Whoever was killed may have let it go already.
    if (status === 'running' || again.code !== 0)
      assert.match(again.err, /container not created: .* is running/, `after ${ms} ms, ${status}`)
    assert.is((await box.state(id)).status, 'running')
    await goneSoon(id, `start killed after ${ms} ms`)
  }
})

test('start tells that the process of a created container has been killed', async () => {
  const id = await box.created()
  process.kill((await box.state(id)).pid, 'SIGKILL')
  await box.untilStatus(id, 'stopped')
  const { code, err } = await box.call(['start', id])
  assert.is(code, 1)
  assert.match(err, /container not created: .* is stopped/)
  await goneSoon(id, 'killed while created')
})

test('start tells that the process was killed while it connects', async () => {
  const hook = { path: '/bin/sleep', args: ['sleep', '5'] }
  const id = await box.created({ more: { hooks: { startContainer: [hook] } } })
  const { pid } = await box.state(id)
  const call = box.begin(['start', id])
  await sleepMs(300)
  process.kill(pid, 'SIGKILL')
  const { code, err } = await call.end
  assert.is(code, 1, err)
  assert.is((await box.state(id)).status, 'stopped')
  await goneSoon(id, 'killed while start waits')
})

test('a directory without a state is removed by delete --force, and holds the id until then', async () => {
  const id = await box.created()
  const { pid } = await box.state(id)
  process.kill(pid, 'SIGKILL')
  rmSync(path.join(box.root, id, 'state.json'))
  const again = await box.call(['create', '--bundle', box.bundle(id), id])
  assert.match(again.err, /already exists/)
  await box.call(['delete', '--force', id])
  assert.equal(
    box.left(id).filter((line) => line.startsWith('directory')),
    [],
  )
})

test.run()
