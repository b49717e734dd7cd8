// The command line as it is published, with the real addon, a root of its own, and a registry with small images.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import { cgroupNameOf } from '../../src/adapters/live.ts'
import { censusDifferences, takeCensus } from '../support/census.ts'
import { makeRootfs } from '../support/engine.ts'
import { type FaultRegistry, startFaultRegistry } from '../support/fault-registry.ts'
import { type BuiltImage, buildImage } from '../support/image-builder.ts'
import { findProgram, lacking } from '../support/needs.ts'
import type { TarFile } from '../support/tar-builder.ts'
import { bundle } from './bundle.ts'

/** Why these tests cannot run here; undefined = they can. */
export const realCliNeeds = (): string | undefined => lacking('root', 'program:busybox')

export interface Outcome {
  /** The exit code; 128+n where a signal ended the command itself. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RealCli {
  readonly root: string
  readonly folder: string
  readonly rootfs: string
  /** The command line, to be given to Node, and the variables it needs. */
  readonly file: string
  readonly env: Readonly<Record<string, string>>
  readonly registry: FaultRegistry
  /** `<registry>/base:1`, pulled already. */
  readonly image: string
  /** `node` stands before the command line itself: by default Node's own path. */
  readonly spawn: (words: readonly string[], options?: SpawnOptions, node?: readonly string[]) => ChildProcess
  readonly run: (
    words: readonly string[],
    options?: SpawnOptions,
    node?: readonly string[],
  ) => Promise<Outcome>
  /** What is there beyond what was there at the last call; one line each. */
  readonly leftovers: () => Promise<readonly string[]>
  readonly close: () => Promise<void>
}

/** Docker's names of this machine's processor and of another one. */
export const [OWN_ARCH, OTHER_ARCH] = process.arch === 'arm64' ? ['arm64', 'amd64'] : ['amd64', 'arm64']

const APPLETS = ['sh', 'cat', 'echo', 'id', 'sleep', 'true', 'env', 'wc', 'pwd', 'kill', 'stty', 'yes']

/** Busybox under its usual names, and the accounts of a small system. */
export const baseFiles = (): readonly TarFile[] => [
  { name: 'bin/busybox', data: readFileSync(findProgram('busybox') ?? '/bin/busybox') },
  ...APPLETS.map((name) => ({ name: `bin/${name}`, type: '2', linkName: 'busybox' })),
  { name: 'etc/passwd', data: 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n' },
  { name: 'etc/group', data: 'root:x:0:\napp:x:1000:\nextra:x:2000:app\n' },
]

export const baseImage = (): BuiltImage =>
  buildImage({
    architecture: OWN_ARCH,
    layers: [baseFiles()],
    config: { Cmd: ['true'], Env: ['PATH=/bin'] },
  })

/** Kinds of a census that belong to the engine, not to this process and its connections. */
const COUNTED = /^(files|mounts|cgroups|netNamespaces): /

export const openRealCli = async (images: Readonly<Record<string, BuiltImage>> = {}): Promise<RealCli> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-real-cli-'))
  const root = path.join(folder, 'root')
  const rootfs = path.join(folder, 'rootfs')
  mkdirSync(rootfs)
  makeRootfs(rootfs)
  const built = await bundle()
  const registry = await startFaultRegistry({ 'base:1': baseImage(), ...images })
  const env = { SLIPWAY_ROOT: root, SLIPWAY_ADDON: path.resolve('build/Release/slipway.node') }
  const start = (
    words: readonly string[],
    options: SpawnOptions = {},
    [program = '', ...flags]: readonly string[] = [process.execPath],
  ): ChildProcess =>
    spawn(program, [...flags, '--', built.file, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      env: { ...process.env, ...env, ...options.env },
    })
  const scope = { directories: [root], cgroup: cgroupNameOf(root) }
  let before = takeCensus(scope)
  const settled = async (): Promise<readonly string[]> => {
    for (const deadline = Date.now() + 5000; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const differences = censusDifferences(before, takeCensus(scope)).filter((line) => COUNTED.test(line))
      if (differences.length === 0 || Date.now() > deadline) return differences
    }
  }
  const cli: RealCli = {
    root,
    folder,
    rootfs,
    file: built.file,
    env,
    registry,
    image: `${registry.host}/base:1`,
    spawn: start,
    run: (words, options, node) => outcomeOf(start(words, options, node)),
    leftovers: async () => {
      const left = await settled()
      before = takeCensus(scope)
      return left
    },
    close: async () => {
      await registry.stop()
      built.remove()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  // What the first start of a root makes stays: its folders, its cgroups, the facts of this boot.
  for (const words of [
    ['pull', cli.image],
    ['run', '--rm', cli.image],
    ['run', '--rm', ...'-m 64m --cpus 1 --pids-limit 99 --cpuset-cpus 0'.split(' '), cli.image],
  ])
    await cli.run(words)
  before = takeCensus(scope)
  return cli
}

/** The whole of a command: what it wrote and how it ended. */
export const outcomeOf = (child: ChildProcess): Promise<Outcome> => {
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.on('data', (chunk: Buffer) => {
      written[name] += chunk.toString()
    })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const number = signal === null ? 0 : constants.signals[signal]
      resolve({ code: code ?? 128 + number, ...written })
    })
  })
}
