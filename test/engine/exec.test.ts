// What one more program in a container leaves behind, and what is left of it when its caller dies, on the real kernel.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { createEngine } from '../../src/index.ts'
import { bundleProgram } from '../support/bundle.ts'
import {
  comeAndGo,
  execGroupsOf,
  failure,
  isAlive,
  librarySuite,
  processesWith,
  until as untilWithin,
  withContainer as withContainerOf,
} from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/exec')
/** Another Node.js begins and ends meanwhile, in an emulated machine, too. */
const until = (what: string, holds: () => boolean): Promise<void> => untilWithin(what, holds, 90)
const containers = () => box().engine.containers

const LIMITS = { memory: '64MiB', pids: 50, cpus: 1 } as const
const NO_RIGHTS = { security: { capDrop: ['ALL'] } } as const
const OWN_FILTER = { security: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } } } as const

const withContainer = (options: object, use: (id: string) => Promise<void>): Promise<void> =>
  withContainerOf(box(), options, 'itself', use)

const execGroups = (): readonly string[] => execGroupsOf(box())

/** One that left its session, its parent and its streams, and one that did not. */
const leavingBehind = (word: string): string =>
  `setsid sh -c 'sleep 2000 ${word} & exec sleep 2000 ${word}' </dev/null >/dev/null 2>&1 & sleep 2000 ${word} & echo up`

let program = ''
const caller = async (
  container: string,
  script: string,
): Promise<{ readonly child: ChildProcess; readonly guardian: number; readonly said: () => string }> => {
  const child = spawn(process.execPath, [program, box().root, container, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += String(chunk)
  })
  await until(
    'the program and its guardian are there',
    () => /^up$/m.test(text) && /^guardian \d+$/m.test(text),
  )
  return { child, guardian: Number(/^guardian (\d+)$/m.exec(text)?.[1]), said: () => text }
}
const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })

/** Sleeps that differ by a word of their own: busybox adds its arguments up. */
let words = 0
const word = (): string => `0.${process.pid}${words++}`

test('a first one makes what stays of a root', async () => {
  program = await bundleProgram('test/engine/exec-process.ts')
  const { id } = await containers().create({ rootfs: box().rootfs }, ['sleep', '1000'], LIMITS)
  await containers().start(id)
  await (await containers().exec(id, ['true'])).exit
  await containers().pause(id)
  await containers().unpause(id)
  await box().engine.remove(id, { force: true })
  // Filters that were compiled are kept.
  for (const options of [OWN_FILTER, NO_RIGHTS]) {
    const other = await containers().create({ rootfs: box().rootfs }, ['true'], options)
    await containers().start(other.id)
    await box().engine.remove(other.id, { force: true })
  }
})

for (const [what, options] of [
  ['its own pid namespace', {}],
  ["the host's pid namespace", { pid: 'host' }],
  ['limits', LIMITS],
] as const)
  test(`a caller that is killed takes all of it along, whoever left its session: ${what}`, () =>
    withContainer(options, async (id) => {
      const mark = word()
      const { child } = await caller(id, `${leavingBehind(mark)}; wait`)
      await until('all are there', () => processesWith(mark).length === 3)
      await killed(child)
      await until('they have ended', () => processesWith(mark).length === 0)
      await until('its group is gone', () => execGroups().length === 0)
      assert.is((await containers().inspect(id)).isAlive, true)
      await comeAndGo(box())
    }))
test('with caller and guardian killed, the next command ends it', () =>
  withContainer({}, async (id) => {
    const mark = word()
    const { child, guardian } = await caller(id, `${leavingBehind(mark)}; wait`)
    await until('all are there', () => processesWith(mark).length === 3)
    process.kill(guardian, 'SIGSTOP')
    await killed(child)
    process.kill(guardian, 'SIGKILL')
    await until('the guardian is gone', () => !isAlive(guardian))
    await comeAndGo(box())
    await until('they have ended', () => processesWith(mark).length === 0)
    assert.equal(execGroups(), [])
  }))
test('what one that ends by itself leaves behind is the container’s, and goes on', () =>
  withContainer({}, async (id) => {
    const mark = word()
    const { child, said } = await caller(id, `setsid sleep 2000 ${mark} </dev/null >/dev/null 2>&1 & echo up`)
    await until('it has told its exit', () => /^exit 0$/m.test(said()))
    await until('its process has ended', () => child.exitCode === 0)
    assert.is(processesWith(mark).length, 1)
    assert.equal(execGroups(), [])
    await containers().stop(id, { timeout: 1 })
    await until('it ended with the container', () => processesWith(mark).length === 0)
  }))
test('a detached one has no group of its own, outlives its caller, and ends with the container', () =>
  withContainer({}, async (id) => {
    const mark = word()
    const first = createEngine({ root: box().root, networksAhead: 0 })
    await first.containers.exec(id, ['sleep', '2000', mark], {
      detach: true,
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'ignore',
    })
    assert.equal(execGroups(), [])
    await first.close()
    await comeAndGo(box())
    assert.is(processesWith(mark).length, 1)
    await containers().stop(id, { timeout: 1 })
    await until('it ended with the container', () => processesWith(mark).length === 0)
  }))
test('one whose first process has ended, and waits for others of its own, is not entered', () =>
  withContainer({}, async (id) => {
    const { child } = await caller(id, 'echo up; sleep 2000')
    const { state } = await containers().inspect(id)
    const first = state?.pid ?? 0
    const isInside = (): boolean => {
      try {
        return readlinkSync(`/proc/${first}/ns/mnt`) !== ''
      } catch {
        return false
      }
    }
    // Nobody else can reap what it has started there: pid_namespaces(7), zap_pid_ns_processes of the kernel.
    child.kill('SIGSTOP')
    try {
      process.kill(first, 'SIGKILL')
      await until('it has no namespaces any more', () => !isInside())
      const error = await failure(containers().exec(id, ['true']))
      assert.equal([error._tag, /is stopping, not running/.test(error.message)], ['WrongStatus', true])
    } finally {
      child.kill('SIGCONT')
    }
    assert.is(await containers().wait(id), 137)
    await until('its caller has ended', () => child.exitCode !== null)
  }))
test('one that restarts all the time is entered, or said not to run', () =>
  withContainer({ restart: 'always' }, async (id) => {
    const tags = new Set<string>()
    for (let kills = 0; kills < 12; kills++) {
      const { state } = await containers().inspect(id)
      const entering = containers()
        .exec(id, ['true'])
        .then(({ exit }) => exit)
      if (state?.pid !== undefined && state.pid > 0 && isAlive(state.pid)) process.kill(state.pid, 'SIGKILL')
      await entering.catch((error) => tags.add(error._tag))
    }
    tags.delete('WrongStatus')
    assert.equal([...tags], [])
  }))
test('a container that ends under one takes it along, and can be started again at once', () =>
  withContainer({}, async (id) => {
    const mark = word()
    const { child, said } = await caller(id, `sleep 2000 ${mark} & echo up; wait`)
    await until('it is there', () => processesWith(mark).length === 1)
    await containers().stop(id, { timeout: 1 })
    await until('it ended with the container', () => processesWith(mark).length === 0)
    await containers().start(id)
    await until('its caller is told', () => /^exit 137$/m.test(said()))
    await until('its process has ended', () => child.exitCode === 0)
    assert.equal(execGroups(), [])
    assert.is((await containers().inspect(id)).isAlive, true)
  }))
for (const [what, options, filter] of [
  ['limits', LIMITS, '0'],
  ['no rights', NO_RIGHTS, '0'],
  ['a filter of its own', OWN_FILTER, '2'],
] as const)
  test(`a privileged one in a container with ${what} has every capability that can be given, and the groups that are there`, () =>
    withContainer(options, async (id) => {
      const mark = word()
      const one = await containers().exec(id, ['sleep', '2000', mark], { privileged: true })
      await until('it is there', () => processesWith(mark).length === 1)
      const [pid = 0] = processesWith(mark)
      const first = (await box().engine.list()).find((each) => each.id === id)?.pid ?? 0
      const line = (of: number | 'self', name: string): string =>
        new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${of}/status`, 'utf8'))?.[1] ?? ''
      assert.is(line(pid, 'CapEff'), line('self', 'CapEff'))
      assert.is.not(line(first, 'CapEff'), line('self', 'CapEff'))
      assert.is(line(pid, 'Seccomp'), filter)
      const groups = (of: number): readonly string[] =>
        readFileSync(`/proc/${of}/cgroup`, 'utf8')
          .split('\n')
          .filter((each) => each.includes(id))
      assert.ok(groups(first).length > 0)
      for (const group of groups(first))
        assert.ok(readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(group))
      one.kill(9)
      assert.is(await one.exit, 137)
    }))

test('what cannot be executed leaves no group', () =>
  withContainer({}, async (id) => {
    assert.is((await failure(containers().exec(id, ['nothing'])))._tag, 'CommandNotFound')
    assert.is((await failure(containers().exec(id, ['/etc'])))._tag, 'CommandNotExecutable')
    assert.equal(execGroups(), [])
  }))
test('a paused container holds still what was executed in it, too, and its caller may die meanwhile', () =>
  withContainer({ memory: '64MiB' }, async (id) => {
    const mark = word()
    const { child } = await caller(id, `${leavingBehind(mark)}; wait`)
    await until('all are there', () => processesWith(mark).length === 3)
    await containers().pause(id)
    await containers().unpause(id)
    await killed(child)
    await until('they have ended', () => processesWith(mark).length === 0)
    await until('its group is gone', () => execGroups().length === 0)
    await comeAndGo(box())
  }))
run()
