// slipway images: the images of this root, in Docker's columns.
import * as E from '#fp/Either'
import { hexOf } from '../../model/digest.ts'
import type { ImageSummary } from '../../model/image-verbs.ts'
import type { UsageError } from '../args.ts'
import { type Args, type Context, command, type FlagTable } from '../command.ts'
import { formatRecords } from '../format.ts'
import { goTime, humanAge, humanBytes } from '../human.ts'
import { filterImages, referenceTest } from '../images-filters.ts'
import { type ImageTree, namedTargets, treeText } from '../images-tree.ts'
import { misuse, print, refuse } from '../report.ts'
import { isUtf8, styleFor } from '../table.ts'

export const imagesFlags = {
  all: { kind: 'boolean', short: 'a', help: 'Accepted for its habit: there are no intermediate images' },
  digests: { kind: 'boolean', help: 'Show digests' },
  quiet: { kind: 'boolean', short: 'q', help: 'Show image ids only' },
  'no-trunc': { kind: 'boolean', help: 'Show ids in full' },
  format: {
    kind: 'text',
    value: 'FORMAT',
    help: "'json', 'table', or a Go template such as '{{.Repository}}:{{.Tag}}'",
  },
  filter: {
    kind: 'list',
    short: 'f',
    value: 'KEY=VALUE',
    help: 'Show only images by dangling, reference, label, before, since or until',
  },
  noheading: { kind: 'boolean', short: 'n', help: 'No line with the names of the columns' },
  tree: { kind: 'boolean', help: 'Show the platforms of each image, and which of them are here' },
} as const satisfies FlagTable

/** Names of the fields of a template, and the headings of their columns. */
const HEADERS = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  Platform: 'PLATFORM',
  VirtualSize: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
  Containers: 'CONTAINERS',
} as const

const COLUMNS = 'table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}'
const WITH_DIGESTS = 'table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}'
const SHORT_ID = 12
const NONE = '<none>'

export const images = command({
  name: 'images',
  summary: 'List images',
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  positionals: { min: 0, max: 1 },
  flags: imagesFlags,
  run: async (context) => {
    const { args, engine } = context
    const listed = await (await engine()).images.list()()
    if (E.isLeft(listed)) return refuse(context, listed.left)
    if (args.flags.tree) return showTree(context, listed.right)
    return print(context, 'images', renderImages(listed.right, args.flags, args.positionals[0], Date.now()))
  },
})

const NOT_WITH_TREE = ['digests', 'quiet', 'no-trunc', 'format'] as const

const showTree = async (
  context: Context<typeof imagesFlags>,
  all: readonly ImageSummary[],
): Promise<number> => {
  const { args, engine, stdout, env } = context
  const other = NOT_WITH_TREE.find((name) => ![undefined, false].some((none) => none === args.flags[name]))
  if (other !== undefined) return misuse(context, 'images', `--tree and --${other} exclude each other`)
  const chosen = chosenImages(all, args.flags.filter, args.positionals[0])
  if (E.isLeft(chosen)) return misuse(context, 'images', chosen.left)
  const { images: verbs } = await engine()
  const found: ImageTree[] = []
  for (const { name, digest } of namedTargets(chosen.right)) {
    const platforms = await verbs.platforms(digest)()
    // Removed meanwhile.
    if (E.isLeft(platforms) && platforms.left._tag === 'ImageNotFound') continue
    if (E.isLeft(platforms)) return refuse(context, platforms.left)
    found.push({ name, digest, platforms: platforms.right })
  }
  stdout.write(treeText(found, styleFor(stdout, env), isUtf8(env)))
  return 0
}

const chosenImages = (
  all: readonly ImageSummary[],
  filters: readonly string[],
  name: string | undefined,
): E.Either<UsageError, readonly ImageSummary[]> =>
  E.map((passing: readonly ImageSummary[]) =>
    name === undefined ? passing : passing.filter(referenceTest(name)),
  )(filterImages(filters, all))

/** The whole output. `nowMs` makes ages out of times. */
export const renderImages = (
  all: readonly ImageSummary[],
  flags: Args<typeof imagesFlags>['flags'],
  name: string | undefined,
  nowMs: number,
): E.Either<UsageError, string> => {
  const chosen = chosenImages(all, flags.filter, name)
  if (E.isLeft(chosen)) return chosen
  const records = chosen.right.map((image) => imageRecord(image, nowMs, flags['no-trunc']))
  if (flags.quiet) return E.right([...new Set(records.map(({ ID }) => `${ID}\n`))].join(''))
  const { format = 'table' } = flags
  return formatRecords(
    format === 'table' ? (flags.digests ? WITH_DIGESTS : COLUMNS) : format,
    records,
    HEADERS,
    !flags.noheading,
  )
}

const imageRecord = (image: ImageSummary, nowMs: number, full: boolean) => ({
  ID: full ? image.id : hexOf(image.id).slice(0, SHORT_ID),
  Repository: image.repository ?? NONE,
  Tag: image.tag ?? NONE,
  Digest: image.digest,
  CreatedSince: humanAge(image.createdMs, nowMs),
  CreatedAt: image.createdMs === undefined ? 'N/A' : goTime(image.createdMs),
  Size: humanBytes(image.sizeBytes),
  Platform: image.platform,
  VirtualSize: humanBytes(image.sizeBytes),
  // As Docker's list has them: `system df -v` counts these.
  SharedSize: 'N/A',
  UniqueSize: 'N/A',
  Containers: 'N/A',
})
