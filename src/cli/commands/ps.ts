// slipway ps: the containers of this root, in Docker's columns.
import * as E from '#fp/Either'
import { type Args, command, type FlagTable } from '../command.ts'
import type { ContainerSummary } from '../engine.ts'
import { formatRecords } from '../format.ts'
import { humanAge, humanDuration } from '../human.ts'
import { filterContainers } from '../ps-filters.ts'
import { print, refuse } from '../report.ts'
import { shortened } from '../table.ts'

const flags = {
  all: { kind: 'boolean', short: 'a', help: 'Show those that have ended, too' },
  quiet: { kind: 'boolean', short: 'q', help: 'Show ids only' },
  last: { kind: 'integer', short: 'n', help: 'Show the newest so many, ended or not' },
  latest: { kind: 'boolean', short: 'l', help: 'Show the newest one, ended or not' },
  'no-trunc': { kind: 'boolean', help: 'Show ids and commands in full' },
  format: {
    kind: 'text',
    value: 'FORMAT',
    help: "'json', 'table', or a Go template such as '{{.ID}} {{.Names}}'",
  },
  filter: {
    kind: 'list',
    short: 'f',
    value: 'KEY=VALUE',
    help: 'Show only those with this id, name, label, status, ancestor or exit code',
  },
  size: {
    kind: 'boolean',
    short: 's',
    help: '',
    unsupported: { yet: true, why: 'sizes are not counted so far' },
  },
} as const satisfies FlagTable

/** Names of the fields of a template, and the headings of their columns. */
const HEADERS = {
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Status: 'STATUS',
  State: 'STATE',
  Ports: 'PORTS',
  Names: 'NAMES',
  Labels: 'LABELS',
  /** `{{.Label "com.x.my-key"}}` */
  Label: (key: string) => key.replace(/^.*\./s, '').replace(/[-_]/g, ' '),
  Pid: 'PID',
} as const

const DEFAULT_FORMAT =
  'table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}'

const SHORT_ID = 12
const SHORT_COMMAND = 20

export const ps = command({
  name: 'ps',
  summary: 'List containers',
  usage: '[OPTIONS]',
  flags,
  run: async (context) => {
    const { args, engine } = context
    const listed = await (await engine()).list()()
    if (E.isLeft(listed)) return refuse(context, listed.left)
    return print(context, 'ps', renderContainers(listed.right, args.flags, Date.now()))
  },
})

/** The whole output. `nowMs` makes ages out of times. */
export const renderContainers = (
  containers: readonly ContainerSummary[],
  flags: Args<typeof psFlags>['flags'],
  nowMs: number,
) => {
  const passing = filterContainers(flags.filter, containers)
  if (E.isLeft(passing)) return passing
  const records = chosen(passing.right, flags).map((container) =>
    psRecord(container, nowMs, flags['no-trunc']),
  )
  if (flags.quiet) return E.right(records.map((record) => `${record.ID}\n`).join(''))
  const format = flags.format === undefined || flags.format === 'table' ? DEFAULT_FORMAT : flags.format
  return formatRecords(format, records, HEADERS)
}
export const psFlags = flags

/** Newest first, as Docker lists them. */
const chosen = (
  containers: readonly ContainerSummary[],
  { all, latest, last, filter }: Args<typeof psFlags>['flags'],
): readonly ContainerSummary[] => {
  const newest = [...containers].sort((a, b) => b.createdMs - a.createdMs)
  const count = latest ? 1 : last
  if (count !== undefined && count >= 0) return newest.slice(0, count)
  return all || namesStates(filter) ? newest : newest.filter(({ status }) => RUNS.has(status))
}

/** As Docker shows them without --all. */
const RUNS: ReadonlySet<string> = new Set(['running', 'paused', 'restarting'])

/** Who asks for a state means all containers in it, as in Docker. */
const namesStates = (filters: readonly string[]): boolean =>
  filters.some((filter) => filter.startsWith('status=') || filter.startsWith('exited='))

const psRecord = (container: ContainerSummary, nowMs: number, full: boolean) => ({
  ID: full ? container.id : container.id.slice(0, SHORT_ID),
  Image: container.image,
  Command: quoteCommand(container.command, full),
  CreatedAt: new Date(container.createdMs).toISOString(),
  RunningFor: humanAge(container.createdMs, nowMs),
  Status: statusText(container, nowMs),
  State: STATES[container.status],
  Ports: '',
  Names: container.name,
  Labels: Object.entries(container.labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(','),
  Label: (key: string) => (Object.hasOwn(container.labels, key) ? container.labels[key] : ''),
  Pid: container.pid ?? 0,
})

/** runtime-spec's words in Docker's. */
const STATES = {
  created: 'created',
  running: 'running',
  paused: 'paused',
  restarting: 'restarting',
  stopped: 'exited',
} as const

const quoteCommand = (words: readonly string[], full: boolean): string => {
  const text = words.join(' ')
  return JSON.stringify(full ? text : shortened(text, SHORT_COMMAND))
}

const statusText = (container: ContainerSummary, nowMs: number): string => {
  if (container.status === 'created') return 'Created'
  const up = `Up ${humanDuration(nowMs - (container.startedMs ?? container.createdMs))}`
  if (container.status === 'running') return up
  if (container.status === 'paused') return `${up} (Paused)`
  const code = container.exitCode === undefined ? 'unknown' : container.exitCode
  const ended = container.status === 'restarting' ? 'Restarting' : 'Exited'
  return `${ended} (${code}) ${humanAge(container.finishedMs ?? nowMs, nowMs)}`
}
