// Results on disk: one JSON file per run, raw samples in nanoseconds, and the tables made from them.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from './build.mjs'
import { readmeTable, renderers } from './render.mjs'

const folder = path.join(projectRoot, 'bench/history')
const page = path.join(projectRoot, 'docs/benchmarks.md')
const readme = path.join(projectRoot, 'README.md')

/** Writes `bench/history/<date>-<commit>.json`, one sample array per line, and returns its path. */
export const writeHistory = (result) => {
  mkdirSync(folder, { recursive: true })
  const { date, commit } = result.environment
  const file = path.join(folder, `${date.slice(0, 16).replaceAll(':', '')}-${commit}.json`)
  const text = JSON.stringify(result, null, 1).replace(
    /\[\s+([\d,\s]+?)\s+\]/g,
    (_, list) => `[${list.replace(/\s+/g, '')}]`,
  )
  writeFileSync(file, `${text}\n`)
  return file
}

/** `text` with `body` between the markers of `name`. Throws where it has no such section. */
export const between = (text, name, body) => {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`]
  const [start, end] = [text.indexOf(open), text.indexOf(close)]
  if (start < 0 || end < start) throw new Error(`the page has no section ${open} … ${close}`)
  return `${text.slice(0, start + open.length)}\n${body}\n${text.slice(end)}`
}

/** Puts the tables of a result between their markers in docs/benchmarks.md and README.md. */
export const renderInto = (result) => {
  const before = readFileSync(page, 'utf8')
  const after = Object.entries(result.trials).reduce(
    (text, [name, samples]) => between(text, name, renderers[name](samples, result.environment)),
    before,
  )
  writeFileSync(page, after)
  const short = readmeTable(result)
  if (short !== undefined) writeFileSync(readme, between(readFileSync(readme, 'utf8'), 'readme', short))
}
