// slipway stats: what containers use, once or again and again.
import * as E from '#fp/Either'
import type { ContainerStats, ContainerSummary, StatsRound } from '../../fp.ts'
import { formatSize } from '../../model/units.ts'
import { command, type FlagTable } from '../command.ts'
import { formatRecords } from '../format.ts'
import { humanBytes } from '../human.ts'
import { misuse } from '../report.ts'
import { Screen } from '../screen.ts'
import { showAsItComes } from '../show-as-it-comes.ts'

const flags = {
  all: { kind: 'boolean', short: 'a', help: 'Show those that have ended, too' },
  format: {
    kind: 'text',
    value: 'FORMAT',
    help: "'json', 'table', or a Go template such as '{{.Name}} {{.CPUPerc}}'",
  },
  'no-stream': { kind: 'boolean', help: 'Show the figures once' },
  'no-trunc': { kind: 'boolean', help: 'Show ids in full' },
} as const satisfies FlagTable

const HEADERS = {
  Container: 'CONTAINER',
  ID: 'CONTAINER ID',
  Name: 'NAME',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET I/O',
  BlockIO: 'BLOCK I/O',
  PIDs: 'PIDS',
} as const

const DEFAULT_FORMAT =
  'table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}'
const SHORT_ID = 12

export const stats = command({
  name: 'stats',
  summary: 'Show what containers use: processor, memory, network, disk',
  usage: '[OPTIONS] [CONTAINER...]',
  positionals: { min: 0 },
  flags,
  run: async (context) => {
    const { all, format, 'no-stream': once, 'no-trunc': full } = context.args.flags
    const template = format === undefined || format === 'table' ? DEFAULT_FORMAT : format
    const wrong = formatRecords(template, [], HEADERS)
    if (E.isLeft(wrong)) return misuse(context, 'stats', wrong.left)
    const names = context.args.positionals
    const screen = new Screen(context.stdout, !once)
    return showAsItComes(
      context,
      'stats',
      ({ containers }, signal) => containers.stats(names, { stream: !once, signal, ...(all ? { all } : {}) }),
      (round) => {
        const text = renderStats(round, template, full)
        if (E.isLeft(text)) return text.left
        screen.show(text.right)
        return undefined
      },
    )
  },
})

const renderStats = (round: StatsRound, template: string, full: boolean) =>
  formatRecords(
    template,
    [
      ...round.stats.map((container) => recordOf(container, full)),
      ...round.stopped.map((container) => emptyRecord(container, full)),
    ],
    HEADERS,
  )

const UNKNOWN = '--'

const recordOf = (container: ContainerStats, full: boolean) => ({
  ...named(container, full),
  CPUPerc: percent(container.cpuPercent),
  MemUsage: `${container.memoryBytes === undefined ? UNKNOWN : formatSize(container.memoryBytes)} / ${formatSize(container.memoryLimitBytes)}`,
  MemPerc: percent(container.memoryPercent),
  NetIO: `${humanBytes(container.networkRxBytes ?? 0)} / ${humanBytes(container.networkTxBytes ?? 0)}`,
  BlockIO: `${humanBytes(container.blockReadBytes ?? 0)} / ${humanBytes(container.blockWriteBytes ?? 0)}`,
  PIDs: String(container.pids ?? UNKNOWN),
})

/** As Docker shows a container that does not run. */
const emptyRecord = (container: ContainerSummary, full: boolean) => ({
  ...named(container, full),
  CPUPerc: percent(0),
  MemUsage: '0B / 0B',
  MemPerc: percent(0),
  NetIO: '0B / 0B',
  BlockIO: '0B / 0B',
  PIDs: '0',
})

const named = ({ id, name }: { readonly id: string; readonly name: string }, full: boolean) => {
  const shown = full ? id : id.slice(0, SHORT_ID)
  return { Container: shown, ID: shown, Name: name }
}

const percent = (value: number | undefined): string =>
  value === undefined ? UNKNOWN : `${value.toFixed(2)}%`
