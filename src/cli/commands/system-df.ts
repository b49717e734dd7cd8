// slipway system df: what images, containers and volumes take on disk, as du counts it.
import * as E from '#fp/Either'
import { hexOf } from '../../model/digest.ts'
import type { DiskUsage, ImageUsage, UsageTotal } from '../../model/image-verbs.ts'
import { command } from '../command.ts'
import type { ContainerSummary } from '../engine.ts'
import { formatRecords } from '../format.ts'
import { humanAge, humanBytes } from '../human.ts'
import { misuse, print, refuse } from '../report.ts'
import { table } from '../table.ts'

const HEADERS = {
  Type: 'TYPE',
  TotalCount: 'TOTAL',
  Active: 'ACTIVE',
  Size: 'SIZE',
  Reclaimable: 'RECLAIMABLE',
} as const
const COLUMNS = 'table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}'
const SHORT_ID = 12
const NONE = '<none>'

export const systemDf = command({
  name: 'system df',
  summary: 'Show what is stored takes on disk',
  usage: '[OPTIONS]',
  flags: {
    verbose: { kind: 'boolean', short: 'v', help: 'Each image, container and volume, with what it shares' },
    format: {
      kind: 'text',
      value: 'FORMAT',
      help: "'json', 'table', or a Go template such as '{{.Type}}: {{.Size}}'",
    },
  },
  run: async (context) => {
    const { verbose, format = 'table' } = context.args.flags
    if (verbose && format !== 'table')
      return misuse(context, 'system df', '--verbose and --format exclude each other')
    const engine = await context.engine()
    const usage = await engine.usage()
    if (E.isLeft(usage)) return refuse(context, usage.left)
    const listed = verbose ? await engine.list()() : E.right([])
    if (E.isLeft(listed)) return refuse(context, listed.left)
    if (verbose) {
      context.stdout.write(details(usage.right, listed.right, Date.now()))
      return 0
    }
    const shown = formatRecords(format === 'table' ? COLUMNS : format, records(usage.right), HEADERS)
    return print(context, 'system df', shown)
  },
})

/** Docker's rows, and one for the rest of the root: together they are what du says. */
const records = ({ images, containers, volumes, otherBytes }: DiskUsage) => [
  record('Images', images),
  record('Containers', containers),
  record('Local Volumes', volumes),
  record('Other', { count: 0, active: 0, sizeBytes: otherBytes, reclaimableBytes: 0 }),
]

const record = (type: string, { count, active, sizeBytes, reclaimableBytes }: UsageTotal) => {
  const share = sizeBytes === 0 ? '' : ` (${Math.floor((100 * reclaimableBytes) / sizeBytes)}%)`
  return {
    Type: type,
    TotalCount: String(count),
    Active: String(active),
    Size: humanBytes(sizeBytes),
    Reclaimable: `${humanBytes(reclaimableBytes)}${share}`,
  }
}

const details = (usage: DiskUsage, containers: readonly ContainerSummary[], nowMs: number): string =>
  [
    'Images space usage:\n',
    table(
      ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'SHARED SIZE', 'UNIQUE SIZE', 'CONTAINERS'],
      usage.perImage.map((image) => imageRow(image, nowMs)),
    ),
    'Containers space usage:\n',
    table(
      ['CONTAINER ID', 'IMAGE', 'STATUS', 'SIZE', 'NAMES'],
      usage.perContainer.map(({ id, sizeBytes }) => {
        const found = containers.find((container) => container.id === id)
        const { image = NONE, status = 'gone', name = NONE } = found ?? {}
        return [id.slice(0, SHORT_ID), image, status, humanBytes(sizeBytes), name]
      }),
    ),
    'Local Volumes space usage:\n',
    table(
      ['VOLUME NAME', 'LINKS', 'SIZE'],
      usage.perVolume.map(({ name, containers: links, sizeBytes }) => [
        name,
        String(links),
        humanBytes(sizeBytes),
      ]),
    ),
  ].join('\n')

/** A name without a tag, another tool's, fills the first cell alone. */
const nameCells = (reference: string | undefined): readonly [string, string] => {
  const [, repository = reference ?? NONE, tag = NONE] = /^(.+):([^/:]+)$/s.exec(reference ?? '') ?? []
  return [repository, tag]
}

const imageRow = (image: ImageUsage, nowMs: number): readonly string[] => [
  ...nameCells(image.reference),
  image.id === undefined ? NONE : hexOf(image.id).slice(0, SHORT_ID),
  humanAge(image.createdMs, nowMs),
  humanBytes(image.sizeBytes),
  humanBytes(image.sharedBytes),
  humanBytes(image.uniqueBytes),
  String(image.containers),
]
