// `node bench/check-floor.mjs [shape...]`: the floor makes exactly the system calls slipway's own start makes. Uses strace.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { buildTools, projectRoot } from './build.mjs'
import { makeFloor } from './drivers/floor.mjs'
import { differences, nameOf, normalised, parseTrace, startIn } from './floor/trace.mjs'
import { shapeNamed, shapes } from './shapes.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'

const [BEGIN, END] = ['/bench-trace-begin', '/bench-trace-end']

/** What a thread of a C++ runtime does between two jobs: no part of a start, and what slipway adds to its floor. */
const RUNTIME = new Set(['futex', 'mmap', 'munmap', 'mprotect', 'madvise', 'brk', 'sched_yield', 'getpid'])
const isWake = ({ text }) => /^write\(\d+, "\\1\\0\\0\\0\\0\\0\\0\\0", 8/.test(text)
/**
 * The page in which a start tells how far it has come, so that one that is killed names its step: a descriptor that survives
 * the helper's exec, two words of its arguments, and a mapping. It is what slipway adds to its floor.
 */
const withoutProgress = (child) => {
  const kept = child.findIndex(({ text }) => /^fcntl\(\d+, F_SETFD, 0\)/.test(text))
  return child
    .filter((call, index) => index !== kept && nameOf(call) !== 'mmap')
    .map((call) => ({
      ...call,
      text: call.text.replace(/(\["slipway-init", "\d+"), "\d+", "\d+"\]/, '$1]'),
    }))
}
const isStart = (call) => !RUNTIME.has(nameOf(call)) && !isWake(call)

const strace = (stage, name, argv, options = {}) => {
  const file = path.join(stage.dir, `${name}.trace`)
  execFileSync('strace', ['-f', '-o', file, ...argv], { stdio: ['pipe', 'ignore', 'inherit'], ...options })
  return readFileSync(file, 'utf8')
}

const slipwayCalls = (stage, shape) => {
  const script = path.join(projectRoot, 'bench/drivers/trace-node.mjs')
  const calls = parseTrace(
    strace(stage, 'slipway', [process.execPath, script, stage.dir, JSON.stringify(shape), BEGIN, END]),
  )
  const marked = (mark) => calls.findIndex(({ text }) => text.startsWith(`access("${mark}"`))
  // Between the marks the launch thread does nothing else; it may wait for the second one in the middle.
  return startIn(calls.slice(marked(BEGIN) + 1, marked(END)), () => false)
}

const floorCalls = (stage, argv) => {
  const calls = parseTrace(strace(stage, 'floor', argv, { input: 'g' }))
  const request = calls.findIndex(({ text }) => text.startsWith('read(0, "g"'))
  return startIn(calls.slice(request + 1), ({ text }) => text.startsWith('recvmsg('))
}

const compare = (title, slipway, floor) => {
  const rows = differences(slipway.map(normalised), floor.map(normalised))
  console.log(`  ${title}: slipway ${slipway.length} calls, floor ${floor.length}, ${rows.length} differ`)
  for (const { call, left, right } of rows)
    console.log(`    slipway ${left} × floor ${right} × ${call.slice(0, 160)}`)
  return rows.length
}

const checkShape = (stage, shape) => {
  const floor = floorCalls(stage, makeFloor(stage, shape))
  const slipway = slipwayCalls(stage, shape)
  console.log(`${shape.name}`)
  return (
    compare('engine', slipway.engine.filter(isStart), floor.engine.filter(isStart)) +
    compare('second thread', slipway.beside.filter(isStart), floor.beside.filter(isStart)) +
    compare('child', withoutProgress(slipway.child), floor.child)
  )
}

enterPrivateMounts()
const names = process.argv.slice(2)
const wanted = names.length > 0 ? names.map(shapeNamed) : shapes.filter(({ mount }) => mount)
const stage = makeStage(buildTools())
let wrong = 0
try {
  for (const shape of wanted) wrong += checkShape(stage, shape)
} finally {
  stage.dispose()
}
console.log(wrong === 0 ? 'the floor makes the same system calls' : `${wrong} kinds of call differ`)
process.exit(wrong === 0 ? 0 : 1)
