// A state is the old one or the new one for every reader, and after the writer was killed at any moment.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseOciId } from '../../src/model/oci-container-id.ts'
import { decodeOciRecord } from '../../src/model/oci-state.ts'
import { openStateDir } from '../../src/oci/state-dir.ts'
import { type Bundle, bundle } from '../cli/bundle.ts'
import { expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'
import { someRecord } from './command/fake-world.ts'

const test = suite('oci/state-crash')
const id = expectRight(parseOciId('web'))

let writer: Bundle
let root = ''
test.before(async () => {
  writer = await bundle('test/oci/state-writer.ts')
})
test.after(() => writer.remove())
test.beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'slipway-oci-'))
})
test.afterEach(() => rmSync(root, { recursive: true, force: true }))

const READS_MS = 60
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What a killed writer was seen to write, as the pids it counted. */
const readWhileWritten = async (): Promise<readonly number[]> => {
  const child = spawn(process.execPath, [writer.file, root], { stdio: 'inherit' })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  const seen = new Set<number>()
  const file = path.join(root, 'web', 'state.json')
  for (let until = Infinity; Date.now() < until; await pause(0)) {
    const { init } = expectRight(decodeOciRecord(readFileSync(file, 'utf8'), file))
    if (init !== undefined) seen.add(init.pid)
    if (seen.size > 1 && until === Infinity) until = Date.now() + READS_MS
  }
  child.kill('SIGKILL')
  await ended
  return [...seen]
}

test('no reader sees a torn state, and a killed writer leaves none', async () => {
  const state = openStateDir(root)
  expectRight(state.reserve(id))
  expectRight(state.save(someRecord('web')))
  for (let kills = 0; kills < 5; kills++) {
    assert.ok((await readWhileWritten()).length > 1)
    expectRight(state.load(id))
  }
  // What the last one left half written is in nobody's way.
  expectRight(state.save(someRecord('web')))
  assert.is(expectRight(state.load(id)).record.init, undefined)
})

test.run()
