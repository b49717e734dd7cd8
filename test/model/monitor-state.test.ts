// The documents of a monitor: read as they are written, and refused where they are not.
import * as E from '#fp/Either'
import { decodeExitRecord, decodeMonitorState, decodeProbeResults } from '../../src/model/monitor-state.ts'
import { assert, suite } from '../support/suite.ts'

const State = suite('model/monitor-state')

const state = {
  version: 1,
  id: 'a1',
  bootId: 'b2',
  status: 'running',
  monitorPid: 7,
  pid: 8,
  startTime: 99,
  begunMs: 1_767_322_800_000,
  restarts: 0,
}
const exit = {
  version: 1,
  id: 'a1',
  exitCode: 137,
  signal: 9,
  oomKilled: false,
  begunMs: 1,
  endedMs: 2,
  restarts: 3,
  stopped: true,
}

const right = (result: E.Either<unknown, unknown>): unknown => (E.isRight(result) ? result.right : result)
const whyNot = (result: E.Either<{ readonly where: string; readonly why: string }, unknown>): string =>
  E.isLeft(result) ? `${result.left.where}: ${result.left.why}` : 'decoded'

State('both are read as they are', () => {
  assert.equal(right(decodeMonitorState(JSON.stringify(state))), state)
  const more = { ...state, nextMs: 5, health: { status: 'healthy', failing: 0 } }
  assert.equal(right(decodeMonitorState(`${JSON.stringify(more)}\n`)), more)
  assert.equal(right(decodeExitRecord(JSON.stringify(exit))), exit)
  const failed = { ...exit, exitCode: -1, failure: { phase: 0, stage: 3, op: 4_294_967_295, errno: 2 } }
  assert.equal(right(decodeExitRecord(JSON.stringify(failed))), failed)
})

State('another version is refused by name', () => {
  assert.is(whyNot(decodeMonitorState(JSON.stringify({ ...state, version: 2 }))), '.version: is not 1')
  assert.is(whyNot(decodeExitRecord(JSON.stringify({ ...exit, version: 0 }))), '.version: is not 1')
})

State('what is missing or of another kind is named', () => {
  assert.match(whyNot(decodeMonitorState('{"version":1')), /not JSON/)
  assert.match(whyNot(decodeMonitorState('')), /not JSON/)
  assert.match(
    whyNot(decodeMonitorState(JSON.stringify({ ...state, status: 'up' }))),
    /^\.status: expected one of/,
  )
  assert.match(whyNot(decodeMonitorState(JSON.stringify({ ...state, pid: -1 }))), /^\.pid: is not between/)
  assert.match(
    whyNot(decodeExitRecord(JSON.stringify({ ...exit, exitCode: 256 }))),
    /^\.exitCode: is not between/,
  )
  assert.match(
    whyNot(decodeExitRecord(JSON.stringify({ ...exit, stopped: undefined }))),
    /^\.stopped: is required/,
  )
})

State('of results of probes a line that cannot be read says nothing', () => {
  const result = { begunMs: 1, endedMs: 2, exitCode: -1, output: 'a\nb' }
  const lines = `${JSON.stringify(result)}\n{"begunMs":\n${JSON.stringify({ ...result, exitCode: 300 })}\n`
  assert.equal(decodeProbeResults(lines), [result])
  assert.equal(decodeProbeResults(''), [])
})

State.run()
