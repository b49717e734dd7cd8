// Containers made by the built command (dist/oci.cjs), and by runc and crun of the same bundle.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Process } from '../../../src/model/oci-spec.ts'
import { cgroupDirectories } from '../../support/census.ts'
import { makeRootfs } from '../../support/engine.ts'
import { findProgram, type Need } from '../../support/needs.ts'
import { assert } from '../../support/suite.ts'

export const NEEDS: readonly Need[] = ['root', 'program:busybox']
export const PEERS = (['crun', 'runc'] as const).filter((name) => findProgram(name) !== undefined)
export type Runtime = 'slipway' | 'crun' | 'runc'

export interface Ran {
  /** 128 + n is the program's own; null after a signal. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What was on the streams when it ended: a container may go on writing. */
  readonly out: string
  readonly err: string
  readonly outFile: string
}

export interface Call {
  readonly child: ChildProcess
  /** What it has printed so far. */
  readonly said: () => string
  readonly end: Promise<Ran>
}

export interface CallOptions {
  readonly runtime?: Runtime
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Descriptors handed in as 3, 4 … */
  readonly more?: readonly number[]
}

/** What a test lays over the plain document. */
export interface Change {
  readonly args?: readonly string[]
  readonly process?: Partial<Process>
  readonly linux?: Readonly<Record<string, unknown>>
  readonly more?: object
}

const ROOT = process.cwd()
const COMMAND = path.join(ROOT, 'dist', 'oci.cjs')
/** crun refuses a v2 tree beside v1. */
const HIDE =
  'if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs none /sys/fs/cgroup/unified; fi; exec "$@"'
const ALL_CAPS = [
  'CAP_CHOWN',
  'CAP_KILL',
  'CAP_SETUID',
  'CAP_SETGID',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
]
export const MOUNTS = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
]
const PATH = 'PATH=/bin'

export const sleepMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks again until the answer is no longer undefined. */
export const until = async <A>(what: string, ask: () => A | undefined, withinMs = 10_000): Promise<A> => {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await sleepMs(5)) {
    const answer = ask()
    if (answer !== undefined) return answer
  }
  throw new Error(`waited ${withinMs} ms in vain: ${what}`)
}

export interface Box {
  readonly folder: string
  readonly rootfs: string
  readonly root: string
  readonly newId: () => string
  /** A document of a container with that id; its cgroup is named after it. */
  readonly document: (id: string, change?: Change) => object
  /** Writes a bundle and gives its directory. */
  readonly bundle: (id: string, change?: Change) => string
  readonly begin: (words: readonly string[], options?: CallOptions) => Call
  readonly call: (words: readonly string[], options?: CallOptions) => Promise<Ran>
  /** The same, that must succeed; what it printed. */
  readonly ok: (...words: readonly string[]) => Promise<string>
  /** `create` of a bundle of its own. */
  readonly created: (change?: Change, options?: CallOptions) => Promise<string>
  readonly started: (change?: Change, options?: CallOptions) => Promise<string>
  readonly state: (id: string, runtime?: Runtime) => Promise<State>
  readonly untilStatus: (id: string, status: string) => Promise<State>
  /** What there still is of a container, one line each. */
  readonly left: (id: string) => readonly string[]
  /** Deletes it by force; nothing of it may be left. */
  readonly gone: (id: string) => Promise<void>
  readonly close: () => Promise<void>
}

export interface State {
  readonly ociVersion: string
  readonly id: string
  readonly pid: number
  readonly status: string
  readonly bundle: string
  readonly annotations?: Readonly<Record<string, string>>
}

let boxes = 0

export const openBox = (): Box => {
  const mark = `slipway-life-${process.pid}-${boxes++}`
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-life-'))
  openToMapped(folder)
  const rootfs = path.join(folder, 'rootfs')
  makeRootfs(rootfs)
  const root = path.join(folder, 'root')
  const made: string[] = []
  let calls = 0

  const begin: Box['begin'] = (words, { runtime = 'slipway', input, env = {}, more = [] } = {}) => {
    const files = [`out-${calls}`, `err-${calls++}`].map((name) => path.join(folder, name))
    const [outFile = '', errFile = ''] = files
    const fds = files.map((file) => openSync(file, 'w'))
    const stdio = [input === undefined ? 'ignore' : 'pipe', ...fds, ...more] as StdioOptions
    const [program = '', ...rest] = commandOf(runtime, runtimeRoot(runtime), words)
    const child = spawn(program, rest, { stdio, env: { ...process.env, ...env }, cwd: folder })
    for (const fd of fds) closeSync(fd)
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
    const end = new Promise<Ran>((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (code, signal) =>
        resolve({ code, signal, out: textOf(outFile), err: textOf(errFile), outFile }),
      )
    })
    return { child, said: () => textOf(outFile), end }
  }
  const runtimeRoot = (runtime: Runtime): string =>
    runtime === 'slipway' ? root : path.join(folder, `root-${runtime}`)
  const call: Box['call'] = (words, options) => begin(words, options).end
  const ok: Box['ok'] = async (...words) => {
    const { code, out, err } = await call(words)
    assert.is(code, 0, `${words.join(' ')}: ${err}`)
    return out
  }
  const newId = (): string => {
    const id = `${mark}-${made.length}`
    made.push(id)
    return id
  }
  const document: Box['document'] = (id, change = {}) => documentOf(mark, rootfs, id, change)
  const bundle: Box['bundle'] = (id, change) => {
    const directory = mkdtempSync(path.join(folder, 'bundle-'))
    chmodSync(directory, 0o755)
    writeFileSync(path.join(directory, 'config.json'), JSON.stringify(document(id, change)))
    return directory
  }
  const created: Box['created'] = async (change, options) => {
    const id = newId()
    const { code, err } = await call(['create', '--bundle', bundle(id, change), id], options)
    assert.is(code, 0, `create: ${err}`)
    return id
  }
  const started: Box['started'] = async (change, options) => {
    const id = await created(change, options)
    const { code, err } = await call(['start', id], options)
    assert.is(code, 0, `start: ${err}`)
    return id
  }
  const state: Box['state'] = async (id, runtime = 'slipway') => {
    const { code, out, err } = await call(['state', id], { runtime })
    assert.is(code, 0, err)
    return JSON.parse(out)
  }
  const untilStatus: Box['untilStatus'] = async (id, status) => {
    for (let tries = 0; tries < 100; tries++) {
      const now = await state(id)
      if (now.status === status) return now
      await sleepMs(20)
    }
    throw new Error(`${id} is not ${status}`)
  }
  const left: Box['left'] = (id) => [
    ...(existsSync(path.join(root, id)) ? [`directory ${path.join(root, id)}`] : []),
    ...[...cgroupDirectories(`${mark}/${id}`), ...cgroupDirectories(id)].map((group) => `cgroup ${group}`),
    ...processesOf(id).map((pid) => `process ${pid} ${textOf(`/proc/${pid}/cmdline`)}`),
    ...textOf('/proc/self/mountinfo')
      .split('\n')
      .filter((line) => line.includes(folder)),
  ]
  const gone: Box['gone'] = async (id) => {
    const { code, err } = await call(['delete', '--force', id])
    assert.is(code, 0, `delete: ${err}`)
    assert.equal(left(id), [])
  }
  const close = async (): Promise<void> => {
    for (const id of made) if (left(id).length > 0) await call(['delete', '--force', id])
    removeGroups(mark)
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    folder,
    rootfs,
    root,
    newId,
    document,
    bundle,
    begin,
    call,
    ok,
    created,
    started,
    state,
    untilStatus,
    left,
    gone,
    close,
  }
}

/** Programs of mapped users look up paths in it: the runner's own folders above are closed to them. */
export const openToMapped = (folder: string): void => {
  chmodSync(folder, 0o755)
  const above = path.dirname(folder)
  if (above.includes('slipway-test-')) openToMapped(above)
}

const commandOf = (runtime: Runtime, root: string, words: readonly string[]): readonly string[] =>
  runtime === 'slipway'
    ? [COMMAND, '--root', root, ...words]
    : ['unshare', '--mount', 'sh', '-c', HIDE, 'sh', runtime, '--root', root, ...words]

const documentOf = (mark: string, rootfs: string, id: string, change: Change): object => ({
  ociVersion: '1.0.2',
  process: {
    user: { uid: 0, gid: 0 },
    args: change.args ?? ['sleep', '1000'],
    env: [PATH],
    cwd: '/',
    capabilities: { bounding: ALL_CAPS, effective: ALL_CAPS, permitted: ALL_CAPS },
    ...change.process,
  },
  root: { path: rootfs },
  mounts: MOUNTS,
  linux: {
    namespaces: ['pid', 'mount', 'ipc', 'uts'].map((type) => ({ type })),
    cgroupsPath: `/${mark}/${id}`,
    ...change.linux,
  },
  ...change.more,
})

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Those of its cgroup, and those that were told its id: the command itself, and what it starts. No zombies. */
const processesOf = (id: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      const [, state = 'Z'] = /\) (.)/.exec(textOf(`/proc/${pid}/stat`)) ?? []
      const belongs = (text: string): boolean =>
        text.split(/[\0\n/]/).some((word) => word === id || word.endsWith(`=${id}`))
      return (
        state !== 'Z' && (belongs(textOf(`/proc/${pid}/cgroup`)) || belongs(textOf(`/proc/${pid}/cmdline`)))
      )
    })
    .map(Number)

/** The group all containers of a box are in outlives them, as it does with runc. */
const removeGroups = (mark: string): void => {
  for (const group of cgroupDirectories(mark).slice().reverse()) rmdirSync(group)
}

export const pidOf = (file: string): number => Number(readFileSync(file, 'utf8'))
export const makeFolder = (...parts: string[]): string => {
  const folder = path.join(...parts)
  mkdirSync(folder, { recursive: true })
  return folder
}
