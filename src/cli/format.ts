// What --format takes: `json`, a Go template, or `table` and one.
import * as E from '#fp/Either'
import type { UsageError } from './args.ts'
import { alignColumns, NARROWEST_COLUMN, printable } from './table.ts'
import { compileTemplate } from './template/evaluate.ts'
import { TemplateFailure } from './template/failure.ts'

/** What a template is applied to. Fields of fields are reached by `.A.B`. */
export type FormatRecord = Readonly<Record<string, unknown>>

/** A template that was understood. Rendering fails only for what the record does not have. */
export interface Format {
  /** `table TEMPLATE`: with a header line and aligned columns. */
  readonly isTable: boolean
  /** `isHeader`: the record holds the names of the columns. */
  readonly render: (record: unknown, isHeader?: boolean) => E.Either<UsageError, string>
}

const usage = (message: string): UsageError => ({ _tag: 'UsageError', message: `--format: ${message}` })

const attempt = <A>(body: () => A): E.Either<UsageError, A> => {
  try {
    return E.right(body())
  } catch (error) {
    if (error instanceof TemplateFailure) return E.left(usage(error.message))
    throw error
  }
}

/** A template as it stands: what `inspect` takes. */
export const compileInspect = (text: string): E.Either<UsageError, Format> =>
  attempt(() => {
    const render = compileTemplate(text)
    return { isTable: false, render: (record, isHeader) => attempt(() => render(record, isHeader)) }
  })

/** `json` alone is `{{json .}}`; `\t` and `\n` need no quotation marks, as in Docker. */
export const compileFormat = (text: string): E.Either<UsageError, Format> => {
  const isTable = /^table(\s|$)/.test(text)
  const template = isTable ? text.slice(5).trim() : text === 'json' ? '{{json .}}' : text
  const compiled = compileInspect(template.replaceAll('\\t', '\t').replaceAll('\\n', '\n'))
  return E.isLeft(compiled) ? compiled : E.right({ ...compiled.right, isTable })
}

/**
 * All records through one template, one per line. With `table`, the header is the template applied to the names of
 * the columns. Foreign text is made printable, except where the template asks for JSON.
 */
export const formatRecords = (
  text: string,
  records: readonly FormatRecord[],
  headers: FormatRecord,
  withHeading = true,
): E.Either<UsageError, string> => {
  const format = compileFormat(text)
  if (E.isLeft(format)) return format
  const lines: string[] = []
  const heading = format.right.isTable && withHeading ? [headers] : []
  for (const record of [...heading, ...records]) {
    const line = format.right.render(record, record === headers)
    if (E.isLeft(line)) return E.left(withFields(line.left, headers))
    lines.push(line.right)
  }
  const shown = format.right.isTable
    ? alignColumns(
        lines.map((line) => line.split('\t').map(printable)),
        NARROWEST_COLUMN,
      )
    : lines
  return E.right(shown.map((line) => `${line}\n`).join(''))
}

const withFields = (error: UsageError, headers: FormatRecord): UsageError => ({
  ...error,
  hint: `the fields are ${Object.keys(headers).join(', ')}`,
})
