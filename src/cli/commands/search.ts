// slipway search: repositories of a registry by a word.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { formatRecords } from '../format.ts'
import { transfer } from '../image-flags.ts'
import { reportUsage } from '../report.ts'
import { printable } from '../table.ts'

const HEADERS = {
  Name: 'NAME',
  Description: 'DESCRIPTION',
  StarCount: 'STARS',
  IsOfficial: 'OFFICIAL',
} as const
const COLUMNS = 'table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}'
/** Docker cuts descriptions here. */
const DESCRIPTION_LENGTH = 45

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
      help: '',
      unsupported: { yet: true, why: 'all that is found is shown so far' },
    },
  },
  run: async (context) => {
    const [term = ''] = context.args.positionals
    const { limit, format = 'table', 'no-trunc': full } = context.args.flags
    const found = await transfer(context, { quiet: true, platform: undefined }, async ({ signal }) =>
      (await context.engine()).images.search(term, { signal, ...(limit === undefined ? {} : { limit }) }),
    )
    if (E.isLeft(found)) return found.left
    const records = found.right.repositories.map(({ name, description = '', stars, official }) => ({
      Name: name,
      Description: shorten(printable(description), full),
      StarCount: stars === undefined ? '' : String(stars),
      IsOfficial: official === true ? '[OK]' : '',
    }))
    const shown = formatRecords(format === 'table' ? COLUMNS : format, records, HEADERS)
    if (E.isLeft(shown)) {
      reportUsage(context.stderr, 'search', shown.left)
      return 1
    }
    if (found.right.by === 'catalog')
      context.stderr.write('slipway: this registry has no search: names in its list of repositories\n')
    context.stdout.write(shown.right)
    return 0
  },
})

const shorten = (text: string, full: boolean): string =>
  full || text.length <= DESCRIPTION_LENGTH ? text : `${text.slice(0, DESCRIPTION_LENGTH - 1)}…`
