// Memory limits as small as they may be: the kernel's out-of-memory killer meets the container, never Node.
import type { EngineError, RunOptions, SlipwayError } from '../../src/index.ts'
import { MIN_MEMORY_BYTES } from '../../src/plan/launch/cgroup.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { assert, suite } from '../support/suite.ts'

const Memory = suite('fault/memory')
const reason = engineNeeds()
let box: TestEngine
Memory.before(async () => {
  if (reason !== undefined) return
  box = openTestEngine({ networksAhead: 0 })
  await run(['true'])
})
Memory.after(async () => {
  if (reason === undefined) await box.close()
})
const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Memory(name, body)
  else Memory.skip(name, reason)
}

const run = (argv: readonly string[], options: RunOptions = {}) =>
  box.engine.run({ rootfs: box.rootfs }, argv, { memory: MIN_MEMORY_BYTES, ...options })
const census = async (): Promise<ReturnType<TestEngine['census']>> => {
  while ((await box.engine.list()).length > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  return box.census()
}
const failure = async (attempt: Promise<unknown>): Promise<EngineError> => {
  try {
    await attempt
  } catch (error) {
    return (error as SlipwayError).error
  }
  throw new Error('it started')
}

test('a limit below the smallest is refused, and says what the smallest is', async () => {
  for (const memory of [1, 4096, '1MiB', MIN_MEMORY_BYTES - 1]) {
    const error = await failure(run(['true'], { memory }))
    assert.is(error._tag, 'InvalidOption')
    assert.match('why' in error ? error.why : '', /6 ?MiB/)
  }
})

test('the smallest limit runs a program, many times and side by side', async () => {
  const before = await census()
  for (let round = 0; round < 10; round++)
    for (const { exitCode } of await Promise.all(Array.from({ length: 4 }, () => run(['true']))))
      assert.is(exitCode, 0)
  await census()
  assert.equal(await box.unchanged(before), [])
})

test('a payload past the smallest limit is killed, and only it', async () => {
  const before = await census()
  for (let round = 0; round < 5; round++) {
    const { exit } = await run(['tail', '-c', '50m', '/dev/zero'])
    assert.equal(exit, { _tag: 'OomKilled' })
  }
  await census()
  assert.equal(await box.unchanged(before), [])
})

test('a start that itself needs more is one clean error with the cause, side by side with others that run', async () => {
  const before = await census()
  // Each argument below MAX_ARG_STRLEN, no two alike; together more than the group may hold.
  const words = Array.from({ length: 120 }, (_, index) => `${index}`.padEnd(100_000, 'x'))
  for (let round = 0; round < 5; round++) {
    const [error] = await Promise.all([failure(run(['true', ...words])), run(['true']), run(['true'])])
    assert.equal(error, {
      _tag: 'LaunchDied',
      step: 'send plan',
      signal: 9,
      hint: 'it ran out of memory: raise the memory limit',
    })
  }
  await census()
  assert.equal(await box.unchanged(before), [])
})

test('the same words fit a container without a limit as far as the kernel lets any program have them', async () => {
  const words = Array.from({ length: 15 }, () => 'x'.repeat(100_000))
  const { exitCode } = await box.engine.run({ rootfs: box.rootfs }, ['true', ...words])
  assert.is(exitCode, 0)
})

Memory.run()
