// A caller and an engine that only exist in memory: what a verb is given in tests.
import { PassThrough } from 'node:stream'
import * as TE from '#fp/TaskEither'
import { commandGroups } from '../../src/cli/commands/index.ts'
import { dispatch, type World } from '../../src/cli/dispatch.ts'
import type {
  CliStartOptions,
  ContainerSummary,
  Ended,
  EngineForCli,
  RunningContainer,
} from '../../src/cli/engine.ts'
import type { ClientSettings, ImageVerbs, VolumeVerbs } from '../../src/fp.ts'
import type { EngineError } from '../../src/model/errors.ts'
import type { HostFacts } from '../../src/model/host-facts.ts'
import type { ImageSource } from '../../src/model/options.ts'

export const ended = (over: Partial<Ended> = {}): Ended => ({
  exit: { _tag: 'Exited', code: 0 },
  exitCode: 0,
  usage: { wallMs: 10, cpuMs: 4, userMs: 3, systemMs: 1, peakMemoryBytes: 3 * 2 ** 20 },
  timings: {
    toExecMs: 1.5,
    toExitMs: 3.25,
    steps: [
      { step: 'cgroup_create', detail: '/sys/fs/cgroup/x', side: 'engine', startUs: 0, durationUs: 100 },
      { step: 'clone', side: 'engine', startUs: 120, durationUs: 400 },
      { step: 'mount_proc', detail: '/proc', side: 'child', startUs: 600, durationUs: 50 },
    ],
  },
  ...over,
})

export const plainFacts: HostFacts = {
  bootId: 'b',
  arch: 'x64',
  kernelRelease: '6.12.3-amd64',
  kernel: [6, 12],
  euid: 0,
  egid: 0,
  effectiveCaps: 0x1ffffffffffn,
  lastCap: 40,
  cgroup: {
    mode: 'v2',
    controllers: ['cpuset', 'cpu', 'memory', 'pids'].map((name) => ({
      name,
      mountpoint: '/sys/fs/cgroup',
      version: 2,
    })),
    unified: '/sys/fs/cgroup',
    writable: true,
  },
  namespaces: ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'],
  timeNamespaceAtExec: true,
  overlayLowerPlus: true,
  passPidfd: true,
  seccompActions: ['kill_process', 'errno', 'allow'],
  apparmor: false,
  selinux: false,
  userNamespaces: true,
  cpus: 4,
  memoryBytes: 8 * 2 ** 30,
  nofileHard: 1_048_576,
  canRaiseLimits: true,
  thermalThrottle: [],
  ipv6: true,
}

export interface Started {
  readonly image: ImageSource
  readonly argv: readonly string[]
  readonly options: CliStartOptions
}

export interface FakeContainer extends RunningContainer {
  readonly kills: (string | number)[]
  readonly sizes: (readonly [number, number])[]
  readonly hangUps: () => number
  /** What the container's terminal was told. */
  readonly typed: PassThrough
  readonly printed: PassThrough
  readonly end: (over?: Partial<Ended>) => void
}

export const fakeContainer = (): FakeContainer => {
  let resolve: (value: Ended) => void = () => {}
  const exit = new Promise<Ended>((done) => {
    resolve = done
  })
  const kills: (string | number)[] = []
  const sizes: (readonly [number, number])[] = []
  const typed = new PassThrough()
  const printed = new PassThrough()
  let hangUps = 0
  return {
    id: 'a'.repeat(64),
    pid: 42,
    stdin: typed,
    stdout: printed,
    stderr: null,
    kill: (signal) => kills.push(signal),
    resize: (columns, rows) => sizes.push([columns, rows]),
    hangUp: () => {
      hangUps++
      printed.destroy()
    },
    hangUps: () => hangUps,
    exit,
    kills,
    sizes,
    typed,
    printed,
    end: (over = {}) => {
      printed.end()
      resolve(ended(over))
    },
  }
}

/** What the fake engine answers, and what it was asked. */
export interface FakeEngine {
  readonly engine: EngineForCli
  readonly started: Started[]
  readonly removed: string[]
  readonly closed: () => number
}

export interface Answers {
  readonly start?: EngineError | FakeContainer | ((request: Started) => Promise<EngineError | FakeContainer>)
  readonly list?: EngineError | readonly ContainerSummary[]
  readonly remove?: (name: string, force: boolean) => EngineError | undefined
  readonly facts?: EngineError | HostFacts
  readonly store?: EngineError
  readonly settings?: EngineError | ClientSettings
  readonly images?: Partial<ImageVerbs>
  readonly volumes?: Partial<VolumeVerbs>
  readonly containers?: Partial<
    Pick<
      EngineForCli,
      'commit' | 'diff' | 'export' | 'inspect' | 'usage' | 'containers' | 'events' | 'replace'
    >
  >
}

const notHere = (reference: string) => TE.left<EngineError>({ _tag: 'ImageNotFound', reference })
const noImages: ImageVerbs = {
  pull: notHere,
  load: () => TE.right([]),
  list: () => TE.right([]),
  remove: notHere,
  tag: notHere,
  save: () => TE.right(undefined),
  import: () => TE.left({ _tag: 'Unsupported', feature: 'import', why: 'this is a fake' }),
  diff: notHere,
  inspect: notHere,
  history: notHere,
  platforms: notHere,
  prune: () => TE.right({ untagged: [], deleted: [], reclaimedBytes: 0, postponed: false }),
  check: () => TE.right({ checked: { blobs: 0, records: 0, layers: 0, stacks: 0 }, problems: [] }),
  push: notHere,
  tags: notHere,
  referrers: notHere,
  search: () => TE.right({ by: 'search', repositories: [] }),
  login: (registry) => TE.right({ registry, where: '/config.json', plain: true }),
  logout: () => TE.right(false),
}

const notBuilt: EngineError = { _tag: 'Unsupported', feature: 'this', why: 'this is a fake' }
const noContainer = (container: string) => TE.left<EngineError>({ _tag: 'ContainerNotFound', container })
export const fakeContainers: EngineForCli['containers'] = {
  create: () => TE.left(notBuilt),
  start: () => TE.left(notBuilt),
  startWanted: TE.left(notBuilt),
  startAttached: () => TE.left(notBuilt),
  inspect: () => TE.left(notBuilt),
  attach: () => TE.left(notBuilt),
  exec: () => TE.left(notBuilt),
  stop: () => TE.left(notBuilt),
  restart: () => TE.left(notBuilt),
  replace: () => TE.left(notBuilt),
  logs: noContainer,
  stats: () => TE.left({ _tag: 'ContainerNotFound', container: '' }),
  top: noContainer,
  wait: noContainer,
  kill: noContainer,
  pause: noContainer,
  unpause: noContainer,
  rename: noContainer,
  update: noContainer,
  stat: noContainer,
  copyFrom: noContainer,
  copyInto: noContainer,
  copy: () => TE.left(notBuilt),
}

const noVolume = (volume: string) => TE.left<EngineError>({ _tag: 'VolumeNotFound', volume })
const noVolumes: VolumeVerbs = {
  create: () => TE.left({ _tag: 'Unsupported', feature: 'volume create', why: 'this is a fake' }),
  list: () => TE.right([]),
  inspect: noVolume,
  remove: noVolume,
  prune: () => TE.right({ removed: [], reclaimedBytes: 0 }),
  export: noVolume,
  import: noVolume,
}

const isError = (value: object): value is EngineError => '_tag' in value

export const fakeEngine = (answers: Answers = {}): FakeEngine => {
  const started: Started[] = []
  const removed: string[] = []
  let closes = 0
  const answer = <A extends object>(value: A | EngineError) =>
    isError(value) ? TE.left<EngineError, A>(value) : TE.right<EngineError, A>(value)
  const engine: EngineForCli = {
    start: (image, argv, options) => async () => {
      const request = { image, argv, options }
      started.push(request)
      const given = answers.start ?? endedContainer()
      return answer(typeof given === 'function' ? await given(request) : given)()
    },
    create: () => TE.left(notBuilt),
    replace: () => TE.left(notBuilt),
    list: () => answer(answers.list ?? []),
    remove: (name, { force }) => {
      const failure = answers.remove?.(name, force)
      if (failure !== undefined) return TE.left(failure)
      removed.push(name)
      return TE.right(name)
    },
    inspect: (container) => TE.left({ _tag: 'ContainerNotFound', container }),
    commit: (container) => TE.left({ _tag: 'ContainerNotFound', container }),
    diff: (container) => TE.left({ _tag: 'ContainerNotFound', container }),
    export: (container) => TE.left({ _tag: 'ContainerNotFound', container }),
    clientSettings: () => answer(answers.settings ?? { file: '/home/me/.docker/config.json' }),
    usage: TE.left({ _tag: 'Unsupported', feature: 'usage', why: 'this is a fake' }),
    containers: fakeContainers,
    events: () => TE.left({ _tag: 'Unsupported', feature: 'events', why: 'this is a fake' }),
    ...answers.containers,
    images: { ...noImages, ...answers.images },
    volumes: { ...noVolumes, ...answers.volumes },
    facts: () => answer(answers.facts ?? plainFacts),
    store: () =>
      answer(
        answers.store ?? {
          root: '/var/lib/slipway',
          runtimeDir: '/run/slipway',
          images: 2,
          containers: 3,
          running: 1,
        },
      ),
    close: async () => {
      closes++
    },
  }
  return { engine, started, removed, closed: () => closes }
}

const endedContainer = (): FakeContainer => {
  const container = fakeContainer()
  container.end()
  return container
}

export interface CallOptions {
  readonly answers?: Answers
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly tty?: { readonly columns: number; readonly rows: number }
}

export interface Call {
  readonly code: Promise<number>
  readonly fake: FakeEngine
  readonly stdout: () => string
  readonly stderr: () => string
  readonly keys: PassThrough
  /** Every switch of raw mode. */
  readonly raw: boolean[]
  /** Sends a signal to the command; false when it does not listen. */
  readonly signal: (name: NodeJS.Signals) => boolean
  readonly roots: (string | undefined)[]
  /** Folders of Docker's config.json that were named. */
  readonly configs: (string | undefined)[]
  /** Closes the terminal, without a word to anybody. */
  readonly close: () => void
  /** The terminal's size, which a test may change. */
  readonly size: { columns: number; rows: number }
}

/** Calls the command line with these words. */
export const call = (argv: readonly string[], options: CallOptions = {}): Call => {
  const fake = fakeEngine(options.answers)
  const written = { 1: '', 2: '' }
  const size = { ...(options.tty ?? { columns: 80, rows: 24 }) }
  const isTTY = () => options.tty !== undefined
  const listeners = new Map<string, Set<(name: NodeJS.Signals) => void>>()
  const keys = new PassThrough()
  const raw: boolean[] = []
  let closed = false
  const roots: (string | undefined)[] = []
  const configs: (string | undefined)[] = []
  const output = (fd: 1 | 2) => ({
    fd,
    isTTY,
    hungUp: () => closed,
    columns: () => size.columns,
    rows: () => size.rows,
    write: (data: string | Uint8Array) => {
      written[fd] += typeof data === 'string' ? data : Buffer.from(data).toString()
    },
  })
  const world: World = {
    argv,
    env: options.env ?? {},
    cwd: options.cwd ?? '/work',
    platform: { node: 'v20.0.0', arch: 'x64', program: ['node', 'cli.cjs'] },
    stdin: { fd: 0, isTTY, stream: () => keys, setRaw: (on) => raw.push(on) },
    stdout: output(1),
    stderr: output(2),
    onSignal: (names, listener) => {
      for (const name of names) listeners.set(name, (listeners.get(name) ?? new Set()).add(listener))
      return () => {
        for (const name of names) listeners.get(name)?.delete(listener)
      }
    },
    engineOf: async (root, config) => {
      roots.push(root)
      configs.push(config)
      return fake.engine
    },
  }
  return {
    code: dispatch(world, commandGroups),
    fake,
    stdout: () => written[1],
    stderr: () => written[2],
    keys,
    raw,
    roots,
    configs,
    size,
    close: () => {
      closed = true
    },
    signal: (name) => {
      const heard = [...(listeners.get(name) ?? [])]
      for (const listener of heard) listener(name)
      return heard.length > 0
    },
  }
}

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** How a call ended, and all that it printed. */
export const outcomeOf = async ({ code, stdout, stderr }: Call): Promise<Outcome> => ({
  code: await code,
  stdout: stdout(),
  stderr: stderr(),
})

/** Lets everything that is ready run. */
export const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
