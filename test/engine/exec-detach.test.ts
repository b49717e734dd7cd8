// A program with a terminal that its caller leaves to the container, on the real kernel: who goes on, who holds the terminal, what is told.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { createEngine, type EngineEvent, type ExecProcess } from '../../src/index.ts'
import { isAtLeast } from '../../src/model/host-facts.ts'
import { bundleProgram } from '../support/bundle.ts'
import {
  comeAndGo,
  eventsOf,
  execGroupsOf,
  failure,
  librarySuite,
  processesWith,
  until as untilWithin,
  withContainer as withContainerOf,
} from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/exec detach')
const until = (what: string, holds: () => boolean | Promise<boolean>): Promise<void> =>
  untilWithin(what, holds, 90)
const containers = () => box().engine.containers
const LIMITS = { memory: '64MiB', pids: 50, cpus: 1 } as const

const withContainer = (options: object, use: (id: string) => Promise<void>): Promise<void> =>
  withContainerOf(box(), options, 'next command', use)

/** Sleeps that differ by a word of their own: busybox adds its arguments up. */
let words = 0
const word = (): string => `0.${process.pid}${words++}`

const execGroups = (): readonly string[] => execGroupsOf(box())

/** What is told of programs that were executed in it, in its order. */
const toldOf = async (id: string): Promise<readonly EngineEvent[]> =>
  (await eventsOf(box().root, id)).filter(({ Actor }) => Actor.Attributes.execID !== undefined)
const actionsOf = async (id: string): Promise<readonly string[]> =>
  (await toldOf(id)).map(({ Action }) => Action.split(':')[0] ?? '')
const WHOLE = ['exec_create', 'exec_start', 'exec_detach', 'exec_die']

const said = (process: ExecProcess, text: string): Promise<void> => {
  let all = ''
  return new Promise((resolve) => {
    process.stdout?.on('data', (chunk) => {
      all += String(chunk)
      if (all.includes(text)) resolve()
    })
  })
}

const linkOf = (file: string): string => {
  try {
    return readlinkSync(file)
  } catch {
    return ''
  }
}

let program = ''
const caller = async (container: string, script: string): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [program, box().root, container, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += String(chunk)
  })
  await until('it is left', () => text !== '')
  assert.is(text, 'left\n')
  return child
}
const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })

const monitorOf = async (id: string): Promise<number> =>
  (await containers().inspect(id)).state?.monitorPid ?? 0
const killMonitor = async (id: string): Promise<void> => {
  const pid = await monitorOf(id)
  process.kill(pid, 'SIGKILL')
  await until('its monitor is gone', async () => !(await containers().inspect(id)).hasMonitor)
}

test('a first one makes what stays of a root', async () => {
  program = await bundleProgram('test/engine/exec-terminal-process.ts')
  const { id } = await containers().create({ rootfs: box().rootfs }, ['sleep', '1000'], LIMITS)
  await containers().start(id)
  const first = await containers().exec(id, ['sh', '-c', 'echo up; sleep 0.1'], { tty: true })
  await said(first, 'up')
  await first.detach()
  await first.exit
  await box().engine.remove(id, { force: true })
})

for (const [what, options] of [
  ['its own pid namespace', {}],
  ["the host's pid namespace", { pid: 'host' }],
  ['limits', LIMITS],
] as const)
  test(`it and what it started go on when its caller is killed, and end with the container: ${what}`, () =>
    withContainer(options, async (id) => {
      const mark = word()
      const child = await caller(
        id,
        `setsid sleep 2000 ${mark} & sleep 2000 ${mark} & echo leave; exec sleep 2000 ${mark}`,
      )
      assert.equal(execGroups(), [])
      await killed(child)
      await comeAndGo(box())
      assert.is(processesWith(mark).length, 3)
      await containers().stop(id, { timeout: 1 })
      await until('they have ended with it', () => processesWith(mark).length === 0)
      assert.equal(await actionsOf(id), WHOLE)
      assert.is((await toldOf(id)).at(-1)?.Actor.Attributes.exitCode, '137')
    }))

test('what it writes goes nowhere and never holds it up, and its end is told with its code', () =>
  withContainer({}, async (id) => {
    const child = await caller(id, 'echo leave; sleep 0.2; seq 1 200000; exit 9')
    await killed(child)
    await until('its end is told', async () => (await actionsOf(id)).length >= WHOLE.length)
    assert.equal(await actionsOf(id), WHOLE)
    const { facts } = (await box().engine.open()).ports.host
    const codes = isAtLeast(facts.kernel, 6, 15) ? ['9'] : ['9', '-1']
    assert.ok(codes.includes((await toldOf(id)).at(-1)?.Actor.Attributes.exitCode ?? ''))
    assert.is((await containers().inspect(id)).isAlive, true)
  }))

test('a terminal that nobody uses for a while and then somebody does is held as well', () =>
  withContainer({}, async (id) => {
    const mark = word()
    // The terminal is let go by all, and opened again by its name.
    const script = `t=$(tty); echo leave; sleep 0.2; exec <&- >&- 2>&-; sleep 0.2; seq 1 100000 >$t; exec sleep 2000 ${mark}`
    const child = await caller(id, script)
    await until('it has written all', () => processesWith(mark).length === 1)
    await killed(child)
    assert.is(processesWith(mark).length, 1)
  }))

test('a library that leaves one is told of its end, and tells it to nobody', () =>
  withContainer({}, async (id) => {
    const left = await containers().exec(id, ['sh', '-c', 'echo up; sleep 0.2; exit 6'], { tty: true })
    await said(left, 'up')
    await left.detach()
    assert.is(await left.exit, 6)
    await until('its end is told', async () => (await actionsOf(id)).includes('exec_die'))
    assert.equal(await actionsOf(id), WHOLE)
  }))

test('one that has ended meanwhile is left as it is', () =>
  withContainer({}, async (id) => {
    const over = await containers().exec(id, ['true'], { tty: true })
    assert.is(await over.exit, 0)
    await over.detach()
    assert.equal(await actionsOf(id), ['exec_create', 'exec_start', 'exec_die'])
  }))

test('one that has let go of its terminal, which its caller has closed by then, is left without it', () =>
  withContainer({}, async (id) => {
    const mark = word()
    const left = await containers().exec(
      id,
      ['sh', '-c', `trap '' HUP; echo up; exec sleep 2000 ${mark} <&- >&- 2>&-`],
      { tty: true },
    )
    left.stdout?.resume()
    await until('its terminal is closed', () => left.stdin?.destroyed === true)
    await left.detach()
    assert.is(processesWith(mark).length, 1)
    await containers().stop(id, { timeout: 1 })
    await until('it has ended with its container', () => processesWith(mark).length === 0)
    assert.equal(await actionsOf(id), WHOLE)
  }))

test('without a terminal there is nothing to leave', () =>
  withContainer({}, async (id) => {
    const piped = await containers().exec(id, ['sleep', '1000'])
    const error = await failure(piped.detach())
    assert.is(error._tag, 'Unsupported')
    assert.match(error.message, /has no terminal/)
    assert.is(piped.kill(9), true)
    assert.is(await piped.exit, 137)
    assert.equal(await actionsOf(id), ['exec_create', 'exec_start', 'exec_die'])
  }))

test('a container whose monitor was killed has a new one by then', () =>
  withContainer({}, async (id) => {
    const mark = word()
    const left = await containers().exec(id, ['sh', '-c', `echo up; exec sleep 2000 ${mark}`], { tty: true })
    await said(left, 'up')
    await killMonitor(id)
    await left.detach()
    assert.is((await containers().inspect(id)).hasMonitor, true)
    assert.is(processesWith(mark).length, 1)
    process.kill(processesWith(mark)[0] ?? 0, 'SIGKILL')
    assert.is(await left.exit, 137)
    await until('its end is told', async () => (await actionsOf(id)).includes('exec_die'))
    assert.equal(await actionsOf(id), WHOLE)
  }))

test('a monitor that is killed takes the terminal along: who reads it has come to its end', () =>
  withContainer({}, async (id) => {
    const mark = word()
    const child = await caller(
      id,
      `(echo leave; cat; exec sleep 2000 ${mark}) 2>/dev/null; sleep 2000 ${mark}`,
    )
    await killed(child)
    const before = await actionsOf(id)
    await killMonitor(id)
    await until('nobody waits for it', () => processesWith('cat').length === 0)
    await containers().stop(id, { timeout: 1 })
    await until('all has ended', () => processesWith(mark).length === 0)
    assert.equal(await actionsOf(id), before)
  }))

test('an abandoned one is still its caller’s: where it could not be left, it ends with it', () =>
  withContainer({}, async (id) => {
    const mark = word()
    const own = createEngine({ root: box().root, networksAhead: 0 })
    const left = await own.containers.exec(id, ['sh', '-c', `echo up; exec sleep 2000 ${mark}`], {
      tty: true,
    })
    await said(left, 'up')
    await box().engine.containers.stop(id, { timeout: 1 })
    await left.exit
    await left.detach()
    assert.is(processesWith(mark).length, 0)
    await own.close()
  }))

/** One whose terminal nobody has but the container, from its first moment on. */
const alone = async (id: string, script: string, options: object = {}): Promise<void> => {
  const own = createEngine({ root: box().root, networksAhead: 0 })
  try {
    const left = await own.containers.exec(id, ['sh', '-c', script], { detach: true, tty: true, ...options })
    assert.equal([left.stdin, left.stdout, left.stderr], [null, null, null])
    assert.equal(execGroups(), [])
  } finally {
    await own.close()
  }
}
const saidBy = async (id: string, argv: readonly string[]): Promise<string> => {
  const { stdout } = await containers().exec(id, argv)
  let text = ''
  for await (const chunk of stdout ?? []) text += String(chunk)
  return text
}
const ALONE = ['exec_create', 'exec_start', 'exec_die']
const alsoOf = (id: string, mark: string): Promise<readonly EngineEvent[]> =>
  toldOf(id).then((all) => {
    const execID = all.find(({ Action }) => Action.includes(mark))?.Actor.Attributes.execID
    return all.filter(({ Actor }) => Actor.Attributes.execID === execID)
  })

test('a detached one with a terminal has it as its three streams, of the size asked for, and outlives its caller', () =>
  withContainer({}, async (id) => {
    const mark = word()
    await alone(
      id,
      `for f in 0 1 2; do test -t $f && echo $f >>/tmp/t; done; tty >>/tmp/t; stty size >>/tmp/t; exec sleep 2000 ${mark}`,
      { tty: { columns: 91, rows: 37 } },
    )
    await until('it has looked', () => processesWith(mark).length === 1)
    assert.match(await saidBy(id, ['cat', '/tmp/t']), /^0\n1\n2\n\/dev\/pts\/\d+\n37 91\n$/)
    await comeAndGo(box())
    assert.is(processesWith(mark).length, 1)
    await containers().stop(id, { timeout: 1 })
    await until('it has ended with its container', () => processesWith(mark).length === 0)
    const told = await alsoOf(id, mark)
    assert.equal(
      told.map(({ Action }) => Action.split(':')[0]),
      ALONE,
    )
    assert.is(told.at(-1)?.Actor.Attributes.exitCode, '137')
  }))

test('what a detached one writes on its terminal goes nowhere, and never holds it up', () =>
  withContainer({}, async (id) => {
    const mark = word()
    await alone(id, `seq 1 200000; exec sleep 2000 ${mark}`)
    await until('it has written all', () => processesWith(mark).length === 1)
  }))

test('terminals of detached ones are given back at their ends', () =>
  withContainer({}, async (id) => {
    const monitor = await monitorOf(id)
    const masters = (): number =>
      readdirSync(`/proc/${monitor}/fd`).filter((fd) => linkOf(`/proc/${monitor}/fd/${fd}`).endsWith('/ptmx'))
        .length
    assert.is(masters(), 0)
    const marks = Array.from({ length: 8 }, word)
    for (const mark of marks) await alone(id, `exec sleep 2000 ${mark}`)
    assert.is(masters(), marks.length)
    for (const mark of marks) for (const pid of processesWith(mark)) process.kill(pid, 'SIGKILL')
    await until('none is held', () => masters() === 0)
    for (let round = 0; round < 20; round++) await alone(id, 'true')
    await until('none is held', () => masters() === 0)
    await until('all ends are told', async () => {
      const ends = (await toldOf(id)).filter(({ Action }) => Action === 'exec_die')
      return ends.length === marks.length + 20
    })
    assert.is(await saidBy(id, ['ls', '/dev/pts']), 'ptmx\n')
  }))

test('a detached one whose terminal nobody can take is ended, and its caller told why', () =>
  withContainer({}, async (id) => {
    const fill = createEngine({ root: box().root, networksAhead: 0 })
    const MOST_HELD = 256
    const marks: string[] = []
    try {
      for (let held = 0; held < MOST_HELD; held++) {
        const mark = word()
        marks.push(mark)
        await fill.containers.exec(id, ['sleep', '2000', mark], {
          detach: true,
          stdin: 'ignore',
          stdout: 'ignore',
          stderr: 'ignore',
        })
      }
      const mark = word()
      const error = await failure(
        fill.containers.exec(id, ['sleep', '2000', mark], { detach: true, tty: true }),
      )
      assert.match(error.message, /ask monitor to hold: EMFILE/)
      assert.is(processesWith(mark).length, 0)
      const told = await alsoOf(id, mark)
      assert.equal(
        told.map(({ Action }) => Action.split(':')[0]),
        ALONE,
      )
      assert.equal(execGroups(), [])
    } finally {
      await fill.close()
    }
  }))

test('an attached container holds no terminal: refused before anything is executed', async () => {
  const shown = await box().engine.start({ rootfs: box().rootfs }, ['sleep', '1000'])
  const mark = word()
  const error = await failure(
    containers().exec(shown.id, ['sleep', '2000', mark], { detach: true, tty: true }),
  )
  assert.is(error._tag, 'Unsupported')
  assert.match(error.message, /is attached: nobody would hold the terminal/)
  assert.is(processesWith(mark).length, 0)
  shown.kill('SIGKILL')
  await shown.removed
})

test('programs that cannot be executed leave nothing with the guardian', () =>
  withContainer({}, async (id) => {
    await (await containers().exec(id, ['true'])).exit
    const guardian = (await box().engine.open()).guardianPid()
    const open = (): number => readdirSync(path.join('/proc', String(guardian), 'fd')).length
    assert.ok(existsSync(`/proc/${guardian}`))
    await until('it is quiet', () => open() > 0)
    const before = open()
    for (let round = 0; round < 20; round++)
      assert.is((await failure(containers().exec(id, ['nothing'], { tty: true })))._tag, 'CommandNotFound')
    await until('it holds no more', () => open() <= before)
  }))
run()
