// Mounts, propagation and devices of a hand-written document, as the container's own mount table and files have them.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import type { Mount } from '../../src/model/oci-spec.ts'
import { makeRootfs } from '../support/engine.ts'
import { findProgram, lacking } from '../support/needs.ts'
import { documentOf, openSpecLauncher, type SpecChange, type SpecLauncher } from '../support/spec-launcher.ts'
import { assert, suite } from '../support/suite.ts'

const SpecMounts = suite('oci/spec-mounts')
SpecMounts.requires('root', 'program:busybox', 'program:mount')
const able = lacking('root', 'program:busybox', 'program:mount') === undefined
let launcher: SpecLauncher
/** A folder that is a mount of its own, shared with nobody but its peers. */
let shared: string

SpecMounts.before(() => {
  if (!able) return
  launcher = openSpecLauncher()
  shared = path.join(launcher.folder, 'shared')
  mkdirSync(shared)
  host('mount', '-t', 'tmpfs', 'shared', shared)
  host('mount', '--make-shared', shared)
  mkdirSync(path.join(shared, 'below'))
  host('mount', '-t', 'tmpfs', 'below', path.join(shared, 'below'))
})
SpecMounts.after(async () => {
  if (!able) return
  host('umount', path.join(shared, 'below'))
  host('umount', shared)
  await launcher.close()
})

const host = (...words: readonly string[]): void => {
  const [program = '', ...args] = words
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  assert.is(status, 0, `${words.join(' ')}: ${stderr}`)
}

const bind = (destination: string, options: readonly string[], source = shared): Mount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', ...options],
})
const tmpfs = (destination: string, ...options: readonly string[]): Mount => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options,
})

/** Of each mount point below /m: its own options, propagation, and those of its file system. proc_pid_mountinfo(5). */
const TABLE = `awk '$5 ~ "^/m" {o=""; for (i=7; $i != "-"; i++) o=o" "$i; print $5, $6, $(NF), o}' /proc/self/mountinfo`
const table = async (
  mounts: readonly Mount[],
  change: SpecChange = {},
): Promise<ReadonlyMap<string, string>> => {
  const out = await launcher.sh(TABLE, { ...change, mounts })
  return new Map(out.split('\n').map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]))
}

/** What is seen of each option of the specification's table on a new tmpfs. */
const OPTIONS: readonly (readonly [options: string, own: RegExp])[] = [
  ['ro', /^ro,relatime/],
  ['ro,rw', /^rw,/],
  ['nosuid,nodev,noexec', /^rw,nosuid,nodev,noexec,relatime/],
  ['nosuid,suid,nodev,dev,noexec,exec', /^rw,relatime/],
  ['noatime', /^rw,noatime /],
  ['noatime,atime', /^rw,relatime /],
  ['strictatime', /^rw rw/],
  ['strictatime,nostrictatime', /^rw,relatime /],
  ['relatime', /^rw,relatime /],
  ['norelatime', /^rw rw/],
  ['nodiratime', /^rw,nodiratime,relatime/],
  ['nodiratime,diratime', /^rw,relatime/],
  ['nosymfollow', /^rw,relatime,nosymfollow/],
  ['nosymfollow,symfollow', /^rw,relatime /],
  ['rro', /^ro,/],
  ['sync,dirsync,lazytime', /^rw,relatime rw,sync,dirsync,lazytime/],
  ['defaults,async,loud,silent,noiversion,nolazytime', /^rw,relatime rw/],
  ['size=64k,mode=700', /size=64k,mode=700/],
  ['shared', /shared:/],
  ['unbindable', /unbindable/],
]
for (const [options, own] of OPTIONS)
  SpecMounts(`a file system with ${options} is mounted so`, async () => {
    assert.match((await table([tmpfs('/m', ...options.split(','))])).get('/m') ?? '', own)
  })

const BIND_OPTIONS: readonly (readonly [options: string, own: RegExp, below: RegExp])[] = [
  ['ro,nosuid', /^ro,nosuid,relatime/, /^rw,relatime/],
  ['rro', /^ro,relatime/, /^ro,relatime/],
  ['rro,rw', /^ro,relatime/, /^ro,relatime/],
  [
    'rnosuid,rnodev,rnoexec,rnosymfollow',
    /nosuid,nodev,noexec.*nosymfollow/,
    /nosuid,nodev,noexec.*nosymfollow/,
  ],
  ['rnoatime,rnodiratime', /^rw,noatime,nodiratime/, /^rw,noatime,nodiratime/],
  ['rstrictatime', /^rw rw/, /^rw rw/],
  ['rnoatime,ratime', /^rw,relatime/, /^rw,relatime/],
]
for (const [options, own, below] of BIND_OPTIONS)
  SpecMounts(
    `a bind mount with ${options} has them, and what is mounted below it those with an r`,
    async () => {
      const found = await table([bind('/m', options.split(','))])
      assert.match(found.get('/m') ?? '', own)
      assert.match(found.get('/m/below') ?? '', below)
    },
  )

SpecMounts('a bind mount that is not recursive leaves out what is mounted below', async () => {
  const found = await table([{ destination: '/m', source: shared, options: ['bind'] }])
  assert.equal([...found.keys()], ['/m'])
})

SpecMounts('remount changes what is there', async () => {
  const found = await table([
    bind('/m', []),
    { destination: '/m', source: shared, options: ['bind', 'remount', 'ro', 'nosuid'] },
    tmpfs('/m2', 'size=1m', 'nodev'),
    { destination: '/m2', type: 'tmpfs', options: ['remount', 'size=64k', 'ro'] },
  ])
  assert.match(found.get('/m') ?? '', /^ro,nosuid,relatime/)
  assert.match(found.get('/m/below') ?? '', /^rw,relatime/)
  assert.match(found.get('/m2') ?? '', /^ro,relatime .*size=64k/)
})

SpecMounts('a symlink of the image leads no remount to another mount', async () => {
  const rootfs = path.join(launcher.folder, 'misled')
  makeRootfs(rootfs)
  symlinkSync('proc', path.join(rootfs, 'data'))
  const mounts = [{ destination: '/data', type: 'none', options: ['remount', 'rw', 'suid'] }]
  assert.match(
    (await launcher.run(documentOf(rootfs, 'true', { mounts }))).failed ?? '',
    /open mount target: \/data: ELOOP/,
  )
})

SpecMounts('a file system has the source that is named', async () => {
  const over: Mount = {
    destination: '/m',
    type: 'overlay',
    source: 'named',
    options: ['ro', 'lowerdir=/usr/share:/usr/lib'],
  }
  assert.is(
    await launcher.sh('awk \'$2 == "/m" {print $1, $3}\' /proc/self/mounts', { mounts: [over] }),
    'named overlay',
  )
})

SpecMounts('a symlink is followed, or is itself the source and the target', async () => {
  const source = path.join(launcher.folder, 'link')
  writeFileSync(path.join(launcher.folder, 'file'), 'text\n')
  symlinkSync('file', source)
  const rootfs = path.join(launcher.folder, 'linked')
  makeRootfs(rootfs)
  symlinkSync('etc/group', path.join(rootfs, 'target'))
  const script = 'readlink /target; cat /etc/group | head -1; readlink /plain || cat /plain'
  const mounts = [bind('/target', ['src-nofollow', 'dest-nofollow'], source), bind('/plain', [], source)]
  const out = await launcher.run({ ...documentOf(rootfs, script, { mounts }) })
  assert.equal(out, { code: 0, out: 'file\nroot:x:0:\ntext\n', failed: undefined })
  rmSync(source)
})

/** The tests' source is a tmpfs, which takes other ids from Linux 6.3 on. */
const onMappable = (name: string, test: () => Promise<void>): void => {
  const lacks = lacking('linux:6.3')
  if (lacks === undefined) SpecMounts(name, test)
  else SpecMounts.skip(name, lacks)
}

const maps = (hostID: number) => [{ containerID: 0, hostID, size: 65_536 }]
onMappable('ids of a bind mount are those of its own maps', async () => {
  const file = path.join(shared, 'owned')
  writeFileSync(file, '')
  chownSync(file, 5, 6)
  const mapped = { ...bind('/m', ['idmap']), uidMappings: maps(1000), gidMappings: maps(2000) }
  const deep = { ...bind('/m2', ['ridmap']), uidMappings: maps(1000), gidMappings: maps(2000) }
  const script =
    "stat -c '%u:%g' /m/owned /m/below /m2/owned /m2/below; touch /m/made; stat -c '%u:%g' /m/made"
  const change = {
    mounts: [mapped, deep],
    process: {
      user: { uid: 1007, gid: 2008 },
      capabilities: {
        effective: ['CAP_DAC_OVERRIDE'],
        permitted: ['CAP_DAC_OVERRIDE'],
        bounding: ['CAP_DAC_OVERRIDE'],
      },
    },
  }
  const out = await launcher.sh(script, change)
  assert.equal(out.split('\n'), ['1005:2006', '0:0', '1005:2006', '1000:2000', '1007:2008'])
  const made = statSync(path.join(shared, 'made'))
  assert.equal([made.uid, made.gid], [7, 8])
})

const USERNS = {
  namespaces: ['pid', 'mount', 'ipc', 'uts', 'network', 'user'].map((type) => ({ type })),
  uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
  gidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
}
/** A root that belongs to the mapped ids, with a path that they may enter. */
const mappedRoot = (): string => {
  const rootfs = path.join(launcher.folder, 'mapped')
  if (!existsSync(rootfs)) {
    makeRootfs(rootfs)
    host('chown', '-R', '100000:100000', rootfs)
    host('chmod', '755', launcher.folder, rootfs)
  }
  return rootfs
}

onMappable('ids of a bind mount are those of the user namespace where it has no maps', async () => {
  const mounts = [bind('/m', ['idmap', 'ro'])]
  const document = documentOf(mappedRoot(), "stat -c '%u:%g' /m; touch /m/x 2>&1; id -u", {
    mounts,
    linux: USERNS,
  })
  const { out, failed } = await launcher.run(document)
  assert.is(failed, undefined)
  assert.equal(out.trim().split('\n'), ['0:0', 'touch: /m/x: Read-only file system', '0'])
})

SpecMounts('a device in a user namespace is the host node that is meant, or the start fails', async () => {
  const device = (minor: number) => [{ path: '/dev/kmsg', type: 'c', major: 1, minor }]
  const fifo = { path: '/dev/fifo', type: 'p', fileMode: 0o640 }
  const of = (devices: readonly object[]) =>
    documentOf(mappedRoot(), 'stat -c %F /dev/kmsg /dev/fifo', { linux: { ...USERNS, devices } })
  assert.equal(await launcher.run(of([...device(11), fifo])), {
    code: 0,
    out: 'character special file\nfifo\n',
    failed: undefined,
  })
  assert.match((await launcher.run(of(device(12)))).failed ?? '', /verify device: \/dev\/kmsg c 1:12/)
})

const PROPAGATION: readonly (readonly [word: string, seen: RegExp])[] = [
  ['private', /^$/],
  ['rprivate', /^$/],
  ['slave', /^(master:\d+)?$/],
  ['shared', /shared:\d+/],
  ['rshared', /shared:\d+/],
  ['unbindable', /^unbindable$/],
  ['runbindable', /^unbindable$/],
]
for (const [word, seen] of PROPAGATION)
  SpecMounts(`a root that is to be ${word} is`, async () => {
    const script = `awk '$5 == "/" {o=""; for (i=7; $i != "-"; i++) o=o" "$i; print o}' /proc/self/mountinfo`
    assert.match((await launcher.sh(script, { linux: linuxWith({ rootfsPropagation: word }) })).trim(), seen)
  })
const NAMESPACES = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }))
const linuxWith = (more: object): Readonly<Record<string, unknown>> => ({ namespaces: NAMESPACES, ...more })

SpecMounts(
  'what is mounted in a shared bind shows on the host, and of a slave only the other way round',
  async () => {
    mkdirSync(path.join(shared, 'in'))
    mkdirSync(path.join(shared, 'out'))
    const script =
      'mount -t tmpfs in /m/in && touch /m/in/file; while ! test -e /m2/out/seen; do sleep 0.01; done; test -e /m/out/seen; umount /m/in; mount -t tmpfs x /m2/in && ls /m/in'
    const mounts = [bind('/m', ['rshared']), bind('/m2', ['rslave'])]
    const meanwhile = async (): Promise<void> => {
      const inside = path.join(shared, 'in', 'file')
      for (let i = 0; i < 500 && !existsSync(inside); i++) await new Promise((next) => setTimeout(next, 10))
      assert.ok(existsSync(inside))
      host('mount', '-t', 'tmpfs', 'out', path.join(shared, 'out'))
      writeFileSync(path.join(shared, 'out', 'seen'), '')
    }
    const { code, out } = await launcher.run(documentOf(launcher.rootfs, script, { mounts }), meanwhile)
    assert.equal([code, out], [0, ''])
    host('umount', path.join(shared, 'out'))
  },
)

SpecMounts('devices are made where they are asked for, with mode and owner', async () => {
  const rootfs = path.join(launcher.folder, 'devices')
  makeRootfs(rootfs)
  const devices = [
    { path: '/dev/one', type: 'c', major: 1, minor: 3, fileMode: 0o600, uid: 1, gid: 2 },
    { path: '/dev/deep/two', type: 'u', major: 1, minor: 5, fileMode: 0o20640 },
    { path: '/work/three', type: 'b', major: 7, minor: 0, fileMode: 0o660, gid: 6 },
    { path: '/dev/four', type: 'p', fileMode: 0o644 },
  ]
  const script = "stat -c '%n %F %a %u:%g %t:%T' /dev/one /dev/deep/two /work/three /dev/four"
  const change = { linux: linuxWith({ devices }) }
  const expected = [
    '/dev/one character special file 600 1:2 1:3',
    '/dev/deep/two character special file 640 0:0 1:5',
    '/work/three block special file 660 0:6 7:0',
    '/dev/four fifo 644 0:0 0:0',
  ]
  for (const round of ['made', 'there already']) {
    const { out } = await launcher.run(documentOf(rootfs, script, change))
    assert.equal(out.trim().split('\n'), expected, round)
  }
  rmSync(path.join(rootfs, 'work/three'))
  writeFileSync(path.join(rootfs, 'work/three'), '')
  assert.match(
    (await launcher.run(documentOf(rootfs, script, change))).failed ?? '',
    /verify device: \/work\/three/,
  )
})

SpecMounts('without a mount at /dev the root gets the nodes every container has', async () => {
  const rootfs = path.join(launcher.folder, 'bare')
  makeRootfs(rootfs)
  const script =
    'echo x > /dev/null; head -c 2 /dev/zero | wc -c; readlink /dev/fd; readlink /dev/ptmx; stat -c %a /dev/full'
  const { out, failed } = await launcher.run(documentOf(rootfs, script, { allMounts: [] }))
  assert.is(failed, undefined)
  assert.equal(out.trim().split('\n'), ['2', '/proc/self/fd', 'pts/ptmx', '666'])
})

SpecMounts("a /dev of the host's gets no nodes, and must have those that are asked for", async () => {
  const of = (minor: number) =>
    documentOf(launcher.rootfs, 'stat -c %t:%T /dev/kmsg', {
      allMounts: [bind('/dev', ['ro'], '/dev')],
      linux: linuxWith({ devices: [{ path: '/dev/kmsg', type: 'c', major: 1, minor }] }),
    })
  assert.equal(await launcher.run(of(11)), { code: 0, out: '1:b\n', failed: undefined })
  assert.match((await launcher.run(of(12))).failed ?? '', /verify device/)
})

/** The flags of each mount below /m, and the nodes, in an order of their own. The kernel's default of atime is no flag. */
const SAME = `awk '$5 ~ "^/m" {print $5, $6, $(NF-2)}' /proc/self/mountinfo | sort; find /dev/x* /work/y -exec stat -c '%n %F %a %u:%g %t:%T' {} + | sort`
for (const runtime of ['crun', 'runc'] as const) {
  const lacks = lacking('root', 'program:busybox', `program:${runtime}`, 'program:unshare')
  const title = `mounts and devices are the same under ${runtime}`
  if (lacks !== undefined) SpecMounts.skip(title, lacks)
  else
    SpecMounts(title, async () => {
      const mounts = [
        tmpfs('/m1', 'nosuid', 'nodev', 'noexec', 'noatime', 'mode=700'),
        tmpfs('/m2', 'ro', 'strictatime', 'nodiratime'),
        bind('/m3', ['ro', 'nosuid', 'rprivate']),
        bind('/m4', ['rslave', 'noatime']),
      ]
      const devices = [
        { path: '/dev/x1', type: 'c', major: 1, minor: 3, fileMode: 0o600, uid: 1, gid: 2 },
        { path: '/dev/x2', type: 'p', fileMode: 0o644 },
        { path: '/work/y', type: 'b', major: 7, minor: 0, fileMode: 0o660 },
      ]
      const rootfs = path.join(launcher.folder, runtime)
      makeRootfs(rootfs)
      const change = { mounts, linux: linuxWith({ devices }), root: { path: rootfs } }
      const ours = await launcher.sh(SAME, change)
      rmSync(path.join(rootfs, 'work/y'))
      assert.is(ours, launcher.peer(runtime, SAME, change).out.trimEnd())
    })
}

/** Folders of the root with modes of their own; the last one is reached by a symlink. */
const makeCovered = (): void => {
  for (const [name, mode] of [
    ['closed', 0o700],
    ['open', 0o1777],
    ['group', 0o2750],
  ] as const) {
    mkdirSync(path.join(launcher.rootfs, name))
    chmodSync(path.join(launcher.rootfs, name), mode)
  }
  chownSync(path.join(launcher.rootfs, 'group'), 5, 6)
  chmodSync(path.join(launcher.rootfs, 'group'), 0o2750)
  symlinkSync('/group', path.join(launcher.rootfs, 'linked'))
}

SpecMounts('a tmpfs has the mode of the directory it covers, unless it is given one', async () => {
  makeCovered()
  const mounts = [
    ...['/closed', '/open', '/new', '/linked', '/new/below'].map((place) => tmpfs(place)),
    // What covers it by then is a mount, and that of another runtime's own.
    tmpfs('/new/given', 'mode=751'),
  ]
  const script = 'stat -c "%a %u:%g" /closed /open /new /group /new/below /new/given'
  const expected = ['700 0:0', '1777 0:0', '1777 0:0', '2750 0:0', '1777 0:0', '751 0:0']
  assert.equal((await launcher.sh(script, { mounts })).split('\n'), expected)
  rmSync(path.join(launcher.rootfs, 'new'), { recursive: true })
  // Debian's crun 1.8 leaves it to the kernel, and its runc 1.1 has no ear for the option: later ones do both.
  if (findProgram('runc') !== undefined)
    assert.equal(
      launcher
        .peer('runc', script, { mounts: mounts.slice(0, -2) })
        .out.split('\n')
        .slice(0, 4),
      expected.slice(0, 4),
    )
  const root = mappedRoot()
  chmodSync(path.join(root, 'work'), 0o2710)
  const mapped = { linux: USERNS, root: { path: root }, mounts: [tmpfs('/work'), tmpfs('/newer')] }
  assert.is(await launcher.sh('stat -c %a /work /newer', mapped), '2710\n1777')
})

SpecMounts('a read-only tmpfs has what is mounted in it, and is read-only all the same', async () => {
  const mounts = [
    tmpfs('/m', 'ro', 'mode=755'),
    bind('/m/bound', [], shared),
    tmpfs('/m/deep/er', 'size=1m'),
    tmpfs('/m/deep/sealed', 'rro'),
  ]
  const script =
    'ls /m /m/deep; touch /m/deep/er/x && echo made; touch /m/x; touch /m/deep/sealed/x; touch /m/deep/x; true'
  for (const change of [{ mounts }, { mounts, root: { readonly: true } }]) {
    mkdirSync(path.join(launcher.rootfs, 'm'), { recursive: true })
    const out = await launcher.sh(script, change)
    assert.is(
      out.replaceAll(': Read-only file system', ''),
      '/m:\nbound\ndeep\n\n/m/deep:\ner\nsealed\nmade\ntouch: /m/x\ntouch: /m/deep/sealed/x\ntouch: /m/deep/x',
    )
    const found = await table(mounts, change)
    assert.match(found.get('/m') ?? '', /\bro\b/)
    assert.match(found.get('/m/deep/sealed') ?? '', /\bro\b/)
    assert.match(found.get('/m/deep/er') ?? '', /\brw\b/)
  }
})

SpecMounts('a read-only /dev has its nodes', async () => {
  const dev = tmpfs('/dev', 'ro', 'nosuid', 'mode=755', 'size=64k')
  const script = 'echo x > /dev/null && ls -d /dev/zero /dev/stdin; touch /dev/x'
  const allMounts = [{ destination: '/proc', type: 'proc', source: 'proc' }, dev]
  const { out, code } = await launcher.run(documentOf(launcher.rootfs, script, { allMounts }))
  assert.equal([out.trim().split('\n').slice(0, 2), code], [['/dev/stdin', '/dev/zero'], 1])
})

const REFUSED: readonly (readonly [mount: object, what: RegExp])[] = [
  [{ destination: '/m', type: 'tmpfs', options: ['tmpcopyup'] }, /mounts\[\d\]: tmpcopyup/],
  [{ destination: '/m', type: 'tmpfs', options: ['iversion'] }, /mounts\[\d\]: iversion/],
  [{ destination: '/m', type: 'tmpfs', options: ['idmap'] }, /mounts\[\d\]: idmap/],
  [
    { destination: '/m', type: 'bind', source: '/usr', options: ['idmap'] },
    /mounts\[\d\]\.options: idmap needs/,
  ],
  [{ destination: '/m', type: 'bind', source: '/usr', options: ['size'] }, /mounts\[\d\]\.options: size/],
  [
    { destination: '/m', type: 'bind', source: '/usr', options: ['mode=755', 'nosiud'] },
    /mounts\[\d\]\.options: nosiud/,
  ],
  [{ destination: '/m', type: 'bind', source: '/usr', options: ['sync'] }, /mounts\[\d\]\.options: sync/],
  [{ destination: '/m', type: 'bind', source: 'usr' }, /mounts\[\d\]\.source/],
  [{ destination: '/m', source: 'none' }, /mounts\[\d\]\.type/],
]
for (const [mount, what] of REFUSED)
  SpecMounts(`${JSON.stringify(mount)} is refused by name`, async () => {
    assert.match(
      (await launcher.run(documentOf(launcher.rootfs, 'true', { mounts: [mount as Mount] }))).failed ?? '',
      what,
    )
  })

SpecMounts('what is written of a tmpfs beside a bind mount changes nothing', async () => {
  const found = await table([bind('/m', ['nosuid', 'mode=700', 'size=1k', 'uid=5'])])
  assert.match(found.get('/m') ?? '', /^rw,nosuid/)
  assert.is(await launcher.sh('stat -c %a:%u /m', { mounts: [bind('/m', ['mode=700', 'uid=5'])] }), '1777:0')
})

SpecMounts('an option nobody knows is the file system’s, which refuses it', async () => {
  const { failed } = await launcher.run(
    documentOf(launcher.rootfs, 'true', { mounts: [tmpfs('/m', 'nonsense')] }),
  )
  assert.match(failed ?? '', /fsconfig: tmpfs nonsense: EINVAL/)
})

SpecMounts.run()
