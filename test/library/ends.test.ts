// How a container's life is ended from outside: signals, aborts, time limits, and the end of its engine. Always all of it.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createEngine, type StartOptions } from '../../src/index.ts'
import { failure, isAlive, librarySuite, pause, restingCensus, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, scratch, run } = librarySuite('library/ends')

/** Many processes, one of which has left the session and ignores what it can. */
const CROWD = `
  for i in 1 2 3 4 5; do sleep 600 & done
  (trap "" TERM INT HUP; setsid sleep 600) &
  echo up; sleep 600; sleep 600`

const start = (script: string, options: StartOptions = {}) =>
  box().engine.start({ rootfs: box().rootfs }, ['sh', '-c', script], options)
const sh = (script: string, options: StartOptions = {}) =>
  box().engine.run({ rootfs: box().rootfs }, ['sh', '-c', script], options)

/** Host pids of all processes in the pid namespace of a container. */
const processesOf = (pid: number): number[] => {
  const group =
    /^\d+:(?:pids|[^:]*):(.*slipway-.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? ''
  const mounts = ['pids', 'memory', 'devices', ''].map(
    (name) => `/sys/fs/cgroup/${name}${group}/cgroup.procs`,
  )
  for (const file of mounts) {
    try {
      return readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number)
    } catch {
      // Another hierarchy.
    }
  }
  throw new Error(`no cgroup of process ${pid}`)
}
/** A file system whose server never answers: a lookup in it waits until its caller is killed. */
const mountDeadFuse = (folder: string): { readonly unmount: () => void } => {
  mkdirSync(folder)
  const fuse = openSync('/dev/fuse', 'r+')
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0'
  execFileSync('mount', ['-i', '-t', 'fuse', '-o', options, 'dead', folder], {
    stdio: ['ignore', 'ignore', 'pipe', fuse],
  })
  return {
    unmount: () => {
      execFileSync('umount', ['-i', '-l', folder])
      closeSync(fuse)
    },
  }
}
const firstLine = async (lines: AsyncIterable<string> | undefined): Promise<string> => {
  for await (const line of lines ?? []) return line
  return ''
}

test('an abort kills the whole container at once', async () => {
  const controller = new AbortController()
  await using running = await start(CROWD, { signal: controller.signal })
  assert.is(await firstLine(running.all?.lines()), 'up')
  await until('all processes run', () => processesOf(running.pid).length >= 7)
  const all = processesOf(running.pid)
  const reason = { why: 'enough' }
  controller.abort(reason)
  const { exit, exitCode } = await running.exit
  assert.equal(exit, { _tag: 'Aborted', reason })
  assert.is((exit as { reason: unknown }).reason, reason)
  assert.is(exitCode, 137)
  assert.equal(all.filter(isAlive), [])
})

test('a timeout kills the whole container at once, though its first process ignores signals', async () => {
  await using running = await start(`trap "" TERM INT HUP; ${CROWD}`, { timeout: '500ms' })
  await until('all processes run', () => processesOf(running.pid).length >= 7)
  const all = processesOf(running.pid)
  assert.equal((await running.exit).exit, { _tag: 'TimedOut', afterMs: 500 })
  assert.equal(all.filter(isAlive), [])
})

test('a grace comes before the kill only when given, and with the signal that was asked for', async () => {
  const script = 'trap "echo hup; exit 5" HUP; trap "echo term; exit 6" TERM; while :; do sleep 0.02; done'
  const polite = { timeout: '300ms', grace: '20s' } as const
  const term = await sh(script, polite)
  assert.equal([term.stdout, term.exitCode, term.exit._tag], ['term\n', 6, 'TimedOut'])
  const hup = await sh(script, { ...polite, stopSignal: 'SIGHUP' })
  assert.equal([hup.stdout, hup.exitCode], ['hup\n', 5])
  const none = await sh(script, { timeout: '300ms' })
  assert.equal([none.stdout, none.exitCode], ['', 137])
})

test('what outlasts its grace is killed', async () => {
  const result = await sh(`trap "echo no" TERM; ${CROWD}`, { timeout: '200ms', grace: '200ms' })
  assert.is(result.exit._tag, 'TimedOut')
  assert.is(result.exitCode, 137)
})

test('an abort before the start starts nothing', async () => {
  const before = await restingCensus(box())
  const reason = new Error('never mind')
  const error = await failure(sh('true', { signal: AbortSignal.abort(reason), name: 'never' }))
  assert.is(error._tag, 'Cancelled')
  assert.is(error.message, 'start: cancelled: never mind')
  assert.is(error.cause, reason)
  assert.equal(await box().unchanged(before), [])
})

test('an abort at any moment of a start gives a failure or an aborted result, and leaves nothing', async () => {
  await sh('true')
  const before = await restingCensus(box())
  const seen = new Map<string, number>()
  for (let step = 0; step < 60; step++) {
    const controller = new AbortController()
    const result = sh('sleep 600', { signal: controller.signal }).then(
      ({ exit }) => exit._tag,
      (error) => (error as { _tag: string })._tag,
    )
    const until = performance.now() + step * 0.1
    while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve))
    controller.abort(new Error('now'))
    const tag = await result
    seen.set(tag, (seen.get(tag) ?? 0) + 1)
  }
  assert.equal(
    [...seen.keys()].filter((tag) => tag !== 'Cancelled' && tag !== 'Aborted'),
    [],
  )
  assert.ok((seen.get('Cancelled') ?? 0) > 0, JSON.stringify([...seen]))
  assert.equal(await box().unchanged(before), [])
})

test('what is aborted before it is asked for never starts, however much is under way', async () => {
  await sh('true')
  const before = await restingCensus(box())
  const signal = AbortSignal.abort(new Error('never'))
  const tags = await Promise.all(
    Array.from({ length: 120 }, (_, i) => {
      if (i % 3 === 0) return sh('true').then(({ exit }) => exit._tag)
      const started = box().engine.start({ rootfs: box().rootfs }, ['sleep', '600'], { signal })
      return started.then(
        () => 'started',
        (error) => (error as { _tag: string })._tag,
      )
    }),
  )
  assert.equal(
    tags,
    tags.map((_, i) => (i % 3 === 0 ? 'Exited' : 'Cancelled')),
  )
  assert.equal(await box().unchanged(before), [])
})

test('an abort after the end changes nothing', async () => {
  const controller = new AbortController()
  const { exit } = await sh('exit 3', { signal: controller.signal })
  controller.abort()
  assert.equal(exit, { _tag: 'Exited', code: 3 })
})

test('one signal ends many containers, without a warning', async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  const controller = new AbortController()
  const all = await Promise.all(
    Array.from({ length: 20 }, () => start('sleep 600', { signal: controller.signal })),
  )
  controller.abort()
  const exits = await Promise.all(all.map(({ exit }) => exit))
  assert.equal([...new Set(exits.map(({ exit }) => exit._tag))], ['Aborted'])
  await Promise.all(all.map((each) => each[Symbol.asyncDispose]()))
  process.off('warning', note)
  assert.equal(warnings, [])
})

test(
  'a start that hangs is given up after its time limit, or when it is aborted',
  async () => {
    const dead = mountDeadFuse(scratch('dead'))
    try {
      const hanging = (options: StartOptions) =>
        failure(
          sh('true', { ...options, mounts: [{ type: 'bind', source: scratch('dead', 'x'), target: '/x' }] }),
        )
      await sh('true')
      const before = await restingCensus(box())
      const late = await hanging({ timeout: '10ms' })
      assert.is(late.message, 'start: cancelled: not started within 1000 ms')
      const aborted = await hanging({ signal: AbortSignal.timeout(100) })
      assert.is(aborted._tag, 'Cancelled')
      assert.is((aborted.cause as Error).name, 'TimeoutError')
      assert.equal(await box().unchanged(before), [])
    } finally {
      dead.unmount()
    }
  },
  'file:/dev/fuse',
)

test('the first reason stands', async () => {
  const controller = new AbortController()
  const running = await start('trap "" TERM; while :; do sleep 0.05; done', {
    signal: controller.signal,
    timeout: '300ms',
    grace: '100ms',
  })
  await pause(350)
  controller.abort('too late')
  assert.equal((await running.exit).exit, { _tag: 'TimedOut', afterMs: 300 })
  await running[Symbol.asyncDispose]()
})

test('signals go by name or number, and a wrong one is refused', async () => {
  await using running = await start(
    'trap "echo usr1" USR1; trap "exit 9" TERM; echo up; while :; do sleep 0.02; done',
  )
  const lines = running.stdout?.lines()
  assert.is((await lines?.next())?.value, 'up')
  assert.ok(running.kill('SIGUSR1'))
  assert.is((await lines?.next())?.value, 'usr1')
  assert.throws(() => running.kill('SIGNOPE'), /^signal: "SIGNOPE": no such signal$/)
  assert.throws(() => running.kill(0), /no such signal/)
  assert.ok(running.kill())
  assert.is((await running.exit).exitCode, 9)
  assert.not(running.kill('SIGKILL'))
})

test('the end of a scope ends its container, and nothing is left then', async () => {
  const before = await restingCensus(box())
  let exit: Promise<unknown> = Promise.resolve()
  {
    await using running = await start(CROWD, { stdin: 'pipe' })
    exit = running.exit
  }
  assert.is((await box().unchanged(before)).join('\n'), '')
  assert.equal(((await exit) as { exitCode: number }).exitCode, 137)
})

test('closing an engine ends what it runs and what it is starting; later calls are refused', async () => {
  const root = `${box().root}-closed`
  const engine = createEngine({ root })
  const rootfs = { rootfs: box().rootfs }
  const running = await engine.start(rootfs, ['sleep', '600'])
  const ran = engine.run(rootfs, ['sleep', '600'])
  await engine.close()
  const { exit } = await running.exit
  assert.is(exit._tag, 'Aborted')
  assert.is(String((exit as { reason: unknown }).reason), 'Error: the engine was closed')
  assert.is((await ran).exit._tag, 'Aborted')
  await running.removed
  assert.not(isAlive(running.pid))
  for (const attempt of [engine.run(rootfs, ['true']), engine.list(), engine.images(), engine.open()])
    assert.match((await failure(attempt)).message, /: cancelled: the engine is closed$/)
  await engine.close()
})

test('the end of a scope closes its engine', async () => {
  let pid = 0
  {
    await using engine = createEngine({ root: `${box().root}-scoped` })
    pid = (await engine.start({ rootfs: box().rootfs }, ['sleep', '600'])).pid
    assert.ok(isAlive(pid))
  }
  assert.not(isAlive(pid))
})

run()
