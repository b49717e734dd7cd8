// What is true of a container while its monitor leaves: no moment looks as if it had never run.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { withFacts } from '../../src/adapters/detached-facts.ts'
import type { ContainerDocument } from '../../src/model/container-document.ts'
import { isSettled, statusOf } from '../../src/model/container-status.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('adapters/detached facts')
const ID = 'a'.repeat(64)
const END = {
  version: 1,
  id: ID,
  exitCode: 5,
  oomKilled: false,
  begunMs: 1000,
  endedMs: 2000,
  restarts: 0,
  stopped: false,
}

let root = ''
const folder = (): string => path.join(root, 'containers', ID)
test.beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'slipway-facts-'))
  mkdirSync(folder(), { recursive: true })
  mkdirSync(path.join(root, 'monitors', ID), { recursive: true })
  writeFileSync(path.join(root, 'monitors', ID, 'lock'), '')
})
test.afterEach(() => rmSync(root, { recursive: true }))

const EAGAIN = 11
const writeEnd = (): void => writeFileSync(path.join(folder(), 'exit.json'), JSON.stringify(END))
/** `look`: what the n-th look at the monitor's lock finds; what it does happens just before. */
const factsWith = (look: (count: number) => number) => {
  let count = 0
  const parts = {
    addon: { flock: () => look(++count) },
    state: { runtime: root },
    bootId: 'this',
    isFrozen: () => false,
  }
  return withFacts(parts, folder(), { id: ID } as ContainerDocument)
}

test('a monitor that leaves just before it is looked for has left its record', () => {
  const facts = factsWith((count) => {
    if (count === 1) writeEnd()
    return 0
  })
  assert.equal([facts.hasMonitor, facts.exit?.exitCode, statusOf(facts)], [false, 5, 'exited'])
})

test('one that leaves after it was looked for is waited for', () => {
  const facts = factsWith((count) => (count === 1 ? EAGAIN : 0))
  assert.equal([facts.hasMonitor, isSettled(facts)], [true, false])
})

test('one that comes while the files are read is there', () => {
  const facts = factsWith((count) => (count === 1 ? 0 : EAGAIN))
  assert.equal([facts.hasMonitor, isSettled(facts)], [true, false])
})

test('one that came, and left again, while the files are read has left its record', () => {
  const facts = factsWith((count) => {
    if (count === 2) writeEnd()
    return 0
  })
  assert.equal([facts.hasMonitor, facts.exit?.exitCode, statusOf(facts)], [false, 5, 'exited'])
})

test.run()
