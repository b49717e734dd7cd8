// slipway volume inspect: volumes in Docker's words, as JSON or through a template.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { compileFormat } from '../format.ts'
import { showFound } from '../show-found.ts'
import { inspectedVolume } from '../volume-words.ts'

export const volumeInspect = command({
  name: 'volume inspect',
  summary: 'Show everything that is known of volumes',
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  positionals: { min: 1 },
  flags: {
    format: {
      kind: 'text',
      short: 'f',
      value: 'FORMAT',
      help: "'json', or a Go template such as '{{.Mountpoint}}'",
    },
  },
  run: (context) =>
    showFound(
      context,
      'volume inspect',
      { format: context.args.flags.format, compile: compileFormat },
      async ({ volumes }, name) => E.map(inspectedVolume)(await volumes.inspect(name)()),
    ),
})
