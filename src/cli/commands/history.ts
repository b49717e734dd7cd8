// slipway history: the steps an image was made in, in Docker's columns.
import * as E from '#fp/Either'
import { hexOf } from '../../model/digest.ts'
import type { ImageHistoryEntry } from '../../model/image-verbs.ts'
import type { UsageError } from '../args.ts'
import { type Args, command, type FlagTable } from '../command.ts'
import { formatRecords } from '../format.ts'
import { humanAge, humanBytes } from '../human.ts'
import { platformOption } from '../image-flags.ts'
import { print, refuse } from '../report.ts'
import { shortened } from '../table.ts'

export const historyFlags = {
  human: { kind: 'boolean', short: 'H', on: true, help: 'Sizes and ages as people say them' },
  'no-trunc': { kind: 'boolean', help: 'Show ids and commands in full' },
  quiet: { kind: 'boolean', short: 'q', help: 'Show ids only' },
  format: {
    kind: 'text',
    value: 'FORMAT',
    help: "'json', 'table', or a Go template such as '{{.CreatedBy}}'",
  },
  platform: {
    kind: 'text',
    value: 'OS/ARCH',
    help: "Which of an image's platforms to show. Default: this machine's",
  },
} as const satisfies FlagTable

const HEADERS = {
  ID: 'IMAGE',
  CreatedAt: 'CREATED AT',
  CreatedSince: 'CREATED',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
} as const

const COLUMNS = 'table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}'
const EXACT_COLUMNS = 'table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}'
const SHORT_ID = 12
/** Characters of a command in a table. */
const SHORT_COMMAND = 45
const MISSING = '<missing>'

export const history = command({
  name: 'history',
  summary: 'Show the steps an image was made in',
  usage: '[OPTIONS] IMAGE',
  positionals: { min: 1, max: 1 },
  flags: historyFlags,
  run: async (context) => {
    const { args, engine } = context
    const platform = platformOption(args.flags.platform)
    if (E.isLeft(platform)) return refuse(context, platform.left)
    const { images } = await engine()
    const entries = await images.history(args.positionals[0] ?? '', platform.right)()
    if (E.isLeft(entries)) return refuse(context, entries.left)
    return print(context, 'history', renderHistory(entries.right, args.flags, Date.now()))
  },
})

/** The whole output. `nowMs` makes ages out of times. */
export const renderHistory = (
  entries: readonly ImageHistoryEntry[],
  { human, quiet, format = 'table', 'no-trunc': full }: Args<typeof historyFlags>['flags'],
  nowMs: number,
): E.Either<UsageError, string> => {
  const records = entries.map((entry) => historyRecord(entry, nowMs, full, human))
  if (quiet) return E.right(records.map(({ ID }) => `${ID}\n`).join(''))
  return formatRecords(format === 'table' ? (human ? COLUMNS : EXACT_COLUMNS) : format, records, HEADERS)
}

const historyRecord = (entry: ImageHistoryEntry, nowMs: number, full: boolean, human: boolean) => {
  const { id, createdMs, createdBy, comment, sizeBytes } = entry
  const command = createdBy.replaceAll('\t', ' ')
  return {
    ID: id === undefined ? MISSING : full ? id : hexOf(id).slice(0, SHORT_ID),
    CreatedAt: createdMs === undefined ? 'N/A' : new Date(createdMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    CreatedSince: humanAge(createdMs, nowMs),
    CreatedBy: full ? command : shortened(command, SHORT_COMMAND),
    Size: human ? humanBytes(sizeBytes) : String(sizeBytes),
    Comment: comment,
  }
}
