// Fails when a page points at something that is not there: a link, a heading, a file of the project, a line of an excerpt.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const TOP_PAGES = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md']
const PROMISES = path.join('docs', 'promises.md')
const PENDING = 'test pending'

const filesBelow = (root, folder, ending) =>
  existsSync(path.join(root, folder))
    ? readdirSync(path.join(root, folder), { recursive: true })
        .map((name) => path.join(folder, String(name)))
        .filter((name) => ending.test(name))
        .sort()
    : []

const pagesOf = (root) => [
  ...TOP_PAGES.filter((page) => existsSync(path.join(root, page))),
  ...filesBelow(root, 'docs', /\.md$/),
]

const FENCE = /^```([^\n]*)\n([\s\S]*?)^```\s*$/gm
const withoutFences = (text) => text.replace(FENCE, '')
const withoutCode = (text) => withoutFences(text).replace(/`[^`\n]*`/g, '')

/** The name a heading can be linked by, as GitHub makes it. */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-')

const anchorsOf = (text) =>
  [...withoutFences(text).matchAll(/^#+ (.+)$/gm)].map(([, title]) => anchorOf(title))

const targetsOf = (text) => {
  const code = withoutCode(text)
  const inline = [...code.matchAll(/\]\(([^)\s]+)[^)]*\)/g)]
  const named = [...code.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)]
  return [...inline, ...named].map(([, target]) => target)
}

const linkFault = (root, page, target) => {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined
  const [file, anchor] = target.split('#')
  const found = file === '' ? page : path.normalize(path.join(path.dirname(page), file))
  if (found.startsWith('..') || !existsSync(path.join(root, found))) return `${target} does not exist`
  if (anchor === undefined || !found.endsWith('.md')) return undefined
  const anchors = anchorsOf(readFileSync(path.join(root, found), 'utf8'))
  return anchors.includes(anchor) ? undefined : `${target}: no such heading`
}

/** Paths of the project in backquotes; one with a blank, a wildcard or a placeholder in it stands for several. */
const pathsIn = (text) =>
  [...withoutFences(text).matchAll(/`((?:src|native|test|bench|scripts|docs|\.ci)\/[\w./-]*\w\/?)`/g)].map(
    ([, name]) => name,
  )

/** A fenced block whose info string is `text <file>` shows lines of that file, in their order; `…` stands for a gap. */
const excerptFaults = (root, text) =>
  [...text.matchAll(FENCE)].flatMap(([, info, body]) => {
    const file = /^text (\S+)$/.exec(info.trim())?.[1]
    if (file === undefined) return []
    if (!existsSync(path.join(root, file))) return [`an excerpt of ${file}, which does not exist`]
    const rest = readFileSync(path.join(root, file), 'utf8').split('\n')
    const wrong = body.split('\n').find((line) => line !== '' && line !== '…' && !takeUpTo(rest, line))
    return wrong === undefined ? [] : [`not in ${file}, or not in this order: ${wrong}`]
  })

const takeUpTo = (lines, wanted) => {
  const at = lines.indexOf(wanted)
  if (at >= 0) lines.splice(0, at + 1)
  return at >= 0
}

/** Every row of a table in docs/promises.md ends with what enforces it: paths, or the words that there is nothing yet. */
const promiseFaults = (text) => {
  const rows = [...text.matchAll(/^\|(.+)\|\s*$/gm)].map(([, cells]) =>
    cells.split('|').map((cell) => cell.trim()),
  )
  return rows
    .filter((cells, at) => !isRule(cells) && !isRule(rows[at + 1] ?? []))
    .filter((cells) => pathsIn(cells.at(-1)).length === 0 && !cells.at(-1).includes(PENDING))
    .map((cells) => `${cells[0]}: names no test and does not say "${PENDING}"`)
}

const isRule = (cells) => cells.length > 0 && cells.every((cell) => /^:?-+:?$/.test(cell))

const pageFaults = (root, page) => {
  const text = readFileSync(path.join(root, page), 'utf8')
  return [
    ...targetsOf(text).flatMap((target) => linkFault(root, page, target) ?? []),
    ...pathsIn(text)
      .filter((name) => !existsSync(path.join(root, name)))
      .map((name) => `${name} does not exist`),
    ...excerptFaults(root, text),
    ...(page === PROMISES ? promiseFaults(text) : []),
  ].map((fault) => `${page}: ${fault}`)
}

/** Comments send their readers to pages. */
const commentFaults = (root) =>
  [...filesBelow(root, 'src', /\.ts$/), ...filesBelow(root, 'native', /\.(cc|h)$/)].flatMap((file) =>
    [...readFileSync(path.join(root, file), 'utf8').matchAll(/\bdocs\/[\w/-]+\.md\b/g)]
      .map(([page]) => page)
      .filter((page) => !existsSync(path.join(root, page)))
      .map((page) => `${file}: ${page} does not exist`),
  )

/** docs/native.md has a row for every kind of operation src/plan/program.ts knows, and for no other. */
const kindFaults = (root) => {
  const [program, page] = ['src/plan/program.ts', 'docs/native.md'].map((file) => path.join(root, file))
  if (!existsSync(program) || !existsSync(page)) return []
  const [, table = ''] = /^const KIND = \{([\s\S]*?)^\}/m.exec(readFileSync(program, 'utf8')) ?? []
  const kinds = [...table.matchAll(/^\s*(\w+): \d+,/gm)].map(([, kind]) => kind)
  const [, rows = ''] = /^\| kind \| does \|\n([\s\S]*?)\n\n/m.exec(readFileSync(page, 'utf8')) ?? []
  const told = [...rows.matchAll(/^\| `(\w+)` \|/gm)].map(([, kind]) => kind)
  return [
    ...kinds
      .filter((kind) => !told.includes(kind))
      .map((kind) => `docs/native.md: no row for the kind ${kind}`),
    ...told.filter((kind) => !kinds.includes(kind)).map((kind) => `docs/native.md: there is no kind ${kind}`),
  ]
}

/** @returns one line for each thing that is not there, for a project at `root` */
export const docFaults = (root) => [
  ...pagesOf(root).flatMap((page) => pageFaults(root, page)),
  ...commentFaults(root),
  ...kindFaults(root),
]

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = docFaults(process.argv[2] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url))))
  for (const fault of faults) console.error(fault)
  process.exit(faults.length === 0 ? 0 : 1)
}
