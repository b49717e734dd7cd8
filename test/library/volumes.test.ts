// Volumes on the real kernel: what stays, what goes, what an empty one begins with, and who may remove what.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { createEngine, type StartOptions } from '../../src/index.ts'
import { openTestEngine, type TestEngine } from '../support/engine.ts'
import { failure } from '../support/library.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { treeList } from '../support/tree-list.ts'

const Volumes = suite('library/volumes')
Volumes.requires('root', 'program:busybox')
const test = (name: string, body: () => Promise<void>): void => Volumes(name, () => body().finally(clear))

/** Layers in a user namespace: Linux 6.15. */
const old = lacking('linux:6.15')
const testOnNewer = (name: string, body: () => Promise<void>): void =>
  old === undefined ? test(name, body) : Volumes.skip(name, old)

let box: TestEngine
let folder = ''
const at = (...names: string[]): string => path.join(folder, ...names)
Volumes.before(async () => {
  box = openTestEngine()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-volumes-'))
  await importImage('base:1', [])
})
Volumes.after(async () => {
  await box.close()
  rmSync(folder, { recursive: true, force: true })
})

const importImage = async (name: string, changes: readonly string[], prepare = (_root: string) => {}) => {
  const root = at(name)
  execFileSync('cp', ['-a', box.rootfs, root])
  prepare(root)
  execFileSync('tar', ['c', '--xattrs', '--xattrs-include=*', '-C', root, '-f', at(`${name}.tar`), '.'])
  await box.engine.import({ path: at(`${name}.tar`) }, { name, changes: ['ENV PATH=/bin', ...changes] })
}

/** Each test begins without volumes. */
const clear = async (): Promise<void> => {
  for (const { id } of await box.engine.list()) await box.engine.remove(id, { force: true }).catch(() => {})
  await box.engine.pruneVolumes({ all: true })
}

/** Output of a script that succeeds; afterwards nothing of the container is left. */
const sh = async (script: string, options: StartOptions = {}, image = 'base:1'): Promise<string> => {
  const container = await box.engine.start(image, ['sh', '-ec', script], options)
  const lines: string[] = []
  for await (const line of container.stdout?.lines() ?? []) lines.push(line)
  const { exitCode } = await container.exit
  await container.removed
  assert.is(exitCode, 0, lines.join('\n'))
  return lines.join('\n')
}
const data = (target = '/data', more: object = {}) =>
  ({ type: 'volume', source: 'data', target, ...more }) as const
const names = async (): Promise<readonly string[]> => (await box.engine.volumes()).map(({ name }) => name)
const dataOf = (name: string, ...more: string[]): string =>
  path.join(box.root, 'volumes', name, '_data', ...more)

test('data survives its container, and the next one has it', async () => {
  await sh('echo kept > /data/file', { mounts: [data()] })
  assert.is(await sh('cat /other/file', { mounts: [data('/other')] }), 'kept')
  assert.is(readFileSync(dataOf('data', 'file'), 'utf8'), 'kept\n')
  const refused = 'echo x > /data/file 2>/dev/null || echo refused'
  assert.is(await sh(refused, { mounts: [data('/data', { readonly: true })] }), 'refused')
})

test('data survives a replacement of the container, and an engine of another process', async () => {
  const first = await box.engine.start('base:1', ['sh', '-c', 'echo one > /data/f; echo up; sleep 60'], {
    name: 'web',
    keep: true,
    mounts: [data()],
  })
  for await (const _ of first.stdout?.lines() ?? []) break
  first.kill('SIGKILL')
  await first.removed
  await box.engine.remove('web')
  const next = createEngine({ root: box.root, networksAhead: 0 })
  const second = await next.start('base:1', ['cat', '/data/f'], { name: 'web', mounts: [data()] })
  for await (const line of second.stdout?.lines() ?? []) assert.is(line, 'one')
  await second.removed
  await next.close()
})

test('a volume without a name is the container’s own, and goes with it', async () => {
  const before = box.census()
  const mounts = [{ type: 'volume', target: '/own' } as const]
  assert.is(await sh('echo x > /own/y; ls /own', { mounts }), 'y')
  assert.equal(await names(), [])
  assert.equal(
    (await box.unchanged(before)).filter((line) => !/volumes$|staging$/.test(line)),
    [],
  )
})

test('a start that fails takes its own volumes along, and leaves those with a name', async () => {
  const mounts = [{ type: 'volume', target: '/own' } as const, data()]
  for (const [argv, options] of [
    [['nope'], {}],
    [['true'], { user: 'nobody-has-this-name' }],
    [['true'], { stdout: { file: '/nowhere/at/all' } }],
    [['true'], { cwd: '/bin/sh' }],
  ] as const) {
    await failure(box.engine.run('base:1', argv, { ...options, mounts }))
    assert.equal(await names(), ['data'])
  }
})

test('volumes of an image are made for each container, and begin with what it has there', async () => {
  await importImage('declared:1', ['VOLUME ["/var/lib/db", "/empty/place"]'], (root) => {
    mkdirSync(path.join(root, 'var/lib/db'), { recursive: true })
    writeFileSync(path.join(root, 'var/lib/db/seed'), 'from the image\n')
  })
  assert.is(
    await sh(
      'cat /var/lib/db/seed; touch /var/lib/db/new /empty/place/new; stat -f -c %T /var/lib/db',
      { readonly: true },
      'declared:1',
    ),
    `from the image\n${await sh('stat -f -c %T /data', { mounts: [data()] })}`,
  )
  assert.equal(await names(), ['data'])
  // Another mount at the same place takes its place.
  const mounts = [data('/var/lib/db'), { type: 'tmpfs', target: '/empty/place' } as const]
  const kept = await box.engine.start('declared:1', ['sh', '-c', 'echo mine >> /var/lib/db/seed'], {
    keep: true,
    mounts,
  })
  await kept.removed
  assert.equal(await names(), ['data'])
  assert.is(readFileSync(dataOf('data', 'seed'), 'utf8'), 'from the image\nmine\n')
  await box.engine.remove(kept.id)
})

test('a volume of an image cannot take the place of what the engine mounts', async () => {
  for (const place of ['/proc', '/proc/sys', '/dev', '/sys/fs', '/']) {
    await importImage(`bad:${place.length}`, [`VOLUME ["${place}"]`])
    const error = await failure(box.engine.run(`bad:${place.length}`, ['true']))
    assert.is(error.error._tag, 'Unsupported', place)
    assert.match(error.message, /^volume ".*" of image bad:\d+: not supported: /)
  }
  assert.equal(await names(), [])
})

const ODD = (root: string): void => {
  const made = `
    mkdir -p full/dir/deep && cd full
    echo text > dir/file; ln dir/file dir/deep/hard; ln -s ../etc/passwd soft; ln -s /nowhere dangling
    mkfifo fifo; mknod null c 1 3; dd if=/dev/zero of=sparse bs=1 seek=9000000 count=1 2>/dev/null
    echo odd > "$(printf 'new\\nline')"
    chown 1000:2000 dir/file; chmod 4711 dir/file; chmod 1770 dir/deep; chown -h 7:8 soft; chown 33:44 . ; chmod 750 .
    setfattr -n user.mark -v here dir 2>/dev/null || true
    touch -d '2001-02-03 04:05:06' dir/file dir/deep dir`
  execFileSync('sh', ['-ec', made], { cwd: root })
}

test('an empty volume begins with the image’s files, exactly', async () => {
  await importImage('odd:1', [], ODD)
  await sh('true', { mounts: [data('/full')] }, 'odd:1')
  assert.equal(treeList(dataOf('data')), treeList(at('odd:1', 'full')))
  const [own, image] = [statSync(dataOf('data')), statSync(at('odd:1', 'full'))]
  assert.equal([own.uid, own.gid, own.mode], [image.uid, image.gid, image.mode])
  assert.is(lstatSync(dataOf('data', 'dir/file')).ino, lstatSync(dataOf('data', 'dir/deep/hard')).ino)
  assert.is(
    execFileSync('getfattr', ['-n', 'user.mark', '--only-values', dataOf('data', 'dir')]).toString(),
    'here',
  )
  assert.equal(readdirSync(path.join(box.root, 'volumes', 'data')).sort(), ['_data', 'volume.json'])
})

test('only an empty one is filled, and nocopy leaves it empty', async () => {
  await importImage('odd:2', [], ODD)
  await sh('touch /full/own', { mounts: [data('/full', { nocopy: true })] }, 'odd:2')
  assert.equal(readdirSync(dataOf('data')), ['own'])
  await sh('true', { mounts: [data('/full')] }, 'odd:2')
  assert.equal(readdirSync(dataOf('data')), ['own'])
})

test('an empty folder of the image gives its owner and mode', async () => {
  await importImage('owned:1', ['USER 1000'], (root) => {
    mkdirSync(path.join(root, 'mine'))
    execFileSync('chown', ['1000:1000', path.join(root, 'mine')])
    chmodSync(path.join(root, 'mine'), 0o700)
  })
  assert.is(
    await sh('touch /mine/x; stat -c "%u %g %a" /mine', { mounts: [data('/mine')] }, 'owned:1'),
    '1000 1000 700',
  )
})

test('a container that has the empty volume already sees what another one brings', async () => {
  await importImage('site:1', [], (root) => {
    mkdirSync(path.join(root, 'site'))
    writeFileSync(path.join(root, 'site/index'), 'page\n')
  })
  const script = 'echo up; while ! cat /site/index 2>/dev/null; do sleep 0.02; done'
  const first = await box.engine.start('base:1', ['sh', '-c', script], { mounts: [data('/site')] })
  const lines = first.stdout?.lines()[Symbol.asyncIterator]()
  assert.is((await lines?.next())?.value, 'up')
  await sh('true', { mounts: [data('/site')] }, 'site:1')
  assert.is((await lines?.next())?.value, 'page')
  await first.removed
})

test('what a crash left of a copy is followed up or begun anew', async () => {
  await importImage('site:2', [], (root) => {
    mkdirSync(path.join(root, 'site/b'), { recursive: true })
    writeFileSync(path.join(root, 'site/a'), 'a\n')
  })
  await box.engine.createVolume({ name: 'data' })
  const volume = path.join(box.root, 'volumes', 'data')
  // It was killed while it copied.
  mkdirSync(path.join(volume, 'filling'))
  writeFileSync(path.join(volume, 'filling', 'half'), '')
  await sh('true', { mounts: [data('/site')] }, 'site:2')
  assert.equal(readdirSync(dataOf('data')).sort(), ['a', 'b'])
  await box.engine.removeVolume('data')
  // It was killed while it moved what was whole.
  await box.engine.createVolume({ name: 'data' })
  mkdirSync(path.join(volume, 'fill', 'c'), { recursive: true })
  chmodSync(path.join(volume, 'fill'), 0o711)
  writeFileSync(dataOf('data', 'first'), 'kept')
  writeFileSync(path.join(volume, 'fill', 'first'), 'not this one')
  assert.is(
    await sh('ls /site; stat -c %a /site; cat /site/first', { mounts: [data('/site')] }, 'site:2'),
    'c\nfirst\n711\nkept',
  )
  assert.equal(readdirSync(volume).sort(), ['_data', 'volume.json'])
})

test('several starts at once make and fill a volume once', async () => {
  await importImage('odd:3', [], ODD)
  const starts = Array.from({ length: 12 }, () =>
    sh('ls -A /full | wc -l', { mounts: [data('/full')] }, 'odd:3'),
  )
  const counts = new Set(await Promise.all(starts))
  assert.is(counts.size, 1)
  assert.equal(treeList(dataOf('data')), treeList(at('odd:3', 'full')))
})

test('the same volume may be mounted twice, and several at once, without a start waiting for another', async () => {
  const both = (first: string, second: string) => [
    { type: 'volume', source: first, target: '/a' } as const,
    { type: 'volume', source: second, target: '/b' } as const,
    { type: 'volume', source: first, target: '/c' } as const,
  ]
  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      sh('true', { mounts: index % 2 === 0 ? both('one', 'two') : both('two', 'one') }),
    ),
  )
  assert.is(await sh('echo x > /a/f; cat /c/f', { mounts: both('one', 'two') }), 'x')
})

test('a volume in use is not removed, by whom it is used is said, and force changes nothing', async () => {
  const mounts = [data()]
  const running = await box.engine.start('base:1', ['sleep', '60'], { name: 'runs', mounts })
  const kept = await box.engine.start('base:1', ['true'], { name: 'kept', keep: true, mounts })
  await kept.removed
  assert.equal((await box.engine.inspectVolume('data')).usedBy.slice().sort(), ['kept', 'runs'])
  for (const force of [false, true]) {
    const { error } = await failure(box.engine.removeVolume('data', { force }))
    assert.ok(error._tag === 'VolumeInUse')
    assert.equal([...error.by].sort(), ['kept', 'runs'])
  }
  assert.equal((await box.engine.pruneVolumes({ all: true })).removed, [])
  running.kill('SIGKILL')
  await running.removed
  await box.engine.remove('kept')
  await box.engine.removeVolume('data')
  assert.is((await failure(box.engine.removeVolume('data'))).error._tag, 'VolumeNotFound')
  await box.engine.removeVolume('data', { force: true })
})

test('prune takes what nobody named and nobody has; conditions and all take more or less', async () => {
  const { name: drawn } = await box.engine.createVolume({ labels: { a: '1' } })
  assert.match(drawn, /^[0-9a-f]{64}$/)
  await box.engine.createVolume({ name: 'named', labels: { a: '1' } })
  assert.equal((await box.engine.pruneVolumes({ labels: [{ key: 'a', not: true }] })).removed, [])
  assert.equal((await box.engine.pruneVolumes({ untilMs: 1000 })).removed, [])
  writeFileSync(dataOf(drawn, 'f'), Buffer.alloc(100_000, 1))
  const pruned = await box.engine.pruneVolumes({ labels: [{ key: 'a', value: '1' }] })
  assert.equal(pruned.removed, [drawn])
  assert.ok(pruned.reclaimedBytes >= 100_000)
  assert.equal((await box.engine.pruneVolumes({ all: true })).removed, ['named'])
})

test('a kept container keeps its own volumes, and remove takes them along where that is asked', async () => {
  const keep = async (name: string): Promise<void> => {
    const mounts = [{ type: 'volume', target: '/own' } as const, data()]
    const container = await box.engine.start('base:1', ['touch', '/own/x'], { name, keep: true, mounts })
    await container.removed
  }
  await keep('one')
  assert.is((await names()).length, 2)
  await box.engine.remove('one', { volumes: true })
  assert.equal(await names(), ['data'])
  await keep('two')
  await box.engine.remove('two')
  assert.is((await names()).length, 2)
})

test('another container’s binds and volumes can be borrowed, read-only or not, and its own go with it', async () => {
  mkdirSync(at('shared'), { recursive: true })
  const mounts = [
    data(),
    { type: 'volume', target: '/own' } as const,
    { type: 'bind', source: at('shared'), target: '/bound' } as const,
    { type: 'tmpfs', target: '/memory' } as const,
  ]
  const script = 'echo a > /data/f; echo b > /own/f; echo c > /bound/f; echo up; sleep 60'
  const lender = await box.engine.start('base:1', ['sh', '-c', script], { name: 'lender', mounts })
  for await (const _ of lender.stdout?.lines() ?? []) break
  const write =
    'cat /data/f /own/f /bound/f; ls -d /memory 2>/dev/null || true; for d in data own bound; do echo x > /$d/n || echo no; done 2>/dev/null; true'
  assert.is(await sh(write, { volumesFrom: ['lender:ro'] }), 'a\nb\nc\nno\nno\nno')
  assert.is(await sh(write, { volumesFrom: [lender.id.slice(0, 10)] }), 'a\nb\nc')
  assert.is(await sh('ls /own', { volumesFrom: ['lender'], mounts: [{ type: 'tmpfs', target: '/own' }] }), '')
  assert.is(
    (await failure(box.engine.run('base:1', ['true'], { volumesFrom: ['nobody'] }))).error._tag,
    'ContainerNotFound',
  )
  lender.kill('SIGKILL')
  await lender.removed
  assert.equal(await names(), ['data'])
})

test('a subpath shows a place below the root, files too, and must be there', async () => {
  await sh(
    'mkdir -p /data/a/b; echo deep > /data/a/b/f; ln -s a/b /data/rel; ln -s /data/a /data/abs; ln -s ../../.. /data/up',
    { mounts: [data()] },
  )
  const below = (subpath: string, target = '/m') => ({ mounts: [data(target, { subpath })] })
  assert.is(await sh('cat /m/f', below('a/b')), 'deep')
  assert.is(await sh('cat /m/f', below('rel')), 'deep')
  assert.is(await sh('cat /m', below('a/b/f')), 'deep')
  for (const [subpath, errno] of [
    ['nope', 'ENOENT'],
    ['abs', 'EXDEV'],
    ['up', 'EXDEV'],
    ['a/b/f/x', 'ENOTDIR'],
  ] as const) {
    const error = await failure(box.engine.run('base:1', ['true'], below(subpath)))
    assert.is(error.code, errno, subpath)
    assert.match(error.message, /^open subpath: /)
  }
})

test('driver options are mounted by each container for itself, and the host has no mount of them', async () => {
  const mountsOfHost = (): string => readFileSync('/proc/self/mountinfo', 'utf8')
  const before = mountsOfHost()
  const made = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=7,mode=700' }
  const memory = { type: 'volume', source: 'memory', target: '/m', driverOptions: made } as const
  assert.is(
    await sh('stat -c "%u %a" /m; grep -o " /m tmpfs.*size=1024k" /proc/mounts | wc -l', {
      mounts: [memory],
    }),
    '7 700\n1',
  )
  mkdirSync(at('source'), { recursive: true })
  writeFileSync(at('source', 'f'), 'bound\n')
  await box.engine.createVolume({
    name: 'bound',
    driverOptions: { type: 'none', device: at('source'), o: 'bind,ro,nosuid' },
  })
  const bound = { type: 'volume', source: 'bound', target: '/m' } as const
  assert.is(
    await sh('cat /m/f; touch /m/x 2>/dev/null || echo no; grep -c " /m .*ro,nosuid" /proc/mounts', {
      mounts: [bound],
    }),
    'bound\nno\n1',
  )
  assert.is(mountsOfHost(), before)
  const differing = { ...memory, driverOptions: { ...made, o: 'size=2m' } }
  for (const [mount, message] of [
    [differing, /^volume memory: it is there with other driver options$/],
    [{ ...memory, subpath: 'a' }, /^volume memory: subpath needs files of this host/],
  ] as const) {
    const error = await failure(box.engine.run('base:1', ['true'], { mounts: [mount] }))
    assert.match(error.message, message)
  }
  assert.match((await failure(box.engine.createVolume({ name: 'bound' }))).message, /other driver options/)
  assert.is(
    (await failure(box.engine.exportVolume('bound', { path: at('x.tar') }))).error._tag,
    'VolumeUnfit',
  )
  assert.is(
    (await failure(box.engine.importVolume('bound', { path: at('base:1.tar') }))).error._tag,
    'VolumeUnfit',
  )
})

test('the files of an image can be mounted, read-only, and the image stays meanwhile', async () => {
  await importImage('files:1', [], (root) => writeFileSync(path.join(root, 'etc', 'mark'), 'of the image\n'))
  const image = { type: 'image', source: 'files:1', target: '/i' } as const
  assert.is(
    await sh('cat /i/etc/mark; touch /i/x 2>/dev/null || echo no', { mounts: [image] }),
    'of the image\nno',
  )
  assert.is(await sh('cat /i/mark', { mounts: [{ ...image, subpath: 'etc' }] }), 'of the image')
  const kept = await box.engine.start('base:1', ['true'], { keep: true, mounts: [image] })
  await kept.removed
  assert.is((await failure(box.engine.removeImage('files:1'))).error._tag, 'ImageInUse')
  await box.engine.remove(kept.id)
  await box.engine.removeImage('files:1')
  assert.is(
    (await failure(box.engine.run('base:1', ['true'], { mounts: [image] }))).error._tag,
    'ImageNotFound',
  )
  assert.is(
    (await failure(box.engine.run('base:1', ['true'], { mounts: [{ ...image, source: 'host' }] }))).error
      ._tag,
    'Unsupported',
  )
})

test('a bind mount can have other ids, and be read-only to its depth or only at its top', async () => {
  mkdirSync(at('ids', 'below'), { recursive: true })
  writeFileSync(at('ids', 'f'), '')
  execFileSync('chown', ['1000:1001', at('ids', 'f')])
  const idmap = { uids: [{ from: 1000, to: 0, size: 1 }], gids: [{ from: 1001, to: 5, size: 1 }] }
  const bind = { type: 'bind', source: at('ids'), target: '/i' } as const
  assert.is(await sh('stat -c "%u %g" /i/f', { mounts: [{ ...bind, idmap }] }), '0 5')
  const error = await failure(box.engine.run('base:1', ['true'], { mounts: [{ ...bind, idmap: true }] }))
  assert.match(error.message, /idmap: true needs security.userns/)
  execFileSync('mount', ['-t', 'tmpfs', 'none', at('ids', 'below')])
  try {
    const can = 'touch /i/x 2>/dev/null && echo top; touch /i/below/x 2>/dev/null && echo below; true'
    const tried = (more: object) => sh(can, { mounts: [{ ...bind, readonly: true, ...more }] })
    assert.is(await tried({}), '')
    assert.is(await tried({ recursive: 'readonly' }), '')
    assert.is(await tried({ recursive: 'writable' }), 'below')
    assert.is(await tried({ recursive: false }), '')
  } finally {
    execFileSync('umount', [at('ids', 'below')])
  }
})

test('export and import carry a volume to another root, whatever is in it', async () => {
  await importImage('odd:4', [], ODD)
  await sh('echo whole > /full/.wh.name; mkdir /full/.wh..wh..opq', { mounts: [data('/full')] }, 'odd:4')
  await box.engine.exportVolume('data', { path: at('volume.tar') })
  const chunks: Buffer[] = []
  const stream = new PassThrough().on('data', (chunk: Buffer) => chunks.push(chunk))
  await box.engine.exportVolume('data', { stream })
  assert.ok(Buffer.concat(chunks).equals(readFileSync(at('volume.tar'))), 'the same files are the same bytes')
  const other = createEngine({ root: path.join(folder, 'other'), networksAhead: 0 })
  const imported = await other.importVolume('data', { path: at('volume.tar') })
  assert.equal(treeList(imported.mountpoint), treeList(dataOf('data')))
  spawnSync('gzip', ['-kf', at('volume.tar')])
  await other.importVolume('zipped', { stream: Readable.from([readFileSync(at('volume.tar.gz'))]) })
  assert.equal(treeList(path.join(folder, 'other/volumes/zipped/_data')), treeList(dataOf('data')))
  await other.close()
})

test('an import is all of an archive or nothing', async () => {
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['empty', Buffer.alloc(0), 'InvalidSpec'],
    ['no tar', Buffer.from('x'.repeat(2000)), 'LayerRefused'],
    ['cut short', readFileSync(at('base:1.tar')).subarray(0, 100_000), 'LayerRefused'],
    ['damaged gzip', Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.alloc(5000, 7)]), 'LayerRefused'],
  ]
  for (const [what, bytes, tag] of cases) {
    const error = await failure(box.engine.importVolume('new', { stream: Readable.from([bytes]) }), what)
    assert.is(error.error._tag, tag, what)
    assert.equal(await names(), [], what)
  }
  await box.engine.createVolume({ name: 'data' })
  await failure(box.engine.importVolume('data', { path: at('nowhere.tar') }))
  await failure(box.engine.importVolume('data', { stream: Readable.from([Buffer.from('x'.repeat(2000))]) }))
  assert.equal(readdirSync(path.join(box.root, 'volumes', 'data')).sort(), ['_data', 'volume.json'])
  const stopped = new AbortController()
  stopped.abort()
  const { signal } = stopped
  assert.is(
    (await failure(box.engine.importVolume('data', { path: at('base:1.tar') }, { signal }))).error._tag,
    'Cancelled',
  )
  await box.engine.importVolume('data', { path: at('base:1.tar') })
  const again = await failure(box.engine.importVolume('data', { path: at('base:1.tar') }))
  assert.match(again.message, /^volume data: it is not empty/)
  assert.is(
    (await failure(box.engine.exportVolume('gone', { path: at('x.tar') }))).error._tag,
    'VolumeNotFound',
  )
})

testOnNewer('with a user namespace of its own, what is on disk are the container’s ids', async () => {
  const map = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
  const security = { userns: { uidMap: map, gidMap: map } }
  await sh('touch /data/root; touch /data/app; chown 1000:1000 /data/app', { mounts: [data()], security })
  assert.equal([statSync(dataOf('data', 'root')).uid, statSync(dataOf('data', 'app')).uid], [0, 1000])
  assert.is(await sh('stat -c %u /data/root /data/app', { mounts: [data()] }), '0\n1000')
})

test('sandboxes of a pool have volumes of their own, and those of their starts', async () => {
  const mounts = [data(), { type: 'volume', target: '/own' } as const]
  const say = [
    'sh',
    '-c',
    'ls /own; echo x >> /data/f; touch /own/x; wc -l < /data/f; ls -d /late /late2 2>/dev/null; true',
  ]
  const late = {
    mounts: [
      { type: 'volume', source: 'late', target: '/late' } as const,
      { type: 'volume', target: '/late2' } as const,
    ],
  }
  for (const [image, given] of [
    ['base:1', undefined],
    [undefined, 'base:1'],
  ] as const) {
    const options = { mounts, lateMounts: true, ...(image === undefined ? {} : { image }) }
    const pool = await box.engine.pool(options, { min: 2 })
    const asked = given === undefined ? {} : { image: given }
    const counts: string[] = []
    for (let start = 0; start < 3; start++) counts.push((await pool.run(say, asked)).stdout.trim())
    assert.equal(
      counts.map((count) => Number(count)),
      counts.map((_, index) => (image === undefined ? 5 : 1) + index),
    )
    assert.match((await pool.run(say, { ...asked, ...late })).stdout, /\d+\n\/late\n\/late2\n/)
    await pool.close()
  }
  for (const deadline = Date.now() + 10_000; (await names()).length > 2 && Date.now() < deadline; )
    await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(await names(), ['data', 'late'])
})

test('a pool without an image makes the volumes of the image that comes', async () => {
  await importImage('declared:2', ['VOLUME /db'], (root) => {
    mkdirSync(path.join(root, 'db'))
    writeFileSync(path.join(root, 'db/seed'), 'seed\n')
  })
  await using pool = await box.engine.pool({}, { min: 1 })
  const runs = await Promise.all(
    [0, 1, 2].map(() => pool.run(['sh', '-c', 'cat /db/*; touch /db/x'], { image: 'declared:2' })),
  )
  assert.equal(
    runs.map(({ stdout }) => stdout),
    ['seed\n', 'seed\n', 'seed\n'],
  )
  for (const deadline = Date.now() + 10_000; (await names()).length > 0 && Date.now() < deadline; )
    await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(await names(), [])
})

test('starts with volumes of their own share a plan, and errors name the right volume', async () => {
  const { ports } = await box.engine.open()
  const before = ports.templates.size
  const mounts = [{ type: 'volume', target: '/shape' } as const]
  for (let start = 0; start < 3; start++) await sh('echo "$0"', { mounts })
  assert.is(ports.templates.size, before + 1)
  const planned = await box.engine.plan('base:1', ['true'], { mounts })
  assert.is(planned.volumes.length, 1)
  assert.ok(
    planned.plan.stages.some(({ infos }) =>
      infos.some((info) => info.path === dataOf(planned.volumes[0] ?? '-')),
    ),
  )
  assert.equal(await names(), [], 'a plan that nobody carries out makes nothing')
})

test('a damaged document is an error that names it, and hides no other volume', async () => {
  await box.engine.createVolume({ name: 'sound' })
  await box.engine.createVolume({ name: 'torn' })
  const file = path.join(box.root, 'volumes', 'torn', 'volume.json')
  const text = readFileSync(file, 'utf8')
  for (const bad of ['', '{', '{"version":2}', text.replace('"local"', '"nfs"')]) {
    writeFileSync(file, bad)
    const error = await failure(box.engine.inspectVolume('torn'))
    assert.is(error.error._tag, 'StateDamaged', bad)
    assert.ok(error.message.startsWith(`${file}: damaged: `))
    assert.is(
      (
        await failure(
          box.engine.run('base:1', ['true'], { mounts: [{ type: 'volume', source: 'torn', target: '/t' }] }),
        )
      ).error._tag,
      'StateDamaged',
    )
    assert.equal(
      (await box.engine.volumes()).map(({ name, damage }) => [name, damage === undefined]),
      [
        ['sound', true],
        ['torn', false],
      ],
    )
  }
  writeFileSync(file, text)
})

test('what volumes take on disk is told beside images and containers', async () => {
  await box.engine.createVolume({ name: 'big' })
  writeFileSync(dataOf('big', 'f'), Buffer.alloc(3_000_000, 1))
  const { volumes, perVolume } = await box.engine.usage()
  assert.is(volumes.count, 1)
  assert.is(volumes.active, 0)
  assert.ok(volumes.sizeBytes >= 3_000_000 && volumes.reclaimableBytes >= 3_000_000)
  assert.equal(
    perVolume.map(({ name, containers }) => [name, containers]),
    [['big', 0]],
  )
})

test('bad input is refused before anything is made', async () => {
  for (const [mount, why] of [
    [
      { type: 'volume', source: '../x', target: '/a' },
      /mounts\[0\]\.source: "\.\.\/x": a volume's name has letters/,
    ],
    [{ type: 'volume', source: 'x', target: '/' }, /the root itself cannot be mounted over/],
    [{ type: 'volume', source: 'x', target: '/a', subpath: '../y' }, /expected a path below the root/],
    [{ type: 'volume', target: '/a', subpath: 'y' }, /a volume that is made for the container is empty/],
    [{ type: 'volume', source: 'x', target: '/a', driverOptions: { size: '1' } }, /size is not there/],
    [{ type: 'image', source: '', target: '/a' }, /is empty/],
    [{ type: 'bind', source: '/x', target: '/a', recursive: 'writable' }, /needs readonly: true/],
  ] as const) {
    const error = await failure(box.engine.run('base:1', ['true'], { mounts: [mount] } as StartOptions))
    assert.is(error.error._tag, 'InvalidOption')
    assert.match(error.message, why)
  }
  for (const name of ['', '.', '..', 'a/b', '-x', 'x'.repeat(256)]) {
    assert.is((await failure(box.engine.createVolume({ name }))).error._tag, 'InvalidOption', name)
    assert.is((await failure(box.engine.removeVolume(name))).error._tag, 'InvalidOption', name)
  }
  assert.ok(!existsSync(path.join(box.root, 'volumes', 'x')))
  assert.equal(await names(), [])
})

Volumes.run()
