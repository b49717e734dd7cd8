// slipway info: this root and this host in figures.
import * as E from '#fp/Either'
import type { HostFacts } from '../../model/host-facts.ts'
import { formatSize } from '../../model/units.ts'
import { version } from '../../model/version.ts'
import { command } from '../command.ts'
import type { StoreSummary } from '../engine.ts'
import { formatRecords } from '../format.ts'
import { reportError, reportUsage } from '../report.ts'
import { alignColumns, printable } from '../table.ts'

export const info = command({
  name: 'info',
  summary: 'Show figures of this host and of what is stored',
  usage: '[OPTIONS]',
  flags: {
    format: { kind: 'text', short: 'f', value: 'FORMAT', help: "'json', or a Go template such as {{.NCPU}}" },
  },
  run: async ({ args, stdout, stderr, engine }) => {
    const live = await engine()
    const facts = await live.facts()()
    const store = await live.store()()
    if (E.isLeft(facts) || E.isLeft(store)) {
      for (const part of [facts, store]) if (E.isLeft(part)) reportError(stderr, part.left)
      return 1
    }
    const record = infoRecord(facts.right, store.right)
    if (args.flags.format === undefined) {
      stdout.write(infoText(record))
      return 0
    }
    const headers = Object.fromEntries(Object.keys(record).map((name) => [name, name.toUpperCase()]))
    const shown = formatRecords(args.flags.format, [record], headers)
    if (E.isLeft(shown)) {
      reportUsage(stderr, 'info', shown.left)
      return 1
    }
    stdout.write(shown.right)
    return 0
  },
})

const CGROUP_VERSION = { v1: '1', v2: '2', hybrid: '1 and 2', none: 'none' } as const

/** Docker's names where Docker has the thing, so that scripts find `{{.NCPU}}`. */
const infoRecord = (facts: HostFacts, store: StoreSummary) => ({
  ServerVersion: version,
  Containers: store.containers,
  ContainersRunning: store.running,
  ContainersStopped: store.containers - store.running,
  Images: store.images,
  DockerRootDir: store.root,
  RuntimeDir: store.runtimeDir,
  Driver: 'overlay2',
  CgroupVersion: CGROUP_VERSION[facts.cgroup.mode],
  CgroupDriver: facts.cgroup.mode === 'none' ? 'none' : 'cgroupfs',
  CgroupWritable: facts.cgroup.writable,
  Controllers: facts.cgroup.controllers.map((controller) => controller.name),
  SecurityOptions: [
    ...(facts.seccompActions.length > 0 ? ['name=seccomp,profile=builtin'] : []),
    'name=cgroupns',
  ],
  Namespaces: facts.namespaces,
  KernelVersion: facts.kernelRelease,
  OSType: 'linux',
  Architecture: facts.arch === 'arm64' ? 'aarch64' : 'x86_64',
  NCPU: facts.cpus,
  MemTotal: facts.memoryBytes,
})

const infoText = (record: ReturnType<typeof infoRecord>): string => {
  const rows: readonly (readonly [string, string])[] = [
    ['slipway', record.ServerVersion],
    ['root', record.DockerRootDir],
    ['runtime directory', record.RuntimeDir],
    ['containers', `${record.Containers} (${record.ContainersRunning} running)`],
    ['images', String(record.Images)],
    ['kernel', `${record.KernelVersion} ${record.Architecture}`],
    ['CPUs', String(record.NCPU)],
    ['memory', formatSize(record.MemTotal)],
    ['cgroups', `${record.CgroupVersion}${record.CgroupWritable ? '' : ' (read-only)'}`],
    ['controllers', record.Controllers.join(' ') || 'none'],
    ['namespaces', record.Namespaces.join(' ') || 'none'],
    ['security', record.SecurityOptions.join(' ')],
  ]
  return `${alignColumns(rows.map(([name, value]) => [name, printable(value)])).join('\n')}\n`
}
