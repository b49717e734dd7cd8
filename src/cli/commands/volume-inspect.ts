// slipway volume inspect: volumes in Docker's words, as JSON or through a template.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { compileFormat } from '../format.ts'
import { misuse, reportError } from '../report.ts'
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
  run: async (context) => {
    const { stdout, stderr, args } = context
    const { format = '' } = args.flags
    const template = format === '' || format === 'json' ? undefined : compileFormat(format)
    if (template !== undefined && E.isLeft(template)) return misuse(context, 'volume inspect', template.left)
    const { volumes } = await context.engine()
    const found: object[] = []
    let code = 0
    for (const name of args.positionals) {
      const inspected = await volumes.inspect(name)()
      if (E.isRight(inspected)) found.push(inspectedVolume(inspected.right))
      else {
        reportError(stderr, inspected.left)
        code = 1
      }
    }
    if (template === undefined) {
      stdout.write(`${format === 'json' ? JSON.stringify(found) : JSON.stringify(found, undefined, 4)}\n`)
      return code
    }
    for (const volume of found) {
      const line = template.right.render(volume)
      if (E.isLeft(line)) return misuse(context, 'volume inspect', line.left)
      stdout.write(`${line.right}\n`)
    }
    return code
  },
})
