// Directories of containers that have no record: what a kill between the two leaves is found, and nothing else.
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir, uptime } from 'node:os'
import path from 'node:path'
import { StateDir } from '../../src/adapters/state-dir.ts'
import { loadAddon } from '../../src/native/load.ts'
import { assert, suite } from '../support/suite.ts'

const State = suite('adapters/state-dir')
let root = ''
const opened: StateDir[] = []
const open = (): StateDir => {
  const state = new StateDir({ root, runtime: path.join(root, 'run') }, loadAddon())
  opened.push(state)
  return state
}
State.beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'slipway-state-'))
})
State.afterEach(() => {
  for (const state of opened.splice(0)) state.close()
  rmSync(root, { recursive: true })
})

/** A container's directory, so many milliseconds old. */
const container = (id: string, ageMs: number): void => {
  const folder = path.join(root, 'containers', id)
  mkdirSync(path.join(folder, 'upper'), { recursive: true })
  const time = new Date(Date.now() - ageMs)
  utimesSync(folder, time, time)
}
const strays = (state: StateDir, ...dead: readonly string[]): readonly string[] =>
  [...state.strayContainers(new Set(dead))].sort()

State('of an engine that is alone: what was there before it, and has no record', () => {
  container('old', 1000)
  container('known', 1000)
  const state = open()
  writeFileSync(state.recordPath('known'), '')
  container('new', -1000)
  assert.equal(strays(state), ['old'])
})
State('beside a dead engine it is alone, beside a living one only what is a minute old is nobody’s', () => {
  container('young', 1000)
  container('old', 61_000)
  const [state, other] = [open(), open()]
  assert.equal(strays(state), ['old'])
  assert.equal(strays(state, other.engine), ['old', 'young'])
})
State('a container that outlives its engine has a document in place of a record, and stays', () => {
  container('detached', 1000)
  writeFileSync(path.join(root, 'containers/detached/container.json'), '{}')
  const time = new Date(Date.now() - 70_000)
  utimesSync(path.join(root, 'containers/detached'), time, time)
  assert.equal(strays(open()), [])
})
State('what an earlier boot left stays: its record may have been in memory', () => {
  container('kept', uptime() * 1000 + 60_000)
  assert.equal(strays(open()), [])
})
State.run()
