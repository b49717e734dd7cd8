// slipway volume ls: the volumes of this root, in Docker's columns.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { formatRecords } from '../format.ts'
import { print, refuse } from '../report.ts'
import { filterVolumes, VOLUME_HEADERS, volumeRecord } from '../volume-words.ts'

const COLUMNS = 'table {{.Driver}}\t{{.Name}}'
/** Where one of them is damaged. */
const WITH_STATUS = `${COLUMNS}\t{{.Status}}`

export const volumeLs = command({
  name: 'volume ls',
  summary: 'List volumes',
  usage: '[OPTIONS]',
  flags: {
    filter: {
      kind: 'list',
      short: 'f',
      value: 'KEY=VALUE',
      help: 'Show only volumes by dangling, driver, label or name',
    },
    format: {
      kind: 'text',
      value: 'FORMAT',
      help: "'json', 'table', or a Go template such as '{{.Name}}: {{.Links}}'",
    },
    quiet: { kind: 'boolean', short: 'q', help: 'Show names only' },
  },
  run: async (context) => {
    const { filter, format = 'table', quiet } = context.args.flags
    const listed = await (await context.engine()).volumes.list()()
    if (E.isLeft(listed)) return refuse(context, listed.left)
    const passing = filterVolumes(filter, listed.right)
    if (E.isLeft(passing)) return print(context, 'volume ls', passing)
    const columns = passing.right.some(({ damage }) => damage !== undefined) ? WITH_STATUS : COLUMNS
    const shown = quiet
      ? E.right(passing.right.map(({ name }) => `${name}\n`).join(''))
      : formatRecords(format === 'table' ? columns : format, passing.right.map(volumeRecord), VOLUME_HEADERS)
    return print(context, 'volume ls', shown)
  },
})
