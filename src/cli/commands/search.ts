// slipway search: repositories of a registry by a word.
import * as E from '#fp/Either'
import type { FoundRepository } from '../../model/image-verbs.ts'
import { command } from '../command.ts'
import { filterItems, type Maker, truthOf } from '../filters.ts'
import { formatRecords } from '../format.ts'
import { registryFlags, transfer } from '../image-flags.ts'
import { misuse } from '../report.ts'
import { printable } from '../table.ts'

const HEADERS = {
  Name: 'NAME',
  Description: 'DESCRIPTION',
  StarCount: 'STARS',
  IsOfficial: 'OFFICIAL',
  IsAutomated: 'AUTOMATED',
} as const
const COLUMNS = 'table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}'
/** Docker cuts descriptions here. */
const DESCRIPTION_LENGTH = 45

/** What a registry does not tell is no star, and not official. Nothing is built by the Hub itself any more. */
const FILTERS: Readonly<Record<string, Maker<FoundRepository>>> = {
  'is-official': (value) => booleanTest(value, ({ official }) => official === true),
  'is-automated': (value) => booleanTest(value, () => false),
  stars: (value) =>
    /^\d{1,9}$/.test(value) ? ({ stars = 0 }) => stars >= Number(value) : 'not a number of stars',
}

const booleanTest = (value: string, fact: (repository: FoundRepository) => boolean) => {
  const wanted = truthOf(value)
  if (wanted === undefined) return 'neither true nor false'
  return (repository: FoundRepository) => fact(repository) === wanted
}

export const search = command({
  name: 'search',
  summary: 'Find repositories in a registry',
  usage: '[OPTIONS] [HOST/]TERM',
  positionals: { min: 1, max: 1 },
  flags: {
    limit: { kind: 'integer', value: 'N', help: 'At most so many. Default: 25' },
    'no-trunc': { kind: 'boolean', help: 'Show descriptions in full' },
    format: { kind: 'text', value: 'FORMAT', help: "'json', 'table', or a Go template such as '{{.Name}}'" },
    filter: {
      kind: 'list',
      short: 'f',
      value: 'KEY=VALUE',
      help: 'Show only repositories by is-official=true or stars=N (at least so many)',
    },
    ...registryFlags,
  },
  run: async (context) => {
    const [term = ''] = context.args.positionals
    const { limit, format = 'table', 'no-trunc': full, filter } = context.args.flags
    const conditions = filterItems(FILTERS, filter, [])
    if (E.isLeft(conditions)) return misuse(context, 'search', conditions.left)
    const found = await transfer(context, { quiet: true, platform: undefined }, async ({ signal }) =>
      (await context.engine()).images.search(term, { signal, ...(limit === undefined ? {} : { limit }) }),
    )
    if (E.isLeft(found)) return found.left
    const passing = filterItems(FILTERS, filter, found.right.repositories)
    if (E.isLeft(passing)) return misuse(context, 'search', passing.left)
    const records = passing.right.map(({ name, description = '', stars, official }) => ({
      Name: name,
      Description: shorten(printable(description), full),
      StarCount: stars === undefined ? '' : String(stars),
      IsOfficial: official === true ? '[OK]' : '',
      // As Docker says it since the Hub builds nothing itself.
      IsAutomated: '',
    }))
    const shown = formatRecords(format === 'table' ? COLUMNS : format, records, HEADERS)
    if (E.isLeft(shown)) return misuse(context, 'search', shown.left)
    if (found.right.by === 'catalog')
      context.stderr.write('slipway: this registry has no search: names in its list of repositories\n')
    context.stdout.write(shown.right)
    return 0
  },
})

const shorten = (text: string, full: boolean): string =>
  full || text.length <= DESCRIPTION_LENGTH ? text : `${text.slice(0, DESCRIPTION_LENGTH - 1)}…`
