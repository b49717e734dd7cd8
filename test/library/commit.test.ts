// Images out of containers, on the real kernel: commit, diff, export, import, and what other tools make of the results.
import { execFileSync } from 'node:child_process'
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { cgroupNameOf } from '../../src/adapters/live.ts'
import { engineNeeds, openTestEngine, type TestEngine } from '../support/engine.ts'
import { failure } from '../support/library.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { treeList } from '../support/tree-list.ts'

const Commit = suite('library/commit')
const why = engineNeeds()
const test = (name: string, body: () => Promise<void>): void =>
  why === undefined ? Commit(name, body) : Commit.skip(name, why)

let box: TestEngine
let folder = ''
const at = (name: string): string => path.join(folder, name)
Commit.before(async () => {
  if (why !== undefined) return
  box = openTestEngine()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-commit-'))
  execFileSync('tar', ['c', '-C', box.rootfs, '-f', at('base.tar'), '.'])
  await box.engine.import(
    { path: at('base.tar') },
    { name: 'base:1', changes: ['ENV PATH=/bin', 'CMD ["true"]'] },
  )
  // What the first start of a root makes stays.
  await ran('base:1', ['true'])
})
Commit.after(async () => {
  if (why !== undefined) return
  await box.close()
  rmSync(folder, { recursive: true, force: true })
})

const kept = async (name: string, script: string, image = 'base:1'): Promise<void> => {
  const container = await box.engine.start(image, ['sh', '-ec', script], { name, keep: true })
  const { exitCode } = await container.exit
  await container.removed
  assert.is(exitCode, 0)
}
/** Runs it, and waits until nothing of it is left. */
const ran = async (image: string, argv?: readonly string[]): Promise<number> => {
  const container = await box.engine.start(image, argv)
  await container.removed
  return (await container.exit).exitCode
}
const MAKE = `
echo new > /new; rm /etc/group; echo x >> /etc/passwd; mkdir -p /d/e; ln /new /d/link; ln -s /nowhere /d/soft
mknod /d/null c 1 3; mknod /d/fifo p; dd if=/dev/zero of=/d/hole bs=1 count=1 seek=5000000 2>/dev/null
rm -rf /work; mkdir /work; echo w > /work/w; chmod 700 /root; chown 1000:2000 /d/e; chmod 4755 /new
touch -d 200102030405.06 /d/link; rm /bin/yes`
/** Everything a program sees below the root, but for what is mounted there. */
const LOOK = `find / -xdev ! -path '/proc*' ! -path '/sys*' ! -path '/dev*' ! -path /etc/hosts ! -path /etc/hostname ! -path /etc/resolv.conf ! -path / |
  sort | while read f; do stat -c '%n %f %u %g %s %t %T %Y' "$f"; readlink "$f" || true; done; cat /new /etc/passwd /work/w`
const look = async (image: string): Promise<string> =>
  (await box.engine.run(image, ['sh', '-c', LOOK])).stdout
/** Of /etc and the root the time is that of the start, which makes files in them. */
const steady = (all: readonly string[]): readonly string[] => all.filter((line) => !/^\/(etc|) /.test(line))
const linesOf = (text: string): readonly string[] => text.trimEnd().split('\n')

test('a container of a committed image shows what the container showed', async () => {
  const before = box.census()
  const container = await box.engine.start('base:1', ['sh', '-ec', `${MAKE}; ${LOOK}`], {
    name: 'ca',
    keep: true,
  })
  const lines: string[] = []
  for await (const line of container.stdout?.lines() ?? []) lines.push(line)
  await container.removed
  const { id, reference } = await box.engine.commit('ca', { name: 'a:1' })
  assert.is(reference, 'a:1')
  const seen = linesOf(await look('a:1'))
  assert.equal(steady(seen), steady(lines))
  assert.ok(seen.length > 40)
  assert.is((await box.engine.inspectImage('a:1')).Id, id)
  await box.engine.remove('ca')
  await box.engine.removeImage('a:1')
  const left = (await box.unchanged(before)).filter((line) =>
    /containers|mounts|cgroups|staging|ingest/.test(line),
  )
  assert.equal(left, [])
})

test('the layer holds the changes and nothing else; the engine’s own mount points are none', async () => {
  await kept('cb', 'echo 1 > /only')
  const { id } = await box.engine.commit('cb', { name: 'b:1', message: 'why', author: 'Ada' })
  assert.equal(await box.engine.diff('cb'), [{ kind: 'added', path: '/only' }])
  const base = await box.engine.inspectImage('base:1')
  const made = await box.engine.inspectImage(id)
  assert.equal(made.RootFS.Layers.slice(0, -1), base.RootFS.Layers)
  const layer = path.join(box.root, 'oci/blobs/sha256', made.RootFS.Layers.at(-1)?.slice(7) ?? '')
  assert.is(execFileSync('tar', ['tf', layer], { encoding: 'utf8' }), 'only\n')
  assert.equal([made.Author, made.Comment, made.Config.Cmd], ['Ada', 'why', ['true']])
  const [newest] = await box.engine.imageHistory('b:1')
  assert.equal([newest?.createdBy, newest?.comment], ['sh -ec echo 1 > /only', 'why'])
  await box.engine.remove('cb')
})

test('a container that changed nothing gives an image without a layer of its own', async () => {
  await kept('cc', 'true')
  assert.equal(await box.engine.diff('cc'), [])
  const { id } = await box.engine.commit('cc', { changes: ['LABEL a=b'] })
  const base = await box.engine.inspectImage('base:1')
  const made = await box.engine.inspectImage(id)
  assert.equal([made.RootFS, made.RepoTags, made.Config.Labels], [base.RootFS, [], { a: 'b' }])
  assert.is(await ran(id), 0)
  await box.engine.removeImage(id)
  await box.engine.remove('cc')
})

test('the same container at the same time is the same image, to the last byte', async () => {
  await kept('cd', MAKE)
  const options = { createdMs: 1_700_000_000_000 }
  const first = await box.engine.commit('cd', { ...options, name: 'd:1' })
  assert.equal(await box.engine.commit('cd', { ...options, name: 'd:2' }), { ...first, reference: 'd:2' })
  await box.engine.remove('cd')
})

test('changes of a second generation lie over those of the first', async () => {
  await kept('e1', 'echo 1 > /one; echo 1 > /both')
  await box.engine.commit('e1', { name: 'e:1' })
  await kept('e2', 'echo 2 > /both; rm /one; rm /etc/group', 'e:1')
  await box.engine.commit('e2', { name: 'e:2' })
  const { stdout } = await box.engine.run('e:2', ['sh', '-c', 'cat /both; ls /one /etc/group 2>&1 | wc -l'])
  assert.is(stdout, '2\n2\n')
  assert.equal(
    (await box.engine.diffImages('e:1', 'e:2')).map(({ kind, path: where }) => `${kind} ${where}`),
    ['changed /both', 'changed /etc', 'deleted /etc/group', 'deleted /one'],
  )
  for (const name of ['e1', 'e2']) await box.engine.remove(name)
})

test('a running container is held still while it is committed, and goes on afterwards', async () => {
  const script =
    'i=0; while :; do i=$((i+1)); echo $i > /n; busybox mv /n /a; echo $i > /n; busybox mv /n /b; done'
  await using container = await box.engine.start('base:1', ['sh', '-c', script], {
    name: 'cf',
    memory: '64MiB',
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  for (let round = 0; round < 5; round++) {
    await box.engine.commit('cf', { name: 'f:1' })
    const { stdout } = await box.engine.run('f:1', ['sh', '-c', 'cat /a /b'])
    const [a = 0, b = 0] = stdout.trim().split('\n').map(Number)
    // The first of two files is never more than one ahead of the second.
    assert.ok(a > 0 && (a - b === 0 || a - b === 1), stdout)
  }
  const count = async () => {
    await box.engine.commit('cf', { name: 'f:1', pause: false })
    return Number((await box.engine.run('f:1', ['cat', '/a'])).stdout)
  }
  const first = await count()
  assert.ok((await count()) > first, 'it goes on')
  container.kill('SIGKILL')
  assert.is((await container.exit).exitCode, 137)
  assert.equal(frozen(), [])
  const groups = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/freezer']
  const made = groups.filter(existsSync).flatMap((mount) => readdirSync(mount))
  assert.equal(
    made.filter((name) => name.startsWith(`${cgroupNameOf(box.root)}-frozen-`)),
    [],
  )
})
const frozen = (): readonly string[] => {
  const folderOfFrozen = path.join(box.root, 'run/frozen')
  return existsSync(folderOfFrozen) ? readdirSync(folderOfFrozen) : []
}

test('a container that was never started has changed nothing, until something is copied into it', async () => {
  const { engine } = box
  await engine.containers.create('base:1', ['true'], { name: 'fresh' })
  assert.equal(await engine.diff('fresh'), [])
  await engine.commit('fresh', { name: 'fresh:1' })
  const [fresh, base] = [await look('fresh:1'), await look('base:1')].map((text) => steady(linesOf(text)))
  assert.equal(fresh, base)
  assert.ok((fresh ?? []).length > 40)
  writeFileSync(at('copied'), 'hi\n')
  await engine.containers.copy(at('copied'), { container: 'fresh', path: '/copied' })
  assert.equal(
    (await engine.diff('fresh')).map(({ kind, path }) => `${kind} ${path}`),
    ['added /copied'],
  )
  await engine.commit('fresh', { name: 'fresh:2' })
  assert.is((await engine.run('fresh:2', ['cat', '/copied'])).stdout, 'hi\n')
  await engine.remove('fresh')
})

test('what an image is given by change lines is what its containers have', async () => {
  await kept('cg', 'mkdir /srv; echo hi > /srv/x')
  const changes = [
    'WORKDIR /srv',
    'ENV A=1 B="two words"',
    'USER app',
    'ENTRYPOINT ["sh","-c"]',
    'CMD ["pwd; id -u; echo $A $B"]',
  ]
  await box.engine.commit('cg', { name: 'g:1', changes })
  assert.is((await box.engine.run('g:1')).stdout, '/srv\n1000\n1 two words\n')
  await box.engine.remove('cg')
})

test('export writes what the container shows, whether it runs or was kept', async () => {
  await kept('ch', MAKE)
  await box.engine.export('ch', { path: at('h.tar') })
  const names = execFileSync('tar', ['tf', at('h.tar')], { encoding: 'utf8' }).split('\n')
  assert.ok(names.includes('new') && names.includes('d/link') && names.includes('bin/busybox'))
  assert.not.ok(names.includes('etc/group') || names.includes('bin/yes'))
  await box.engine.remove('ch')
  await using _running = await box.engine.start('base:1', ['sh', '-c', 'echo r > /r; sleep 60'], {
    name: 'ci',
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk) => chunks.push(chunk))
  await box.engine.export('ci', { stream })
  writeFileSync(at('i.tar'), Buffer.concat(chunks))
  assert.is(execFileSync('tar', ['xOf', at('i.tar'), 'r'], { encoding: 'utf8' }), 'r\n')
})
test('export and import lose nothing', async () => {
  await kept('cj', MAKE)
  await box.engine.commit('cj', { name: 'j:1' })
  await box.engine.export('cj', { path: at('j.tar') })
  await box.engine.import(
    { stream: createReadStream(at('j.tar')) },
    { name: 'j:2', changes: ['ENV PATH=/bin'] },
  )
  const steady = (text: string) => text.split('\n').filter((line) => !/^\/(etc|proc|sys|dev) /.test(line))
  assert.equal(steady(await look('j:2')), steady(await look('j:1')))
  await box.engine.remove('cj')
})
test('a container whose root is a directory can be exported, and has no layer to commit', async () => {
  const rootfs = at('rootfs')
  execFileSync('cp', ['-a', box.rootfs, rootfs])
  const container = await box.engine.start({ rootfs }, ['sh', '-c', 'echo k > /k'], {
    name: 'ck',
    keep: true,
  })
  await container.removed
  await box.engine.export('ck', { path: at('k.tar') })
  assert.is(execFileSync('tar', ['xOf', at('k.tar'), 'k'], { encoding: 'utf8' }), 'k\n')
  assert.is((await failure(box.engine.commit('ck')))._tag, 'Unsupported')
  assert.is((await failure(box.engine.diff('ck')))._tag, 'Unsupported')
  await box.engine.remove('ck')
})

test('import takes gzip, and refuses what is no tar, leaving nothing', async () => {
  execFileSync('sh', [
    '-c',
    `gzip -k ${at('base.tar')}; xz -k ${at('base.tar')} 2>/dev/null || printf '\\375\\067zXZ\\0' > ${at('base.tar.xz')}`,
  ])
  const { id } = await box.engine.import({ path: at('base.tar.gz') }, { changes: ['ENV PATH=/bin'] })
  assert.is(await ran(id, ['sh', '-c', 'exit 7']), 7)
  await box.engine.removeImage(id)
  const blobs = () => readdirSync(path.join(box.root, 'oci/blobs/sha256')).length
  const before = blobs()
  writeFileSync(at('text'), 'x'.repeat(3000))
  writeFileSync(at('empty'), '')
  execFileSync('sh', ['-c', `head -c 100000 ${at('base.tar.gz')} > ${at('cut.gz')}`])
  mkdirSync(at('dir'))
  for (const [source, tag] of [
    ['text', 'LayerRefused'],
    ['empty', 'InvalidSpec'],
    ['cut.gz', 'LayerRefused'],
    ['base.tar.xz', 'Unsupported'],
    ['dir', 'InvalidOption'],
    ['none', 'SyscallFailed'],
  ] as const) {
    const { _tag, message } = await failure(box.engine.import({ path: at(source) }))
    assert.is(_tag, tag, `${source}: ${message}`)
  }
  assert.is((await failure(box.engine.import({ path: 'http://127.0.0.1/x.tar' })))._tag, 'Unsupported')
  assert.is(blobs(), before)
})

test('what cannot be committed is told by name, and leaves nothing', async () => {
  await kept('cl', 'touch /.wh.x')
  const before = readdirSync(path.join(box.root, 'oci/blobs/sha256')).length
  assert.match((await failure(box.engine.commit('cl'))).message, /"\.wh\.x": a layer cannot hold a name/)
  assert.match((await failure(box.engine.commit('cl', { name: 'NO' }))).message, /must be lower case/)
  assert.match((await failure(box.engine.commit('cl', { changes: ['RUN x'] }))).message, /RUN is none of CMD/)
  assert.is((await failure(box.engine.commit('none')))._tag, 'ContainerNotFound')
  const signal = AbortSignal.abort()
  assert.is((await failure(box.engine.commit('cl', { signal })))._tag, 'Cancelled')
  assert.is((await failure(box.engine.export('cl', { path: at('no/such/dir.tar') })))._tag, 'SyscallFailed')
  assert.match(
    (await failure(box.engine.commit('cl', { authr: 'x' } as object))).message,
    /did you mean author/,
  )
  assert.is(readdirSync(path.join(box.root, 'oci/blobs/sha256')).length, before)
  await box.engine.remove('cl')
  const host = await box.engine.start('host', ['true'], { name: 'cm', keep: true })
  await host.removed
  assert.is((await failure(box.engine.commit('cm')))._tag, 'Unsupported')
  await box.engine.remove('cm')
})

const tools = lacking('program:skopeo', 'program:umoci', 'program:podman')
const withTools = (name: string, body: () => Promise<void>): void =>
  tools === undefined ? test(name, body) : Commit.skip(name, tools)

withTools(
  'what is committed is what umoci and podman unpack, and what comes back through skopeo',
  async () => {
    await kept('cn', `${MAKE}; rm /d/null`)
    const { digest, id } = await box.engine.commit('cn', { name: 'docker.io/me/n:1' })
    await box.engine.export('cn', { path: at('n.tar') })
    await box.engine.save('me/n:1', { path: at('n-layout') }, { format: 'oci-dir' })
    const quiet = { stdio: ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'] }
    execFileSync('umoci', ['unpack', '--image', `${at('n-layout')}:docker.io/me/n:1`, at('n-bundle')], quiet)
    mkdirSync(at('n-export'))
    execFileSync('tar', ['x', '-p', '-C', at('n-export'), '-f', at('n.tar')])
    assert.is(treeList(path.join(at('n-bundle'), 'rootfs')), treeList(at('n-export')))
    const short = mkdtempSync('/run/sw-')
    const podman = (...args: readonly string[]) =>
      execFileSync(
        'podman',
        ['--root', at('podman'), '--runroot', short, '--storage-driver', 'vfs', ...args],
        {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      )
    try {
      await box.engine.save('me/n:1', { path: at('n-docker.tar') })
      podman('load', '-q', '-i', at('n-docker.tar'))
      assert.is(podman('image', 'inspect', '-f', '{{.Id}}', id.slice(7)).trim(), id.slice(7))
      const tree = podman('image', 'mount', id.slice(7)).trim()
      assert.is(treeList(tree), treeList(at('n-export')))
      podman('image', 'umount', id.slice(7))
    } finally {
      execFileSync('sh', ['-c', `umount ${at('podman')}/* 2>/dev/null || true`])
      rmSync(short, { recursive: true, force: true })
    }
    execFileSync(
      'skopeo',
      [
        'copy',
        '-q',
        '--preserve-digests',
        `oci:${at('n-layout')}:docker.io/me/n:1`,
        `oci-archive:${at('n-back.tar')}:docker.io/me/back:1`,
      ],
      quiet,
    )
    await box.engine.load({ path: at('n-back.tar') })
    assert.is((await box.engine.inspectImage('me/back:1')).Descriptor.digest, digest)
    await box.engine.remove('cn')
  },
)
Commit.run()
