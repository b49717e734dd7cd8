// image prune: removes images nobody asks for any more.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import * as O from '#fp/Option'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { type Descriptor, nameOf } from '../model/image.ts'
import type { PreparedRecord } from '../model/image-record.ts'
import type { PrunedImages, PruneOptions } from '../model/image-verbs.ts'
import { meetsConditions, type PruneConditions } from '../model/prune-conditions.ts'
import { isNameless, withoutEntries } from './images-names.ts'
import { printable } from './images-open.ts'
import { sweep } from './images-sweep.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

/**
 * Images a container was made of stay, whatever is asked. While another process adds content only names go, and the files with the next
 * sweep. Fails: SyscallFailed, StateDamaged.
 */
export const pruneImages =
  (options: PruneOptions = {}): ImageProgram<PrunedImages> =>
  (ports) =>
    pipe(
      TE.Do,
      TE.bind('before', () => ports.disk.root),
      TE.bind('removed', () => removeEntries(ports, options)),
      TE.bind('swept', () => sweep(ports)),
      TE.bind('after', () => ports.disk.root),
      TE.map(({ before, removed, swept, after }) => ({
        untagged: removed.flatMap((entry) => nameOf(entry) ?? []).map(printable),
        deleted: O.isSome(swept) ? swept.value : [],
        reclaimedBytes: Math.max(0, before.imagesBytes - after.imagesBytes),
        postponed: O.isNone(swept),
      })),
    )

const removeEntries = (
  ports: ImagePorts,
  options: PruneOptions,
): TE.TaskEither<EngineError, readonly Descriptor[]> =>
  pipe(
    TE.Do,
    TE.bind('entries', () => ports.store.entries),
    TE.bind('records', () => ports.store.records),
    TE.bind('used', ({ records }) => usedTargets(ports, records)),
    TE.map(({ entries, records, used }) =>
      entries.filter(
        (entry) =>
          !used.has(entry.digest) &&
          (options.all === true || isNameless(entry)) &&
          passes(
            records.filter(({ target }) => target === entry.digest),
            options,
          ),
      ),
    ),
    // By name and digest: a name that was given meanwhile is another entry, and stays.
    TE.tap((removed) =>
      removed.length === 0
        ? TE.right(undefined)
        : ports.store.update((entries) => E.right(withoutEntries(entries, removed, false))),
    ),
  )

const usedTargets = (
  ports: ImagePorts,
  records: readonly PreparedRecord[],
): TE.TaskEither<EngineError, ReadonlySet<string>> =>
  pipe(
    records,
    TE.traverseSeqArray(({ target, imageId }) =>
      pipe(
        ports.inUse(imageId),
        TE.map((users) => (users.length > 0 ? [target] : [])),
      ),
    ),
    TE.map((targets) => new Set<string>(targets.flat())),
  )

/** Of an image for several platforms all must pass. What nothing is known of passes no condition. */
const passes = (records: readonly PreparedRecord[], conditions: PruneConditions): boolean => {
  const { untilMs, labels = [] } = conditions
  if (untilMs === undefined && labels.length === 0) return true
  return (
    records.length > 0 &&
    records.every(({ created, config }) =>
      // A time that cannot be read is before no other.
      meetsConditions({ createdMs: Date.parse(created ?? ''), labels: config.Labels ?? {} }, conditions),
    )
  )
}
