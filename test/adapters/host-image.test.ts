// The host image: what of a machine a container may see, from made-up machines and from this one.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { prepareHostImage } from '../../src/adapters/host-image.ts'
import { etcKind, isHarmless, withoutPasswords } from '../../src/adapters/host-image-etc.ts'
import { hostLayout } from '../../src/adapters/host-image-layout.ts'
import { message } from '../../src/model/errors.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const HostImage = suite('adapters/host-image')
const BOOT = '11111111-2222-3333-4444-555555555555'

let top = ''
let host = ''
let root = ''

/** A file of the made-up machine; folders come by themselves. */
const put = (file: string, text = '', mode = 0o644): void => {
  const full = path.join(host, file)
  mkdirSync(path.dirname(full), { recursive: true })
  writeFileSync(full, text)
  chmodSync(full, mode)
}
const link = (file: string, target: string): void => {
  mkdirSync(path.dirname(path.join(host, file)), { recursive: true })
  symlinkSync(target, path.join(host, file))
}

HostImage.beforeEach(() => {
  top = mkdtempSync(path.join(tmpdir(), 'host-image-'))
  host = path.join(top, 'host')
  root = path.join(top, 'state')
  for (const folder of ['usr/bin', 'opt', 'etc', 'root', 'home/me'])
    mkdirSync(path.join(host, folder), { recursive: true })
  for (const name of ['bin', 'sbin', 'lib']) symlinkSync(`usr/${name}`, path.join(host, name))
  put('usr/bin/sh', '', 0o755)
  put('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n')
  put('etc/group', 'root:x:0:\n')
})
HostImage.afterEach(() => rmSync(top, { recursive: true, force: true }))

const prepare = async (bootId = BOOT) => {
  const image = expectRight(await prepareHostImage({ root, bootId, hostRoot: host })())
  if (image.rootfs.kind !== 'host') throw new Error('not a host image')
  return { ...image.rootfs, image }
}
const skeleton = async (): Promise<string> => (await prepare()).skeleton
/** The age of the last full check is the stamp's; this makes the next one due. */
const waitForFullCheck = (): void => utimesSync(path.join(root, 'snapshots/host.json'), 1, 1)
/** Links are told, and not followed: those of a skeleton lead into this machine. */
const entries = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name)))
    .sort()
const mode = (file: string): number => statSync(file).mode & 0o7777

HostImage('the image is called host, and has a PATH and a shell', async () => {
  const { image } = await prepare()
  assert.equal([image.reference, image.id, image.config.Cmd], ['host', 'host', ['/bin/sh']])
  assert.match(image.config.Env?.[0] ?? '', /^PATH=.*\/usr\/bin/)
})

HostImage('/usr is mounted, and /opt as soon as there is something in it', async () => {
  assert.equal((await prepare()).directories, ['/usr'])
  put('opt/tool/run')
  assert.equal((await prepare()).directories, ['/opt', '/usr'])
})

HostImage('the top level has the links of the host and fresh folders', async () => {
  put('srv/secret')
  put('data/x')
  link('vmlinuz', 'boot/vmlinuz')
  const fs = await skeleton()
  const names = 'bin dev etc home lib media mnt proc root run sbin srv sys tmp usr var'.split(' ')
  assert.equal(readdirSync(fs).sort(), names)
  assert.is(readlinkSync(path.join(fs, 'bin')), 'usr/bin')
  for (const name of ['home', 'root', 'srv', 'usr', 'mnt', 'tmp', 'proc'])
    assert.equal(readdirSync(path.join(fs, name)), [])
})

HostImage('folders have the modes programs rely on, whatever the umask', async () => {
  const old = process.umask(0o077)
  try {
    const fs = await skeleton()
    const modes = {
      '.': 0o755,
      etc: 0o755,
      root: 0o700,
      tmp: 0o1777,
      'var/tmp': 0o1777,
      'etc/passwd': 0o644,
      usr: 0o755,
    }
    for (const [name, want] of Object.entries(modes)) assert.is(mode(path.join(fs, name)), want, name)
  } finally {
    process.umask(old)
  }
})

HostImage('/var/run, /var/lock and /etc/mtab lead where they should', async () => {
  const fs = await skeleton()
  const links = ['var/run', 'var/lock', 'etc/mtab'].map((name) => readlinkSync(path.join(fs, name)))
  assert.equal(links, ['/run', '/run/lock', '/proc/self/mounts'])
})

HostImage('a host without merged /usr has its folders mounted one by one', async () => {
  for (const name of ['bin', 'sbin', 'lib']) rmSync(path.join(host, name))
  for (const name of ['bin', 'lib', 'lib64']) put(`${name}/x`)
  mkdirSync(path.join(host, 'sbin'))
  const { directories, skeleton: fs } = await prepare()
  assert.equal(directories, ['/bin', '/lib', '/lib64', '/usr'])
  assert.ok(lstatSync(path.join(fs, 'lib64')).isDirectory())
})

HostImage('a top-level link to what is not mounted is left out', async () => {
  rmSync(path.join(host, 'bin'))
  link('bin', '/data/bin')
  assert.not.ok(existsSync(path.join(await skeleton(), 'bin')))
})

HostImage('nothing secret of /etc is copied, even when everyone may read it', async () => {
  const secrets = [
    'shadow',
    'shadow-',
    'gshadow',
    'passwd-',
    'group-',
    'sudoers',
    'machine-id',
    'krb5.keytab',
    'fstab',
    'environment',
    'ssh/ssh_host_rsa_key',
    'ssl/private/x.key',
    'ssl/certs/x.key',
    'ssl/certs/private.pem',
    'docker/daemon.json',
    'containers/auth.json',
    'apt/auth.conf',
    'NetworkManager/system-connections/wifi',
    'slipway/config',
    'npmrc',
    'pip.conf',
    'gitconfig',
    'wgetrc',
    'alternatives/token',
    'java-17-openjdk/management/jmxremote.password',
    'hosts',
    'resolv.conf',
    'ld.so.preload',
    'subuid',
    'crontab',
    'python3/my-secret.py',
    'fonts/passwords.conf',
    'vim/vimrc.bak',
  ]
  for (const name of secrets) put(`etc/${name}`, 'SECRET')
  const fs = await skeleton()
  const leaked = entries(path.join(fs, 'etc')).filter((name) => {
    const file = path.join(fs, 'etc', name)
    return lstatSync(file).isFile() && readFileSync(file, 'utf8').includes('SECRET')
  })
  assert.equal(leaked, [])
  assert.equal(
    entries(path.join(fs, 'etc')).filter((name) => /shadow|sudoers|machine-id/.test(name)),
    [],
  )
})

HostImage('what programs need of /etc is copied, links as links', async () => {
  put('etc/ssl/certs/ca-certificates.crt', 'CERT')
  put('etc/ssl/openssl.cnf', 'CNF')
  link('etc/ssl/certs/ab.0', '/usr/share/ca/ab.crt')
  link('etc/localtime', '/usr/share/zoneinfo/Europe/Berlin')
  link('etc/os-release', '../usr/lib/os-release')
  put('etc/ld.so.conf.d/x.conf', 'X')
  link('etc/alternatives/awk', '/usr/bin/mawk')
  link('etc/alternatives/awk.1.gz', '/usr/share/man/mawk.1.gz')
  put('etc/python3.11/sitecustomize.py', 'PY', 0o755)
  const etc = path.join(await skeleton(), 'etc')
  const texts = [
    'ssl/certs/ca-certificates.crt',
    'ssl/openssl.cnf',
    'ld.so.conf.d/x.conf',
    'python3.11/sitecustomize.py',
  ]
  assert.equal(
    texts.map((name) => readFileSync(path.join(etc, name), 'utf8')),
    ['CERT', 'CNF', 'X', 'PY'],
  )
  assert.is(readlinkSync(path.join(etc, 'ssl/certs/ab.0')), '/usr/share/ca/ab.crt')
  assert.is(readlinkSync(path.join(etc, 'localtime')), '/usr/share/zoneinfo/Europe/Berlin')
  assert.equal(readdirSync(path.join(etc, 'alternatives')), ['awk'])
  assert.is(mode(path.join(etc, 'python3.11/sitecustomize.py')), 0o755)
})

HostImage('a folder of the list that is a link on the host stays a link', async () => {
  put('etc/pki/tls/certs/ca.crt', 'CERT')
  link('etc/ssl/certs', '../pki/tls/certs')
  const etc = path.join(await skeleton(), 'etc')
  assert.is(readlinkSync(path.join(etc, 'ssl/certs')), '../pki/tls/certs')
  assert.is(readFileSync(path.join(etc, 'ssl/certs/ca.crt'), 'utf8'), 'CERT')
})

HostImage('a file or folder that not everyone may read is not copied', async () => {
  put('etc/services', 'S', 0o640)
  put('etc/ssl/certs/a.crt', 'A', 0o600)
  put('etc/vim/vimrc', 'V')
  chmodSync(path.join(host, 'etc/vim'), 0o700)
  const etc = path.join(await skeleton(), 'etc')
  for (const name of ['services', 'ssl/certs/a.crt', 'vim'])
    assert.not.ok(existsSync(path.join(etc, name)), name)
})

HostImage('a folder with the name of a file, and a huge file, are not copied', async () => {
  put('etc/services/x')
  put('etc/mime.types', 'x'.repeat(5 * 1024 * 1024))
  const etc = path.join(await skeleton(), 'etc')
  assert.equal(
    [existsSync(path.join(etc, 'services')), existsSync(path.join(etc, 'mime.types'))],
    [false, false],
  )
})

HostImage('the bits setuid and setgid are not copied', async () => {
  put('etc/profile', '', 0o6755)
  assert.is(mode(path.join(await skeleton(), 'etc/profile')), 0o755)
})

HostImage('password hashes in passwd and group become x', async () => {
  put('etc/passwd', 'root:$6$salt$hash:0:0:root:/root:/bin/sh\nme::1000:1000::/home/me:\n')
  put('etc/group', 'wheel:secret:10:me\n')
  const etc = path.join(await skeleton(), 'etc')
  const want = 'root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:\n'
  assert.is(readFileSync(path.join(etc, 'passwd'), 'utf8'), want)
  assert.is(readFileSync(path.join(etc, 'group'), 'utf8'), 'wheel:x:10:me\n')
})

HostImage('a second start uses the same skeleton and writes nothing', async () => {
  const first = await skeleton()
  const before = entries(root).map((name) => `${name} ${lstatSync(path.join(root, name)).ctimeMs}`)
  assert.is(await skeleton(), first)
  assert.equal(
    entries(root).map((name) => `${name} ${lstatSync(path.join(root, name)).ctimeMs}`),
    before,
  )
})

HostImage('a file that was replaced is seen at once', async () => {
  const first = await skeleton()
  put('etc/services.new', 'new')
  renameSync(path.join(host, 'etc/services.new'), path.join(host, 'etc/services'))
  const second = await skeleton()
  assert.is.not(second, first)
  assert.is(readFileSync(path.join(second, 'etc/services'), 'utf8'), 'new')
})

HostImage('a user that was added in place is seen at once', async () => {
  const first = await skeleton()
  put('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnew:x:5:5::/:\n')
  assert.is.not(await skeleton(), first)
})

HostImage('any other file that was edited in place is seen by the next full check', async () => {
  put('etc/services', 'old')
  const first = await skeleton()
  put('etc/services', 'edited')
  assert.is(await skeleton(), first)
  waitForFullCheck()
  assert.is.not(await skeleton(), first)
})

HostImage('a full check that finds nothing puts the next one off', async () => {
  const first = await skeleton()
  waitForFullCheck()
  assert.is(await skeleton(), first)
  assert.ok(Date.now() - statSync(path.join(root, 'snapshots/host.json')).mtimeMs < 10_000)
})

HostImage('a touched file of the same content gives the same skeleton', async () => {
  const first = await skeleton()
  put('etc/passwd', readFileSync(path.join(host, 'etc/passwd'), 'utf8'))
  assert.is(await skeleton(), first)
})

HostImage(
  'skeletons of this boot stay for their containers; those of earlier boots go, half-made ones too',
  async () => {
    const first = path.dirname(await skeleton())
    put('etc/passwd', 'root:x:0:0::/:\n')
    const second = path.dirname(await skeleton())
    const half = path.join(root, 'snapshots', `.${path.basename(first)}.999.abc`)
    const other = path.join(root, 'snapshots', 'sha256-layer')
    for (const folder of [half, other]) mkdirSync(folder)
    assert.ok(existsSync(first))
    const third = path.dirname((await prepare('99999999-2222')).skeleton)
    assert.equal(
      [first, second, half, other, third].map((folder) => existsSync(folder)),
      [false, false, false, true, true],
    )
  },
)

HostImage(
  'what a killed engine left half-made goes when the next skeleton is made, if it is old',
  async () => {
    const name = path.basename(path.dirname(await skeleton()))
    const snapshots = path.join(root, 'snapshots')
    const [old, fresh] = [`.${name}.111.a`, `.${name}.222.b`]
    for (const folder of [old, fresh]) mkdirSync(path.join(snapshots, folder, 'fs/etc'), { recursive: true })
    for (const file of ['host.json.111', 'host.json.222']) writeFileSync(path.join(snapshots, file), '{')
    for (const left of [old, 'host.json.111']) utimesSync(path.join(snapshots, left), 1, 1)
    put('etc/passwd', 'root:x:0:0::/:\n')
    await skeleton()
    const left = readdirSync(snapshots).filter((entry) => /^\.|json\./.test(entry))
    assert.equal(left.sort(), [fresh, 'host.json.222'])
  },
)

HostImage('a skeleton that was deleted is made again at once', async () => {
  const first = await skeleton()
  rmSync(path.dirname(first), { recursive: true })
  assert.is(await skeleton(), first)
  assert.ok(existsSync(path.join(first, 'etc/passwd')))
})

for (const damage of ['', '{', 'null', '[]', '{"format":1}', '{"format":99}']) {
  HostImage(`a stamp that reads ${JSON.stringify(damage)} is made anew`, async () => {
    const first = await skeleton()
    writeFileSync(path.join(root, 'snapshots/host.json'), damage)
    assert.is(await skeleton(), first)
    assert.match(readFileSync(path.join(root, 'snapshots/host.json'), 'utf8'), '"format":1')
  })
}

HostImage('many starts at once on a fresh machine agree on one skeleton', async () => {
  const made = await Promise.all(Array.from({ length: 8 }, skeleton))
  assert.is(new Set(made).size, 1)
  assert.equal(readdirSync(path.join(root, 'snapshots')).length, 2)
})

HostImage("the engine's state below /opt leaves /opt out", async () => {
  root = path.join(host, 'opt/state')
  mkdirSync(root)
  assert.equal((await prepare()).directories, ['/usr'])
})

HostImage("the engine's state below /usr is refused, however it is reached", async () => {
  mkdirSync(path.join(host, 'usr/state'))
  symlinkSync(path.join(host, 'usr/state'), path.join(top, 'elsewhere'))
  for (const place of [path.join(host, 'usr/state'), path.join(top, 'elsewhere')]) {
    root = place
    const error = expectLeft(await prepareHostImage({ root, bootId: BOOT, hostRoot: host })())
    const why = `slipway's own state, ${place}, lies inside /usr, which every container would see`
    assert.is(message(error), `the host image: not available on this host: ${why}`)
  }
})

HostImage('a host root that cannot be listed is a failure that names it', async () => {
  const missing = path.join(top, 'nothing')
  const error = expectLeft(await prepareHostImage({ root, bootId: BOOT, hostRoot: missing })())
  assert.ok(error._tag === 'SyscallFailed' && error.errno === 2 && error.path === missing)
})

HostImage('a state folder that cannot be made is a failure that names it, and leaves nothing', async () => {
  writeFileSync(root, 'a file')
  const error = expectLeft(await prepareHostImage({ root, bootId: BOOT, hostRoot: host })())
  assert.ok(error._tag === 'SyscallFailed' && error.errno === 20)
  assert.match(message(error), /^prepare host image: mkdir: /)
})

HostImage('a skeleton that cannot be finished leaves no half of it', async () => {
  mkdirSync(path.join(root, 'snapshots'), { recursive: true })
  const name = path.basename(path.dirname(await skeleton()))
  rmSync(path.join(root, 'snapshots'), { recursive: true })
  // A file where the finished folder should be: rename(2) fails with ENOTDIR.
  mkdirSync(path.join(root, 'snapshots'))
  writeFileSync(path.join(root, 'snapshots', name), '')
  const error = expectLeft(await prepareHostImage({ root, bootId: BOOT, hostRoot: host })())
  assert.ok(error._tag === 'SyscallFailed' && error.errno === 20)
  assert.equal(readdirSync(path.join(root, 'snapshots')), [name])
})

HostImage('this machine gives an image with a shell and a passwd, and no secret', async () => {
  const image = expectRight(await prepareHostImage({ root, bootId: BOOT })())
  if (image.rootfs.kind !== 'host') throw new Error('not a host image')
  const { skeleton: fs, directories } = image.rootfs
  assert.ok(directories.includes('/usr'))
  assert.match(readFileSync(path.join(fs, 'etc/passwd'), 'utf8'), /^root:x:0:0:/m)
  assert.equal(
    entries(path.join(fs, 'etc')).filter((name) => /shadow|sudoers|ssh_host|machine-id|private/.test(name)),
    [],
  )
  assert.equal([...readdirSync(path.join(fs, 'root')), ...readdirSync(path.join(fs, 'home'))], [])
})

HostImage('the allow-list is by path, and a secret name anywhere in it loses', () => {
  assert.equal(['passwd', 'ssl', 'ssl/certs', 'pki/tls', 'fonts'].map(etcKind), [
    'file',
    'parent',
    'folder',
    'parent',
    'folder',
  ])
  assert.equal(
    ['shadow', 'ssl/private', 'x/passwd', 'fonts-', 'pki/private', ''].map(etcKind),
    Array(6).fill(undefined),
  )
  assert.equal(['a.crt', 'my.key', 'id_rsa', 'x~', 'auth-token', 'monkey'].map(isHarmless), [
    true,
    false,
    false,
    false,
    false,
    true,
  ])
})

HostImage('only the second column of passwd is touched', () => {
  assert.is(withoutPasswords('a:b:c:d\n#x\n\n::\nno colon\n'), 'a:x:c:d\n#x\n\n:x:\nno colon\n')
})

HostImage('folders of /usr with a file system of their own are mounted after it', () => {
  const layout = hostLayout(
    [
      { name: 'usr', kind: 'folder' },
      { name: 'opt', kind: 'folder', empty: true },
    ],
    ['local'],
  )
  assert.equal(layout.mounted, ['/usr', '/usr/local'])
  assert.equal(hostLayout([], ['local']).mounted, [])
})

HostImage.run()
