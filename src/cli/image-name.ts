// What an image is called where names are taken.
import type { ImageSummary } from '../model/image-verbs.ts'

/** Without a tag where it is a name of another tool's; undefined for a nameless image. */
export const imageName = ({
  repository,
  tag,
}: Pick<ImageSummary, 'repository' | 'tag'>): string | undefined =>
  repository === undefined || tag === undefined ? repository : `${repository}:${tag}`
