// The --filter of prune: conditions an image must meet to be removed.
import * as E from '#fp/Either'
import type { PruneOptions } from '../model/image-verbs.ts'
import { parseAge } from '../model/units.ts'
import type { UsageError } from './args.ts'
import { split } from './mount-flags.ts'

/** `until=24h`, `until=2024-01-02T03:04:05Z`, `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`. Of several `until` the earliest counts. */
export const pruneFilters = (
  filters: readonly string[],
  nowMs: number,
): E.Either<UsageError, Pick<PruneOptions, 'untilMs' | 'labels'>> => {
  const labels: NonNullable<PruneOptions['labels']>[number][] = []
  const times: number[] = []
  for (const filter of filters) {
    const [, key = '', not = '', value = ''] = /^([a-z]+)(!?)=(.+)$/s.exec(filter) ?? []
    if (key === 'label') {
      const [name, wanted] = split(value)
      labels.push({ key: name, ...(wanted === undefined ? {} : { value: wanted }), not: not !== '' })
    } else if (key === 'until' && not === '') {
      const timeMs = timeOf(value, nowMs)
      if (timeMs === undefined)
        return wrong(filter, `${JSON.stringify(value)} is neither a duration such as 24h nor a time`)
      times.push(timeMs)
    } else return wrong(filter, 'the keys are until, label and label!')
  }
  return E.right({ ...(times.length === 0 ? {} : { untilMs: Math.min(...times) }), labels })
}

const wrong = (filter: string, why: string): E.Either<UsageError, never> =>
  E.left({ _tag: 'UsageError', message: `--filter ${filter}: ${why}` })

/** Milliseconds since 1970. A number without a unit counts seconds since then; a time without a zone is ours. */
export const timeOf = (text: string, nowMs: number): number | undefined => {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  const ago = parseAge(text)
  if (ago !== undefined) return nowMs - ago
  const timeMs = Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00` : text)
  return /^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(timeMs) ? timeMs : undefined
}
