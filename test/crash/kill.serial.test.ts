// What each death means (docs/lifetime.md): whoever is killed, the container's processes die and the next command cleans up.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine } from '../../src/index.ts'
import { bundleProgram } from '../support/bundle.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { descendants } from '../support/fault.ts'
import { assert, suite } from '../support/suite.ts'

const Kill = suite('crash/kill')
const reason = engineNeeds()
let box: TestEngine
let script: string

Kill.before(async () => {
  if (reason !== undefined) return
  box = openTestEngine()
  script = await bundleProgram('test/crash/engine-process.ts')
})
Kill.after(async () => {
  if (reason === undefined) await box.close()
})

const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Kill(name, body)
  else Kill.skip(name, reason)
}

interface Victim {
  readonly engine: ChildProcess
  /** 0 where the start stands before the clone. */
  readonly pid: number
  readonly guardian: number
}
/** Name of the step a start stops at, and whether that is in the engine's part of it. */
interface Stop {
  readonly engine: boolean
  readonly step: string
}

const startVictim = (argv: readonly string[], options: object = {}, stop?: Stop): Promise<Victim> =>
  new Promise((resolve, reject) => {
    const words = [script, box.root, box.rootfs, JSON.stringify({ argv, options, stop })]
    const engine = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    engine.stdout.on('data', (chunk) => {
      text += String(chunk)
      if (text.endsWith('\n')) resolve({ engine, ...(JSON.parse(text) as { pid: number; guardian: number }) })
    })
    engine.on('exit', () => reject(new Error(`the engine ended: ${text}`)))
  })

const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Milliseconds until `pid` is dead; fails after ten seconds. */
const untilDead = async (pid: number): Promise<number> => {
  const from = performance.now()
  while (isAlive(pid)) {
    if (performance.now() - from > 10_000) throw new Error(`process ${pid} lives on`)
    await pause(1)
  }
  return performance.now() - from
}

/** The next command of another engine process: afterwards nothing of the dead one is left. */
const nextCommand = async (): Promise<void> => {
  const next = createEngine({ root: box.root })
  await next.run({ rootfs: box.rootfs }, ['true'])
  await next.close()
}

/** A payload that changes its uid has done so. */
const settled = async (argv: readonly string[], { pid }: Victim): Promise<void> => {
  if (argv !== SETUID) return
  for (const deadline = Date.now() + 10_000; !/^Uid:\t1000\t/m.test(statusOf(pid)); await pause(1))
    if (Date.now() > deadline) throw new Error('the payload has not changed its uid')
}
const statusOf = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'utf8')

/** Until every thread of the engine is gone, and its lock with it: its first thread alone is a zombie before that. */
const killEngine = ({ engine }: Victim): Promise<void> =>
  new Promise((resolve) => {
    engine.removeAllListeners('exit').once('exit', () => resolve())
    engine.kill('SIGKILL')
  })

const SETUID = ['busybox', 'su', 'app', '-c', 'exec sleep 600']
/** Kinds of payload; PR_SET_PDEATHSIG is lost to one that changes its uid by itself, so only the guardian kills it. */
const PAYLOADS: readonly (readonly [string, readonly string[], object])[] = [
  ['root', ['sleep', '600'], {}],
  ['another user', ['sleep', '600'], { user: '1234:1234' }],
  ['a payload that changes its uid', SETUID, {}],
  ['a payload with children', ['sh', '-c', 'sleep 600 & sleep 600 & wait'], {}],
  ['a payload behind an init', ['sleep', '600'], { init: true }],
  ['a terminal', ['sleep', '600'], { tty: true }],
  ['the host pid namespace', ['sh', '-c', 'sleep 600 & wait'], { pid: 'host' }],
  ['the host pid namespace, a changed uid', SETUID, { pid: 'host' }],
]
/** Where a start stands when the blow falls. */
const STOPS: readonly (readonly [string, Stop])[] = [
  ['before anything is written', { engine: true, step: 'make record' }],
  ['with a record that is empty', { engine: true, step: 'write record' }],
  ['before its groups have limits', { engine: true, step: 'open cgroup limit' }],
  ['before its groups are open', { engine: true, step: 'open cgroup' }],
  ['while its root is built', { engine: false, step: 'attach rootfs' }],
  ['before its exec', { engine: false, step: 'execve' }],
]
type Blow = 'engine' | 'both'

/** Everything of `victim` is dead, and the next command leaves nothing of it. */
const strike = async (
  victim: Victim,
  blow: Blow,
  before: ReturnType<TestEngine['census']>,
): Promise<number> => {
  const processes = victim.pid === 0 ? [] : [victim.pid, ...descendants(victim.pid)]
  // A stopped guardian first: it must not see the engine's end before its own.
  if (blow === 'both') process.kill(victim.guardian, 'SIGSTOP')
  const from = performance.now()
  const gone = killEngine(victim)
  if (blow === 'both') process.kill(victim.guardian, 'SIGKILL')
  let tookMs = Number.NaN
  if (blow === 'engine') {
    for (const pid of processes) await untilDead(pid)
    tookMs = performance.now() - from
    await untilDead(victim.guardian)
  }
  await gone
  await nextCommand()
  for (const pid of processes) await untilDead(pid)
  assert.equal(await box.unchanged(before), [])
  return tookMs
}

const deaths: (readonly [string, number])[] = []

for (const blow of ['engine', 'both'] as const) {
  const who = blow === 'engine' ? 'the engine' : 'engine and guardian'
  for (const [name, argv, options] of PAYLOADS) {
    test(`${name}, running: killing ${who} ends it, and the next command leaves nothing`, async () => {
      await nextCommand()
      const before = box.census()
      const victim = await startVictim(argv, options)
      await settled(argv, victim)
      deaths.push([`${name}, running`, await strike(victim, blow, before)])
    })
  }
  for (const [where, stop] of STOPS) {
    for (const [name, argv, options] of PAYLOADS.filter(([each]) =>
      /^(root|the host pid namespace)$/.test(each),
    )) {
      test(`${name}, starting, ${where}: killing ${who} leaves nothing`, async () => {
        await nextCommand()
        const before = box.census()
        deaths.push([`${name}, ${where}`, await strike(await startVictim(argv, options, stop), blow, before)])
      })
    }
  }
}

for (const blow of ['engine', 'both'] as const) {
  const who = blow === 'engine' ? 'the engine' : 'engine and guardian'
  test(`a child that waits for its first stage, known to nobody, ends with ${who}`, async () => {
    const map = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
    const options = { security: { userns: { uidMap: map, gidMap: map } } }
    await nextCommand()
    const before = box.census()
    const victim = await startVictim(['sleep', '600'], options, { engine: true, step: 'open id map' })
    deaths.push(['unregistered', await strike(victim, blow, before)])
  })
}

test('every container was dead so soon after its engine', async () => {
  const known = deaths.filter(([, ms]) => Number.isFinite(ms))
  for (const [name, ms] of known) console.log(`${ms.toFixed(1).padStart(7)} ms  ${name}`)
  assert.ok(known.length >= PAYLOADS.length)
})

for (const [name, argv, options] of PAYLOADS) {
  test(`${name}, exiting: an engine that dies before it has seen the end leaves nothing`, async () => {
    await nextCommand()
    const before = box.census()
    const victim = await startVictim(argv, options)
    await settled(argv, victim)
    const others = descendants(victim.pid)
    victim.engine.kill('SIGSTOP')
    process.kill(victim.pid, 'SIGKILL')
    await untilDead(victim.pid)
    await killEngine(victim)
    await nextCommand()
    for (const pid of others) await untilDead(pid)
    await untilDead(victim.guardian)
    assert.equal(await box.unchanged(before), [])
  })
}

test('a guardian that dies is replaced, and the new one knows what runs', async () => {
  for (const [, argv, options] of PAYLOADS.filter(([name]) => /changes|changed/.test(name))) {
    await nextCommand()
    const before = box.census()
    const victim = await startVictim(argv, options)
    await settled(argv, victim)
    process.kill(victim.guardian, 'SIGKILL')
    await untilDead(victim.guardian)
    const guardian = await newGuardian(victim)
    assert.ok(isAlive(victim.pid), 'the container lives on')
    await strike({ ...victim, guardian }, 'engine', before)
  }
})

/** The one that has taken the place of `victim.guardian`, once it waits for events: then it has been told. */
const newGuardian = async ({ engine, guardian }: Victim): Promise<number> => {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await pause(5)) {
    const found = descendants(engine.pid ?? 0).find(
      (pid) => pid !== guardian && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'slipway-guard\n',
    )
    if (found !== undefined && readFileSync(`/proc/${found}/wchan`, 'utf8').includes('poll')) return found
  }
  throw new Error('no new guardian')
}

test('a guardian that dies while a container starts: the start ends well or says so, and nothing is left', async () => {
  await nextCommand()
  const before = box.census()
  const victim = await startVictim(['sleep', '600'], {}, { engine: false, step: 'attach rootfs' })
  process.kill(victim.guardian, 'SIGKILL')
  await untilDead(victim.guardian)
  assert.ok(isAlive(victim.pid), 'the start goes on')
  await killEngine(victim)
  await untilDead(victim.pid)
  await nextCommand()
  assert.equal(await box.unchanged(before), [])
})

Kill.run()
