// slipway referrers: what points at an image in its registry.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { formatRecords } from '../format.ts'
import { transfer } from '../image-flags.ts'
import { reportUsage } from '../report.ts'

const HEADERS = {
  Digest: 'DIGEST',
  ArtifactType: 'ARTIFACT TYPE',
  MediaType: 'MEDIA TYPE',
  Size: 'SIZE',
  Annotations: 'ANNOTATIONS',
} as const

export const referrers = command({
  name: 'referrers',
  summary: 'List what points at an image in its registry: signatures and the like',
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  positionals: { min: 1, max: 1 },
  flags: {
    type: { kind: 'text', value: 'TYPE', help: 'Only artifacts of this type, e.g. application/spdx+json' },
    format: {
      kind: 'text',
      value: 'FORMAT',
      help: "'json', 'table', or a Go template such as '{{.Digest}}'",
    },
  },
  run: async (context) => {
    const [name = ''] = context.args.positionals
    const { type, format = 'table {{.Digest}}\t{{.ArtifactType}}\t{{.Size}}' } = context.args.flags
    const found = await transfer(context, { quiet: true, platform: undefined }, async ({ signal }) =>
      (await context.engine()).images.referrers(name, {
        signal,
        ...(type === undefined ? {} : { artifactType: type }),
      }),
    )
    if (E.isLeft(found)) return found.left
    const records = found.right.map(({ digest, mediaType, artifactType = '', sizeBytes, annotations }) => ({
      Digest: digest,
      ArtifactType: artifactType,
      MediaType: mediaType,
      Size: String(sizeBytes),
      Annotations: Object.entries(annotations)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    }))
    const shown = formatRecords(
      format === 'table' ? 'table {{.Digest}}\t{{.ArtifactType}}\t{{.Size}}' : format,
      records,
      HEADERS,
    )
    if (E.isLeft(shown)) {
      reportUsage(context.stderr, 'referrers', shown.left)
      return 1
    }
    context.stdout.write(shown.right)
    return 0
  },
})
