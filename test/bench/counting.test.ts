// @ts-expect-error: plain JavaScript, run as it is by the benchmarks
import * as counting from '../../bench/counting.mjs'
// @ts-expect-error: the same
import { parseTrace, segmentsOf } from '../../bench/floor/trace.mjs'
// @ts-expect-error: the same
import { readCallgrind, shortName } from '../../bench/instructions.mjs'
import { Program, SlotSpace } from '../../src/plan/program.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/counting')
const { changedTexts, changesBetween, countCold, countFired, countPrograms, flattened, leastOf } = counting

interface Call {
  readonly tid: string
  readonly text: string
}
interface Start {
  readonly marker: string
  readonly calls: readonly Call[]
}

const startsIn = (trace: string): Start[] => segmentsOf(parseTrace(trace), '/begin', '/end')
const only = (trace: string): Start => {
  const [start, ...more] = startsIn(trace)
  if (start === undefined || more.length > 0) throw new Error('not one start')
  return start
}

const BEGIN = '1 access("/begin", F_OK) = -1 ENOENT (No such file or directory)\n'
const END = '1 access("/end", F_OK) = -1 ENOENT (No such file or directory)\n'

const COLD = `1 openat(1, "before", 0) = 3
${BEGIN}1 futex(0x1, FUTEX_WAKE) = 1
2 mkdirat(5, "a", 0755) = 0
1 epoll_pwait(13,  <unfinished ...>
2 clone3({flags=CLONE_VM|CLONE_VFORK} <unfinished ...>
4 openat2(3, "x", {}, 24) = -1 EAGAIN (Resource temporarily unavailable)
4 openat2(3, "x", {}, 24) = 4
4 execve("/true", ["/true"], 0x7f00) = 0
2 <... clone3 resumed>, 88) = 4
3 fsopen("overlay", 1) = 7
3 futex(0x1, FUTEX_WAIT) = 0
2 write(22, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8
1 <... epoll_pwait resumed>[], 1024, 0, NULL, 8) = 1
1 read(22, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8
1 recvmsg(30, {}, 0) = -1 EAGAIN (Resource temporarily unavailable)
1 waitid(P_PIDFD, 36, {}, 0) = 0
4 exit_group(0) = ?
${END}1 openat(1, "after", 0) = 3
`

test('a cold start is counted by thread, without what only waits or is made again', () => {
  assert.equal(countCold(only(COLD)), {
    'launch thread': { clone3: 1, mkdirat: 1 },
    'second thread': { fsopen: 1 },
    child: { execve: 1, openat2: 1 },
    'Node thread': {},
    wakes: { 'of the Node thread': 1 },
  })
})

test('a start from a pool is what the fired sandbox does up to its program', () => {
  const trace = `${BEGIN}1 sendmsg(9, {}, 0) = 10
7 <... recvmsg resumed>, 0) = 20
7 read(3, "", 10) = 10
8 setsid() = 8
7 execve("/true", ["/true"], 0x7f00) = 0
1 close(9) = 0
7 exit_group(0) = ?
${END}`
  assert.equal(countFired(only(trace)), {
    child: { execve: 1, read: 1 },
    'Node thread until then': { sendmsg: 1 },
  })
  assert.throws(() => countFired(only(`${BEGIN}1 close(9) = 0\n${END}`)), /no fired sandbox/)
})

test('every stretch between two marks is a start; a mark that is not answered is none', () => {
  assert.is(startsIn(COLD + COLD + BEGIN).length, 2)
})

test('of several starts the least is kept, and what one of them did without is not needed', () => {
  const starts = [
    { child: { openat: 2, read: 5 }, wakes: {} },
    { child: { openat: 3, write: 1, read: 4 }, wakes: { all: 1 } },
  ]
  assert.equal(leastOf(starts), { child: { openat: 2, read: 4 }, wakes: {} })
})

test('a change is told by shape, part and call, in both directions', () => {
  const recorded = { child: { openat: 2, read: 1 }, engine: { write: 1 } }
  const now = { child: { openat: 3 }, engine: { write: 1, close: 2 } }
  assert.equal(changesBetween(recorded, now), [
    { name: 'child: openat', recorded: 2, now: 3 },
    { name: 'child: read', recorded: 1, now: 0 },
    { name: 'engine: close', recorded: 0, now: 2 },
  ])
  assert.equal(changesBetween(now, now), [])
  assert.equal(changesBetween(undefined, { child: { read: 1 } }), [
    { name: 'child: read', recorded: 0, now: 1 },
  ])
})

test('a tolerance is a part of what was recorded', () => {
  const change = (now: number): unknown[] => changesBetween({ total: 1000 }, { total: now }, 0.02)
  assert.equal([980, 1000, 1020].flatMap(change), [])
  assert.is([979, 1021].flatMap(change).length, 2)
})

test('a place is described by texts, and told apart by them', () => {
  const place = flattened({
    kernel: [6, 18],
    cgroup: { mode: 'v2', controllers: [{ name: 'cpu', version: 2 }] },
    ipv6: true,
  })
  assert.equal(place, { kernel: '6 18', 'cgroup.mode': 'v2', 'cgroup.controllers': 'cpu', ipv6: 'true' })
  assert.equal(changedTexts(place, { ...place, ipv6: 'false', more: 'x' }), [
    { name: 'ipv6', before: 'true', now: 'false' },
    { name: 'more', before: undefined, now: 'x' },
  ])
})

test('programs are counted in operations, and in bytes where nothing of the host is in them', () => {
  const made = new Program('x64', new SlotSpace())
  made.call('umask', 'umask', [0o22])
  const plan = Buffer.from(made.encode())
  const recording = {
    script: { prepare: plan.toString('base64'), stages: [{ plan: plan.toString('base64') }] },
  }
  assert.equal(countPrograms(recording, { net: true }), {
    operations: { prepare: 1, 'stage 0': 1 },
    bytes: { prepare: plan.length, 'stage 0': plan.length },
  })
  assert.equal(countPrograms(recording, {}), { operations: { prepare: 1, 'stage 0': 1 } })
})

const CALLGRIND = `version: 1
ob=(1) /build/counted-helper
fl=(1) main.cc
fn=(1) slipway::init::run(int)
12 100
cfn=(2) slipway::launch::decode(char*)
calls=3 40
12 5000
+1 20
ob=(2) /lib/libc.so.6
fn=(3) memcpy
0 700
ob=(1)
fn=(2)
40 5000
cob=(2)
cfn=(3)
calls=1 0
40 700
fn=(1)
-3 7
`

test('instructions are those of the program itself, each function without what it calls', () => {
  assert.equal(readCallgrind(CALLGRIND, 'counted-helper'), {
    'slipway::init::run(int)': 127,
    'slipway::launch::decode(char*)': 5000,
  })
})

test('a function is called by its own name', () => {
  const names = [
    'slipway::launch::Outcome slipway::launch::execute<slipway::launch::(anonymous namespace)::EngineSpecial>(slipway::launch::Plan const&, slipway::launch::Machine&) [clone .isra.0]',
    'slipway::launch::PlanBytes::assign(std::vector<unsigned char, std::allocator<unsigned char> > const&)',
    'slipway::launch::PlanBytes::uses_only(bool (*)(unsigned int)) const',
    'memset',
  ]
  assert.equal(names.map(shortName), [
    'launch::execute',
    'launch::PlanBytes::assign',
    'launch::PlanBytes::uses_only',
    'memset',
  ])
})

test.run()
