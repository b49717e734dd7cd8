// The bars slipway is built against, as ratios of medians within one interleaved run.
import { summary } from './statistics.mjs'

const median = (samples, name, side = 'outside') => {
  const values = samples[name]?.[side] ?? []
  return values.length > 0 ? summary(values).p50 : undefined
}

const bar = (what, value, base, sense, limit) =>
  value === undefined || base === undefined ? [] : [{ what, value: value / base, sense, limit }]

/** In-process, a start ends when its caller's promise resolves; the way into Node and back is told beside it. */
const launchCold = (samples) => {
  const seen = median(samples, 'all|slipway', 'inside')
  const outside = median(samples, 'all|slipway')
  const command = (name, limit) => {
    const base = median(samples, `all|${name}`)
    const note = `from outside ${(outside / base).toFixed(2)}`
    return bar(`slipway ÷ ${name} (${note})`, seen, base, 'at most', limit)
  }
  return [
    ...bar(
      'slipway ÷ floor, both as the caller sees it',
      seen,
      median(samples, 'all|floor', 'inside'),
      'at most',
      1.15,
    ),
    ...command('crun run', 0.35),
    ...command('bwrap --unshare-all', 0.9),
  ]
}

const residentSize = (samples) => {
  const time = (size, driver) => median(samples, `${size}|${driver}|time`, 'inside')
  return [
    ...bar('slipway at 1000 MiB ÷ at 40 MiB', time(1000, 'slipway'), time(40, 'slipway'), 'at most', 1.15),
    ...bar(
      'child_process.spawn ÷ slipway at 500 MiB',
      time(500, 'child_process.spawn'),
      time(500, 'slipway'),
      'at least',
      5,
    ),
  ]
}

const commandLine = (samples) => {
  const run = median(samples, 'slipway run --rm host true')
  return [
    ...bar('slipway run ÷ node -e 0', run, median(samples, 'node -e 0'), 'at most', 2.5),
    ...bar('slipway run ÷ podman run', run, median(samples, 'podman run'), 'at most', 0.6),
  ]
}

const MS = 1e6

const pool = (samples) => {
  const inside = (name, p = 'p50') => {
    const values = samples[name]?.inside ?? []
    return values.length > 0 ? summary(values)[p] : undefined
  }
  const floor = 'pool, the floor'
  const exit = 'pool: call → exit'
  return [
    ...bar('pool: call → executed, ms', inside('pool: call → executed'), MS, 'at most', 0.25),
    ...bar('pool: call → exit, ms', inside(exit), MS, 'at most', 0.4),
    ...bar('pool: call → exit ÷ its floor', inside(exit), inside(floor), 'at most', 2),
    ...bar('the same, p99', inside(exit, 'p99'), inside(floor, 'p99'), 'at most', 3),
    ...bar(
      'child_process.spawn ÷ pool, call → exit',
      inside('child_process.spawn'),
      inside('pool: call → exit'),
      'at least',
      2,
    ),
    ...bar(
      'the same at 500 MiB',
      inside('child_process.spawn at 500 MiB'),
      inside('pool at 500 MiB: call → exit'),
      'at least',
      20,
    ),
  ]
}

const throughput = (samples) => {
  const side = (lanes) => [
    `slipway ÷ crun run, containers a second, ${lanes} at a time`,
    median(samples, `crun run, ${lanes} at a time`),
    median(samples, `slipway, ${lanes} at a time`),
  ]
  const single = median(samples, 'one call → exit', 'inside')
  return [
    ...bar(...side(1), 'at least', 3.5),
    ...bar(...side(8), 'at least', 2.5),
    ...bar(
      '64 at once: until the last has ended ÷ 64 single ones',
      median(samples, '64 at once', 'inside'),
      64 * single,
      'at most',
      0.8,
    ),
  ]
}

const oci = (samples) => {
  const [exec, cycle] = ['exec in this process', 'create, start and delete in this process'].map((name) =>
    median(samples, name, 'inside'),
  )
  const command = (name) => median(samples, name)
  return [
    ...bar('exec in this process ÷ crun exec', exec, command('crun exec'), 'at most', 0.3),
    ...bar('the same ÷ nsenter', exec, command('nsenter --all'), 'at most', 1),
    ...bar('create, start and delete in this process ÷ crun run', cycle, command('crun run'), 'at most', 0.5),
    ...bar('slipway-oci run ÷ runc run', command('slipway-oci run'), command('runc run'), 'at most', 1.2),
  ]
}

const MB = 1e6

const pull = (samples) => {
  const at = (what, engine) => median(samples, `${what}|${engine}`)
  const images = [...new Set(Object.keys(samples).map((key) => key.split('|')[0]))]
  const against = (what, text, engine, limit, its = engine) =>
    bar(`${what}: slipway ${text} ÷ ${its}`, at(what, 'slipway'), at(what, engine), 'at most', limit)
  const whole = images
    .filter((what) => at(what, 'gzip and tar') !== undefined)
    .flatMap((what) => [
      ...against(what, 'pull', 'docker pull', 0.25),
      ...against(what, 'pull', 'podman pull', 0.45),
      ...against(what, 'pull', 'ctr images pull', 0.5),
      ...against(what, 'pull', 'gzip and tar', what.includes('24') ? 0.8 : 1.2),
    ])
  // What a command takes to start says nothing of the pull.
  const work = (what, engine) => at(what, engine) - at('only the process', engine)
  const again = images
    .filter((what) => what.endsWith(', again'))
    .flatMap((what) =>
      ['docker pull', 'podman pull', 'ctr images pull']
        .filter((engine) => at(what, engine) !== undefined)
        .flatMap((engine) =>
          bar(
            `${what}: slipway in this process ÷ ${engine} without the start of its process`,
            median(samples, `${what} in this process|slipway`, 'inside'),
            work(what, engine),
            'at most',
            0.5,
          ),
        ),
    )
  const pushed = images
    .filter((what) => what.endsWith(', pushed'))
    .flatMap((what) => against(what, 'push', 'podman pull', 0.4, 'podman push'))
  const start = (layers) => median(samples, `a start, debian, ${layers}|slipway`, 'inside')
  return [
    ...whole,
    ...again,
    ...pushed,
    ...bar('a start from 40 layers ÷ from 1 layer', start('40 layers'), start('1 layer'), 'at most', 1.1),
    ...bar(
      'peak of memory, a layer of 2 GiB, MB',
      at('peak of memory, a layer of 2 GiB', 'slipway'),
      MB,
      'at most',
      150,
    ),
  ]
}

const TRIALS = {
  'launch-cold': launchCold,
  pool,
  'resident-size': residentSize,
  throughput,
  'command-line': commandLine,
  oci,
  pull,
}

/** `[{ what, value, sense: 'at most' | 'at least', limit }]` of a trial's samples; a bar without its samples is left out. */
export const barsOf = (trial, samples) => TRIALS[trial]?.(samples) ?? []
