// import: an image out of a tar of a root file system.
import { pipe } from '#fp/function'
import * as TE from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import { applyChanges } from '../model/image-changes.ts'
import type { ImportOptions, LoadSource, MadeImage } from '../model/image-verbs.ts'
import { ociLayerType } from '../model/media-type.ts'
import { untilAborted } from './byte-streams.ts'
import { diffIdOf, makeImage, making, nameIn } from './images-make.ts'
import type { ArchiveMember } from './ports/image-archive.ts'
import type { ImagePorts, ImageProgram } from './ports/images.ts'

/**
 * The tar becomes the image's one layer, compressed as it came (gzip, or zstd where Node has it). Fails, and then leaves nothing:
 * InvalidReference, InvalidOption, Unsupported for a URL or another compression, LayerRefused for what is no tar, SyscallFailed, Cancelled.
 */
export const importImage =
  (source: LoadSource, options: ImportOptions = {}): ImageProgram<MadeImage> =>
  (ports) => {
    const { platform = ports.platform, changes = [], signal } = options
    return making(
      ports,
      pipe(
        TE.fromEither(nameIn(options)),
        TE.bindTo('name'),
        TE.bind('config', () => TE.fromEither(applyChanges({}, changes))),
        TE.bind('blob', () => storeTar(ports, source, signal)),
        TE.bind('diffId', ({ blob }) => diffIdOf(ports, blob)),
        TE.flatMap(({ name, config, blob: { compression, ...stored }, diffId }) => {
          const created = new Date(options.createdMs ?? Date.now()).toISOString()
          const comment = options.message ?? `Imported from ${'path' in source ? source.path : '-'}`
          const document = {
            created,
            ...platform,
            config,
            rootfs: { type: 'layers', diff_ids: [diffId] },
            history: [{ created, comment }],
          }
          return makeImage(
            ports,
            document,
            [{ mediaType: ociLayerType(compression), ...stored }],
            name,
            signal,
          )
        }),
      ),
    )
  }

const storeTar = (
  ports: ImagePorts,
  source: LoadSource,
  signal: AbortSignal | undefined,
): TE.TaskEither<EngineError, ArchiveMember> =>
  'path' in source && /^[a-z][a-z0-9+.-]*:\/\//i.test(source.path)
    ? TE.left({
        _tag: 'Unsupported',
        feature: `import of ${source.path}`,
        why: 'nothing is fetched from a URL so far; pipe it in, as in: curl … | slipway import -',
      })
    : ports.archives.storeTar(ports.store, source, (bytes) => untilAborted(bytes, signal))
