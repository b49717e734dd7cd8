// slipway ps: the containers of this root, in Docker's columns.
import * as E from '#fp/Either'
import { type DiskUsage, message } from '../../fp.ts'
import { type Args, command, type FlagTable } from '../command.ts'
import type { ContainerSummary } from '../engine.ts'
import { formatRecords } from '../format.ts'
import { goTime, humanAge, humanBytes, humanDuration } from '../human.ts'
import { labelHeading, labelOf } from '../label-field.ts'
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
    help: 'Show only those with this id, name, label, status, health, ancestor, network, volume or exit code',
  },
  size: {
    kind: 'boolean',
    short: 's',
    help: 'Show what each has written, and that together with its image',
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
  Label: labelHeading,
  Pid: 'PID',
  Mounts: 'MOUNTS',
  Networks: 'NETWORKS',
  LocalVolumes: 'LOCAL VOLUMES',
  Size: 'SIZE',
} as const

const DEFAULT_FORMAT =
  'table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}'

const SHORT_ID = 12
const SHORT_COMMAND = 20
const SHORT_MOUNT = 15

export const ps = command({
  name: 'ps',
  summary: 'List containers',
  usage: '[OPTIONS]',
  flags,
  run: async (context) => {
    const { flags } = context.args
    const engine = await context.engine()
    const listed = await engine.list()()
    if (E.isLeft(listed)) return refuse(context, listed.left)
    const usage = wantsSizes(flags) ? await engine.usage() : undefined
    if (usage !== undefined && E.isLeft(usage)) return refuse(context, usage.left)
    return print(context, 'ps', renderContainers(listed.right, flags, Date.now(), usage?.right))
  },
})

type Flags = Args<typeof flags>['flags']

/** As Docker: who asks for the field asks for what it costs. */
const wantsSizes = ({ size, quiet, format = '' }: Flags): boolean =>
  !quiet && (size || /\.Size\b/.test(format))

/** The whole output. `nowMs` makes ages out of times. */
export const renderContainers = (
  containers: readonly ContainerSummary[],
  flags: Flags,
  nowMs: number,
  usage?: DiskUsage,
) => {
  const passing = filterContainers(flags.filter, containers)
  if (E.isLeft(passing)) return passing
  const view: View = { nowMs, full: flags['no-trunc'], usage }
  const records = chosen(passing.right, flags).map((container) => psRecord(container, view))
  if (flags.quiet) return E.right(records.map((record) => `${record.ID}\n`).join(''))
  const usual = flags.size ? `${DEFAULT_FORMAT}\t{{.Size}}` : DEFAULT_FORMAT
  const format = flags.format === undefined || flags.format === 'table' ? usual : flags.format
  return formatRecords(format, records, HEADERS)
}

/** Newest first, as Docker lists them. */
const chosen = (
  containers: readonly ContainerSummary[],
  { all, latest, last, filter }: Flags,
): readonly ContainerSummary[] => {
  const newest = [...containers].sort((a, b) => b.createdMs - a.createdMs)
  const count = latest ? 1 : last
  // As Docker: none is no number.
  if (count !== undefined && count > 0) return newest.slice(0, count)
  return all || namesStates(filter) ? newest : newest.filter(({ status }) => RUNS.has(status))
}

/** As Docker shows them without --all, and what nobody should have to look for. */
const RUNS: ReadonlySet<string> = new Set(['running', 'paused', 'restarting', 'damaged'])

/** Who asks for a state means all containers in it, as in Docker. */
const namesStates = (filters: readonly string[]): boolean =>
  filters.some((filter) => filter.startsWith('status=') || filter.startsWith('exited='))

interface View {
  readonly nowMs: number
  readonly full: boolean
  readonly usage: DiskUsage | undefined
}

const psRecord = (container: ContainerSummary, { nowMs, full, usage }: View) => ({
  ID: full ? container.id : container.id.slice(0, SHORT_ID),
  Image: container.image,
  Command: quoteCommand(container.command, full),
  CreatedAt: goTime(container.createdMs),
  RunningFor: humanAge(container.createdMs, nowMs),
  Status: statusText(container, nowMs),
  State: STATES[container.status],
  Ports: '',
  Names: container.name,
  Labels: Object.entries(container.labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(','),
  Label: labelOf(container.labels),
  Pid: container.pid ?? 0,
  Mounts: mountsText(container, full),
  Networks: container.network ?? '',
  LocalVolumes: String((container.mounts ?? []).filter(({ type }) => type === 'volume').length),
  Size: usage === undefined ? '' : sizeText(container, usage),
})

/** Volumes by their names, others by what is mounted. */
const mountsText = ({ mounts = [] }: ContainerSummary, full: boolean): string =>
  mounts
    .flatMap(({ source = '' }) => (source === '' ? [] : [full ? source : shortened(source, SHORT_MOUNT)]))
    .join(',')

const sizeText = ({ id, imageId }: ContainerSummary, { perContainer, perImage }: DiskUsage): string => {
  const own = perContainer.find((each) => each.id === id)?.sizeBytes ?? 0
  const image = perImage.find((each) => each.id === imageId)?.sizeBytes
  return image === undefined ? humanBytes(own) : `${humanBytes(own)} (virtual ${humanBytes(own + image)})`
}

/** runtime-spec's words in Docker's. */
const STATES = {
  created: 'created',
  running: 'running',
  paused: 'paused',
  restarting: 'restarting',
  stopped: 'exited',
  damaged: 'damaged',
} as const

const quoteCommand = (words: readonly string[], full: boolean): string => {
  const [program = '', ...args] = words
  // As Docker: who has a blank is in quotes, but for the program.
  const text = [program, ...args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' ')
  return JSON.stringify(full ? text : shortened(text, SHORT_COMMAND))
}

const statusText = (container: ContainerSummary, nowMs: number): string => {
  if (container.damage !== undefined) return `Damaged: ${message(container.damage)}`
  if (container.status === 'created') return 'Created'
  const up = `Up ${humanDuration(nowMs - (container.startedMs ?? container.createdMs))}`
  if (container.status === 'running') return `${up}${healthText(container)}`
  if (container.status === 'paused') return `${up} (Paused)`
  const code = container.exitCode === undefined ? 'unknown' : container.exitCode
  const ended = container.status === 'restarting' ? 'Restarting' : 'Exited'
  return `${ended} (${code}) ${humanAge(container.finishedMs ?? nowMs, nowMs)}`
}

const healthText = ({ health }: ContainerSummary): string =>
  health === undefined ? '' : health === 'starting' ? ' (health: starting)' : ` (${health})`
