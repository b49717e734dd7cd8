// The rows a terminal is shown at the end. Pure.
import { isCertain } from './plot/costs.ts'
import type { CostRow, EngineRow, Results } from './results.ts'
import type { Difference } from './statistics.ts'
import { humanNs } from './units.ts'

export interface TextTable {
  readonly title: string
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export const summaryTables = ({ costs, engines, missing }: Results): readonly TextTable[] =>
  [
    {
      title: 'What each part costs (~ cannot be told from nothing)',
      header: ['PART', right('ALONE'), right('TOGETHER')],
      rows: costs.map(({ title, extra, alone, together }: CostRow) => [
        extra ? `${title} (on top)` : title,
        cost(alone),
        cost(together),
      ]),
    },
    {
      title: 'One start',
      header: ['ENGINE', ...['P25', 'MEDIAN', 'P75', 'P95', 'P99', 'STARTS'].map(right)],
      rows: engines.map(({ title, summary: { p25, p50, p75, p95, p99, n } }: EngineRow) => [
        title,
        ...[p25, p50, p75, p95, p99].map((ns) => right(humanNs(ns))),
        right(String(n)),
      ]),
    },
    { title: 'Not measured', header: ['WHAT', 'WHY'], rows: missing.map(({ title, why }) => [title, why]) },
  ].filter(({ rows }) => rows.length > 0)

const WIDTH = 9
const right = (text: string): string => text.padStart(WIDTH)

const cost = (found: Difference | undefined): string => {
  if (found === undefined) return right('–')
  return right(`${isCertain(found) ? '' : '~ '}${humanNs(found.p50)}`)
}
