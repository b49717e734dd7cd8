// cp on the real kernel: by Docker's rules, of containers that run, are held still, were made, and have ended, whoever holds them.
import { execFileSync } from 'node:child_process'
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { openContainerRoot } from '../../src/engine/container-root.ts'
import type { CopyEnd, SlipwayError } from '../../src/index.ts'
import type { MonitorState } from '../../src/model/monitor-state.ts'
import { failure, librarySuite, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'

const { test, box, scratch, run } = librarySuite('library/copies')
const containers = () => box().engine.containers
const inside = (container: string, at: string): CopyEnd => ({ container, path: at })
const into = (from: string, container: string, at: string, options = {}) =>
  containers().copy(from, inside(container, at), options)
const out = (container: string, at: string, to: string, options = {}) =>
  containers().copy(inside(container, at), to, options)

const MAP = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
const USERNS = { userns: { uidMap: MAP, gidMap: MAP } }
const LONG = ['sleep', '1000']
let isMade = false
/** The image, and a folder `from` with what the rules are tried on. Once. */
const prepare = async (): Promise<void> => {
  if (isMade) return
  isMade = true
  mkdirSync(scratch('from', 'dir', 'sub'), { recursive: true })
  writeFileSync(scratch('from', 'dir', 'file'), 'in a folder\n', { mode: 0o640 })
  writeFileSync(scratch('from', 'dir', 'sub', 'deep'), 'deep\n')
  symlinkSync('file', scratch('from', 'dir', 'link'))
  writeFileSync(scratch('from', 'file'), 'a file\n')
  symlinkSync('dir', scratch('from', 'to-dir'))
  symlinkSync('file', scratch('from', 'to-file'))
  chownSync(scratch('from', 'dir', 'file'), 1000, 1001)
  utimesSync(scratch('from', 'dir', 'file'), 1000, 1000)
  const { rootfs } = box()
  mkdirSync(path.join(rootfs, 'srv', 'have', 'sub'), { recursive: true })
  writeFileSync(path.join(rootfs, 'srv', 'old'), 'old\n')
  symlinkSync('/srv/have', path.join(rootfs, 'srv', 'to-have'))
  symlinkSync('/srv/later', path.join(rootfs, 'srv', 'to-later'))
  symlinkSync('../../../../../../../../srv/old', path.join(rootfs, 'srv', 'to-old'))
  symlinkSync('round', path.join(rootfs, 'srv', 'round'))
  execFileSync('tar', ['c', '-C', rootfs, '-f', scratch('base.tar'), '.'])
  await box().engine.import({ path: scratch('base.tar') }, { name: 'base:1', changes: ['ENV PATH=/bin'] })
}

/** A container of each kind; gives the way to be rid of it. */
type Make = (name: string, options?: object) => Promise<() => Promise<unknown>>
const made: Make = async (name, options = {}) => {
  await containers().create('base:1', LONG, { name, ...options })
  return () => box().engine.remove(name, { force: true })
}
const running: Make = async (name, options) => {
  const remove = await made(name, options)
  await containers().start(name)
  return remove
}
const paused: Make = async (name, options) => {
  const remove = await running(name, options)
  await containers().pause(name)
  return remove
}
const exited: Make = async (name, options = {}) => {
  await containers().create('base:1', ['true'], { name, ...options })
  await containers().start(name)
  assert.is(await containers().wait(name, 'not-running'), 0)
  return () => box().engine.remove(name)
}
const attached: Make = async (name, options = {}) => {
  const container = await box().engine.start('base:1', LONG, { name, ...options })
  return () => container[Symbol.asyncDispose]()
}
const kept: Make = async (name, options = {}) => {
  const container = await box().engine.start('base:1', ['true'], { name, keep: true, ...options })
  await container.removed
  return () => box().engine.remove(name)
}
/** One that ends as soon as it begins, and is started again a while later. */
const restarting: Make = async (name, options = {}) => {
  await containers().create('base:1', ['false'], { name, restart: 'always', ...options })
  await containers().start(name)
  return () => box().engine.remove(name, { force: true })
}
const KINDS: Readonly<Record<string, Make>> = {
  running,
  paused,
  created: made,
  exited,
  restarting,
  attached,
  kept,
}

const withOne = async (make: Make, name: string, body: () => Promise<void>, options = {}): Promise<void> => {
  await prepare()
  const remove = await make(name, options)
  try {
    await body()
  } finally {
    await remove()
  }
}

/** Every path below, with what is there, as tar(1) has it. */
const listed = async (container: string, at: string): Promise<readonly string[]> => {
  const { tar } = await containers().copyFrom(container, at)
  const bytes = Buffer.concat(await Readable.from(tar).toArray())
  return execFileSync('tar', ['t', '--numeric-owner', '-v'], { input: bytes, encoding: 'utf8' })
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +[\d,]+ \d{4}-\S+ \S+ /, ' '))
}
const names = async (container: string, at: string): Promise<readonly string[]> =>
  (await listed(container, at)).map((line) => line.replace(/^\S+ \S+ /, ''))

const content = async (container: string, at: string): Promise<string> => {
  const to = scratch('read')
  rmSync(to, { recursive: true, force: true })
  await out(container, at, to)
  return readFileSync(to, 'utf8')
}

test('a root that is held has its volumes where they are, also when its container has ended', async () => {
  const mounts = [{ type: 'volume', source: 'v-ending', target: '/data' }]
  const looked = async (): Promise<void> => {
    writeFileSync(path.join(box().root, 'volumes', 'v-ending', '_data', 'kept'), 'kept')
    const live = await box().engine.open()
    const copies = await live.copies()
    const held = await openContainerRoot('ending')({ ports: live.ports, copies })()
    if (held._tag === 'Left') throw new Error(JSON.stringify(held.left))
    await containers().kill('ending')
    await containers().wait('ending')
    const found = await copies.stat(held.right, '/data/kept', false)()
    await held.right.close()
    assert.is(found._tag === 'Right' && found.right?.size, 4)
  }
  await withOne(running, 'ending', looked, { mounts })
  await box().engine.removeVolume('v-ending')
})

for (const [kind, make] of Object.entries(KINDS)) {
  test(`${kind}: files and folders go in and come out, with their modes and times, and the ids of who is there`, async () =>
    withOne(make, 'both', async () => {
      const { bytes } = await into(scratch('from', 'dir'), 'both', '/srv')
      assert.ok(bytes > 0)
      assert.equal(await listed('both', '/srv/dir'), [
        'drwxr-xr-x 0/0 dir/',
        '-rw-r----- 0/0 dir/file',
        'lrwxrwxrwx 0/0 dir/link -> file',
        'drwxr-xr-x 0/0 dir/sub/',
        '-rw-r--r-- 0/0 dir/sub/deep',
      ])
      await into(scratch('from', 'dir'), 'both', '/srv/ids', { archive: true })
      assert.ok((await listed('both', '/srv/ids')).includes('-rw-r----- 1000/1001 ids/file'))
      const to = scratch(`out-${kind}`)
      await out('both', '/srv/ids', to)
      assert.equal(readdirSync(to).sort(), ['file', 'link', 'sub'])
      const file = statSync(path.join(to, 'file'))
      assert.equal([file.mode & 0o7777, file.mtimeMs, file.uid, file.gid], [0o640, 1_000_000, 0, 0])
      assert.is(readlinkSync(path.join(to, 'link')), 'file')
      await out('both', '/srv/ids', `${to}-ids`, { archive: true })
      const owned = statSync(path.join(`${to}-ids`, 'file'))
      assert.equal([owned.uid, owned.gid], [1000, 1001])
    }))

  test(`${kind}: a volume and a bind are seen where they are mounted, and one that is read-only is refused`, async () => {
    mkdirSync(scratch(`bind-${kind}`), { recursive: true })
    const mounts = [
      { type: 'volume', source: `v-${kind}`, target: '/data' },
      { type: 'bind', source: scratch(`bind-${kind}`), target: '/bind' },
      { type: 'bind', source: scratch(`bind-${kind}`), target: '/fixed', readonly: true },
    ]
    await withOne(
      make,
      'mounted',
      async () => {
        await into(scratch('from', 'file'), 'mounted', '/data')
        await into(scratch('from', 'file'), 'mounted', '/bind/other')
        assert.is(
          readFileSync(path.join(box().root, 'volumes', `v-${kind}`, '_data', 'file'), 'utf8'),
          'a file\n',
        )
        assert.is(readFileSync(scratch(`bind-${kind}`, 'other'), 'utf8'), 'a file\n')
        assert.is(await content('mounted', '/fixed/other'), 'a file\n')
        const { message, code } = await failure(into(scratch('from', 'file'), 'mounted', '/fixed/new'))
        assert.is(code, 'EROFS')
        assert.match(message, 'mounted:/fixed/new')
      },
      { mounts },
    )
    await box().engine.removeVolume(`v-${kind}`)
  })

  test(`${kind}: nothing goes into a root that is read-only, and its files come out`, async () =>
    withOne(
      make,
      'fixed',
      async () => {
        const error = await failure(into(scratch('from', 'dir'), 'fixed', '/srv'))
        assert.is(error.code, 'EROFS')
        assert.match(error.hint ?? '', /read-only/)
        assert.is(await content('fixed', '/srv/old'), 'old\n')
      },
      { readonly: true },
    ))

  test(
    `${kind}: in a user namespace of its own the ids are the container's, both ways`,
    async () =>
      withOne(
        make,
        'mapped',
        async () => {
          await into(scratch('from', 'dir'), 'mapped', '/srv')
          await into(scratch('from', 'dir'), 'mapped', '/srv/ids', { archive: true })
          const lines = await listed('mapped', '/srv')
          assert.ok(lines.includes('-rw-r----- 0/0 srv/dir/file'), lines.join('\n'))
          assert.ok(lines.includes('-rw-r----- 1000/1001 srv/ids/file'), lines.join('\n'))
          const to = scratch(`mapped-${kind}`)
          await out('mapped', '/srv/ids/file', to, { archive: true })
          assert.equal([statSync(to).uid, statSync(to).gid], [1000, 1001])
          // Of an id the namespace has not got.
          const strange = tarOf([{ name: 'far', uid: 90_000, data: 'x' }])
          const error = await failure(
            containers().copyInto('mapped', '/srv', Readable.from([strange]), { archive: true }),
          )
          assert.is(error.code, 'EINVAL')
          assert.not.ok((await names('mapped', '/srv')).some((name) => /far|slipway-/.test(name)))
        },
        { security: USERNS },
      ),
    'linux:6.15',
  )
}

/** docker-cp(1), DESCRIPTION: what SRC_PATH and DEST_PATH are, and what comes of it. `from` is the source, `to` the target. */
interface Rule {
  readonly says: string
  readonly from: string
  readonly to: string
  readonly options?: { readonly followLink?: boolean }
  /** Paths that are there afterwards and were not before. */
  readonly makes?: readonly string[]
  readonly refused?: RegExp
}
const RULES: readonly Rule[] = [
  { says: 'a file, to no such name: is made under it', from: 'file', to: 'new', makes: ['new'] },
  {
    says: 'a file, to a name with a slash that is not there: is refused',
    from: 'file',
    to: 'new/',
    refused: /no such directory/,
  },
  { says: 'a file, onto a file: takes its place', from: 'file', to: 'old', makes: [] },
  { says: 'a file, to a folder: goes into it', from: 'file', to: 'have', makes: ['have/file'] },
  { says: 'a file, to a folder with a slash: goes into it', from: 'file', to: 'have/', makes: ['have/file'] },
  {
    says: 'a file, below a folder that is not there: is refused',
    from: 'file',
    to: 'no/such',
    refused: /ENOENT/,
  },
  { says: 'a file, below a file: is refused', from: 'file', to: 'old/x', refused: /ENOTDIR/ },
  { says: 'a file with a slash behind it: is refused', from: 'file/', to: 'new', refused: /ENOTDIR/ },
  {
    says: 'a folder, to no such name: becomes it',
    from: 'dir',
    to: 'new',
    makes: ['new', 'new/file', 'new/link', 'new/sub', 'new/sub/deep'],
  },
  {
    says: 'a folder, to no such name with a slash: becomes it',
    from: 'dir',
    to: 'new/',
    makes: ['new', 'new/file', 'new/link', 'new/sub', 'new/sub/deep'],
  },
  { says: 'a folder, onto a file: is refused', from: 'dir', to: 'old', refused: /onto a file/ },
  {
    says: 'a folder, to a folder: goes into it',
    from: 'dir',
    to: 'have',
    makes: ['have/dir', 'have/dir/file', 'have/dir/link', 'have/dir/sub', 'have/dir/sub/deep'],
  },
  {
    says: 'the content of a folder, to a folder: goes into it',
    from: 'dir/.',
    to: 'have',
    makes: ['have/file', 'have/link', 'have/sub/deep'],
  },
  {
    says: 'the content of a folder, to no such name: is that of a new one',
    from: 'dir/.',
    to: 'new',
    makes: ['new', 'new/file', 'new/link', 'new/sub', 'new/sub/deep'],
  },
  { says: 'a link: is copied itself', from: 'to-file', to: 'new', makes: ['new'] },
  {
    says: 'a link to a file, followed: the file has its name',
    from: 'to-file',
    to: 'have',
    options: { followLink: true },
    makes: ['have/to-file'],
  },
  {
    says: 'a link to a folder, followed: the folder has its name',
    from: 'to-dir',
    to: 'have',
    options: { followLink: true },
    makes: ['have/to-dir', 'have/to-dir/file', 'have/to-dir/link', 'have/to-dir/sub', 'have/to-dir/sub/deep'],
  },
  {
    says: 'a link to a folder with a slash: is the folder',
    from: 'to-dir/',
    to: 'have',
    makes: ['have/to-dir', 'have/to-dir/file', 'have/to-dir/link', 'have/to-dir/sub', 'have/to-dir/sub/deep'],
  },
  { says: 'to a link to a folder: goes into the folder', from: 'file', to: 'to-have', makes: ['have/file'] },
  {
    says: 'to a link to a file: the file is replaced and the link stays',
    from: 'file',
    to: 'to-old',
    makes: [],
  },
  { says: 'to a link to nothing: its target is made', from: 'file', to: 'to-later', makes: ['later'] },
  { says: 'to links in a circle: is refused', from: 'file', to: 'round', refused: /circle/ },
  { says: 'nothing: is refused', from: 'none', to: 'new', refused: /ENOENT/ },
]

const below = (folder: string): readonly string[] =>
  execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P\n'], { cwd: folder, encoding: 'utf8' })
    .trimEnd()
    .split('\n')
    .sort()

for (const { says, from, to, options = {}, makes = [], refused } of RULES) {
  test(`into a container: ${says}`, async () =>
    withOne(made, 'ruled', async () => {
      const before = await names('ruled', '/srv/.')
      const copied = into(`${scratch('from')}/${from}`, 'ruled', `/srv/${to}`, options)
      if (refused === undefined) await copied
      else assert.match((await failure(copied)).message, refused)
      const added = (await names('ruled', '/srv/.')).filter((name) => !before.includes(name))
      assert.equal(
        added.map((name) => name.replace(/\/$/, '').replace(/ -> .*/, '')).sort(),
        [...makes].sort(),
      )
      if (refused === undefined && makes.length === 0) {
        assert.is(await content('ruled', '/srv/old'), 'a file\n')
        assert.is(
          (await containers().stat('ruled', '/srv/to-old')).linkTarget,
          '../../../../../../../../srv/old'.replace(/^/, '/srv/'),
        )
      }
    }))

  test(`out of a container: ${says}`, async () =>
    withOne(made, 'ruled', async () => {
      await into(scratch('from', '.'), 'ruled', '/from')
      const folder = scratch('ruled')
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(path.join(folder, 'have', 'sub'), { recursive: true })
      writeFileSync(path.join(folder, 'old'), 'old\n')
      for (const [name, target] of [
        ['to-have', 'have'],
        ['to-later', path.join(folder, 'later')],
        ['to-old', 'old'],
        ['round', 'round'],
      ] as const)
        symlinkSync(target, path.join(folder, name))
      const before = below(folder)
      const copied = out('ruled', `/from/${from}`, `${folder}/${to}`, options)
      if (refused === undefined) await copied
      else assert.match((await failure(copied)).message, refused)
      assert.equal(
        below(folder).filter((name) => !before.includes(name)),
        [...makes].sort(),
      )
      if (refused === undefined && makes.length === 0)
        assert.is(readFileSync(path.join(folder, 'old'), 'utf8'), 'a file\n')
      assert.ok(lstatSync(path.join(folder, 'to-old')).isSymbolicLink())
    }))
}

test('what is in memory of a container that runs is seen, and of one that does not is refused', async () => {
  const options = { mounts: [{ type: 'tmpfs', target: '/mem' }] }
  await withOne(
    running,
    'mem',
    async () => {
      await into(scratch('from', 'file'), 'mem', '/mem')
      assert.equal(await names('mem', '/mem'), ['mem/', 'mem/file'])
    },
    options,
  )
  await withOne(
    made,
    'mem',
    async () => {
      assert.is((await failure(into(scratch('from', 'file'), 'mem', '/mem'))).code, 'EROFS')
    },
    options,
  )
})

test('what was copied into a container that was made, or has ended, is there when it starts', async () => {
  await prepare()
  for (const argv of [['cat', '/srv/file']]) {
    await containers().create('base:1', argv, { name: 'starts' })
    for (const text of ['first\n', 'second\n']) {
      writeFileSync(scratch('file'), text)
      await into(scratch('file'), 'starts', '/srv/file')
      const streams = await containers().startAttached('starts')
      const written = (await streams.stdout.toArray()).join('')
      await streams.exit
      assert.is(written, text)
    }
    await box().engine.remove('starts')
  }
})

test('one that runs is never copied into beside itself: a start waits for the copy, and a copy finds what started', async () =>
  withOne(made, 'turns', async () => {
    const { tar } = await containers().copyFrom('turns', '/bin')
    let started = false
    const start = containers()
      .start('turns')
      .then(() => {
        started = true
      })
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.is(started, false)
    for await (const _ of tar);
    await start
    await (await containers().copyFrom('turns', '/bin')).close()
    await into(scratch('from', 'file'), 'turns', '/srv')
    assert.equal((await containers().stat('turns', '/srv/file')).name, 'file')
  }))

test('stat tells name, size, mode, time and where a link leads in the end', async () =>
  withOne(running, 'told', async () => {
    await into(scratch('from', 'dir'), 'told', '/srv')
    const { stat } = containers()
    assert.equal(await stat('told', '/srv/dir/file'), {
      name: 'file',
      size: 12,
      mode: 0o100640,
      mtimeMs: 1_000_000,
      linkTarget: '',
    })
    const link = await stat('told', '/srv/dir/link')
    assert.equal([link.name, link.mode, link.linkTarget], ['link', 0o120777, '/srv/dir/file'])
    assert.is((await stat('told', '/')).name, '/')
    assert.is((await stat('told', 'srv/dir/')).name, 'dir')
    assert.is((await failure(stat('told', '/srv/none'))).code, 'ENOENT')
    assert.is((await failure(stat('nobody', '/'))).error._tag, 'ContainerNotFound')
  }))

test('a tar goes in as it is: compressed or not, with links, pipes and devices, its ids where they are asked for', async () =>
  withOne(running, 'tarred', async () => {
    const tar = tarOf([
      { name: 'top/', type: '5', mode: 0o750 },
      { name: 'top/file', data: 'x', uid: 1000, gid: 1000, mode: 0o4755 },
      { name: 'top/twice', type: '1', linkName: 'top/file' },
      { name: 'top/soft', type: '2', linkName: '../../../../etc/passwd' },
      { name: 'top/pipe', type: '6', mode: 0o644 },
      { name: 'top/null', type: '3', device: [1, 3], mode: 0o666 },
    ])
    for (const bytes of [tar, gzipSync(tar)]) {
      await containers().copyInto('tarred', '/tmp', Readable.from([bytes]), { archive: true })
      assert.equal(await listed('tarred', '/tmp/top'), [
        'drwxr-x--- 0/0 top/',
        '-rwsr-xr-x 1000/1000 top/file',
        'crw-rw-rw- 0/0 top/null',
        'prw-r--r-- 0/0 top/pipe',
        'lrwxrwxrwx 0/0 top/soft -> ../../../../etc/passwd',
        'hrwsr-xr-x 1000/1000 top/twice link to top/file',
      ])
    }
    await containers().copyInto('tarred', '/tmp', Readable.from([tar]))
    assert.ok((await listed('tarred', '/tmp/top')).includes('-rwsr-xr-x 0/0 top/file'))
  }))

test('a folder and something else do not take each other’s place, unless that is asked for', async () =>
  withOne(running, 'places', async () => {
    const { copyInto } = containers()
    const put = (files: Parameters<typeof tarOf>[0], options = {}) =>
      copyInto('places', '/srv', Readable.from([tarOf(files)]), options)
    const folder = [{ name: 'old/', type: '5' }]
    const file = [{ name: 'have', data: 'x' }]
    const link = [{ name: 'to-have/', type: '5' }]
    assert.match(
      (await failure(put(folder))).message,
      /copy: places:\/srv\/old: cannot overwrite a non-directory/,
    )
    assert.match((await failure(put(file))).message, /places:\/srv\/have: cannot overwrite a directory/)
    assert.match(
      (await failure(put(link))).message,
      /places:\/srv\/to-have: cannot overwrite a non-directory/,
    )
    await put(folder, { overwrite: true })
    await put(file, { overwrite: true })
    const kinds = await listed('places', '/srv')
    assert.ok(kinds.includes('drwxr-xr-x 0/0 srv/old/') && kinds.includes('-rwxr-xr-x 0/0 srv/have'))
  }))

test('a link that only a path mentions is followed inside the container, and an entry never through one', async () =>
  withOne(running, 'linked', async () => {
    const up = '../'.repeat(20)
    const canary = scratch('canary')
    mkdirSync(canary, { recursive: true })
    await containers()
      .exec('linked', ['sh', '-c', `ln -s ${up}srv/have /srv/away; ln -s ${canary} /srv/host`])
      .then(({ exit }) => exit)
    const { copyInto } = containers()
    await copyInto('linked', '/srv', Readable.from([tarOf([{ name: 'away/file', data: 'x' }])]))
    assert.is((await containers().stat('linked', '/srv/have/file')).size, 1)
    const error = await failure(
      copyInto('linked', '/srv', Readable.from([tarOf([{ name: 'host/file', data: 'x' }])])),
    )
    assert.match(error.message, /linked:\/srv\/host\/file/)
    for (const name of ['../x', 'a/../../x'])
      assert.match(
        (await failure(copyInto('linked', '/srv', Readable.from([tarOf([{ name, data: 'x' }])])))).message,
        /leads out/,
      )
    assert.equal(readdirSync(canary), [])
  }))

test('what the kernel makes up is neither read nor written, and its folders are empty', async () =>
  withOne(running, 'kernel', async () => {
    const all = await names('kernel', '/')
    for (const folder of ['proc', 'sys', 'dev/pts'])
      assert.ok(all.includes(`./${folder}/`) || all.includes(`${folder}/`), folder)
    assert.not.ok(all.some((name) => /^(\.\/)?(proc|sys)\/./.test(name)))
    for (const at of ['/proc/kmsg', '/proc/1/root', '/sys/kernel'])
      assert.match((await failure(out('kernel', at, scratch('none')))).message, /makes it up/)
    assert.match((await failure(into(scratch('from', 'file'), 'kernel', '/proc'))).message, /takes no files/)
    assert.match(
      (await failure(into(scratch('from', 'file'), 'kernel', '/dev/null'))).message,
      /it is a device/,
    )
    assert.not.ok(existsSync(scratch('none')))
  }))

test('pipes and sockets wake nobody up', async () =>
  withOne(running, 'pipes', async () => {
    await containers()
      .exec('pipes', ['sh', '-c', 'mkdir /p; mknod /p/pipe p; echo x > /p/z'])
      .then(({ exit }) => exit)
    assert.equal(await names('pipes', '/p'), ['p/', 'p/pipe', 'p/z'])
    assert.match((await failure(into(scratch('from', 'file'), 'pipes', '/p/pipe'))).message, /named pipe/)
    await into(scratch('from', 'file'), 'pipes', '/p/z')
    assert.is(await content('pipes', '/p/z'), 'a file\n')
  }))

test('no room in the middle: the error says where, the old file is whole, and nothing half done is left', async () =>
  withOne(
    running,
    'full',
    async () => {
      writeFileSync(scratch('small'), 'small\n')
      writeFileSync(scratch('large'), Buffer.alloc(4 << 20, 'x'))
      await into(scratch('small'), 'full', '/mem/file')
      const error = await failure(into(scratch('large'), 'full', '/mem/file'))
      assert.equal(
        [error.code, error.message],
        ['ENOSPC', 'copy_write: full:/mem/file: ENOSPC (no space left on device)'],
      )
      assert.is(await content('full', '/mem/file'), 'small\n')
      assert.equal(await names('full', '/mem'), ['mem/', 'mem/file'])
    },
    { mounts: [{ type: 'tmpfs', target: '/mem', size: '1MiB' }] },
  ))

test('a copy that is stopped ends at once, leaves nothing half done, and the container as it was', async () => {
  for (const make of [running, made])
    await withOne(make, 'stopped', async () => {
      const stop = new AbortController()
      async function* endless(): AsyncGenerator<Uint8Array> {
        yield tarOf([{ name: 'big', size: 8 ** 11 - 1 }]).subarray(0, 512)
        stop.abort(new Error('enough'))
        await new Promise(() => {})
      }
      const error = await failure(
        containers().copyInto('stopped', '/srv', endless(), { signal: stop.signal }),
      )
      assert.is(error.error._tag, 'Cancelled')
      assert.equal(
        (await names('stopped', '/srv')).filter((name) => /big|slipway/.test(name)),
        [],
      )
      const early = AbortSignal.abort()
      assert.is(
        (await failure(into(scratch('from', 'dir'), 'stopped', '/srv', { signal: early }))).error._tag,
        'Cancelled',
      )
      const read = new AbortController()
      const { tar } = await containers().copyFrom('stopped', '/bin', { signal: read.signal })
      const broken = await failure(
        (async () => {
          for await (const _ of tar) read.abort()
        })(),
      )
      assert.is(broken.error._tag, 'Cancelled')
    })
})

test('a stream that breaks or ends too soon leaves no file under its name', async () =>
  withOne(running, 'broken', async () => {
    const tar = tarOf([
      { name: 'whole', data: 'x' },
      { name: 'half', data: 'y'.repeat(100_000) },
    ])
    const { copyInto } = containers()
    async function* breaks(): AsyncGenerator<Uint8Array> {
      yield tar.subarray(0, 4096)
      throw new Error('the line broke')
    }
    assert.match((await failure(copyInto('broken', '/srv', breaks()))).message, /the line broke/)
    assert.match(
      (await failure(copyInto('broken', '/srv', Readable.from([tar.subarray(0, 4096)])))).message,
      /middle of an entry/,
    )
    assert.match(
      (await failure(copyInto('broken', '/srv', Readable.from([Buffer.alloc(2048, 'x')])))).message,
      /copy: broken:\/srv: /,
    )
    assert.match((await failure(copyInto('broken', '/srv', Readable.from([])))).message, /empty/)
    assert.equal(
      (await names('broken', '/srv')).filter((name) => /half|slipway/.test(name)),
      [],
    )
  }))

test('a file of the container that is a mount of its own cannot be replaced, and the error says so', async () => {
  await prepare()
  writeFileSync(scratch('bound'), 'bound\n')
  await withOne(
    running,
    'single',
    async () => {
      assert.match(
        (await failure(into(scratch('from', 'file'), 'single', '/srv/old'))).message,
        'copy: single:/srv/old: it is a mount of its own, which cannot be replaced',
      )
      assert.is(await content('single', '/srv/old'), 'bound\n')
    },
    { mounts: [{ type: 'bind', source: scratch('bound'), target: '/srv/old' }] },
  )
})

test('a container whose root is a directory, and one of the host image, are copied like any other', async () => {
  await prepare()
  for (const image of [{ rootfs: box().rootfs }, 'host'] as const) {
    await containers().create(image, ['true'], { name: 'other' })
    await into(scratch('from', 'file'), 'other', '/tmp/copied')
    assert.is(await content('other', '/tmp/copied'), 'a file\n')
    await box().engine.remove('other')
    const container = await box().engine.start(image, ['true'], { name: 'other', keep: true })
    await container.removed
    await into(scratch('from', 'file'), 'other', '/tmp/again')
    assert.is(await content('other', '/tmp/again'), 'a file\n')
    await box().engine.remove('other')
  }
})

const stateOf = async (name: string): Promise<MonitorState | undefined> =>
  (await containers().inspect(name)).state

/** Its pauses are doubled: until there is one that is not over before it is used. */
const waitsLong = (name: string): Promise<void> =>
  until(
    'it waits',
    async () => {
      const { status, nextMs = 0 } = (await stateOf(name)) ?? {}
      return status === 'restarting' && nextMs - Date.now() > 1000
    },
    60,
  )

test('a start that falls into a copy comes after it, and sees what was copied', async () =>
  withOne(
    async (name, options) => {
      await prepare()
      await containers().create('base:1', ['sh', '-c', 'test -e /srv/new && exec sleep 1000; exit 1'], {
        name,
        restart: 'always',
        ...options,
      })
      await containers().start(name)
      return () => box().engine.remove(name, { force: true })
    },
    'between',
    async () => {
      await waitsLong('between')
      const { tar, close } = await containers().copyFrom('between', '/srv')
      const held = await stateOf('between')
      assert.is(held?.status, 'restarting')
      await until('its start is overdue', () => Date.now() > (held?.nextMs ?? 0) + 300)
      assert.equal(await stateOf('between'), held)
      await Readable.from(tar).resume().toArray()
      await close()
      await until(
        'it is started',
        async () => ((await stateOf('between'))?.restarts ?? 0) > (held?.restarts ?? 0),
      )
      await into(scratch('from', 'file'), 'between', '/srv/new')
      await until('it goes on', async () => (await stateOf('between'))?.status === 'running', 60)
      assert.is((await containers().inspect('between')).isAlive, true)
    },
  ))

test('a stop waits for a copy between two runs, and nothing is started after it', async () =>
  withOne(restarting, 'stopped', async () => {
    await waitsLong('stopped')
    const { close } = await containers().copyFrom('stopped', '/srv')
    const held = await stateOf('stopped')
    let isStopped = false
    const stopping = containers()
      .stop('stopped')
      .then(() => {
        isStopped = true
      })
    await until('its start is overdue', () => Date.now() > (held?.nextMs ?? 0) + 100)
    assert.is(isStopped, false)
    await close()
    await stopping
    // The start that was overdue may have come before it.
    assert.is((await containers().inspect('stopped')).hasMonitor, false)
  }))

test('a container whose monitor was killed between two runs is one that has ended', async () =>
  withOne(restarting, 'orphan', async () => {
    await waitsLong('orphan')
    process.kill((await stateOf('orphan'))?.monitorPid ?? 0, 'SIGKILL')
    await into(scratch('from', 'file'), 'orphan', '/srv/copied')
    assert.is(await content('orphan', '/srv/copied'), 'a file\n')
  }))

test('a container that is removed while it is copied into is not there any more', async () => {
  await prepare()
  const { id } = await containers().create('base:1', LONG, { name: 'going' })
  await containers().start('going')
  async function* tar() {
    yield tarOf([{ name: 'first', data: 'x' }]).subarray(0, 1024)
    await box().engine.remove('going', { force: true })
    yield tarOf([{ name: 'second', data: 'x' }])
  }
  const error = await failure(containers().copyInto('going', '/srv', tar()))
  assert.equal(error.error, { _tag: 'ContainerNotFound', container: id })
})

test('a bad request says what is wrong with it', async () =>
  withOne(made, 'asked', async () => {
    const copy = (...args: readonly unknown[]): Promise<SlipwayError> =>
      failure((containers().copy as (...given: readonly unknown[]) => Promise<unknown>)(...args))
    assert.match((await copy('/a', '/b')).message, /one of both must be \{ container, path \}/)
    assert.match((await copy(inside('asked', '/a'), inside('asked', '/b'))).message, /goes through a tar/)
    assert.match((await copy('', inside('asked', '/b'))).message, /from: "": is empty/)
    assert.match((await copy('/a', inside('asked', 'x\0'))).message, /NUL/)
    assert.match((await copy('/a', inside('', '/b'))).message, /container/)
    assert.match((await copy('/a', inside('asked', '/b'), { archive: 'yes' })).message, /archive/)
    assert.match((await copy('/a', inside('asked', '/b'), { deep: true })).message, /deep/)
    const loose = containers() as unknown as Record<
      string,
      (...given: readonly unknown[]) => Promise<unknown>
    >
    assert.match(
      (await failure(loose.copyInto?.('asked', '/srv', 'tar') as Promise<unknown>)).message,
      /tar: "tar"/,
    )
    assert.match(
      (await failure(containers().copyInto('asked', '/srv/old', Readable.from([])))).message,
      /no directory/,
    )
  }))

test('nothing is left mounted, running or open after copies into containers of every kind', async () => {
  await prepare()
  await withOne(made, 'census', async () => {
    await into(scratch('from', 'dir'), 'census', '/srv')
    const before = box().census()
    for (let round = 0; round < 3; round++) {
      await into(scratch('from', 'dir'), 'census', `/srv/${round}`)
      await out('census', '/srv', scratch(`census-${round}`))
      await failure(into(scratch('from', 'dir'), 'census', '/srv/old'))
    }
    assert.equal(
      (await box().unchanged(before)).filter((line) => !/\/upper\//.test(line)),
      [],
    )
  })
})

run()
