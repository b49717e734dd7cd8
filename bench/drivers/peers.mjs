// The other engines: how each is told to run the payload in a given shape, and what has to be set up before.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { makeBundle } from '../bundle.mjs'

export const CGROUP = 'slipway-bench'

/** Where a program is, in the peers' own root when there is one. */
export const which = (program, { peers } = {}) =>
  ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
    .map((folder) => path.join(folder, program))
    .find((file) => existsSync(path.join(peers?.root ?? '/', file)))

const exec = (name, argv, { block = 10, lead = 1, peers } = {}) => ({
  kind: 'exec',
  name,
  argv,
  block,
  lead,
  mountNamespace: peers?.mountNamespace,
})

/** vfork + exec of the payload by the timer itself: no isolation, no engine. */
export const plainDriver = (stage) => exec('vfork+exec', [path.join(stage.rootfs, 'true')], { block: 20 })

const bundleFor = (stage, shape, engine) =>
  makeBundle(path.join(stage.store, engine), shape, { rootfs: stage.rootfs, cgroup: `/${CGROUP}/${engine}` })

/** Many of them, `lanes` at a time, each lane with a bundle and a group of its own. */
export const crunBatchDriver = (stage, shape, { name, count, lanes }) => {
  const program = which('crun', stage)
  if (!program) return undefined
  const bundles = Array.from({ length: lanes }, (_, lane) => bundleFor(stage, shape, `crun-lane${lane}`))
  const bundle = bundles[0].replace('lane0', 'lane{}')
  const flags = ['--cgroup-manager=cgroupfs', '--root', path.join(stage.run, 'crun-batch')]
  const argv = [program, ...flags, 'run', '--bundle', bundle, 'bench-{}']
  const batch = [stage.batch, String(count), String(lanes), ...argv]
  return exec(name, batch, { block: 1, lead: 0, peers: stage.peers })
}

/** `crun run`; without limits it is told to leave cgroups alone, as it would otherwise join every controller. */
export const crunDriver = (stage, shape) => {
  const program = which('crun', stage)
  if (!program || shape.name === 'none') return undefined
  const manager = shape.limits ? 'cgroupfs' : 'disabled'
  const root = path.join(stage.run, 'crun')
  const flags = [
    `--cgroup-manager=${manager}`,
    '--root',
    root,
    'run',
    '--bundle',
    bundleFor(stage, shape, 'crun'),
    'bench',
  ]
  return exec('crun run', [program, ...flags], { block: 5, peers: stage.peers })
}

/**
 * The container `kept` of an OCI runtime, which waits: `exec` is the command that executes the payload in it. `inPeers` runs a command
 * as a peer is run. What it prints must not keep this process's pipes.
 */
export const keepOne = (stage, shape, name, program, inPeers = (argv) => argv) => {
  const bundle = bundleFor(stage, shape, `${name}-kept`)
  const file = path.join(bundle, 'config.json')
  const spec = JSON.parse(readFileSync(file, 'utf8'))
  spec.process.args = ['/bin/busybox', 'sleep', '100000']
  writeFileSync(file, JSON.stringify(spec))
  const base = [program, '--root', path.join(stage.run, `${name}-kept`)]
  const pidFile = path.join(stage.run, `${name}-kept.pid`)
  const call = (...words) => {
    const [command, ...args] = inPeers([...base, ...words])
    execFileSync(command, args, { stdio: 'ignore' })
  }
  call('run', '--detach', '--bundle', bundle, '--pid-file', pidFile, 'kept')
  return {
    pid: () => readFileSync(pidFile, 'utf8'),
    exec: [...base, 'exec', 'kept', '/true'],
    dispose: () => call('delete', '--force', 'kept'),
  }
}

/** The command that executes the payload in a waiting container of `crun` or `runc`; `dispose()` removes that. */
export const execDriver = (stage, shape, engine, hidden) => {
  const program = which(engine, stage)
  if (!program) return undefined
  const { exec: argv, dispose } = keepOne(stage, shape, engine, program, stage.peers?.enter ?? hidden)
  return { ...exec(`${engine} exec`, argv, { block: 5, peers: stage.peers }), dispose }
}

/** `runc run`: only for the whole shape, since it always makes a cgroup. */
export const runcDriver = (stage, shape) => {
  const program = which('runc', stage)
  if (!program || !shape.limits) return undefined
  const root = path.join(stage.run, 'runc')
  return exec(
    'runc run',
    [program, '--root', root, 'run', '--bundle', bundleFor(stage, shape, 'runc'), 'bench'],
    { block: 3, peers: stage.peers },
  )
}

const NAMESPACE_FLAGS = [
  ['uts', '--unshare-uts'],
  ['ipc', '--unshare-ipc'],
  ['cgroupNamespace', '--unshare-cgroup'],
  ['net', '--unshare-net'],
]

/** bubblewrap. It knows neither cgroup limits nor masks nor an overlay (0.8): it does strictly less from `+overlay` on. */
export const bwrapDriver = (stage, shape) => {
  const program = which('bwrap', stage)
  if (!program || shape.name === 'none' || shape.overlay) return undefined
  const flags = NAMESPACE_FLAGS.filter(([key]) => shape[key]).map(([, flag]) => flag)
  const view = ['--bind', stage.rootfs, '/', '--proc', '/proc', '--dev', '/dev']
  return exec('bwrap', [program, '--unshare-pid', ...flags, ...view, '/true'], { peers: stage.peers })
}

/** `bwrap --unshare-all`: the row the bars speak of. */
export const bwrapAllDriver = (stage) => {
  const program = which('bwrap', stage)
  if (!program) return undefined
  const view = ['--bind', stage.rootfs, '/', '--proc', '/proc', '--dev', '/dev']
  return exec('bwrap --unshare-all', [program, '--unshare-all', ...view, '/true'], { peers: stage.peers })
}

export const LIMIT_FLAGS = ['--memory', '64m', '--pids-limit', '64', '--cpus', '1']

/**
 * Limits podman may set without CAP_SYS_RESOURCE: it asks for higher ones by default, and has lowered its own process
 * limit to pid_max by the time its container asks.
 */
export const ownUlimits = () => {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const hard = (title) => Number(new RegExp(`^${title}\\s+\\S+\\s+(\\d+)`, 'm').exec(limits)?.[1] ?? 1024)
  const processes = Math.min(hard('Max processes'), Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8')))
  return ['--ulimit', `nofile=1024:${hard('Max open files')}`, '--ulimit', `nproc=${processes}:${processes}`]
}

/** An image holding the stage's root file system, made by `<engine> import` from a tar on its standard input. */
export const importImage = (stage, argv) => {
  const tar = path.join(stage.run, 'image.tar')
  execFileSync('tar', ['-C', stage.rootfs, '-cf', tar, '.'])
  const input = openSync(tar, 'r')
  try {
    execFileSync(argv[0], argv.slice(1), { stdio: [input, 'ignore', 'pipe'] })
  } finally {
    closeSync(input)
    rmSync(tar)
  }
}

/** podman with a store of its own on the storage under test and the image `bench` in it; the words before its verb. `inPeers` runs a command as a peer is run. */
export const podmanEngine = (stage, inPeers) => {
  const program = which('podman', stage)
  if (!program) return undefined
  const engine = [
    program,
    '--root',
    path.join(stage.store, 'podman'),
    '--runroot',
    path.join(stage.run, 'podman'),
    '--cgroup-manager',
    'cgroupfs',
    '--events-backend',
    'none',
    '--storage-driver',
    'overlay',
  ]
  importImage(stage, inPeers([...engine, 'import', '-', 'bench:latest']))
  return engine
}

/** What `podman run` must be told to do as much as slipway does, where it may. */
export const podmanFlags = () => [
  '--network',
  'none',
  ...ownUlimits(),
  '--cgroup-parent',
  `/${CGROUP}`,
  ...LIMIT_FLAGS,
]

/** `podman run --network none`. */
export const podmanDriver = (stage, hidden) => {
  const engine = podmanEngine(stage, stage.peers?.enter ?? hidden)
  if (!engine) return undefined
  const argv = [...engine, 'run', '--rm', ...podmanFlags(), 'bench', '/true']
  // The last container's clean-up process outlives the command that started it.
  const dispose = () => spawnSync('sleep', ['1'])
  return { ...exec('podman run', argv, { block: 1, lead: 0, peers: stage.peers }), dispose }
}

/** Waits for a daemon: until the command that asks it something succeeds. */
export const waitForAnswer = ([command, ...args], seconds, daemon) => {
  const end = Date.now() + seconds * 1000
  while (spawnSync(command, args, { stdio: 'ignore' }).status !== 0) {
    if (Date.now() > end) throw new Error(`${daemon}: not ready after ${seconds} s`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  }
}

/** Ends a daemon and waits until it is gone. */
export const stopDaemon = (daemon) => {
  daemon.kill('SIGTERM')
  spawnSync('timeout', ['20', 'tail', `--pid=${daemon.pid}`, '-f', '/dev/null'])
}

/** `words`: what it is started by; by default in a network namespace of its own. */
export const startDockerd = (stage, program, inPeers, words = ['unshare', '--net']) => {
  const [data, exec, pidfile, socket] = ['docker', 'docker-exec', 'docker.pid', 'docker.sock'].map(
    (name, index) => path.join(index === 0 ? stage.store : stage.run, name),
  )
  mkdirSync(data)
  const log = openSync(path.join(stage.dir, 'dockerd.log'), 'a')
  // Whatever it does to packet filters dies with its namespace.
  const flags = ['--data-root', data, '--exec-root', exec, '--pidfile', pidfile, '-H', `unix://${socket}`]
  const argv = inPeers([...words, program, ...flags, '--iptables=false', '--bridge=none', '--ip-masq=false'])
  const daemon = spawn(argv[0], argv.slice(1), { stdio: ['ignore', log, log] })
  closeSync(log)
  return { daemon, socket }
}

/** `docker run --network none` against a dockerd of its own. `dispose()` stops the daemon. */
export const dockerDriver = (stage, hidden) => {
  const inPeers = stage.peers?.enter ?? hidden
  const [client, server] = [which('docker', stage), which('dockerd', stage)]
  if (!client || !server) return undefined
  const { daemon, socket } = startDockerd(stage, server, inPeers)
  const stop = () => stopDaemon(daemon)
  try {
    const engine = [client, '-H', `unix://${socket}`]
    const asked = inPeers(engine)
    waitForAnswer([...asked, 'version'], 30, 'dockerd')
    importImage(stage, [...asked, 'import', '-', 'bench:latest'])
    const argv = [
      ...engine,
      'run',
      '--rm',
      '--network',
      'none',
      '--cgroup-parent',
      `/${CGROUP}`,
      ...LIMIT_FLAGS,
      'bench',
      '/true',
    ]
    return { ...exec('docker run', argv, { block: 1, lead: 0, peers: stage.peers }), dispose: stop }
  } catch (error) {
    stop()
    throw error
  }
}
