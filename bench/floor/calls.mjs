// The system calls of starts, traced with strace: slipway's own by thread, and the floor's.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../build.mjs'
import { nameOf, parseTrace, segmentsOf, startIn } from './trace.mjs'

const [BEGIN, END] = ['/bench-trace-begin', '/bench-trace-end']

/** What a thread of a C++ or JavaScript runtime does between two jobs: no part of a start. */
const RUNTIME = new Set(['futex', 'mmap', 'munmap', 'mprotect', 'madvise', 'brk', 'sched_yield', 'getpid'])
/** One thread tells another that there is something to do: a write of 1 to an eventfd. */
export const isWake = ({ text }) => /^write\(\d+, "\\1\\0\\0\\0\\0\\0\\0\\0", 8/.test(text)
/** A call that a thread of the engine makes for a start, and for nothing else. */
export const isStart = (call) => !RUNTIME.has(nameOf(call)) && !isWake(call)

const strace = (stage, name, argv, options = {}) => {
  const file = path.join(stage.dir, `${name}.trace`)
  execFileSync('strace', ['-f', '-o', file, ...argv], { stdio: ['pipe', 'ignore', 'inherit'], ...options })
  return parseTrace(readFileSync(file, 'utf8'))
}

/** `count` starts of slipway, `cold` or from a `pool`: the calls of all threads and children, from the call of `run` to its end. */
export const tracedStarts = (stage, shape, { count = 1, kind = 'cold' } = {}) => {
  const script = path.join(projectRoot, 'bench/drivers/trace-node.mjs')
  const argv = [process.execPath, script, stage.dir, JSON.stringify(shape), BEGIN, END, String(count), kind]
  const starts = segmentsOf(strace(stage, 'slipway', argv), BEGIN, END)
  if (starts.length !== count)
    throw new Error(`${shape.name}: ${starts.length} starts in the trace, not ${count}`)
  return starts
}

/** The parts of a cold start. Between the marks the launch thread does nothing else; it may wait for the second one in the middle. */
export const partsOf = ({ calls }) => startIn(calls, () => false)

/** The floor's start, likewise in parts. */
export const floorCalls = (stage, argv) => {
  const calls = strace(stage, 'floor', argv, { input: 'g' })
  const request = calls.findIndex(({ text }) => text.startsWith('read(0, "g"'))
  return startIn(calls.slice(request + 1), ({ text }) => text.startsWith('recvmsg('))
}
