// The matrix as a page shows it, made of the table alone; a run shows whether the table is true.
import { readFileSync, writeFileSync } from 'node:fs'
import { CASES, EXCEPTIONS, exceptionFor, RUNTIMES } from './table.mjs'

export const PAGE = 'docs/embedding.md'
const [OPEN, CLOSE] = ['<!-- matrix -->', '<!-- /matrix -->']

const row = (cells) => `| ${cells.join(' | ')} |`

const cell = (runtime, name) => {
  const exception = exceptionFor(runtime.id, name)
  return exception === undefined ? 'yes' : `no (${EXCEPTIONS.indexOf(exception) + 1})`
}

export const matrix = () =>
  [
    row(['case', ...RUNTIMES.map(({ title, version }) => `${title} ${version}`)]),
    row(['---', ...RUNTIMES.map(() => '---')]),
    ...CASES.map((name) => row([name, ...RUNTIMES.map((runtime) => cell(runtime, name))])),
    '',
    ...EXCEPTIONS.map(({ tag, why }, index) => `${index + 1}. ${why}; slipway refuses it as \`${tag}\`.`),
  ].join('\n')

/** The page with its block made anew. */
export const withMatrix = (text) => {
  const [from, to] = [text.indexOf(OPEN), text.indexOf(CLOSE)]
  if (from < 0 || to < from) throw new Error(`${PAGE}: no block between ${OPEN} and ${CLOSE}`)
  return `${text.slice(0, from + OPEN.length)}\n${matrix()}\n${text.slice(to)}`
}

export const writePage = () => writeFileSync(PAGE, withMatrix(readFileSync(PAGE, 'utf8')))
