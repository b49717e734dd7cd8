// Fails when an error tag or a step of a plan has no row in docs/errors.md, or a row names something that is gone.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const STEPS = path.join('src', 'plan', 'steps.ts')

const tagsOf = (source) => [...source.matchAll(/^\s*readonly _tag: '(\w+)'/gm)].map(([, tag]) => tag)

/** The first cell of each row below the heading `## title`, without its backquotes. */
const rowsOf = (page, title) => {
  const [, text = ''] = page.split(new RegExp(`^## ${title}\\s*$`, 'm'))
  return [...text.split(/^## /m)[0].matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
}

/** Every name in src/plan/steps.ts is a string of its own, first on its line: `'pivot_root',` or `'pivot_root': …`. */
const stepsOf = (source) => [...source.matchAll(/^\s*(?:\| )?'([^']+)'/gm)].map(([, step]) => step)

const compare = (title, wanted, rows) => [
  ...[...new Set(wanted)]
    .filter((name) => !rows.includes(name))
    .map((name) => `docs/errors.md: ${title}: no row for ${name}`),
  ...rows
    .filter((name) => !wanted.includes(name))
    .map((name) => `docs/errors.md: ${title}: ${name} does not exist`),
  ...rows
    .filter((name, at) => rows.indexOf(name) !== at)
    .map((name) => `docs/errors.md: ${title}: two rows for ${name}`),
]

/** @returns one line per missing, stale or doubled row, for a project at `root` */
export const errorFaults = (root) => {
  const read = (...parts) => readFileSync(path.join(root, ...parts), 'utf8')
  const page = read('docs', 'errors.md')
  const steps = existsSync(path.join(root, STEPS)) ? stepsOf(read(STEPS)) : []
  return [
    ...compare('Tags', tagsOf(read('src', 'model', 'errors.ts')), rowsOf(page, 'Tags')),
    ...compare('Steps', steps, rowsOf(page, 'Steps')),
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = errorFaults(process.argv[2] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url))))
  for (const fault of faults) console.error(fault)
  process.exit(faults.length === 0 ? 0 : 1)
}
