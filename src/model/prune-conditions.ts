// The conditions under which something that nobody needs is removed: the same for all that can be.
import type { PruneOptions } from './image-verbs.ts'

export type PruneConditions = Pick<PruneOptions, 'untilMs' | 'labels'>

/** Made before the moment, with all labels that are wanted and none that are not. */
export const meetsConditions = (
  thing: { readonly createdMs: number; readonly labels: Readonly<Record<string, string>> },
  { untilMs, labels = [] }: PruneConditions,
): boolean =>
  (untilMs === undefined || thing.createdMs < untilMs) &&
  labels.every((label) => hasLabel(thing.labels, label) !== (label.not === true))

const hasLabel = (
  labels: Readonly<Record<string, string>>,
  { key, value }: NonNullable<PruneOptions['labels']>[number],
): boolean => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value)
