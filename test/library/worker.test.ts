// The library in worker threads, which end at any moment: their containers end with them, and nothing of either is left.
import { existsSync, readdirSync, readFileSync, readlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { createEngine } from '../../src/index.ts'
import { isAlive, librarySuite, pause, restingCensus, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'
import { buildProgram } from './build-program.ts'

const { test, box, run } = librarySuite('library/worker')
let script = ''

const worker = (task: object): Worker =>
  new Worker(script, { workerData: { root: box().root, rootfs: box().rootfs, ...task } })
const said = (from: Worker): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    from.once('message', resolve)
    from.once('error', reject)
  })
/** To be asked for before anything is awaited: a worker's last message and its end may come in one turn. */
const ended = (of: Worker): Promise<number> => new Promise((resolve) => of.once('exit', resolve))
/** Zombies, too. */
const children = (): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === `${process.pid}`
          ? [stat.slice(0, 40)]
          : []
      } catch {
        return []
      }
    })
const descriptors = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, 'N')]
    } catch {
      return []
    }
  })
const nextCommand = async (): Promise<void> => {
  await using next = createEngine({ root: box().root })
  await next.run({ rootfs: box().rootfs }, ['true'])
}

test('a worker runs containers as the main thread does, and ends by itself', async () => {
  script = await buildProgram()
  const running = worker({ what: 'run' })
  const end = ended(running)
  assert.is((await said(running)).stdout, 'hi\n')
  assert.is(await end, 0)
})

test('a worker waits for a container that runs', async () => {
  const running = worker({ what: 'hold' })
  const end = ended(running)
  assert.equal(await said(running), { exitCode: 7 })
  assert.is(await end, 0)
})

test('workers and the main thread run side by side on one root', async () => {
  const storms = [worker({ what: 'storm', count: 20 }), worker({ what: 'storm', count: 20 })]
  const ends = storms.map(ended)
  const own = Array.from({ length: 20 }, (_, i) =>
    box().engine.run({ rootfs: box().rootfs }, ['echo', `${i}`]),
  )
  assert.equal(await Promise.all(storms.map(said)), [{ wrong: 0 }, { wrong: 0 }])
  assert.equal(
    (await Promise.all(own)).map(({ stdout }) => stdout),
    own.map((_, i) => `${i}\n`),
  )
  await Promise.all(ends)
})

for (const [what, options] of [
  ['of its own pid namespace', {}],
  ['of another user', { user: '1000:1000', stdin: 'pipe' }],
  ["in the host's pid namespace", { pid: 'host' }],
] as const) {
  test(`a terminated worker takes its container with it: one ${what}`, async () => {
    await nextCommand()
    const before = await restingCensus(box())
    const kin = children().length
    const open = descriptors()
    const warnings: Error[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on('warning', note)
    const running = worker({ what: 'start', options })
    const { pid } = (await said(running)) as { pid: number }
    assert.ok(isAlive(pid))
    await running.terminate()
    await until('the container is dead', () => !isAlive(pid))
    await until('its processes are waited for', () => children().length === kin)
    process.off('warning', note)
    assert.equal(warnings, [])
    // Node itself keeps /dev/null open once a worker has been used.
    const left = descriptors()
    for (const name of open) left.splice(left.indexOf(name), 1)
    assert.equal(
      left.filter((name) => name !== '/dev/null'),
      [],
    )
    await nextCommand()
    assert.equal(
      (await box().unchanged(before)).filter((line) => !line.includes('/dev/null')),
      [],
    )
  })
}

test('a worker that is terminated in the middle of starts leaves nothing, at whatever moment', async () => {
  await nextCommand()
  const before = await restingCensus(box())
  const kin = children().length
  for (let round = 0; round < 12; round++) {
    const starting = worker({ what: 'starting' })
    await said(starting)
    await pause(round * 3)
    await starting.terminate()
  }
  await until('all processes are waited for', () => children().length === kin)
  await nextCommand()
  const left = await box().unchanged(before)
  // JavaScript stopped between two statements may have a descriptor that nobody else knows of, or the lock of an engine
  // that was just being opened, which is not yet old enough to be swept.
  assert.equal(
    left.filter((line) => !/^fds:|\/run\/\.engine-/.test(line)),
    [],
  )
  console.log(
    `descriptors left by 12 terminated workers: ${left.filter((line) => line.startsWith('fds: left')).length}`,
  )
})

test('what was being written when its writer ended is removed once it is old', async () => {
  const young = `${box().root}/run/.engine-0123456789abcdef`
  const old = `${box().root}/run/.engine-fedcba9876543210`
  writeFileSync(young, '')
  writeFileSync(old, '')
  utimesSync(old, 1, 1)
  await using engine = createEngine({ root: box().root })
  await engine.run({ rootfs: box().rootfs }, ['false'])
  await until('the old one is gone', () => !existsSync(old))
  assert.ok(existsSync(young))
})

run()
