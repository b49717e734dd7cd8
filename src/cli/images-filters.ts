// The --filter of images, and its REPOSITORY[:TAG] argument: which images a list of conditions lets through.
import type * as E from '#fp/Either'
import type { ImageSummary } from '../model/image-verbs.ts'
import type { UsageError } from './args.ts'
import { filterItems, type Test as ItemTest, labelTest, type Maker, truthOf } from './filters.ts'
import { timeOf } from './prune-filters.ts'

type Test = ItemTest<ImageSummary>

/** By key. A text instead of a test says what is wrong with the value. */
const MAKERS: Readonly<Record<string, Maker<ImageSummary>>> = {
  dangling: (value) => {
    const wanted = truthOf(value)
    return wanted === undefined ? 'true or false' : ({ repository }) => (repository === undefined) === wanted
  },
  reference: (value) => referenceTest(value),
  label: labelTest,
  before: (value, all) => relativeTo(value, all, (image, other) => image < other),
  until: (value) => untilTest(value),
  since: (value, all) => relativeTo(value, all, (image, other) => image > other),
}

/** Shell patterns over `repository` or `repository:tag`; a `*` stops at a slash, as in Docker. */
export const referenceTest = (pattern: string): Test => {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  const whole = new RegExp(`^${source}$`)
  return (image) => {
    if (image.repository === undefined) return false
    const names = [
      image.repository,
      `${image.repository}:${image.tag}`,
      `${image.repository}@${image.digest}`,
    ]
    return names.some((name) => whole.test(name))
  }
}

/** Made before a time, or so long ago. */
const untilTest = (text: string): Test | string => {
  const timeMs = timeOf(text, Date.now())
  return timeMs === undefined
    ? 'neither a duration such as 24h nor a time'
    : ({ createdMs = 0 }) => createdMs < timeMs
}

const relativeTo = (
  name: string,
  all: readonly ImageSummary[],
  compare: (imageMs: number, otherMs: number) => boolean,
): Test | string => {
  const reference = /[:@][^/]*$/.test(name) ? name : `${name}:latest`
  const isMeant = (image: ImageSummary) =>
    reference === `${image.repository}:${image.tag}` ||
    reference === `${image.repository}@${image.digest}` ||
    image.id.startsWith(name) ||
    image.id.startsWith(`sha256:${name}`)
  const other = all.find(isMeant)
  return other === undefined
    ? 'there is no such image'
    : (image) => compare(image.createdMs ?? 0, other.createdMs ?? 0)
}

/** The images that pass: one of the values of each key must hold, of `label` all. */
export const filterImages = (
  filters: readonly string[],
  images: readonly ImageSummary[],
): E.Either<UsageError, readonly ImageSummary[]> => filterItems(MAKERS, filters, images)
