// Thousands of starts, one after another and eight at a time: none fails, and nothing is left.
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { restingCensus } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'

const Storm = suite('engine/storm')
const reason = engineNeeds()
let box: TestEngine

/** A slow machine takes a part of them: an emulated one is some thirty times slower. */
const SHARE = Number(process.env.SLIPWAY_STORM ?? 1)
const SEQUENTIAL = Math.round(2000 * SHARE)
const LANES = 8
const EACH = Math.round(250 * SHARE)

Storm.before(() => {
  if (reason === undefined) box = openTestEngine()
})
Storm.after(async () => {
  if (reason === undefined) await box.close()
})

const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Storm(name, body)
  else Storm.skip(name, reason)
}

const one = async (): Promise<void> => {
  const running = await box.engine.start({ rootfs: box.rootfs }, ['true'], {
    stdout: 'ignore',
    stderr: 'ignore',
    memory: '16MiB',
    pids: 10,
  })
  assert.is((await running.exit).exitCode, 0)
}

const settled = async (): Promise<void> => {
  while ((await box.engine.list()).length > 0) await new Promise((resolve) => setTimeout(resolve, 10))
}

test(`${SEQUENTIAL} runs in a row leave what was there before`, async () => {
  await one()
  await settled()
  const before = await restingCensus(box)
  for (let i = 0; i < SEQUENTIAL; i++) await one()
  assert.equal(await box.unchanged(before), [])
})

test(`${LANES} × ${EACH} runs side by side leave what was there before`, async () => {
  await settled()
  const before = await restingCensus(box)
  const lane = async (): Promise<void> => {
    for (let i = 0; i < EACH; i++) await one()
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  assert.equal(await box.unchanged(before), [])
})

Storm.run()
