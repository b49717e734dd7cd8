// The books that bench/native/lines.c writes on a volume, and the log they promise.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** All bytes, as latin1. */
export const volumeOf = (root, volume) => {
  const file = path.join(root, 'volumes', volume, '_data', 'lines')
  return existsSync(file) ? readFileSync(file, 'latin1') : ''
}

const LINE = /^ *(\S+) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8})$/

/** `{ promises: [{ host, run, number }], damaged }`. What is last may be written at this moment. */
export const bookOf = (text) => {
  const promises = []
  const damaged = []
  for (const line of text.split('\n').slice(0, -1)) {
    const [, host, run, number, sum] = LINE.exec(line) ?? []
    const wanted = (parseInt(run, 16) ^ Math.imul(parseInt(number, 16), 2654435761 | 0)) >>> 0
    if (host === undefined || parseInt(sum, 16) !== wanted) damaged.push(`not a line of the book: ${line}`)
    else promises.push({ host, run, number: parseInt(number, 16) })
  }
  return { promises, damaged }
}

const add = (lists, key, value) => {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

/** Of each run what the log lacks, and whether those are its last lines. */
export const missingLines = (promises, logged) => {
  const there = new Set(logged)
  const runs = new Map()
  for (const { run, number } of promises) add(runs, run, number)
  return [...runs].flatMap(([run, numbers]) => {
    const last = numbers.reduce((most, each) => Math.max(most, each), 0)
    const missing = numbers.filter((number) => !there.has(`${run} ${number.toString(16).padStart(8, '0')}`))
    if (missing.length === 0) return []
    const isTail = missing.length === last - Math.min(...missing) + 1
    const what = `run ${run}: ${missing.length} of ${last} lines are not in its log, from ${Math.min(...missing)} to ${Math.max(...missing)}`
    return [{ what, isTail }]
  })
}
