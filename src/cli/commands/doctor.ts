// slipway doctor: what this host can give to containers, in plain words.
import * as E from '#fp/Either'
import { type Diagnosis, diagnose, type Finding } from '../../model/doctor.ts'
import { command } from '../command.ts'
import { wrap } from '../help.ts'
import { refuse } from '../report.ts'
import { isUtf8, printable, type Style, styleFor } from '../table.ts'

export const doctor = command({
  name: 'doctor',
  summary: 'Tell which guarantees hold on this host and how to get the others',
  usage: '[OPTIONS]',
  flags: { json: { kind: 'boolean', help: 'Give the findings as JSON' } },
  run: async ({ args, stdout, stderr, env, engine }) => {
    const facts = await (await engine()).facts()()
    if (E.isLeft(facts)) return refuse({ stderr }, facts.left)
    const diagnosis = diagnose(facts.right)
    if (args.flags.json) stdout.write(`${JSON.stringify(diagnosis, null, 2)}\n`)
    else
      stdout.write(
        diagnosisText(diagnosis, {
          style: styleFor(stdout, env),
          utf8: isUtf8(env),
          columns: stdout.columns(),
        }),
      )
    return diagnosis.canRun ? 0 : 1
  },
})

interface Looks {
  readonly style: Style
  readonly utf8: boolean
  readonly columns: number
}

const MARKS = {
  ok: { utf8: '✓', ascii: 'ok' },
  limited: { utf8: '!', ascii: '!!' },
  missing: { utf8: '✗', ascii: 'NO' },
} as const

const TITLE_COLUMNS = 20
const TEXT_LIMIT = 100

/** One block per finding: mark, title, fact; below it what it means and what to do. */
export const diagnosisText = ({ findings, canRun }: Diagnosis, looks: Looks): string => {
  const lines = findings.flatMap((finding) => findingLines(finding, looks))
  return `${[...lines, '', verdict(findings, canRun, looks.style)].join('\n')}\n`
}

const findingLines = (finding: Finding, { style, utf8, columns }: Looks): readonly string[] => {
  const colour = { ok: style.green, limited: style.yellow, missing: style.red }[finding.state]
  const mark = MARKS[finding.state][utf8 ? 'utf8' : 'ascii']
  const left = utf8 ? 4 : 5
  const indent = ' '.repeat(left + TITLE_COLUMNS)
  const width = Math.max(30, Math.min(TEXT_LIMIT, columns - indent.length))
  const text = (words: string) => wrap(words, width)
  const [first = '', ...more] = text(printable(finding.fact))
  return [
    `  ${colour(mark)}${' '.repeat(left - 2 - mark.length)}${style.bold(finding.title.padEnd(TITLE_COLUMNS))}${first}`,
    ...more.map((line) => indent + line),
    ...text(finding.meaning).map((line) => indent + style.dim(line)),
    ...text(remedyText(finding)).map((line) => indent + colour(line)),
    ...(finding.command === undefined ? [] : [`${indent}  ${finding.command}`]),
  ].filter((line) => line.trim() !== '')
}

/** A command stands on a line of its own, unbroken, so that it can be copied. */
const remedyText = ({ remedy, command }: Finding): string => {
  if (remedy === undefined) return ''
  return `to change that, ${remedy}${command === undefined ? '' : ':'}`
}

const things = (count: number): string =>
  count === 1 ? 'a necessary thing is' : `${count} necessary things are`

const verdict = (findings: readonly Finding[], canRun: boolean, style: Style): string => {
  const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length
  if (!canRun) return style.red(`Containers cannot run here: ${things(count('missing'))} missing.`)
  const limited = count('limited')
  return limited === 0
    ? style.green('Containers run here with every guarantee.')
    : `Containers run here; ${limited === 1 ? 'one guarantee is' : `${limited} guarantees are`} limited.`
}
