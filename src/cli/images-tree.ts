// images --tree: each image with the platforms it was made for.
import { type Digest, shortDigest } from '../model/digest.ts'
import type { ImagePlatform, ImageSummary } from '../model/image-verbs.ts'
import { humanBytes } from './human.ts'
import { imageName } from './image-name.ts'
import { printable, type Style, table } from './table.ts'

export interface ImageTree {
  readonly name: string
  /** Of what the name points at. */
  readonly digest: Digest
  readonly platforms: readonly ImagePlatform[]
}

const HEADER = ['IMAGE', 'ID', 'DISK USAGE', 'CONTENT SIZE', 'CONTAINERS']

/** Every name with what it points at, once: a listing has a line for each platform that is here. */
export const namedTargets = (
  images: readonly ImageSummary[],
): readonly { readonly name: string; readonly digest: Digest }[] => {
  const targets = images.map((image) => ({ name: imageName(image) ?? '<none>', digest: image.digest }))
  return [...new Map(targets.map((target) => [`${target.name} ${target.digest}`, target])).values()]
}

/** What is not here is dim, and has no figures. */
export const treeText = (images: readonly ImageTree[], style: Style, utf8: boolean): string => {
  const rows = images.flatMap((image) => rowsOf(image, utf8))
  const [header = '', ...lines] = table(
    HEADER,
    rows.map(({ cells }) => cells),
  )
    .trimEnd()
    .split('\n')
  const shown = lines.map((line, at) => rows[at]?.paint(style)(line) ?? line)
  return [style.bold(header), ...shown].map((line) => `${line}\n`).join('')
}

interface Row {
  readonly cells: readonly string[]
  readonly paint: (style: Style) => (text: string) => string
}

const rowsOf = ({ name, digest, platforms }: ImageTree, utf8: boolean): readonly Row[] => {
  const total = (figure: 'sizeBytes' | 'contentBytes' | 'containers'): number =>
    platforms.reduce((sum, platform) => sum + (platform[figure] ?? 0), 0)
  return [
    {
      cells: [
        printable(name),
        shortDigest(digest),
        humanBytes(total('sizeBytes') + total('contentBytes')),
        humanBytes(total('contentBytes')),
        String(total('containers')),
      ],
      paint: ({ bold }) => bold,
    },
    ...platforms.map((platform, at) => rowOf(platform, branch(at === platforms.length - 1, utf8))),
  ]
}

const branch = (isLast: boolean, utf8: boolean): string => {
  if (!utf8) return isLast ? '`-' : '|-'
  return isLast ? '└─' : '├─'
}

const rowOf = (
  { platform, digest, isHere, id, sizeBytes = 0, contentBytes = 0, containers = 0 }: ImagePlatform,
  before: string,
): Row => ({
  cells: [
    `${before} ${platform}`,
    shortDigest(id ?? digest),
    ...(isHere
      ? [humanBytes(sizeBytes + contentBytes), humanBytes(contentBytes), String(containers)]
      : ['not here', '', '']),
  ],
  paint: ({ dim }) => (isHere ? (text) => text : dim),
})
