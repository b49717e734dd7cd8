// Whole pulls, unpacking included, into empty stores on the storage under test: from one registry on loopback whose files are in memory.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../build.mjs'
import { startDockerd, stopDaemon, waitForAnswer, which } from '../drivers/peers.mjs'
import { IMAGES, LARGE, pushImages, pushLarge } from '../images.mjs'
import { inPeers } from '../measure.mjs'

/** Images are pulled from the first one, and pushed to the second one, which forgets them every time. */
const [HOST, OTHER] = ['127.0.0.1:5099', '127.0.0.1:5098']

const startRegistry = (stage, host) => {
  const [config, data] = ['yml', 'data'].map((end) =>
    path.join(stage.run, `registry-${host.slice(-4)}.${end}`),
  )
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${data}}}\nhttp: {addr: "${host}"}\n`,
  )
  const registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  waitForAnswer(['curl', '-sf', `http://${host}/v2/`], 20, 'docker-registry')
  return { stop: () => registry.kill(), clear: () => rmSync(data, { recursive: true, force: true }) }
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

const [FROM, TO] = [(tag) => `${HOST}/bench:${tag}`, (tag) => `${OTHER}/bench:${tag}`]
const PROGRAM = path.join(projectRoot, 'dist/cli.cjs')

/**
 * `{ name, pull(image), forget(image), stop() }` for each engine there is. `version()` only starts its command; `tag(image)` gives the
 * name under which `push(image)` sends it.
 */
const slipway = (stage) => {
  const root = path.join(stage.store, 'pull-slipway')
  const ask = (...words) => quietly([PROGRAM, ...words], { SLIPWAY_ROOT: root })
  return {
    name: 'slipway',
    pull: ({ tag }) => ask('pull', '--quiet', FROM(tag)),
    version: () => ask('--version'),
    tag: ({ tag }) => ask('tag', FROM(tag), TO(tag)),
    push: ({ tag }) => ask('push', '--quiet', TO(tag)),
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
    pull: ({ tag }) => quietly(enter([...base, 'pull', '-q', '--tls-verify=false', FROM(tag)])),
    version: () => quietly(enter([program, '--version'])),
    tag: ({ tag }) => quietly(enter([...base, 'tag', FROM(tag), TO(tag)])),
    push: ({ tag }) => quietly(enter([...base, 'push', '-q', '--tls-verify=false', TO(tag)])),
    forget: () => quietly(enter([...base, 'rmi', '-f', '-a'])),
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
    pull: ({ tag }) => quietly(ask('pull', '-q', FROM(tag))),
    version: () => quietly(enter([client, '--version'])),
    tag: ({ tag }) => quietly(ask('tag', FROM(tag), TO(tag))),
    push: ({ tag }) => quietly(ask('push', '-q', TO(tag))),
    forget: ({ tag }, isTagged) => quietly(ask('rmi', '-f', FROM(tag), ...(isTagged ? [TO(tag)] : []))),
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
    pull: ({ tag }) => quietly(ask('images', 'pull', '--plain-http', FROM(tag))),
    version: () => quietly(enter([client, '--version'])),
    tag: ({ tag }) => quietly(ask('images', 'tag', FROM(tag), TO(tag))),
    push: ({ tag }) => quietly(ask('images', 'push', '--plain-http', TO(tag))),
    forget: ({ tag }, isTagged) =>
      quietly(ask('images', 'rm', '--sync', FROM(tag), ...(isTagged ? [TO(tag)] : []))),
    stop: () => stopDaemon(daemon),
  }
}

const timed = (body) => {
  const begin = process.hrtime.bigint()
  body()
  return Number(process.hrtime.bigint() - begin)
}

/** Each engine once in every round; what the file systems owe the disk is paid before what is timed. */
const measureAll = (engines, images, other, rounds) => {
  const samples = {}
  const note = (what, { name }, body) => {
    samples[`${what}|${name}`] ??= { outside: [], inside: [] }
    spawnSync('sync')
    samples[`${what}|${name}`].outside.push(timed(body))
  }
  const oneImage = (image, engine, pushed) => {
    note(image.name, engine, () => engine.pull(image))
    if (engine.version !== undefined) {
      note(`${image.name}, again`, engine, () => engine.pull(image))
      note('only the process', engine, () => engine.version())
    }
    const isTagged = pushed && engine.push !== undefined
    if (isTagged) {
      engine.tag(image)
      note(`${image.name}, pushed`, engine, () => engine.push(image))
      other.clear()
    }
    engine.forget(image, isTagged)
  }
  for (let round = 0; round < rounds; round++)
    for (const image of images)
      for (const at of engines.keys())
        oneImage(image, engines[(at + round) % engines.length], image === images[0])
  return samples
}

/** Pulls of what is there, and starts from images of few and many layers, by turns inside one process. */
const samplesInside = (stage, images, rounds) => {
  const root = path.join(stage.store, 'pull-inside')
  try {
    for (const { tag } of images) quietly([PROGRAM, 'pull', '--quiet', FROM(tag)], { SLIPWAY_ROOT: root })
    const driver = path.join(projectRoot, 'bench/drivers/image-starts.mjs')
    const words = [driver, root, String(rounds * 20), ...images.map(({ tag }) => FROM(tag))]
    const { again, starts } = JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' }))
    const filed = (name, values) =>
      values.map((inside, at) => [name(images[at].name), { outside: [], inside }])
    return Object.fromEntries([
      ...filed((image) => `${image}, again in this process|slipway`, again),
      ...filed((image) => `a start, ${image}|slipway`, starts),
    ])
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** Bytes at the peak of a pull of a layer of 2 GiB. */
const memorySamples = (stage, rounds) => {
  const root = path.join(stage.store, 'pull-memory')
  const [preload, told] = ['peak.cjs', 'peak'].map((name) => path.join(stage.run, name))
  writeFileSync(
    preload,
    `process.on('exit', () => require('node:fs').appendFileSync(${JSON.stringify(told)}, process.resourceUsage().maxRSS * 1024 + '\\n'))`,
  )
  for (let round = 0; round < rounds; round++) {
    const words = ['--require', preload, PROGRAM, 'pull', '--quiet', FROM(LARGE.tag)]
    quietly([process.execPath, ...words], { SLIPWAY_ROOT: root })
    rmSync(root, { recursive: true, force: true })
  }
  const outside = readFileSync(told, 'utf8').trim().split('\n').map(Number)
  return { 'peak of memory, a layer of 2 GiB|slipway': { outside, inside: [] } }
}

export const pullTrial = {
  name: 'pull',
  run: (stage, { rounds = 5, quick = false }) => {
    const [registry, other] = [HOST, OTHER].map((host) => startRegistry(stage, host))
    const engines = []
    try {
      const layouts = path.join(stage.run, 'layouts')
      const wanted = quick ? IMAGES.slice(0, 1) : IMAGES
      const images = pushImages(layouts, debianTar(stage), HOST, wanted)
      if (!quick) pushLarge(layouts, HOST)
      for (const open of [slipway, floor, podman, containerd, docker]) {
        const engine = open(stage, inPeers)
        if (engine !== undefined) engines.push(engine)
      }
      const samples = measureAll(engines, images, other, rounds)
      if (quick) return samples
      return { ...samples, ...samplesInside(stage, images, rounds), ...memorySamples(stage, rounds) }
    } finally {
      for (const { stop } of engines) stop()
      for (const { stop } of [registry, other]) stop()
    }
  },
}
