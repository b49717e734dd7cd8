// Verbs on a container that another process runs attached: exec, stop, and what cannot be done, on the real kernel.
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { tellDead } from '../../src/engine/attached-missing.ts'
import { createEngine, type EngineEvent } from '../../src/index.ts'
import type { NewEvent } from '../../src/model/events.ts'
import type { ContainerRecord } from '../../src/model/record.ts'
import { bundleProgram } from '../support/bundle.ts'
import {
  comeAndGo,
  eventsOf,
  failure,
  librarySuite,
  processesWith,
  until as untilWithin,
} from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/attached verbs')
/** Another Node.js begins and ends meanwhile, in an emulated machine, too. */
const until = (what: string, holds: () => boolean | Promise<boolean>): Promise<void> =>
  untilWithin(what, holds, 90)
const containers = () => box().engine.containers

let program = ''
interface Attached {
  readonly child: ChildProcess
  readonly id: string
  /** Of the container; its process has ended then. */
  readonly exit: () => Promise<string>
}
const attached = async (script: string, options: object = {}): Promise<Attached> => {
  const child = spawn(
    process.execPath,
    [program, box().root, box().rootfs, script, JSON.stringify(options)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += String(chunk)
  })
  await until('it is up', () => /^id /m.test(text) && /^up$/m.test(text))
  const id = /^id (\w+)$/m.exec(text)?.[1] ?? ''
  // One of a pool is on record a moment later.
  await until('it is listed', async () => (await box().engine.list()).some((each) => each.id === id))
  return {
    child,
    id,
    exit: async () => {
      await until('its process has ended', () => child.exitCode === 0)
      return /^exit (.*)$/m.exec(text)?.[1] ?? text
    },
  }
}
const UP = 'echo up; exec sleep 1000'
const killed = async ({ child }: Attached): Promise<void> => {
  child.kill('SIGKILL')
  await until('its process is dead', () => child.signalCode !== null)
}

const withAttached = async (
  script: string,
  options: object,
  use: (one: Attached) => Promise<void>,
): Promise<void> => {
  const before = box().census()
  const one = await attached(script, options)
  try {
    await use(one)
  } finally {
    one.child.kill('SIGKILL')
    await until('its process has ended', () => one.child.exitCode !== null || one.child.signalCode !== null)
    await comeAndGo(box())
  }
  assert.equal(await box().unchanged(before), [])
}

const output = async (id: string, words: readonly string[], options: object = {}): Promise<string> => {
  const process = await containers().exec(id, words, options)
  // Its exit may be told before all that it wrote has been read.
  const [code, said] = await Promise.all([process.exit, process.stdout === null ? '' : text(process.stdout)])
  assert.is(code, 0, words.join(' '))
  return said
}
const grep = (id: string, file: string, words: string): Promise<string> =>
  output(id, ['sh', '-c', `grep -E '${words}' ${file}`])

let words = 0
const word = (): string => `0.${process.pid}${words++}`

/** Of the container itself, and not of its volumes. */
const toldOf = async (id: string): Promise<readonly EngineEvent[]> =>
  (await eventsOf(box().root, id)).filter(({ Type }) => Type === 'container')
const actionsOf = async (id: string): Promise<readonly string[]> =>
  (await toldOf(id)).map(({ Action }) => Action.split(':')[0] ?? '')

const QUIET = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore', detach: true } as const
const LIMITS = { memory: '64MiB', pids: 50 } as const
const NO_RIGHTS = { security: { capDrop: ['ALL'], noNewPrivileges: true } } as const
const PRIVILEGED = { security: { privileged: true } } as const
/** What two processes of one container have in common. */
const SAME = ['CapBnd', 'CapPrm', 'CapEff', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters']
const statusOf = (pid: number | 'self', names: readonly string[], text?: string): readonly string[] =>
  (text ?? readFileSync(`/proc/${pid}/status`, 'utf8'))
    .split('\n')
    .filter((line) => names.includes(line.split(':')[0] ?? ''))
const namespacesOf = (pid: number | string): readonly string[] =>
  readdirSync(`/proc/${pid}/ns`)
    .filter((name) => !name.endsWith('_for_children'))
    .sort()

test('a first one makes what stays of a root', async () => {
  program = await bundleProgram('test/engine/attached-process.ts')
  for (const options of [{ ...LIMITS, cpus: 1 }, NO_RIGHTS, PRIVILEGED]) {
    const one = await attached(UP, options)
    await containers().pause(one.id)
    await containers().unpause(one.id)
    await containers().update(one.id, { memory: '64MiB' })
    await (await containers().exec(one.id, ['true'])).exit
    const terminal = await containers().exec(one.id, ['true'], { tty: true })
    await terminal.exit
    terminal.stdout?.destroy()
    await containers().exec(one.id, ['true'], QUIET)
    await containers().stop(one.id, { timeout: 0 })
    await one.exit()
  }
})

for (const [what, options] of [
  ['of the defaults', {}],
  ['with limits', LIMITS],
  ['in the pid namespace of the host', { pid: 'host' }],
  ['without rights, and with none to gain', NO_RIGHTS],
  ['privileged', PRIVILEGED],
  ['of a pool', { isPooled: true }],
  ['of a pool, with limits', { isPooled: true, ...LIMITS }],
] as const)
  test(`one more process has the namespaces, groups, rights and filter of a container ${what}`, () =>
    withAttached(UP, options, async ({ id }) => {
      const mark = word()
      const one = await containers().exec(id, ['sleep', '2000', mark])
      await until('it is there', () => processesWith(mark).length === 1)
      const [pid = 0] = processesWith(mark)
      const first = (await box().engine.list()).find((each) => each.id === id)?.pid ?? 0
      for (const name of namespacesOf(first)) {
        const of = (each: number): string => readlinkSync(`/proc/${each}/ns/${name}`)
        assert.is(of(pid), of(first))
      }
      assert.equal(statusOf(pid, SAME), statusOf(first, SAME))
      const groups = (each: number): readonly string[] =>
        readFileSync(`/proc/${each}/cgroup`, 'utf8')
          .split('\n')
          .filter((line) => line.includes(id))
      assert.ok(groups(first).length > 0)
      for (const line of groups(first)) assert.ok(readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(line))
      one.kill(9)
      assert.is(await one.exit, 137)
    }))

test('its environment, directory and user are the container’s, or those that are asked for', () =>
  withAttached(UP, { env: { A: '1' }, cwd: '/tmp', user: '1000' }, async ({ id }) => {
    assert.is((await output(id, ['sh', '-c', 'echo $A; pwd; id -u'])).trim(), '1\n/tmp\n1000')
    const asked = { env: { A: '2', B: '3' }, cwd: '/', user: '0' }
    assert.is((await output(id, ['sh', '-c', 'echo $A$B; pwd; id -u'], asked)).trim(), '23\n/\n0')
    assert.match(await grep(id, '/proc/self/status', '^Uid'), /1000/)
    assert.is((await failure(containers().exec(id, ['true'], { user: 'nobody-here' })))._tag, 'UnknownUser')
    assert.is((await failure(containers().exec(id, ['nothing'])))._tag, 'CommandNotFound')
    assert.is((await failure(containers().exec(id, ['/etc'])))._tag, 'CommandNotExecutable')
  }))

test('a limit that it was given later holds for the process as well', () =>
  withAttached(UP, {}, async ({ id }) => {
    await containers().update(id, { cpus: 1 })
    const mark = word()
    const one = await containers().exec(id, ['sleep', '2000', mark])
    await until('it is there', () => processesWith(mark).length === 1)
    const first = (await box().engine.list()).find((each) => each.id === id)?.pid ?? 0
    const lines = readFileSync(`/proc/${first}/cgroup`, 'utf8').split('\n')
    const own = lines.filter((line) => line.includes(id))
    assert.ok(own.some((line) => /[:,]cpu[,:]|^0::/.test(line)))
    const of = readFileSync(`/proc/${processesWith(mark)[0]}/cgroup`, 'utf8')
    for (const line of own) assert.ok(of.includes(line), line)
    one.kill(9)
    await one.exit
  }))

test('it ends with its caller, and its container goes on', () =>
  withAttached(UP, {}, async ({ id, child }) => {
    const mark = word()
    const own = createEngine({ root: box().root, networksAhead: 0 })
    await own.containers.exec(id, ['sh', '-c', `setsid sleep 2000 ${mark} & exec sleep 2000 ${mark}`])
    await until('both are there', () => processesWith(mark).length === 2)
    await own.close()
    await until('they have ended', () => processesWith(mark).length === 0)
    assert.is(child.exitCode, null)
  }))

test('it ends with its container, whose engine cleans up as ever', () =>
  withAttached(UP, LIMITS, async (one) => {
    const process = await containers().exec(one.id, ['sleep', '2000'])
    await containers().kill(one.id)
    assert.is(await process.exit, 137)
    assert.is(await one.exit(), '137')
    assert.is((await failure(containers().exec(one.id, ['true'])))._tag, 'ContainerNotFound')
  }))

test('a detached one outlives its caller, and is told by it as long as that lives', () =>
  withAttached(UP, {}, async ({ id }) => {
    const mark = word()
    const own = createEngine({ root: box().root, networksAhead: 0 })
    await own.containers.exec(id, ['sleep', '2000', mark], QUIET)
    await own.close()
    assert.is(processesWith(mark).length, 1)
    await containers().exec(id, ['sh', '-c', 'exit 3'], QUIET)
    await until('its end is told', async () => (await actionsOf(id)).includes('exec_die'))
    assert.equal(
      (await actionsOf(id)).filter((action) => action === 'exec_die'),
      ['exec_die'],
    )
  }))

test('a program with a terminal cannot be left, and is told so before it begins where that matters', () =>
  withAttached(UP, {}, async ({ id }) => {
    const shell = await containers().exec(id, ['sh'], { tty: true })
    assert.is(shell.isDetachable, false)
    const error = await failure(shell.detach())
    assert.is(error._tag, 'Unsupported')
    assert.match(error.message, /attached: nobody would hold the terminal/)
    shell.kill(9)
    await shell.exit
    shell.stdout?.destroy()
    const execs = async (): Promise<number> =>
      (await actionsOf(id)).filter((action) => action.startsWith('exec_')).length
    const begun = await execs()
    const refused = await failure(containers().exec(id, ['sh'], { tty: true, detachable: true }))
    assert.is(refused._tag, 'Unsupported')
    assert.is(await execs(), begun)
  }))

test('one that is paused, has ended, or is of an older slipway takes none', () =>
  withAttached(UP, {}, async ({ id }) => {
    await containers().pause(id)
    const paused = await failure(containers().exec(id, ['true']))
    assert.is(paused._tag, 'WrongStatus')
    assert.match(paused.message, /is paused, not running/)
    await containers().unpause(id)
    const file = path.join(box().root, 'run', 'records', id)
    const { options, ...record } = JSON.parse(readFileSync(file, 'utf8'))
    assert.ok(options !== undefined)
    writeFileSync(file, JSON.stringify(record))
    const old = await failure(containers().exec(id, ['true']))
    assert.is(old._tag, 'Unsupported')
    assert.match(old.message, /older slipway/)
    assert.is((await failure(containers().exec('nobody', ['true'])))._tag, 'ContainerNotFound')
  }))

const POLITE = 'trap "exit 5" TERM; trap "exit 6" USR1; echo up; while :; do sleep 0.05; done'

test('a stop is its signal, and its engine tells how it ended', () =>
  withAttached(POLITE, { name: 'polite' }, async (one) => {
    // Its engine tells it when whoever waits for the start has been told.
    await until('its start is told', async () => (await actionsOf(one.id)).includes('start'))
    await containers().stop('polite')
    assert.is(await one.exit(), '5')
    // `stop` is told by another process than the end: which of it and `destroy` is first is nobody's to say.
    const told = await actionsOf(one.id)
    assert.equal(told.slice(0, 4), ['create', 'start', 'kill', 'die'])
    assert.equal(told.slice(4).sort(), ['destroy', 'stop'])
  }))

test('the signal is that of the caller, of the container, of the image', async () => {
  await withAttached(POLITE, {}, async (one) => {
    await containers().stop(one.id.slice(0, 12), { signal: 'USR1' })
    assert.is(await one.exit(), '6')
  })
  await withAttached(POLITE, { stopSignal: 'SIGUSR1' }, async (one) => {
    await containers().stop(one.id)
    assert.is(await one.exit(), '6')
  })
})

const DEAF = 'trap "" TERM; echo up; while :; do sleep 0.05; done'

test('one that does not hear is killed after its time, that of the caller or its own', async () => {
  await withAttached(DEAF, {}, async (one) => {
    await containers().stop(one.id, { timeout: '100ms' })
    assert.is(await one.exit(), '137')
    assert.equal(
      (await toldOf(one.id))
        .filter(({ Action }) => Action === 'kill')
        .map(({ Actor }) => Actor.Attributes.signal),
      ['15', '9'],
    )
  })
  await withAttached(DEAF, { grace: '100ms' }, async (one) => {
    await containers().stop(one.id)
    assert.is(await one.exit(), '137')
  })
})

test('one that is paused is let go and stopped; one that has ended is left alone', () =>
  withAttached(POLITE, {}, async (one) => {
    await containers().pause(one.id)
    await containers().stop(one.id)
    assert.is(await one.exit(), '5')
    assert.is((await failure(containers().stop(one.id)))._tag, 'ContainerNotFound')
  }))

test('a stop ends where the engine of its container is killed meanwhile', () =>
  withAttached(DEAF, {}, async (one) => {
    const stopping = containers().stop(one.id, { timeout: -1 })
    await until('it is asked', async () => (await actionsOf(one.id)).includes('kill'))
    await killed(one)
    await comeAndGo(box())
    await stopping
  }))

test('the end of one whose engine was killed is told once by the next command, without a code or a time', async () => {
  const ones = [
    await attached(UP, { name: 'first', labels: { tier: 'front' } }),
    await attached(UP, { mounts: [{ type: 'volume', source: 'kept', target: '/data' }] }),
  ]
  await containers().rename('first', 'second')
  for (const one of ones) await killed(one)
  await Promise.all([comeAndGo(box()), comeAndGo(box()), comeAndGo(box())])
  await comeAndGo(box())
  const [first, other] = await Promise.all(ones.map(({ id }) => toldOf(id)))
  assert.equal(
    first?.map(({ Action }) => Action),
    ['create', 'start', 'rename', 'die', 'destroy'],
  )
  const death = first?.find(({ Action }) => Action === 'die')
  assert.equal(death?.Actor.Attributes, {
    tier: 'front',
    exitCode: '-1',
    image: box().rootfs,
    name: 'second',
  })
  assert.equal(
    other?.map(({ Action }) => Action),
    ['create', 'start', 'die', 'destroy'],
  )
  const volume: string[] = []
  for await (const { Action } of box().engine.events({
    since: 0,
    follow: false,
    filters: { volume: ['kept'] },
  }))
    volume.push(Action)
  assert.equal(volume, ['create', 'mount', 'unmount'])
  await box().engine.removeVolume('kept')
})

test('of one whose engine tells nothing, nothing is made up', () =>
  withAttached(UP, { isQuiet: true }, async (one) => {
    await killed(one)
    await comeAndGo(box())
    assert.equal(await actionsOf(one.id), [])
  }))

test('what its engine has told before it was killed is not told again', async () => {
  const noted: string[] = []
  const record = (id: string, keep: boolean): ContainerRecord => ({
    version: 1,
    id,
    name: id,
    engine: 'e',
    bootId: '',
    image: 'app',
    imageId: 'app',
    command: [],
    labels: {},
    createdMs: 1,
    groups: [],
    keep,
  })
  const told: Readonly<Record<string, readonly string[]>> = {
    nothing: [],
    begun: ['create', 'start'],
    ended: ['create', 'start', 'die'],
    over: ['create', 'start', 'die', 'destroy'],
    torn: ['create'],
    kept: ['create', 'start'],
  }
  const journal = {
    note: ({ Action, Actor }: NewEvent) => void noted.push(`${Actor.ID} ${Action}`),
    toldOfAll: () => (id: string) => new Set(told[id]),
  }
  const gone = tellDead(
    journal,
    Object.keys(told).map((id) => record(id, id === 'kept')),
    new Map(),
  )
  assert.equal(noted, ['begun die', 'kept die'])
  gone()
  assert.equal(noted.slice(2), ['begun destroy', 'ended destroy', 'torn destroy'])
})

test('what needs its streams or its command is refused with the reason', () =>
  withAttached(UP, { name: 'held' }, async ({ id }) => {
    assert.equal(await containers().start('held'), { id, name: 'held' })
    for (const verb of ['attach', 'startAttached', 'restart', 'inspect'] as const) {
      const error = await failure(containers()[verb]('held'))
      assert.is(error._tag, 'Unsupported', verb)
      assert.match(error.message, /container held: not supported: it is attached/)
    }
    assert.is((await failure(containers().stop('held', { signal: 'NONE' })))._tag, 'InvalidOption')
  }))
run()
