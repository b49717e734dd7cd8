// The guardian's own start fails at every operation: the engine keeps nothing of it, and the next one works.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Guardian } from '../../src/adapters/guardian.ts'
import type { HostFacts } from '../../src/model/host-facts.ts'
import type { Addon, LaunchScript } from '../../src/native/addon.ts'
import { loadAddon } from '../../src/native/load.ts'
import { planGuardian, planSocketOptions, planSocketPair } from '../../src/plan/guardian.ts'
import { censusCounts } from '../support/census.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { failingBytes } from '../support/fault.ts'
import { assert, suite } from '../support/suite.ts'

const Guard = suite('fault/guardian')
const reason = engineNeeds()
let box: TestEngine
let facts: HostFacts
let addon: Addon
/** A guardian keeps no event loop alive. */
const awake = setInterval(() => {}, 1000)
Guard.before(async () => {
  if (reason !== undefined) return
  box = openTestEngine({ networksAhead: 0 })
  facts = (await box.engine.open()).facts
  addon = loadAddon()
  // What a process makes once is there from now on.
  await (await box.engine.start({ rootfs: box.rootfs }, ['true'], { stdout: 'ignore' })).removed
})
Guard.after(async () => {
  clearInterval(awake)
  if (reason === undefined) await box.close()
})
const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Guard(name, body)
  else Guard.skip(name, reason)
}

const EDOM = 33

/** An addon that launches what `edit` makes of the guardian's stage, and tells of its end. */
const withStage = (edit: (bytes: Uint8Array) => Uint8Array, onEnd: () => void): Addon => {
  class Script extends (addon.Script as new (script: LaunchScript) => object) {
    constructor(script: LaunchScript) {
      super({ ...script, stages: script.stages.map((stage) => ({ ...stage, plan: edit(stage.plan) })) })
    }
  }
  class Launch extends addon.Launch {
    constructor(...[script, slots, own, onEvent]: ConstructorParameters<Addon['Launch']>) {
      super(script, slots, own, (...event) => {
        onEvent(...event)
        if (event[0] === 'exited') onEnd()
      })
    }
  }
  return { ...addon, Script, Launch }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

test('each operation of its plan fails: its process ends, its descriptors are closed', async () => {
  const { infos } = planGuardian(facts, [])
  assert.ok(infos.length > 8)
  const before = box.census()
  for (const [op, { step }] of infos.entries()) {
    let end = (): void => {}
    const over = new Promise<void>((resolve) => {
      end = resolve
    })
    const failing = withStage(
      (bytes) => failingBytes(bytes, op, EDOM),
      () => end(),
    )
    const guardian = new Guardian(failing, facts, () => [])
    const lease = guardian.lease()
    await over
    assert.is(guardian.pid, 0)
    lease.release()
    assert.equal(await box.unchanged(before), [], step)
    await guardian.close()
  }
})

test('each call of the engine for its socket fails by its own name, with nothing left open', async () => {
  const before = box.census()
  const options = planSocketOptions(facts, process.pid)
  for (const plan of [planSocketPair(facts), options]) {
    for (const [op, { step }] of plan.infos.entries()) {
      const failing = {
        ...addon,
        execute: (bytes: Uint8Array, slots: Int32Array) =>
          addon.execute(bytes.length === plan.bytes.length ? failingBytes(bytes, op, EDOM) : bytes, slots),
      }
      const guardian = new Guardian(failing, facts, () => [])
      let error: unknown
      try {
        guardian.lease()
      } catch (thrown) {
        error = thrown
      }
      assert.equal(error, { _tag: 'SyscallFailed', step, errno: EDOM })
      assert.equal(await box.unchanged(before), [], step)
    }
  }
})

test('a container whose guardian cannot start is not started, and the next one is', async () => {
  const live = await box.engine.open()
  const before = censusCounts(box.census())
  process.kill(live.guardianPid(), 'SIGKILL')
  const starts = await Promise.allSettled(
    Array.from({ length: 4 }, () => box.engine.run({ rootfs: box.rootfs }, ['true'])),
  )
  for (const start of starts)
    if (start.status === 'rejected')
      // unix(7): the other end was closed; ECONNRESET where it had messages that nobody will read.
      assert.match(String(start.reason.message), /^register with guardian: (EPIPE|ECONNRESET)\b/)
  assert.is((await box.engine.run({ rootfs: box.rootfs }, ['true'])).exitCode, 0)
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await pause())
    if (JSON.stringify(censusCounts(box.census())) === JSON.stringify(before)) break
  assert.equal(censusCounts(box.census()), before)
})

test('a thousand containers are told to a new guardian without waiting for it', async () => {
  const guardian = new Guardian(addon, facts, () => [])
  const first = guardian.lease()
  first.release()
  while (guardian.pid === 0) await pause()
  // Whoever is registered dies with the guardian's socket.
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' })
  const slept = once(sleeper, 'exit')
  const plan = planSocketOptions(facts, sleeper.pid ?? 0)
  const opened = addon.execute(plan.bytes, Int32Array.of(first.socket, -1))
  const pidfd = opened.slots[plan.pidfd] ?? -1
  const undo = Array.from({ length: 1000 }, () =>
    guardian.add({ pidfd: () => pidfd, group: '' }, first.guardian),
  )
  const old = guardian.pid
  process.kill(old, 'SIGSTOP')
  process.kill(old, 'SIGKILL')
  for (const deadline = Date.now() + 5000; guardian.pid === old || guardian.pid === 0; await pause())
    if (Date.now() > deadline) throw new Error('no new guardian')
  for (const remove of undo) remove()
  addon.closeFds(Int32Array.of(pidfd))
  await guardian.close()
  await slept
})

Guard.run()
