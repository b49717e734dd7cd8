// Whole pulls, unpacking included, into empty stores on the storage under test: from one registry on loopback whose files are in memory.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../build.mjs'
import { startDockerd, stopDaemon, waitForAnswer, which } from '../drivers/peers.mjs'
import { IMAGES, pushImages } from '../images.mjs'
import { inPeers } from '../measure.mjs'

const PORT = 5099
const HOST = `127.0.0.1:${PORT}`

const startRegistry = (stage) => {
  const config = path.join(stage.run, 'registry.yml')
  const data = path.join(stage.run, 'registry')
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${data}}}\nhttp: {addr: "${HOST}"}\n`,
  )
  const registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  waitForAnswer(['curl', '-sf', `http://${HOST}/v2/`], 20, 'docker-registry')
  return registry
}

/** Debian's files as one tar, made by the tests' own recipe or anew. */
const debianTar = (stage) => {
  const known = process.env.SLIPWAY_TEST_CACHE ?? '/var/tmp/slipway-test-cache'
  const cached = path.join(known, 'debian-bookworm.tar')
  if (existsSync(cached)) return cached
  const made = path.join(stage.run, 'debian.tar')
  execFileSync('mmdebstrap', ['--variant=minbase', '--quiet', 'bookworm', made], { stdio: 'inherit' })
  return made
}

const quietly = (argv, env = {}) => {
  const { status, stderr } = spawnSync(argv[0], argv.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
}

/** `{ name, pull(image), forget(image), stop() }` for each engine there is. */
const slipway = (stage) => {
  const root = path.join(stage.store, 'pull-slipway')
  const program = path.join(projectRoot, 'dist/cli.cjs')
  return {
    name: 'slipway',
    pull: ({ tag }) => quietly([program, 'pull', '--quiet', `${HOST}/bench:${tag}`], { SLIPWAY_ROOT: root }),
    forget: () => rmSync(root, { recursive: true, force: true }),
    stop: () => {},
  }
}

const floor = (stage) => {
  const folder = path.join(stage.store, 'pull-floor')
  return {
    name: 'gzip and tar',
    pull: ({ layers }) => {
      mkdirSync(folder)
      for (const layer of layers)
        quietly(['sh', '-c', 'gzip -dc "$0" | tar -C "$1" -x --numeric-owner', layer, folder])
    },
    forget: () => rmSync(folder, { recursive: true, force: true }),
    stop: () => {},
  }
}

const podman = (stage, hidden) => {
  const program = which('podman', stage)
  if (!program) return undefined
  const enter = stage.peers?.enter ?? hidden
  const [root, run] = [path.join(stage.store, 'pull-podman'), path.join(stage.run, 'pull-podman')]
  const base = [program, '--root', root, '--runroot', run, '--storage-driver', 'overlay']
  return {
    name: 'podman pull',
    pull: ({ tag }) => quietly(enter([...base, 'pull', '-q', '--tls-verify=false', `${HOST}/bench:${tag}`])),
    forget: ({ tag }) => quietly(enter([...base, 'rmi', '-f', `${HOST}/bench:${tag}`])),
    stop: () => {},
  }
}

const docker = (stage, hidden) => {
  const [client, server] = [which('docker', stage), which('dockerd', stage)]
  if (!client || !server) return undefined
  const enter = stage.peers?.enter ?? hidden
  const { daemon, socket } = startDockerd(stage, server, enter, ['env'])
  const ask = (...words) => enter([client, '-H', `unix://${socket}`, ...words])
  waitForAnswer(ask('version'), 30, 'dockerd')
  return {
    name: 'docker pull',
    pull: ({ tag }) => quietly(ask('pull', '-q', `${HOST}/bench:${tag}`)),
    forget: ({ tag }) => quietly(ask('rmi', '-f', `${HOST}/bench:${tag}`)),
    stop: () => stopDaemon(daemon),
  }
}

const containerd = (stage, hidden) => {
  const [client, server] = [which('ctr', stage), which('containerd', stage)]
  if (!client || !server) return undefined
  const enter = stage.peers?.enter ?? hidden
  const folder = (name) => path.join(name === 'state' ? stage.run : stage.store, `pull-containerd-${name}`)
  const [config, socket] = ['containerd.toml', 'containerd.sock'].map((name) => path.join(stage.run, name))
  writeFileSync(
    config,
    `version = 2\nroot = "${folder('root')}"\nstate = "${folder('state')}"\n[grpc]\naddress = "${socket}"\n`,
  )
  const log = openSync(path.join(stage.dir, 'containerd.log'), 'a')
  const [command, ...args] = enter([server, '--config', config])
  const daemon = spawn(command, args, { stdio: ['ignore', log, log] })
  closeSync(log)
  const ask = (...words) => enter([client, '--address', socket, ...words])
  waitForAnswer(ask('version'), 30, 'containerd')
  return {
    name: 'ctr images pull',
    pull: ({ tag }) => quietly(ask('images', 'pull', '--plain-http', `${HOST}/bench:${tag}`)),
    forget: ({ tag }) => quietly(ask('images', 'rm', '--sync', `${HOST}/bench:${tag}`)),
    stop: () => stopDaemon(daemon),
  }
}

const timed = (body) => {
  const begin = process.hrtime.bigint()
  body()
  return Number(process.hrtime.bigint() - begin)
}

/** Each engine once in every round; what the file systems owe the disk is paid between two of them. */
const measureAll = (engines, images, rounds) => {
  const samples = {}
  for (let round = 0; round < rounds; round++)
    for (const image of images)
      for (const engine of engines.map((each, at) => engines[(at + round) % engines.length] ?? each)) {
        const key = `${image.name}|${engine.name}`
        samples[key] ??= { outside: [], inside: [] }
        spawnSync('sync')
        samples[key].outside.push(timed(() => engine.pull(image)))
        engine.forget(image)
      }
  return samples
}

export const pullTrial = {
  name: 'pull',
  run: (stage, { rounds = 5, quick = false }) => {
    const registry = startRegistry(stage)
    const engines = []
    try {
      const images = pushImages(
        path.join(stage.run, 'layouts'),
        debianTar(stage),
        HOST,
        quick ? IMAGES.slice(0, 1) : IMAGES,
      )
      for (const open of [slipway, floor, podman, containerd, docker]) {
        const engine = open(stage, inPeers)
        if (engine !== undefined) engines.push(engine)
      }
      return measureAll(engines, images, rounds)
    } finally {
      for (const { stop } of engines) stop()
      registry.kill()
    }
  },
}
