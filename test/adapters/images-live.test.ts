// Real images, a real registry, the real unpacker: what other people's tools made is what comes out.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { imagePorts } from '../../src/adapters/images-live.ts'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { createSnapshotter } from '../../src/adapters/snapshotter.ts'
import { type Images, imageVerbs } from '../../src/engine/images-verbs.ts'
import { digestOf } from '../../src/model/digest.ts'
import { loadAddon } from '../../src/native/load.ts'
import { right } from '../support/image-store.ts'
import { lacking } from '../support/needs.ts'
import { busyboxLayout, debianLayout, debianTar } from '../support/real-images.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { assert, suite } from '../support/suite.ts'

const Live = suite('adapters/images-live')
const CLI = 'dist/cli.cjs'
const tools = ['docker-registry', 'skopeo', 'umoci', 'mmdebstrap'] as const
const why = lacking('root', 'file:/bin/busybox', ...tools.map((name) => `program:${name}` as const))
const debian = why === undefined ? debianTar() : { missing: why }

let folder = ''
let registry: RunningRegistry | undefined
let images: Images
let close = (): void => {}
let busybox = ''
const host = (): string => registry?.host ?? ''

Live.before(async () => {
  if (why !== undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-live-'))
  registry = await startRegistry()
  busybox = busyboxLayout(folder)
  registry.push(busybox, 'busybox:1')
  registry.push(busybox, 'busybox:v2s2', '--format', 'v2s2')
  if ('path' in debian) registry.push(debianLayout(folder, debian.path), 'debian:bookworm')
})
Live.after(async () => {
  await registry?.stop()
  if (folder !== '') rmSync(folder, { recursive: true, force: true })
})
Live.beforeEach(() => {
  const ports = imagePorts({
    root: path.join(folder, 'root'),
    snapshotter: createSnapshotter({ root: path.join(folder, 'root'), native: loadLayerAddon() }),
    flock: (fd, operation) => loadAddon().flock(fd, operation),
  })
  images = imageVerbs(ports)
  close = ports.registry.close
})
Live.afterEach(() => {
  close()
  rmSync(path.join(folder, 'root'), { recursive: true, force: true })
})

const test = (name: string, body: () => Promise<void>, reason = why): void =>
  reason === undefined ? Live(name, body) : Live.skip(name, reason)

const treeOf = async (name: string): Promise<string> => {
  const { rootfs } = await right(images.resolve(name))
  if (rootfs.kind !== 'layers' || rootfs.lowers[0] === undefined) throw new Error('no tree')
  return rootfs.lowers[0]
}
const isBusybox = async (name: string): Promise<void> =>
  assert.ok(readFileSync(path.join(await treeOf(name), 'bin/busybox')).equals(readFileSync('/bin/busybox')))

interface Manifest {
  readonly layers: readonly {
    readonly mediaType: string
    readonly digest: string
  }[]
}
const manifestOf = (name: string): Manifest =>
  JSON.parse(
    execFileSync('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${host()}/${name}`], {
      encoding: 'utf8',
    }),
  )
/** Of files that no registry has seen: skopeo takes what is there, however it is compressed. */
const pushCompressed = (format: string, to: string): void => {
  const own = path.join(folder, to.replace(':', '-'))
  mkdirSync(own)
  const layout = busyboxLayout(own)
  writeFileSync(`${own}/unique`, randomBytes(100_000))
  const image = layout.replace(/^oci:/, '')
  execFileSync('umoci', ['insert', '--image', image, `${own}/unique`, '/unique'], { stdio: 'pipe' })
  execFileSync('skopeo', ['copy', '-q', '--dest-decompress', layout, `dir:${own}/plain`])
  const flags = ['--format', 'oci', '--dest-compress', '--dest-compress-format', format]
  registry?.push(`dir:${own}/plain`, to, ...flags)
}
/** Calls in the order of their ends. */
const finishedCalls = (trace: string): readonly string[] => {
  const begun = new Map<string, string>()
  return trace.split('\n').flatMap((line) => {
    const [, pid = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (text.endsWith('<unfinished ...>')) {
      begun.set(pid, text)
      return []
    }
    const resumed = text.startsWith('<... ') ? begun.get(pid) : text
    return resumed === undefined || text.includes('= -1') ? [] : [resumed]
  })
}

for (const tag of ['1', 'v2s2']) {
  test(`busybox:${tag} from a real registry is the busybox that was put in`, async () => {
    const pulled = await right(images.pull(`${host()}/busybox:${tag}`))
    assert.is(pulled.status, 'downloaded')
    await isBusybox(pulled.reference)
    assert.is((await right(images.pull(pulled.reference))).status, 'current')
  })
}

const zstdLacks = loadLayerAddon().canDecompress('zstd') ? why : 'needs libzstd.so.1, or a Node that has zstd'
test(
  'layers that skopeo compressed as zstd are what was put in',
  async () => {
    pushCompressed('zstd', 'zstd:1')
    const pulled = await right(images.pull(`${host()}/zstd:1`))
    const unique = readFileSync(path.join(folder, 'zstd-1/unique'))
    assert.ok(readFileSync(path.join(await treeOf(pulled.reference), 'unique')).equals(unique))
    await isBusybox(pulled.reference)
    const [, layer] = manifestOf('zstd:1').layers
    assert.match(layer?.mediaType ?? '', /\+zstd$/)
    const stored = path.join(folder, 'root/oci/blobs', (layer?.digest ?? '').replace(':', '/'))
    assert.is(readFileSync(stored).readUInt32LE(0), 0xfd2fb528)
  },
  zstdLacks,
)

test(
  'no name is given before every blob it leads to is on the disk',
  async () => {
    const trace = path.join(folder, 'trace')
    const root = path.join(folder, 'traced')
    const words = [CLI, '--root', root, 'pull', '-q', `${host()}/busybox:1`]
    const calls = ['-e', 'trace=fsync,fdatasync,rename']
    execFileSync('strace', ['-f', '-y', '-s', '4096', '-o', trace, ...calls, process.execPath, ...words], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const done = finishedCalls(readFileSync(trace, 'utf8'))
    const named = done.findIndex((call) => call.startsWith('rename(') && call.includes('/oci/index.json"'))
    assert.ok(named > 0, 'the image gets its name')
    const before = done.slice(0, named)
    const blobs = readdirSync(path.join(root, 'oci/blobs/sha256'))
    assert.is(blobs.length, 3)
    for (const blob of blobs) {
      const renamed = before.find((call) => call.startsWith('rename(') && call.includes(`/${blob}"`))
      const ingest = /rename\("([^"]+)"/.exec(renamed ?? '')?.[1] ?? 'nowhere'
      const synced = before.some(
        (call) => /^f(data)?sync/.test(call) && (call.includes(blob) || call.includes(ingest)),
      )
      assert.ok(synced, `${blob} was flushed`)
    }
    assert.ok(
      before.some((call) => /^fsync\(\d+<[^>]*\/oci\/blobs\/sha256>/.test(call)),
      'their names were flushed',
    )
    rmSync(root, { recursive: true, force: true })
  },
  why ?? lacking('program:strace'),
)

test('what umoci and skopeo write can be loaded: directory, OCI tar, docker tar, all of them as a stream', async () => {
  const layout = busybox.split(':')[1] ?? ''
  const copy = (to: string) =>
    execFileSync('skopeo', ['copy', '-q', busybox, to], { stdio: ['ignore', 'ignore', 'pipe'] })
  copy(`oci-archive:${folder}/oci.tar:me/oci:1`)
  copy(`docker-archive:${folder}/docker.tar:me/docker:1`)
  const [byDirectory] = await right(images.load({ path: layout }))
  await isBusybox(byDirectory?.id ?? '')
  await right(images.load({ path: `${folder}/oci.tar` }))
  await isBusybox('me/oci:1')
  const { createReadStream } = await import('node:fs')
  await right(images.load({ stream: createReadStream(`${folder}/docker.tar`) }))
  await isBusybox('me/docker:1')
})

test('skopeo reads our layout, and finds the image under its full name', async () => {
  const { digest, reference } = await right(images.pull(`${host()}/busybox:1`))
  const text = execFileSync('skopeo', ['inspect', `oci:${folder}/root/oci:${reference}`], {
    encoding: 'utf8',
  })
  const seen = JSON.parse(text) as { Digest: string; Layers: string[] }
  assert.is(seen.Digest, digest)
  execFileSync('skopeo', ['copy', '-q', `oci:${folder}/root/oci:${reference}`, `dir:${folder}/out`])
})

test('what we save is what skopeo, umoci and podman read, with the digests it had', async () => {
  const { digest, reference, id } = await right(images.pull(`${host()}/busybox:1`))
  const at = (name: string) => path.join(folder, name)
  await right(images.save([reference], { path: at('saved.tar') }))
  await right(images.save([reference], { path: at('saved-oci.tar') }, { format: 'oci-archive' }))
  await right(images.save([reference], { path: at('saved-dir') }, { format: 'oci-dir' }))
  const text = (program: string, ...args: readonly string[]) =>
    execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  for (const form of [
    `oci-archive:${at('saved.tar')}`,
    `oci-archive:${at('saved-oci.tar')}`,
    `oci:${at('saved-dir')}`,
  ])
    assert.is(
      (JSON.parse(text('skopeo', 'inspect', `${form}:${reference}`)) as { Digest: string }).Digest,
      digest,
    )
  assert.is(text('umoci', 'ls', '--layout', at('saved-dir')).trim(), reference)
  const config = text(
    'skopeo',
    'inspect',
    '--config',
    '--raw',
    `docker-archive:${at('saved.tar')}:${reference}`,
  )
  assert.is(digestOf(config), id)
  if (lacking('program:podman') !== undefined) return
  // No longer than podman takes it.
  const short = mkdtempSync('/run/sw-')
  const podman = ['--root', at('podman'), '--runroot', short, '--storage-driver', 'vfs']
  try {
    for (const file of ['saved.tar', 'saved-oci.tar']) {
      text('podman', ...podman, 'load', '-q', '-i', at(file))
      assert.is(text('podman', ...podman, 'image', 'inspect', '-f', '{{.Id}}', reference).trim(), id.slice(7))
      text('podman', ...podman, 'rmi', reference)
    }
  } finally {
    rmSync(short, { recursive: true, force: true })
  }
})

test('the command line carries an image to another repository, and a new root runs it from there', async () => {
  const slipway = (root: string, ...words: readonly string[]): string =>
    execFileSync(process.execPath, [CLI, '--root', path.join(folder, root), ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  try {
    slipway('one', 'pull', '-q', `${host()}/busybox:1`)
    slipway('one', 'tag', `${host()}/busybox:1`, `${host()}/carried:1`)
    const said = slipway('one', 'push', `${host()}/carried:1`)
    assert.match(said, /^[0-9a-f]{12}: Mounted from busybox$/m)
    const raw = execFileSync('skopeo', [
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${host()}/carried:1`,
    ])
    assert.ok(said.endsWith(`1: digest: ${digestOf(raw)} size: ${raw.length}\n`), said)
    assert.is(slipway('two', 'tags', `${host()}/carried`), '1\n')
    assert.match(slipway('two', 'search', `${host()}/carr`), new RegExp(`^${host()}/carried$`, 'm'))
    assert.is(
      slipway('two', 'run', '--rm', '-q', `${host()}/carried:1`, '/bin/busybox', 'echo', 'there'),
      'there\n',
    )
  } finally {
    for (const root of ['one', 'two']) rmSync(path.join(folder, root), { recursive: true, force: true })
  }
})

test('an imported image, whose layer is not compressed, is pushed and pulled as the same image', async () => {
  execFileSync('tar', ['c', '-C', '/bin', '-f', path.join(folder, 'import.tar'), 'busybox'])
  const name = `${host()}/imported:1`
  const { id, digest } = await right(images.import({ path: path.join(folder, 'import.tar') }, { name }))
  await right(images.push(name))
  await right(images.remove(name))
  assert.equal(await right(images.pull(name)), { reference: name, digest, id, status: 'downloaded' })
})

/** Type, mode, owner, size, link target and name of everything below a folder. */
const census = (root: string): string =>
  execFileSync(
    'sh',
    [
      '-c',
      'find . -mindepth 1 \\( -type d -printf "%y %m %U:%G %p\\n" -o -printf "%y %m %U:%G %s %n %l %p\\n" \\) | sort',
    ],
    {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    },
  )

const noDebian = 'missing' in debian ? debian.missing : undefined
test(
  'Debian comes out as tar unpacks it: types, modes, owners, sizes and links',
  async () => {
    if (!('path' in debian)) return
    const { reference } = await right(images.pull(`${host()}/debian:bookworm`))
    const expected = mkdtempSync(path.join(tmpdir(), 'slipway-tar-'))
    try {
      execFileSync('tar', ['-xpf', debian.path, '--numeric-owner', '-C', expected])
      assert.is(census(await treeOf(reference)), census(expected))
    } finally {
      rmSync(expected, { recursive: true, force: true })
    }
  },
  noDebian,
)

const noCli = existsSync(CLI) ? why : `needs ${CLI}: npm run build`
const cli = (...args: readonly string[]) =>
  spawn(process.execPath, [CLI, '--root', path.join(folder, 'root'), ...args], { stdio: 'ignore' })
const exit = (child: ReturnType<typeof cli>): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', (code) => resolve(code)))

test(
  'four processes that pull the same image at once all succeed',
  async () => {
    const codes = await Promise.all([1, 2, 3, 4].map(() => exit(cli('pull', '-q', `${host()}/busybox:1`))))
    assert.equal(codes, [0, 0, 0, 0])
    await isBusybox(`${host()}/busybox:1`)
    assert.is((await right(images.list())).length, 1)
  },
  noCli,
)

test(
  'a pull killed at any moment leaves a store that works, and nothing once the image is removed',
  async () => {
    for (let delayMs = 60; delayMs < 260; delayMs += 10) {
      const child = cli('pull', '-q', `${host()}/busybox:1`)
      const gone = exit(child)
      await sleep(delayMs)
      child.kill('SIGKILL')
      await gone
      const listed = await right(images.list())
      for (const { repository, tag } of listed) await isBusybox(`${repository}:${tag}`)
      if (listed.length > 0) await right(images.remove(`${host()}/busybox:1`))
    }
    await right(images.pull(`${host()}/busybox:1`))
    await isBusybox(`${host()}/busybox:1`)
    await right(images.remove(`${host()}/busybox:1`))
    const left = execFileSync(
      'find',
      ['oci/blobs', 'ingest', 'prepared', 'layers', 'stacks', 'staging', '-type', 'f'],
      {
        cwd: path.join(folder, 'root'),
        encoding: 'utf8',
      },
    )
    assert.is(left, '')
  },
  noCli,
)

test(
  'slipway run fetches an image that is missing, and runs it; without pulling it is no such image',
  async () => {
    const output = (...args: readonly string[]) =>
      spawnSync(process.execPath, [CLI, '--root', path.join(folder, 'root'), 'run', '--rm', ...args], {
        encoding: 'utf8',
      })
    const refused = output('--pull', 'never', `${host()}/busybox:1`, 'busybox', 'true')
    assert.is(refused.status, 125)
    assert.match(refused.stderr, /no such image/)
    const ran = output(`${host()}/busybox:1`, 'busybox', 'echo', 'it runs')
    assert.is(ran.stdout, 'it runs\n')
    assert.is(ran.status, 0)
    assert.match(ran.stderr, /Pull complete/)
    assert.is(output('-q', `${host()}/busybox:1`, 'busybox', 'true').stderr, '')
  },
  noCli,
)

test(
  'pull, images, load and rmi of the command line on a real registry',
  async () => {
    const run = (...args: readonly string[]) =>
      execFileSync(process.execPath, [CLI, '--root', path.join(folder, 'root'), ...args], {
        encoding: 'utf8',
      })
    assert.match(run('pull', `${host()}/busybox:1`), /Pull complete[\s\S]*Status: Downloaded newer image/)
    assert.match(run('pull', `${host()}/busybox:1`), /Status: Image is up to date/)
    assert.match(run('load', '-i', busybox.split(':')[1] ?? ''), /^Loaded image ID: sha256:/)
    const [id = ''] = run('images', '-q').split('\n')
    assert.match(run('images'), new RegExp(`${host()}/busybox +1 +${id}`))
    assert.match(run('rmi', id), new RegExp(`^Untagged: ${host()}/busybox:1\nDeleted: sha256:${id}`))
    assert.is(run('images', '-q'), '')
  },
  noCli,
)

Live.run()
