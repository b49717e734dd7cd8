// The other engines on this machine: found, set up, tried once, and cleaned up after.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { type CommandTimer, commandTimer, firstLine } from './command.ts'
import { type Lab, PROGRAM } from './lab.ts'
import type { PartId } from './parts.ts'
import { payload } from './payload.ts'
import { ownUlimits, PEERS, type Peer, type PeerPlace, peerSpec, specText, tarOfProgram } from './peers.ts'
import { failed, type Subject } from './subject.ts'

/** One that is not measured, and why. */
export interface NotMeasured {
  readonly title: string
  readonly why: string
}

export interface PeerSubject {
  readonly subject: Subject
  readonly does: string
  readonly version: string
}

export interface Peers {
  readonly found: readonly PeerSubject[]
  readonly missing: readonly NotMeasured[]
  /** Removes images, groups and directories of theirs. */
  readonly close: () => void
}

export interface PeerOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly wanted: readonly Peer[]
  readonly whole: ReadonlySet<PartId>
  readonly signal: AbortSignal
  readonly onTry: (title: string) => void
}

interface SetUp {
  readonly peer: Peer
  readonly place: PeerPlace
  /** What it is going to leave. */
  readonly strays: readonly string[]
}

/** Never fails: an engine that cannot be set up or run is one that is not measured. */
export const openPeers = async (lab: Lab, options: PeerOptions): Promise<Peers> => {
  const env = peerEnv(options.env)
  const hidden = options.wanted.length > 0 ? hideUnified(lab) : undefined
  const timer = commandTimer(lab.addon, env, path.join(lab.runtime, 'peers.log'), hidden?.fd ?? -1)
  const set: SetUp[] = []
  const found: PeerSubject[] = []
  const missing: NotMeasured[] = []
  for (const peer of options.wanted) {
    if (options.signal.aborted) break
    options.onTry(peer.title)
    const program = findProgram(peer.program, env.PATH)
    if (program === undefined) {
      missing.push({ title: peer.title, why: `${peer.program} is not on PATH` })
      continue
    }
    const place = placeOf(lab, peer, program)
    set.push({ peer, place, strays: (peer.leaves ?? []).filter((file) => !existsSync(file)) })
    try {
      await setUp(lab, peer, place, options.whole, env)
      const subject = subjectOf(peer, place, timer)
      await subject.once()
      found.push({ subject, does: peer.does, version: versionOf(program, env) })
    } catch (error) {
      missing.push({ title: peer.title, why: error instanceof Error ? error.message : String(error) })
    }
  }
  const close = (): void => {
    for (const each of set) tearDown(lab, each, env)
    timer.close()
    hidden?.close()
  }
  return { found, missing, close }
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What they need of ours, and nothing that would make one of them work more. */
const peerEnv = (env: PeerOptions['env']): Readonly<Record<string, string>> & { readonly PATH: string } => ({
  PATH: env.PATH ?? DEFAULT_PATH,
  HOME: env.HOME ?? '/root',
  ...(env.DOCKER_HOST === undefined ? {} : { DOCKER_HOST: env.DOCKER_HOST }),
  ...(env.DOCKER_CONTEXT === undefined ? {} : { DOCKER_CONTEXT: env.DOCKER_CONTEXT }),
})

export const findProgram = (name: string, searchPath: string): string | undefined =>
  searchPath
    .split(':')
    .filter((folder) => path.isAbsolute(folder))
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return statSync(file).isFile()
      } catch {
        return false
      }
    })

const placeOf = (lab: Lab, peer: Peer, program: string): PeerPlace => ({
  program,
  rootfs: lab.rootfs,
  store: path.join(lab.folder, peer.id),
  runtime: path.join(lab.runtime, peer.id),
  // An image's name is lower case.
  name: `slipway-${lab.mark}-${peer.id}`.toLowerCase(),
  payload: PROGRAM,
  extra: peer.id === 'podman' ? ownUlimits(readFileSync('/proc/self/limits', 'utf8'), pidMax()) : [],
})

const pidMax = (): number => Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'))

const setUp = async (
  lab: Lab,
  peer: Peer,
  place: PeerPlace,
  whole: ReadonlySet<PartId>,
  env: Readonly<Record<string, string>>,
): Promise<void> => {
  mkdirSync(place.store)
  mkdirSync(place.runtime)
  if (peer.bundle === true) {
    const spec = peerSpec(await lab.specOf(whole), lab.rootfs, place.name)
    writeFileSync(path.join(place.store, 'config.json'), specText(spec))
  }
  if (peer.image === undefined) return
  const image = tarOfProgram(PROGRAM.slice(1), payload(lab.facts.arch))
  command(peer.image.make(place), env, image)
}

const COMMAND_TIMEOUT_MS = 60_000
const command = (
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  input: Uint8Array = new Uint8Array(),
): string => {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    env,
    input,
    timeout: COMMAND_TIMEOUT_MS,
    encoding: 'utf8',
  })
  if (status === 0) return stdout
  const end = error?.message ?? (signal === null ? `exit code ${status}` : `ended by ${signal}`)
  const line = firstLine(stderr ?? '')
  throw failed(`${path.basename(program)} ${args[0] ?? ''}: ${end}${line === undefined ? '' : `: ${line}`}`)
}

const versionOf = (program: string, env: Readonly<Record<string, string>>): string => {
  try {
    return firstLine(command([program, '--version'], env)) ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

const subjectOf = (peer: Peer, place: PeerPlace, timer: CommandTimer): Subject => {
  const argv = peer.argv(place)
  return {
    id: peer.id,
    title: peer.title,
    block: peer.block,
    once: async () => {
      const ns = await timer.time(argv)
      if (peer.settleMs > 0) await new Promise((resolve) => setTimeout(resolve, peer.settleMs))
      return { ns }
    },
  }
}

/** Everything here may have failed before, or may be gone already. */
const tearDown = (lab: Lab, { peer, place, strays }: SetUp, env: Readonly<Record<string, string>>): void => {
  quietly(() => peer.image !== undefined && command(peer.image.remove(place), env))
  for (const directory of [place.store, place.runtime]) {
    for (const mount of mountsBelow(directory)) quietly(() => command(['/bin/umount', '-l', mount], env))
    quietly(() => rmSync(directory, { recursive: true, force: true }))
  }
  for (const file of strays) quietly(() => rmSync(file, { force: true }))
  const { unified, controllers } = lab.facts.cgroup
  const trees = new Set([
    ...(unified === undefined ? [] : [unified]),
    ...controllers.map((each) => each.mountpoint),
  ])
  for (const tree of trees) removeGroups(path.join(tree, place.name))
}

const quietly = (body: () => unknown): void => {
  try {
    body()
  } catch {}
}

/** The innermost first. */
const mountsBelow = (directory: string): readonly string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mount) => mount.startsWith(`${directory}/`))
    .reverse()

/** A group that still has members stays: its engine failed to end them, and says so. */
const removeGroups = (group: string): void => {
  if (!existsSync(group)) return
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroups(path.join(group, entry.name))
  quietly(() => rmdirSync(group))
}

interface Hidden {
  readonly fd: number
  readonly close: () => void
}

/**
 * Where cgroups are hybrid, a mount namespace in which the version 2 tree is not to be seen: crun and podman refuse that layout.
 * Undefined elsewhere, and where it cannot be made.
 */
const hideUnified = (lab: Lab): Hidden | undefined => {
  const { mode, unified } = lab.facts.cgroup
  if (mode !== 'hybrid' || unified === undefined) return undefined
  const script = 'mount -t tmpfs hidden "$0" && exec sleep 30'
  const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, unified], {
    stdio: 'ignore',
  })
  holder.on('error', () => {})
  const fd = namespaceOf(holder, unified)
  holder.kill('SIGKILL')
  return fd === undefined ? undefined : { fd, close: () => closeSync(fd) }
}

/** Its descriptor keeps it when the process is gone. */
const namespaceOf = ({ pid }: ChildProcess, hidden: string): number | undefined => {
  if (pid === undefined) return undefined
  for (const end = Date.now() + 5000; Date.now() < end; pause(5)) {
    try {
      const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
      if (
        mounts.split('\n').some((line) => line.includes(` ${hidden} `) && line.includes(' - tmpfs hidden '))
      )
        return openSync(`/proc/${pid}/ns/mnt`, 'r')
    } catch {
      return undefined
    }
  }
  return undefined
}

const pause = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

export const peersNamed = (ids: ReadonlySet<string> | undefined): readonly Peer[] =>
  PEERS.filter(({ id }) => ids === undefined || ids.has(id))
