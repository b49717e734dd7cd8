// slipway logs: what a container wrote.
import type { LogStreamName, ReadLogOptions } from '../../fp.ts'
import { bytesOfLog } from '../../model/log-view.ts'
import { command } from '../command.ts'
import { misuse } from '../report.ts'
import { showAsItComes } from '../show-as-it-comes.ts'

export const logs = command({
  name: 'logs',
  summary: 'Show what a container wrote',
  usage: '[OPTIONS] CONTAINER',
  positionals: { min: 1, max: 1 },
  flags: {
    details: { kind: 'boolean', help: '', unsupported: { yet: false, why: 'a log has no attributes' } },
    follow: { kind: 'boolean', short: 'f', help: 'Go on with what is written later' },
    since: {
      kind: 'text',
      value: 'TIME',
      help: "From this time on: RFC 3339, seconds since 1970, or how long ago, e.g. '10m'",
    },
    tail: { kind: 'text', short: 'n', value: 'NUMBER', help: "Only the last so many lines, or 'all'" },
    timestamps: { kind: 'boolean', short: 't', help: 'The time before each line' },
    until: { kind: 'text', value: 'TIME', help: 'Up to this time' },
  },
  run: async (context) => {
    const [container = ''] = context.args.positionals
    const { tail, since, until, follow, timestamps } = context.args.flags
    if (tail !== undefined && tail !== 'all' && !/^-?\d+$/.test(tail))
      return misuse(context, 'logs', `--tail: ${JSON.stringify(tail)} is neither a number nor 'all'`)
    const options: ReadLogOptions = {
      follow,
      ...(tail === undefined || !/^\d+$/.test(tail) ? {} : { tail: Number(tail) }),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    }
    const { stdout, stderr } = context
    const middle = new Set<LogStreamName>()
    return showAsItComes(
      context,
      'logs',
      ({ containers }, signal) => containers.logs(container, { ...options, signal }),
      (batch) => {
        for (const { to, bytes } of bytesOfLog(batch, timestamps, middle)) {
          if (to === 'note') stderr.write('slipway: ')
          ;(to === 'stdout' ? stdout : stderr).write(bytes)
        }
        return undefined
      },
    )
  },
})
