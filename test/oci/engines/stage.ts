// A place for another engine to run in: a mount namespace of its own, with a store and a /run that go with it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Bundle } from '../../cli/bundle.ts'
import { makeRootfs } from '../../support/engine.ts'
import { lacking, type Need } from '../../support/needs.ts'

/** As it is published: other engines take a runtime by its path. */
export const RUNTIME = path.resolve('dist/oci.cjs')

export const engineNeeds = (...programs: readonly string[]): string | undefined =>
  lacking(
    'root',
    'program:busybox',
    'program:unshare',
    `file:${RUNTIME}`,
    ...programs.map((name): Need => `program:${name}`),
  )

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Stage {
  /** Seen under the same path in there, as a tmpfs. */
  readonly directory: string
  readonly run: (argv: readonly string[], input?: string) => Ran
  /** A daemon of the stage's own; it is ended with it. */
  readonly start: (argv: readonly string[]) => ChildProcess
  /** `name`: of the cgroup the engine was told to put everything below. */
  readonly close: (name: string) => Promise<void>
}

/** Where v2 is mounted beside v1, these engines refuse to tell which of them they are to use. */
const SCRIPT = `set -e
if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs hidden /sys/fs/cgroup/unified; fi
mount -t tmpfs store "$1"
mount -t tmpfs run /run
echo ready
read nothing || :`

const TIMEOUT_MS = 40_000

export const openStage = async (): Promise<Stage> => {
  const directory = mkdtempSync(path.join(tmpdir(), 'e-'))
  const holder = spawn(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sh', directory],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])
  if (holder.exitCode !== null) throw new Error('no mount namespace could be made')
  const enter = [`--mount=/proc/${holder.pid}/ns/mnt`, '--']
  const daemons: ChildProcess[] = []
  return {
    directory,
    run: (argv, input = '') => {
      const options = { input, encoding: 'utf8', timeout: TIMEOUT_MS } as const
      const { status, stdout, stderr } = spawnSync('nsenter', [...enter, ...argv], options)
      return { code: status, stdout, stderr }
    },
    start: (argv) => {
      const daemon = spawn('nsenter', [...enter, ...argv], { stdio: 'ignore' })
      daemons.push(daemon)
      return daemon
    },
    close: async (name) => {
      for (const daemon of daemons.reverse()) await ended(daemon)
      holder.stdin.end()
      if (holder.exitCode === null) await once(holder, 'exit')
      await removeGroups(name)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const at = ({ directory }: Stage, name: string): string => path.join(directory, name)

/** Of the stage's own dockerd. */
export const dockerIn = (stage: Stage, argv: readonly string[], input?: string): Ran =>
  stage.run(['docker', '-H', `unix://${at(stage, 'socket')}`, ...argv], input)

/** Beside it, outside of the stage: the command line with a root of its own. */
export const slipwayIn = ({ file }: Bundle, root: string, argv: readonly string[]): Ran => {
  const env = {
    ...process.env,
    SLIPWAY_ROOT: root,
    SLIPWAY_ADDON: path.resolve('build/Release/slipway.node'),
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...argv], {
    env,
    encoding: 'utf8',
    input: '',
  })
  return { code: status, stdout, stderr }
}

/** A dockerd of the stage's own, once it answers. */
export const startDockerd = async (stage: Stage, ...more: readonly string[]): Promise<void> => {
  const places = [
    ...['--data-root', at(stage, 'data'), '--exec-root', at(stage, 'exec')],
    ...['--pidfile', at(stage, 'pid'), '-H', `unix://${at(stage, 'socket')}`],
  ]
  const network = ['--iptables=false', '--bridge=none', '--ip-masq=false', '--storage-driver', 'vfs']
  const daemon = stage.start(['unshare', '--net', 'dockerd', ...places, ...network, ...more])
  while (dockerIn(stage, ['version']).code !== 0 && daemon.exitCode === null) await pause(100)
}

const ended = async (daemon: ChildProcess): Promise<void> => {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return
  daemon.kill('SIGTERM')
  await once(daemon, 'exit')
}

const CGROUPS = '/sys/fs/cgroup'

/** The directories of that name below the top of each hierarchy, and all below them. */
export const groupsNamed = (name: string): readonly string[] =>
  [CGROUPS, ...readdirSync(CGROUPS).map((each) => path.join(CGROUPS, each))].flatMap((top) =>
    foldersBelow(path.join(top, name)),
  )

const foldersBelow = (folder: string): readonly string[] => {
  try {
    const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    return [folder, ...inside.flatMap((entry) => foldersBelow(path.join(folder, entry.name)))]
  } catch {
    return []
  }
}

/** What an engine made above its containers stays when they go, and its helpers end a moment later. */
const removeGroups = async (name: string): Promise<void> => {
  for (let tries = 0; tries < 100 && groupsNamed(name).some(isBusy); tries++) await pause(50)
  for (const group of [...groupsNamed(name)].reverse()) rmdirSync(group)
}

const isBusy = (group: string): boolean => readFileSync(path.join(group, 'cgroup.procs'), 'utf8') !== ''

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A tar of busybox and its names, with a file that cannot be executed, outside of the stage. */
export const packRootfs = (): { readonly tar: string; readonly remove: () => void } => {
  const folder = mkdtempSync(path.join(tmpdir(), 'image-'))
  const rootfs = path.join(folder, 'rootfs')
  makeRootfs(rootfs)
  writeFileSync(path.join(rootfs, 'etc/notes'), 'no program\n', { mode: 0o644 })
  const tar = path.join(folder, 'rootfs.tar')
  const { status, stderr } = spawnSync('tar', ['-C', rootfs, '-cf', tar, '.'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return { tar, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The same as an image of docker-save's form, which needs no registry to be imported either. */
export const packImage = (name: string): { readonly tar: string; readonly remove: () => void } => {
  const { tar: layer, remove } = packRootfs()
  const folder = path.dirname(layer)
  const rootfs = { type: 'layers', diff_ids: [`sha256:${sha256(readFileSync(layer))}`] }
  const config = { architecture: goArchitecture(), os: 'linux', config: { Env: ENV }, rootfs }
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config))
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['rootfs.tar'] }]
  writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify(manifest))
  const tar = path.join(folder, 'image.tar')
  const names = ['manifest.json', 'config.json', 'rootfs.tar']
  const { status, stderr } = spawnSync('tar', ['-C', folder, '-cf', tar, ...names], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return { tar, remove }
}

const ENV = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']
const goArchitecture = (): string => (process.arch === 'x64' ? 'amd64' : process.arch)
