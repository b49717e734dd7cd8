// What a launch is made of, as numbers that do not depend on the machine's mood: read from traces and recordings, compared.
import { isStart, isWake, partsOf } from './floor/calls.mjs'
import { decodePlan } from './floor/decode.mjs'
import { nameOf } from './floor/trace.mjs'

/** A call that is only made again: the kernel gave up because something else on the machine was in its way. */
const isRepeated = ({ text }) => /= (-1 (EAGAIN|EINTR)\b|\? ERESTART)/.test(text)

/** How often the loop wakes up, and looks what woke it, depends on who is faster. */
const WAITING = new Set(['epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'epoll_ctl', 'recvmsg', 'waitid'])
const isWaiting = (call) =>
  WAITING.has(nameOf(call)) || /^read\(\d+, "\\\d+\\0\\0\\0\\0\\0\\0\\0", /.test(call.text)

const tally = (names) => {
  const counts = {}
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
const countsOf = (calls) => tally(calls.filter((call) => !isRepeated(call)).map(nameOf))

/** Of the thread that runs JavaScript. */
const countsOfNode = ({ marker, calls }) =>
  countsOf(calls.filter((call) => call.tid === marker && isStart(call) && !isWaiting(call)))

/** The calls of one cold start, counted by part and name. */
export const countCold = (start) => {
  const { engine, beside, child } = partsOf(start)
  return {
    'launch thread': countsOf(engine.filter(isStart)),
    'second thread': countsOf(beside.filter(isStart)),
    child: countsOf(child),
    'Node thread': countsOfNode(start),
    wakes: { 'of the Node thread': engine.filter(isWake).length },
  }
}

/** The calls of one start from a pool: the sandbox that executes something meanwhile is the one that was fired. */
export const countFired = (start) => {
  const fired = start.calls.find((call) => nameOf(call) === 'execve')?.tid
  if (fired === undefined) throw new Error('the trace has no fired sandbox')
  const own = start.calls.filter(({ tid }) => tid === fired)
  const executed = start.calls.findIndex((call) => nameOf(call) === 'execve')
  return {
    child: countsOf(own.slice(0, own.findIndex((call) => nameOf(call) === 'execve') + 1)),
    'Node thread until then': countsOfNode({ ...start, calls: start.calls.slice(0, executed) }),
  }
}

/** `[{ part: { name: number } }]` -> the smallest of each number: what any of them did without is not needed. */
export const leastOf = (all) =>
  Object.fromEntries(
    Object.keys(all[0]).map((part) => {
      const names = Object.keys(all[0][part])
      const least = names.map((name) => [name, Math.min(...all.map((one) => one[part][name] ?? 0))])
      return [part, Object.fromEntries(least.filter(([, count]) => count > 0))]
    }),
  )

const programsOf = ({ prepare, inChild, after, layers, network, stages }) =>
  Object.entries({
    prepare,
    'in child': inChild,
    after,
    layers,
    network,
    ...Object.fromEntries(stages.map(({ plan }, index) => [`stage ${index}`, plan])),
  }).flatMap(([name, base64]) => (base64 ? [[name, Buffer.from(base64, 'base64')]] : []))

/**
 * Of a recorded start. What a program holds in bytes is told where nothing of this machine's is in it: with the host's network
 * a container gets the host's own resolv.conf.
 */
export const countPrograms = ({ script }, shape) => {
  const programs = programsOf(script)
  const each = (number) => Object.fromEntries(programs.map(([name, bytes]) => [name, number(bytes)]))
  return {
    operations: each((bytes) => decodePlan(bytes).ops.length),
    ...(shape.net && { bytes: each((bytes) => bytes.length) }),
  }
}

/** Every number of two trees that is not the same, or not within `tolerance` of it: `[{ name, recorded, now }]`. */
export const changesBetween = (recorded, now, tolerance = 0, name = []) => {
  if (typeof (recorded ?? now) !== 'number') {
    const keys = new Set([...Object.keys(recorded ?? {}), ...Object.keys(now ?? {})])
    return [...keys].flatMap((key) => changesBetween(recorded?.[key], now?.[key], tolerance, [...name, key]))
  }
  const [before, after] = [recorded ?? 0, now ?? 0]
  return Math.abs(after - before) > tolerance * before
    ? [{ name: name.join(': '), recorded: before, now: after }]
    : []
}

/** Every text of two lists that is not the same: `[{ name, before, now }]`. */
export const changedTexts = (recorded, here) =>
  Object.keys({ ...recorded, ...here })
    .filter((name) => recorded[name] !== here[name])
    .map((name) => ({ name, before: recorded[name], now: here[name] }))

/** `{ a: { b: [1, 2] } }` -> `{ 'a.b': '1 2' }`; of a list of objects, their first values. */
export const flattened = (value, name = '') => {
  if (Array.isArray(value)) {
    const words = value.map((one) => (typeof one === 'object' ? Object.values(one)[0] : one))
    return { [name]: words.join(' ') }
  }
  if (typeof value !== 'object') return { [name]: String(value) }
  const below = Object.entries(value).map(([key, one]) =>
    flattened(one, name === '' ? key : `${name}.${key}`),
  )
  return Object.assign({}, ...below)
}
