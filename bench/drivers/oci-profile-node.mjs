// Lives of OCI containers with a clock at each step: the addon's own events are read on their way to the library. Arguments: directory
// of the state, bundle, how many lives, how many operations to name.
import { readFileSync } from 'node:fs'
import { decodePlan } from '../floor/decode.mjs'
import { percentile } from '../statistics.mjs'

const WARM_UP_LIVES = 300
const SILENT = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' }
const [root, bundle, lives, top] = process.argv.slice(2)

const now = () => Number(process.hrtime.bigint())
const words = (text, indices) => {
  const bytes = Buffer.from(text, 'latin1')
  return indices.map((index) => Number(bytes.readBigUInt64LE(8 * index)))
}

/** Moments of the life under way, in nanoseconds of one clock, and stamps of its operations. */
let life
const at = (name, time = now()) => {
  life.moments[name] ??= time
}

const ENGINE_HEAD = 12
const onCloned = (text) => {
  const [queued, begun, prepared, cloned, done, from, to, , , prepare, after] = words(
    text,
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  for (const [name, time] of Object.entries({ queued, begun, prepared, cloned, done })) at(name, time)
  const stamps = stampsIn(text, ENGINE_HEAD * 8 + 4 * prepare).slice(0, after)
  life.stamps.push({
    program: 'after',
    stamps,
    us: (done - begun) / (to - from) / 1e3,
    since: cloned - begun,
  })
}
const onTimings = (text) => {
  const [start, end, from, to] = words(text, [0, 1, 2, 3])
  const stage = Buffer.from(text, 'latin1').readUInt32LE(32)
  at(`stage ${stage} begun`, start)
  at(`stage ${stage} done`, end)
  life.stamps.push({
    program: `stage ${stage}`,
    stamps: stampsIn(text, 48),
    us: (end - start) / (to - from) / 1e3,
  })
}
const stampsIn = (text, from) => {
  const bytes = Buffer.from(text, 'latin1').subarray(from)
  return Array.from({ length: bytes.length >> 2 }, (_, index) => bytes.readUInt32LE(4 * index))
}

const programs = new WeakMap()
/** The addon with its launches listened to. */
const listenTo = (addon) => {
  addon.Script = new Proxy(addon.Script, {
    construct(target, [script]) {
      const made = Reflect.construct(target, [script])
      const stages = script.stages.map(({ plan }, index) => [`stage ${index}`, plan])
      programs.set(made, Object.fromEntries([['after', script.after], ...stages]))
      return made
    },
  })
  addon.Launch = new Proxy(addon.Launch, {
    construct(target, [script, slots, own, tell, ...rest]) {
      life.programs = programs.get(script)
      at('launch asked for')
      const hear = (...event) => {
        if (event[0] === 'cloned') onCloned(event[2])
        else if (event[0] === 'timings') onTimings(event[2])
        at(`${event[0]} heard`)
        tell(...event)
      }
      const made = Reflect.construct(target, [script, slots, own, hear, ...rest])
      at('launch posted')
      return made
    },
  })
}
const { dlopen } = process
process.dlopen = (module, ...rest) => {
  dlopen(module, ...rest)
  if (module.exports.Launch) listenTo(module.exports)
}

const { openRuntime } = await import('../../dist/runtime.js')
const runtime = openRuntime({ root, onWarning: (text) => console.error(text) })

const live = async () => {
  life = { moments: {}, stamps: [] }
  at('create called')
  const { exit } = await runtime.create('profile', bundle, SILENT)
  at('create answered')
  await runtime.start('profile')
  at('start answered')
  if ((await exit) !== 0) throw new Error('the payload failed')
  at('exit told')
  await runtime.delete('profile')
  at('delete answered')
  return life
}

const cold = []
for (let run = 0; run < WARM_UP_LIVES; run++) cold.push(await live())
const [first] = cold
const before = process.cpuUsage()
const all = []
for (let run = 0; run < Number(lives); run++) all.push(await live())
const used = process.cpuUsage(before)

const quantile = (values, fraction = 0.5) => {
  const sorted = values.toSorted((a, b) => a - b)
  return percentile(sorted, fraction)
}
const shown = (ns) => (ns / 1e3).toFixed(0).padStart(6)
const us = (values, fraction) => shown(quantile(values, fraction))
const span = (from, to) => all.map(({ moments }) => moments[to] - moments[from])

const names = Object.keys(first.moments).filter((name) => all.every(({ moments }) => name in moments))
const times = names
  .map((name) => [name, span('create called', name)])
  .sort(([, a], [, b]) => Number(us(a, 0.1)) - Number(us(b, 0.1)))
console.log('µs since the call and since the moment before: p10, p50')
times.forEach(([name, values], index) => {
  const between = span(times[Math.max(index - 1, 0)][0], name)
  console.log(us(values, 0.1), us(values), us(between, 0.1), us(between), name)
})
const wholeOf = ({ moments }) => moments['delete answered'] - moments['create called']
const warming = [0, 1, 3, 10, 30, 100, 200].map((from, index, edges) => {
  const lives = cold.slice(from, edges[index + 1] ?? WARM_UP_LIVES)
  return `${us(lives.map(wholeOf)).trim()} from life ${from + 1} on`
})
console.log(`cold, µs at p50: ${warming.join(', ')}`)
const cpu = (part) => (used[part] / Number(lives)).toFixed(0)
console.log(`of this process a life: ${cpu('user')} µs user, ${cpu('system')} µs system`)

/** Names of system calls by number, as the C library's header has them. */
const callNames = () => {
  try {
    const text = readFileSync('/usr/include/x86_64-linux-gnu/asm/unistd_64.h', 'utf8')
    return new Map([...text.matchAll(/__NR_(\w+) (\d+)/g)].map(([, name, number]) => [Number(number), name]))
  } catch {
    return new Map()
  }
}
const calls = callNames()
const told = new Map()
for (const { stamps, programs: plans } of all)
  for (const { program, stamps: ticks, us: scale, since = 0 } of stamps) {
    let last = since === 0 ? 0 : since / 1e3 / scale
    ticks.forEach((tick, index) => {
      if (tick === 0) return
      const key = `${program} ${index}`
      const entry = told.get(key) ?? { program, index, plan: plans[program], took: [] }
      entry.took.push((tick - last) * scale * 1e3)
      told.set(key, entry)
      last = tick
    })
  }
const operations = [...told.values()].map((entry) => ({ ...entry, p50: quantile(entry.took) }))
console.log(`\nµs at p50 of the ${top} longest operations`)
for (const { program, index, plan, p50 } of operations.sort((a, b) => b.p50 - a.p50).slice(0, Number(top))) {
  const op = decodePlan(Buffer.from(plan.buffer, plan.byteOffset, plan.byteLength)).ops[index]
  const what = op.kind === 'syscall' ? (calls.get(op.nr) ?? op.nr) : op.kind
  console.log(shown(p50), `${program}, operation ${index}: ${what}`)
}
process.exit(0)
