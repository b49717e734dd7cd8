// What the image verbs tell the journal, with Docker's actions and attributes (moby daemon/images, LogImageEvent).
import { type NewEvent, withoutTag } from './events.ts'
import type {
  LoadedImage,
  MadeImage,
  PrunedImages,
  PulledImage,
  PushedImage,
  RemovedImage,
} from './image-verbs.ts'

const event = (
  action: string,
  id: string,
  name: string,
  more: Readonly<Record<string, string>> = {},
): NewEvent => ({
  Type: 'image',
  Action: action,
  Actor: { ID: id, Attributes: { ...more, name } },
})

export const pulled = ({ reference, id }: PulledImage): readonly NewEvent[] => [
  event('pull', reference, withoutTag(reference), { imageID: id }),
]
export const pushed = (images: readonly PushedImage[]): readonly NewEvent[] =>
  images.map(({ reference }) => event('push', reference, withoutTag(reference)))
export const tagged = (id: string, name: string): readonly NewEvent[] => [event('tag', id, name)]
export const loaded = (images: readonly LoadedImage[]): readonly NewEvent[] =>
  images.map(({ id, reference }) => event('load', id, reference ?? id))
export const imported = ({ id, reference }: MadeImage): readonly NewEvent[] => [
  event('import', id, reference ?? id),
]
/** Docker tells it of the container alone; here the image that was made is told, too. */
export const committed = ({ id, reference }: MadeImage): readonly NewEvent[] => [
  event('commit', id, reference ?? id),
]
export const saved = (references: readonly string[]): readonly NewEvent[] =>
  references.map((reference) => event('save', reference, reference))

/** Names first, then what had them, as Docker tells it. `id`: of the image that had them. */
export const removed = ({ untagged, deleted }: RemovedImage, id: string): readonly NewEvent[] => [
  ...untagged.map((name) => event('untag', id, name)),
  ...(deleted.length === 0 ? [] : [event('delete', id, id)]),
]
export const pruned = ({ untagged, deleted, reclaimedBytes }: PrunedImages): readonly NewEvent[] => [
  ...untagged.map((name) => event('untag', name, name)),
  ...deleted.map((id) => event('delete', id, id)),
  { Type: 'image', Action: 'prune', Actor: { ID: '', Attributes: { reclaimed: String(reclaimedBytes) } } },
]
