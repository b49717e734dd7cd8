// A caller and a life cycle that only exist in memory, and a folder for the state.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../../../src/model/errors.ts'
import { parseOciId } from '../../../src/model/oci-container-id.ts'
import { encodeOciRecord, type OciRecord } from '../../../src/model/oci-state.ts'
import type { OciEvent, OciStats } from '../../../src/model/oci-stats.ts'
import type { World } from '../../../src/oci/command.ts'
import { commands } from '../../../src/oci/commands/index.ts'
import { dispatch } from '../../../src/oci/dispatch.ts'
import type { OciRuntime, RuntimeSettings } from '../../../src/oci/runtime.ts'
import { processStat } from '../../../src/oci/status-facts.ts'
import { expectRight } from '../../support/either.ts'

export const inFolder = async (body: (folder: string) => unknown): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-oci-'))
  try {
    await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What the port was asked, in order. */
export interface Asked {
  readonly verb: string
  readonly request: unknown
}

export interface FakeRuntime extends OciRuntime {
  readonly asked: Asked[]
}

const entry = { limit: 0, failcnt: 0 }
export const someStats: OciStats = {
  cpu: { usage: { total: 3_000_000_000_000_000_001n, kernel: 1, user: 2 }, throttling: {} },
  cpuset: {
    cpu_exclusive: 0,
    mem_hardwall: 0,
    mem_exclusive: 0,
    memory_migrate: 0,
    memory_spread_page: 0,
    memory_spread_slab: 0,
    memory_pressure: 0,
    sched_load_balance: 0,
    sched_relax_domain_level: 0,
  },
  memory: {
    usage: { limit: 18446744073709551615n, usage: 4096, failcnt: 0 },
    swap: entry,
    kernel: entry,
    kernelTCP: entry,
    raw: { anon: 4096 },
  },
  pids: { current: 1 },
  blkio: {},
  hugetlb: {},
  intel_rdt: {},
  network_interfaces: null,
}

/** Every verb succeeds, unless `answers` says otherwise. */
export const fakeRuntime = (
  answers: Readonly<Record<string, Either<EngineError, unknown>>> = {},
): FakeRuntime => {
  const asked: Asked[] = []
  const verb =
    <A>(name: string, value: A) =>
    async (request: unknown): Promise<Either<EngineError, A>> => {
      asked.push({ verb: name, request })
      return (answers[name] ?? E.right(value)) as Either<EngineError, A>
    }
  return {
    asked,
    create: verb('create', undefined),
    start: verb('start', undefined),
    run: verb('run', 7),
    kill: verb('kill', undefined),
    delete: verb('delete', undefined),
    exec: verb('exec', 42),
    pause: verb('pause', undefined),
    resume: verb('resume', undefined),
    update: verb('update', undefined),
    ps: verb('ps', [11, 12]),
    events: async (request, tell) => {
      const events: readonly OciEvent[] = [
        { type: 'stats', id: request.container.record.id, data: someStats },
        { type: 'oom', id: request.container.record.id },
      ]
      for (const event of request.intervalMs === undefined ? events.slice(0, 1) : events) tell(event)
      return verb('events', undefined)(request)
    },
    close: async () => {
      asked.push({ verb: 'close', request: undefined })
    },
  }
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly asked: readonly Asked[]
  /** The life cycle was loaded. */
  readonly settings: RuntimeSettings | undefined
}

export interface Setting {
  readonly root: string
  readonly runtime?: FakeRuntime
  readonly world?: Partial<World>
}

/** One command line below `--root`. */
export const slipwayOci = async (
  { root, runtime = fakeRuntime(), world = {} }: Setting,
  ...words: readonly string[]
): Promise<Ran> => {
  let [stdout, stderr] = ['', '']
  let settings: RuntimeSettings | undefined
  const whole: World = {
    argv: ['--root', root, ...words],
    env: {},
    cwd: root,
    pid: 100,
    euid: 0,
    egid: 0,
    inUserNamespace: () => false,
    stdout: (text) => {
      stdout += text
    },
    stderr: (text) => {
      stderr += text
    },
    readStdin: () => '',
    now: () => new Date(0),
    output: () => ({ code: 0, text: PS }),
    openRuntime: async (given) => {
      settings = given
      return runtime
    },
    ...world,
  }
  const code = await dispatch(whole, commands)
  return { code, stdout, stderr, asked: runtime.asked, settings }
}

const PS =
  'UID          PID    PPID CMD\nroot          11       1 sh\nroot          12      11 sleep 11\nroot          13      11 x 12\n'

/** Words of a failure, without the frame of the log. */
export const reason = ({ stderr }: Ran): string =>
  /msg="?(.*?)"?\n/.exec(stderr)?.[1]?.replaceAll('\\"', '"') ?? stderr

export const someRecord = (id: string, over: Partial<OciRecord> = {}): OciRecord => ({
  version: 1,
  ociVersion: '1.2.0',
  id: expectRight(parseOciId(id)),
  bundle: '/b',
  rootfs: '/b/rootfs',
  created: '2026-01-02T03:04:05.000000678Z',
  ownerUid: 0,
  cgroup: { manager: 'cgroupfs', paths: {} },
  namespaces: {},
  ...over,
})

/** This very process: it is alive, and ours. */
export const living = { pid: process.pid, startTime: processStat(process.pid)?.startTime ?? 0 }

export type Wanted = 'creating' | 'created' | 'running' | 'paused' | 'stopped'

/** A container that looks so from outside. */
export const place = (root: string, id: string, status: Wanted, over: Partial<OciRecord> = {}): void => {
  const folder = path.join(root, id)
  mkdirSync(folder, { recursive: true })
  const freezerFile = path.join(folder, 'freezer.state')
  writeFileSync(freezerFile, status === 'paused' ? 'FROZEN\n' : 'THAWED\n')
  if (status === 'created') writeFileSync(path.join(folder, 'start.sock'), '')
  const who =
    status === 'creating'
      ? { creator: living }
      : { init: status === 'stopped' ? { ...living, startTime: living.startTime + 1 } : living }
  const cgroup = { manager: 'cgroupfs', paths: {}, freezerFile } as const
  writeFileSync(path.join(folder, 'state.json'), encodeOciRecord(someRecord(id, { ...who, cgroup, ...over })))
}
