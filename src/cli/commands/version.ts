// slipway version: what runs here, as text or through a template.
import { release } from 'node:os'
import * as E from '#fp/Either'
import { version as packageVersion } from '../../model/version.ts'
import { command } from '../command.ts'
import { formatRecords } from '../format.ts'
import { reportUsage } from '../report.ts'

/** Docker's two halves, so that `{{.Server.Version}}` works; here both are one program. */
const record = (arch: string, node: string) => {
  const half = { Version: packageVersion, Os: 'linux', Arch: arch }
  return {
    Client: { ...half, NodeVersion: node },
    Server: { ...half, KernelVersion: release() },
  }
}

const text = ({ Client, Server }: ReturnType<typeof record>): string =>
  [
    `slipway ${Client.Version}`,
    `  node      ${Client.NodeVersion}`,
    `  kernel    ${Server.KernelVersion}`,
    `  platform  ${Client.Os}/${Client.Arch}`,
    '',
  ].join('\n')

/** Node's names for processors in the words of images. */
const GO_ARCH: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

export const version = command({
  name: 'version',
  summary: 'Show the versions of slipway and of what it runs on',
  usage: '[OPTIONS]',
  flags: {
    format: {
      kind: 'text',
      short: 'f',
      value: 'FORMAT',
      help: "'json', or a Go template such as {{.Server.Version}}",
    },
  },
  run: async ({ args, stdout, stderr, platform }) => {
    const all = record(GO_ARCH[platform.arch] ?? platform.arch, platform.node)
    if (args.flags.format === undefined) {
      stdout.write(text(all))
      return 0
    }
    const shown = formatRecords(args.flags.format, [all], { Client: 'CLIENT', Server: 'SERVER' })
    if (E.isLeft(shown)) {
      reportUsage(stderr, 'version', shown.left)
      return 1
    }
    stdout.write(shown.right)
    return 0
  },
})
