// Writes monitors' tables, and clients' requests, for the fuzzers to begin with. argv: a folder, and `table` or `frames`.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { encodeRequest, type MonitorRequest } from '../../src/model/monitor-frames.ts'
import { planLaunch } from '../../src/plan/launch/index.ts'
import { encodeMonitorTable, type MonitorOptions, RESTART_PAUSES } from '../../src/plan/monitor-table.ts'
import { type Change, inputOf, v2Parents } from '../plan/launch/inputs.ts'

const [folder = '.', what] = process.argv.slice(2)

const tableOf = (change: Change, more: Partial<MonitorOptions>): Uint8Array => {
  const launch = planLaunch(inputOf(change))
  return encodeMonitorTable({
    id: 'a'.repeat(64),
    bootId: 'b',
    launch,
    groups: 1,
    restart: { kind: 'on-failure', maximumRetries: 3, ...RESTART_PAUSES },
    log: { kind: 'compact', maxBytes: 1000, maxFiles: 2, blocking: false },
    stop: { signal: 15, timeoutMs: 10_000 },
    hasTerminal: change.options?.tty === true,
    stdin: 'open',
    oomFile: '/sys/fs/cgroup/x/memory.events',
    killFile: '/sys/fs/cgroup/x/cgroup.kill',
    cleanup: new Uint8Array(0),
    ...more,
  })
}

const tables = (): readonly Uint8Array[] => [
  tableOf({}, {}),
  tableOf(
    { cgroups: v2Parents },
    { groupParents: ['/sys/fs/cgroup/x', '/y'], groupPaths: ['/sys/fs/cgroup/x'] },
  ),
  tableOf(
    { options: { tty: true } },
    {
      journal: {
        folder: '/events',
        segmentBytes: 1000,
        segments: 2,
        events: [
          {
            moment: 'started',
            event: { Type: 'container', Action: 'start', Actor: { ID: 'a', Attributes: { name: 'b' } } },
          },
        ],
      },
    },
  ),
]

const REQUESTS: readonly MonitorRequest[] = [
  { _tag: 'Attach', stdin: true, stdout: true, stderr: true, watch: true },
  { _tag: 'Input', bytes: Buffer.from('some input\n') },
  { _tag: 'Input', bytes: Buffer.alloc(9000, 7) },
  { _tag: 'Resize', columns: 80, rows: 25 },
  { _tag: 'Signal', signal: 15 },
  { _tag: 'SetRestart', kind: 'always', maximumRetries: 0 },
  { _tag: 'EndInput' },
  { _tag: 'Stop', signal: 15, timeoutMs: 10 },
  { _tag: 'Kill' },
  { _tag: 'HoldStarts' },
]
/** In front: the size of a piece, and the room for input. */
const frames = (): readonly Uint8Array[] => [
  ...REQUESTS.map((request) => Buffer.concat([Buffer.from([1, 7]), encodeRequest(request)])),
  ...[0, 1, 255].map((step) => Buffer.concat([Buffer.from([step, 9]), ...REQUESTS.map(encodeRequest)])),
]

for (const [index, bytes] of (what === 'table' ? tables() : frames()).entries())
  writeFileSync(path.join(folder, `seed-${index}`), bytes)
