// Starts a container from a hand-written runtime spec: through the launch planner and the addon, or by another runtime.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { type LiveEngine, openEngine } from '../../src/adapters/live.ts'
import { netDevices } from '../../src/adapters/net-devices.ts'
import { filterFor } from '../../src/engine/seccomp.ts'
import { type EngineError, message } from '../../src/model/errors.ts'
import type { Mount, Process, Spec } from '../../src/model/oci-spec.ts'
import { decodeSpec } from '../../src/model/oci-spec-decode.ts'
import { planDocument } from '../../src/plan/launch/checked.ts'
import type { LaunchInput, LaunchPlan } from '../../src/plan/launch/index.ts'
import { ownText } from '../../src/plan/launch/own-text.ts'
import { makeRootfs } from './engine.ts'
import { assert } from './suite.ts'

export interface SpecRun {
  /** -1 where there was no container at all. */
  readonly code: number
  readonly out: string
  /** The message of the error it was refused or failed with. */
  readonly failed: string | undefined
}

export interface SpecLauncher {
  readonly folder: string
  readonly rootfs: string
  readonly live: LiveEngine
  /** Runs the document to its end. `meanwhile` is told the pid of its first process, as the host counts. */
  readonly run: (document: object, meanwhile?: (pid: number) => void | Promise<void>) => Promise<SpecRun>
  /** Output of a shell script that must succeed in a container of `change`. */
  readonly sh: (script: string, change?: SpecChange) => Promise<string>
  /** The same document under another runtime. */
  readonly peer: (runtime: 'crun' | 'runc', script: string, change?: SpecChange) => SpecRun
  readonly close: () => Promise<void>
}

/** What a test lays over the plain document. */
export interface SpecChange {
  readonly process?: Partial<Process>
  readonly linux?: Readonly<Record<string, unknown>>
  readonly mounts?: readonly Mount[]
  /** Instead of the usual ones. */
  readonly allMounts?: readonly Mount[]
  readonly root?: object
  readonly more?: object
}

const MOUNTS: readonly Mount[] = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=64k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
  },
]
const NAMESPACES = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }))
const ALL = ['CAP_SYS_ADMIN', 'CAP_NET_ADMIN', 'CAP_DAC_OVERRIDE', 'CAP_CHOWN', 'CAP_SYS_NICE', 'CAP_FOWNER']

/** A document with a shell script as its program. */
export const documentOf = (rootfs: string, script: string, change: SpecChange = {}): Spec =>
  ({
    ociVersion: '1.0.2',
    root: { path: rootfs, ...change.root },
    mounts: change.allMounts ?? [...MOUNTS, ...(change.mounts ?? [])],
    process: {
      user: { uid: 0, gid: 0 },
      args: ['/bin/sh', '-c', script],
      env: ['PATH=/bin'],
      cwd: '/',
      capabilities: { bounding: ALL, effective: ALL, permitted: ALL },
      ...change.process,
    },
    linux: { namespaces: NAMESPACES, ...change.linux },
    ...change.more,
  }) as Spec

export const openSpecLauncher = (): SpecLauncher => {
  const folder = mkdtempSync('/var/tmp/slipway-spec-')
  const rootfs = path.join(folder, 'rootfs')
  makeRootfs(rootfs)
  const opened = openEngine({ root: path.join(folder, 'data') }, {})
  if (E.isLeft(opened)) throw new Error(message(opened.left))
  const live = opened.right
  let count = 0
  const run: SpecLauncher['run'] = (document, meanwhile) =>
    runDocument(live, path.join(folder, `out-${count++}`), document, meanwhile)
  return {
    folder,
    rootfs,
    live,
    run,
    sh: async (script, change) => {
      const { code, out, failed } = await run(documentOf(rootfs, script, change))
      assert.is(failed, undefined)
      assert.is(code, 0, out)
      return out.trimEnd()
    },
    peer: (runtime, script, change) => runPeer(folder, runtime, documentOf(rootfs, script, change), count++),
    close: async () => {
      await live.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const runDocument = async (
  live: LiveEngine,
  output: string,
  document: object,
  meanwhile: ((pid: number) => void | Promise<void>) | undefined,
): Promise<SpecRun> => {
  const prepared = prepare(live, document)
  if (E.isLeft(prepared)) return failure(prepared.left)
  const { plan, input, cgroupFds } = prepared.right
  const [stdin, stdout] = [openSync('/dev/null', 'r'), openSync(output, 'w+')]
  const { state } = live.ports.host
  const launched = await live.ports.launcher.launch(
    plan,
    ownText(input.id, input.createdMs),
    {
      stdin,
      stdout,
      stderr: stdout,
      containers: state.containersFd,
      records: state.recordsFd,
      cgroups: cgroupFds,
    },
    { command: input.spec.process?.args?.[0] ?? '' },
  )()
  for (const fd of [stdin, stdout]) closeSync(fd)
  const groups = input.cgroups.map(({ mountpoint, path: parent }) => `${mountpoint}${parent}/${input.id}`)
  const held = E.isRight(launched) ? launched.right.held : []
  const ended = E.isRight(launched) ? await endOf(launched.right, meanwhile) : failure(launched.left)
  const record = state.recordPath(input.id)
  for (const group of groups) await live.ports.host.killGroup(group)
  await live.ports.host.cleanUp({ id: input.id, groups, overlays: 0, record, keep: false }, input.id, held)
  return { ...ended, out: readFileSync(output, 'utf8') }
}

const failure = (error: EngineError): SpecRun => ({
  code: -1,
  out: '',
  failed: `${error._tag}: ${message(error)}`,
})

const endOf = async (
  launched: {
    readonly pid: number
    readonly end: Promise<{ readonly code?: number; readonly signal?: number }>
  },
  meanwhile: ((pid: number) => void | Promise<void>) | undefined,
): Promise<SpecRun> => {
  await meanwhile?.(launched.pid)
  const { code, signal = 0 } = await launched.end
  return { code: code ?? 128 + signal, out: '', failed: undefined }
}

interface Ready {
  readonly input: LaunchInput
  readonly plan: LaunchPlan
  readonly cgroupFds: readonly number[]
}

const prepare = ({ ports, addon }: LiveEngine, document: object): E.Either<EngineError, Ready> => {
  const { host } = ports
  return pipe(
    decodeSpec(document),
    E.bindTo('spec'),
    E.bind('filter', ({ spec }) => filterFor(ports, spec, false)),
    E.bind('parents', ({ spec }) => host.cgroupParents(spec.linux?.resources ?? {})),
    E.bind('devices', ({ spec }) => netDevices(addon, host.facts, spec)),
    E.bind('input', ({ spec, filter, parents, devices }): E.Either<EngineError, LaunchInput> => {
      const id = host.randomId()
      return E.right({
        id,
        spec,
        rootfs: { kind: 'directory', path: spec.root?.path ?? '' },
        files: [],
        ...(filter === undefined ? {} : { filter }),
        facts: host.facts,
        root: host.state.root,
        scratch: host.state.scratch,
        record: JSON.stringify({ id }),
        createdMs: Date.now(),
        cgroups: parents,
        netDevices: devices,
        keep: false,
        init: false,
      })
    }),
    E.bind('plan', ({ input }) => planDocument(input)),
    E.map(({ input, plan, parents }) => ({ input, plan, cgroupFds: parents.map(({ fd }) => fd) })),
  )
}

/** In a mount namespace without the v2 tree beside v1, which crun refuses. */
const HIDE =
  'if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs none /sys/fs/cgroup/unified; fi; exec "$@"'

const runPeer = (folder: string, runtime: string, document: Spec, count: number): SpecRun => {
  const id = `slipway-spec-${process.pid}-${count}`
  const bundle = path.join(folder, `bundle-${count}`)
  mkdirSync(path.join(bundle, 'state'), { recursive: true })
  const linux = { ...document.linux, cgroupsPath: `/${id}` }
  writeFileSync(path.join(bundle, 'config.json'), JSON.stringify({ ...document, linux }))
  const words = [runtime, '--root', path.join(bundle, 'state'), 'run', '--bundle', bundle, id]
  const found = spawnSync('unshare', ['--mount', 'sh', '-c', HIDE, 'sh', ...words], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { code: found.status ?? -1, out: `${found.stdout}${found.stderr}`, failed: undefined }
}
