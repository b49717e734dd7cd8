// The library and the command line in the hands of an ordinary user.
import { lstatSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { OrdinaryUser } from '../support/ordinary-user.ts'
import { assert } from '../support/suite.ts'
import type { Archives } from './images.ts'
import { rootlessSuite } from './suite.ts'

let user: OrdinaryUser
let archives: Archives
const { test, run } = rootlessSuite('rootless/library', (hands) => {
  ;({ user, archives } = hands)
})

const output = (argv: readonly string[], options = {}): string => {
  const { status, stdout, stderr } = user.slipway(argv, options)
  if (status !== 0) throw new Error(`slipway ${argv.join(' ')}: ${status}: ${stderr}`)
  return stdout
}
const refusal = (argv: readonly string[], options = {}): string => {
  const { status, stderr, stdout } = user.slipway(argv, options)
  if (status === 0) throw new Error(`slipway ${argv.join(' ')} was to be refused: ${stdout}`)
  return stderr
}

test('the host image runs with root mapped to the user, and 65,536 ids besides', () => {
  const maps = output(['run', '--rm', 'host', 'sh', '-c', 'id -u; cat /proc/self/uid_map /proc/self/gid_map'])
  const numbers = maps.split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  assert.equal(numbers.slice(0, 5), [
    [0],
    [0, user.uid, 1],
    [1, user.firstId, 65_536],
    [0, user.uid, 1],
    [1, user.firstId, 65_536],
  ])
})

test('images and containers are where the XDG variables say, and nobody else can look', () => {
  for (const folder of [user.data, path.join(user.runtime, 'slipway')]) {
    const { uid, mode } = lstatSync(folder)
    assert.equal([uid, mode & 0o777], [user.uid, 0o700])
  }
  const elsewhere = user.folder('elsewhere')
  output(['run', '--rm', 'host', 'true'], { env: { XDG_DATA_HOME: elsewhere } })
  assert.ok(readdirSync(path.join(elsewhere, 'slipway')).includes('containers'))
  // A relative path is to be ignored: basedir-spec.
  output(['run', '--rm', 'host', 'true'], { env: { XDG_DATA_HOME: 'relative' } })
  assert.not.ok(readdirSync(user.home).includes('relative'))
  assert.match(
    refusal(['run', '--rm', 'host', 'true'], { env: { HOME: '' } }),
    /neither XDG_DATA_HOME nor HOME/,
  )
})

test('an image with files of many users is unpacked, run and removed', () => {
  output(['load', '-i', archives.many])
  const script =
    'cd /home; stat -c "%n %u %g %a" app app/mine app/link app/added last setuid closed closed/inside opaque opaque/* fifo twice again; ls; cat again closed/inside'
  const [...lines] = output(['run', '--rm', 'many:1', 'sh', '-c', script]).split('\n')
  assert.equal(lines.slice(0, 12), [
    'app 1000 1000 700',
    'app/mine 1000 1000 600',
    'app/link 1000 1000 777',
    'app/added 1000 1000 600',
    'last 65535 65534 640',
    'setuid 33 34 6755',
    'closed 7 7 0',
    'closed/inside 8 8 0',
    'opaque 9 9 755',
    'opaque/above 13 13 755',
    'fifo 12 12 620',
    'twice 11 11 755',
  ])
  assert.equal(lines[12], 'again 11 11 755')
  // Without what the second layer hides, and the device node, which nobody here could make.
  assert.equal(lines.slice(13, -1), ['again', 'app', 'closed', 'fifo', 'last', 'opaque', 'setuid', 'twice'])
  assert.is(lines.at(-1), 'twiceinside')
  output(['rmi', 'many:1'])
  assert.equal(readdirSync(path.join(user.data, 'layers')), [])
  assert.equal(readdirSync(path.join(user.data, 'stacks')), [])
  assert.equal(user.left(), [])
})

test('on the disk the files belong to the ids of the range', () => {
  output(['load', '-i', archives.many])
  const stacks = path.join(user.data, 'stacks')
  const tree = path.join(stacks, readdirSync(stacks)[0] ?? '', 'fs', 'home')
  const owner = (name: string): number[] => [
    lstatSync(path.join(tree, name)).uid,
    lstatSync(path.join(tree, name)).gid,
  ]
  assert.equal(owner('app/mine'), [user.firstId + 999, user.firstId + 999])
  assert.equal(owner('last'), [user.firstId + 65_534, user.firstId + 65_533])
  assert.equal(owner('.'), [user.uid, user.uid])
})

test('a container runs as a user of its image, with the groups of that user, and owns its streams', () => {
  output(['load', '-i', archives.many])
  const source = `
const engine = lib.createEngine()
const script = 'id; cat /home/app/mine; echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin'
const { stdout, stderr } = await engine.run('many:1', ['sh', '-c', script], { user: 'app', stdin: 'in' })
told([stdout, stderr])
await engine.close()`
  assert.equal(user.module(source), [
    'uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)\nmineout\nin',
    'err\n',
  ])
})

test('what a container leaves as other users is removed with it', () => {
  output(['load', '-i', archives.many])
  const script =
    'mkdir -p /d/e /home/app/f && touch /d/e/g && chown -R 1000:1000 /d && chmod 0 /d /d/e && chown 65535 /home/last && rm /home/app/added'
  output(['run', '--rm', 'many:1', 'sh', '-c', script])
  assert.equal(user.left(), [])
  // Kept ones are removed by name.
  output(['run', '--name', 'kept', 'many:1', 'sh', '-c', script])
  assert.ok(user.left().length > 0)
  output(['rm', 'kept'])
  assert.equal(user.left(), [])
})

test('a bind mount shows the files of the user as those of root, and takes files of others', () => {
  const folder = user.folder('bound')
  const inside = (script: string): string[] => [
    'run',
    '--rm',
    '-v',
    `${folder}:/mnt`,
    'host',
    'sh',
    '-c',
    script,
  ]
  const text = output(inside('touch /mnt/a /mnt/b; chown 5:6 /mnt/b; stat -c %u:%g /mnt'))
  assert.is(text, '0:0\n')
  const owners = ['a', 'b'].map((name) => lstatSync(path.join(folder, name)).uid)
  assert.equal(owners, [user.uid, user.firstId + 4])
  // A file of somebody who is not mapped is nobody's, and nobody inside has rights over it.
  writeFileSync(path.join(folder, 'c'), 'secret', { mode: 0o600 })
  const read = user.slipway(inside('stat -c %u /mnt/c; cat /mnt/c'))
  assert.equal([read.status, read.stdout], [1, '65534\n'])
})

test('every container has its own network, or that of the host', () => {
  const links = (...options: string[]): string[] =>
    output(['run', '--rm', ...options, 'host', 'ls', '/sys/class/net'])
      .trim()
      .split('\n')
  assert.equal(links(), ['lo'])
  assert.equal(links('--network', 'host'), readdirSync('/sys/class/net').sort())
  const readonly = user.slipway([
    'run',
    '--rm',
    '--network',
    'host',
    'host',
    'sh',
    '-c',
    'ls /sys/fs/cgroup; echo 1 >/sys/kernel/profiling',
  ])
  assert.is(readonly.stdout, '')
  assert.match(readonly.stderr, /profiling/)
})

test('the queues of the host are shared by name, and a terminal works', () => {
  output(['run', '--rm', '--ipc', 'host', '--uts', 'host', 'host', 'true'])
  const source = `
const engine = lib.createEngine()
const container = await engine.start('host', ['sh', '-c', 'tty; stat -c %u:%g $(tty)'], { tty: true, user: '1000' })
let text = ''
for await (const chunk of container.stdout) text += chunk
told(text)
await engine.close()`
  assert.is(user.module(source), '/dev/pts/0\r\n1000:5\r\n')
})

test('a pool of an image serves an ordinary user, too', () => {
  output(['load', '-i', archives.plain])
  const source = `
const engine = lib.createEngine()
const pool = await engine.pool({ image: 'plain:1', user: '1000' }, { min: 2, max: 2 })
const one = await pool.run(['sh', '-c', 'id -u; echo again >/dev/stdout'])
await pool.close()
const open = await engine.pool({}, { min: 1, max: 1 })
const two = await open.run(['id', '-u'], { image: 'plain:1' })
const refused = await open.run(['id'], { image: { rootfs: ${JSON.stringify(user.folder('root'))} } }).catch((error) => error)
await open.close()
told([one.stdout, two.stdout, refused._tag, refused.message])
await engine.close()`
  const [one, two, tag, why] = user.module(source) as string[]
  assert.equal([one, two, tag], ['1000\nagain\n', '0\n', 'HostUnfit'])
  assert.match(why ?? '', /only root can hand a directory or a bind mount over/)
  assert.equal(user.left(), [])
})

test('a directory is a root, with a bind mount in it', () => {
  const rootfs = user.folder('own-root')
  user.run([
    'sh',
    '-c',
    `mkdir -p ${rootfs}/bin && cp /bin/busybox ${rootfs}/bin/sh && ln -s sh ${rootfs}/bin/cat`,
  ])
  const bound = user.folder('own-bound')
  writeFileSync(path.join(bound, 'file'), 'bound')
  const source = `
const engine = lib.createEngine()
const mounts = [{ type: 'bind', source: ${JSON.stringify(bound)}, target: '/mnt' }]
const { stdout } = await engine.run({ rootfs: ${JSON.stringify(rootfs)} }, ['cat', '/mnt/file'], { mounts })
told(stdout)
await engine.close()`
  assert.is(user.module(source), 'bound')
})

test('what only root can have is refused by name', () => {
  const cases: readonly (readonly [argv: readonly string[], why: RegExp])[] = [
    [['--pid', 'host'], /the host's pid namespace: .*\n.*as root/],
    [['--cgroupns', 'host'], /the host's cgroup namespace/],
    [['--user', '70000'], /uid 70000 in a container: .* 65537 ids, from 0 on\n.*--add-subuids/],
    [['--user', '0:70000'], /gid 70000 in a container: .*subgid/],
    [['--group-add', '70000'], /gid 70000 in a container/],
  ]
  for (const [argv, why] of cases) assert.match(refusal(['run', '--rm', ...argv, 'host', 'true']), why)
  const source = `
const engine = lib.createEngine()
const map = [{ containerId: 0, hostId: 100000, size: 1 }]
const error = await engine.run('host', ['true'], { security: { userns: { uidMap: map, gidMap: map } } }).catch((error) => error)
told([error._tag, error.message])
await engine.close()`
  const [tag, text] = user.module(source) as string[]
  assert.is(tag, 'HostUnfit')
  assert.match(text ?? '', /a user namespace of its own/)
  assert.match(
    refusal(['load', '-i', archives.far]),
    /uid 70000 and gid 70000, and the user namespace has no such id/,
  )
  assert.equal(user.left(), [])
})

test('what of the host belongs to others cannot be changed in the host image', () => {
  const tried = user.slipway([
    'run',
    '--rm',
    'host',
    'sh',
    '-c',
    'echo x >/usr/bin/env; touch /usr/mine && echo made',
  ])
  assert.match(tried.stderr, /\/usr\/bin\/env/)
  assert.is(tried.stdout, 'made\n')
})

const UNRANGED = { ranges: false }

test('without a range the user has one id: root, and images of root', () => {
  const maps = output(
    ['run', '--rm', 'host', 'sh', '-c', 'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups'],
    UNRANGED,
  )
  assert.equal(maps.trim().split(/\s+/), ['0', String(user.uid), '1', '0', String(user.uid), '1', 'deny'])
  output(['load', '-i', archives.plain], UNRANGED)
  assert.is(output(['run', '--rm', 'plain:1', 'id', '-u'], UNRANGED), '0\n')
  const refused = refusal(['run', '--rm', '--user', '1000', 'host', 'true'], UNRANGED)
  assert.match(
    refused,
    /uid 1000 in a container: .*slipway-test has no range of ids in \/etc\/subuid and \/etc\/subgid/,
  )
  assert.match(refused, /usermod --add-subuids/)
  assert.match(refusal(['load', '-i', archives.far], UNRANGED), /no such id/)
})

test('a helper that is missing, or has lost its rights, leaves one id, and is named', () => {
  const missing = `for f in /usr/bin/newuidmap /bin/newuidmap; do mount --bind /dev/null $f 2>/dev/null; done; true`
  assert.match(
    refusal(['run', '--rm', '--user', '1000', 'host', 'true'], { before: missing }),
    /newuidmap cannot be found\n.*package uidmap/,
  )
  const powerless = `f=$(mktemp) && cp /usr/bin/newuidmap $f && chmod 755 $f && mount --bind $f /usr/bin/newuidmap && rm $f`
  const refused = refusal(['run', '--rm', '--user', '1000', 'host', 'true'], { before: powerless })
  assert.match(refused, /newuidmap refused the map: .*\n.*setuid root/)
  output(['load', '-i', archives.plain])
  assert.is(output(['run', '--rm', 'plain:1', 'id', '-u'], { before: powerless }), '0\n')
  // A mount below /usr, as this one, is what an ordinary user cannot take away, so /usr is no layer for it.
  assert.match(
    refusal(['run', '--rm', 'host', 'true'], { before: powerless }),
    /\/usr: EINVAL.*\n.*mounted below it/,
  )
})

test('the supplementary groups of the user are not those of its containers', () => {
  assert.is(output(['run', '--rm', 'host', 'id', '-G'], { groups: [4242] }), '0\n')
})

test('what a container changed becomes an image, whoever owns it, and the store stays sound', () => {
  output(['load', '-i', archives.many])
  const make =
    'cd /home; echo new > app/new; chown 1000:1000 app/new; rm last; rm -r opaque; mkdir opaque; chown 5:6 opaque; echo o > opaque/o; chmod 4755 app/new'
  output(['run', '--name', 'maker', 'many:1', 'sh', '-c', make])
  const changes = output(['diff', 'maker']).trim().split('\n')
  for (const line of ['A /home/app/new', 'D /home/last', 'C /home/opaque', 'A /home/opaque/o'])
    assert.ok(changes.includes(line), changes.join('; '))
  assert.not.ok(
    changes.some((line) => /^. \/(proc|sys|dev)/.test(line)),
    changes.join('; '),
  )
  output(['commit', 'maker', 'many:2'])
  const look =
    'cd /home; stat -c "%n %u %g %a" app/new opaque opaque/o closed/inside; ls opaque; test -e last || echo gone'
  assert.is(
    output(['run', '--rm', 'many:2', 'sh', '-c', look]),
    'app/new 1000 1000 4755\nopaque 5 6 755\nopaque/o 0 0 644\nclosed/inside 8 8 0\no\ngone\n',
  )
  assert.match(output(['system', 'check']), /all sound/)
  assert.match(output(['system', 'df']), /^TYPE/)
  output(['rm', 'maker'])
  output(['rmi', 'many:2'])
})

test('volumes begin with files of many ids, are kept, carried to another one, and removed', () => {
  output(['load', '-i', archives.many])
  const list = 'cd /v; stat -c "%n %u %g %a" . app app/mine last setuid closed closed/inside twice again fifo'
  const seen = (name: string): string =>
    output(['run', '--rm', '-v', `${name}:/v`, 'many:1', 'sh', '-c', list])
  output(['run', '--rm', '-v', 'homes:/home', '-v', '/own', 'many:1', 'touch', '/own/x', '/home/app/new'])
  output(['run', '--rm', '-v', 'closed:/home/closed', 'many:1', 'true'])
  assert.is(
    output(['run', '--rm', '-v', 'closed:/c', 'many:1', 'sh', '-c', 'stat -c "%u %a" /c; ls /c']),
    '7 0\ninside\n',
  )
  const before = seen('homes')
  assert.match(before, /\napp\/mine 1000 1000 600\nlast 65535 65534 640\nsetuid 33 34 6755\nclosed 7 7 0\n/)
  const file = path.join(user.folder('tars'), 'homes.tar')
  output(['volume', 'export', 'homes', '-o', file])
  output(['volume', 'import', 'copy', file])
  assert.is(seen('copy'), before)
  assert.is(output(['volume', 'ls', '-q']), 'closed\ncopy\nhomes\n')
  output(['volume', 'rm', 'closed', 'copy', 'homes'])
  assert.is(output(['volume', 'ls', '-q']), '')
})

test('of driver options an ordinary user has tmpfs and bind', () => {
  const made = (options: string) => [
    'run',
    '--rm',
    '--mount',
    `src=own,dst=/m,${options}`,
    'host',
    'stat',
    '-f',
    '-c',
    '%T',
    '/m',
  ]
  assert.is(output(made('volume-opt=type=tmpfs,volume-opt=device=tmpfs')), 'tmpfs\n')
  output(['volume', 'rm', 'own'])
  assert.match(
    refusal(made('volume-opt=type=ext4,volume-opt=device=/dev/loop0')),
    /a file system of type ext4 at \/m: not available on this host: only root can mount it/,
  )
  output(['volume', 'rm', 'own'])
  const mapped = ['run', '--rm', '-v', `${user.home}:/m:idmap=uids=0-1-1;gids=0-1-1`, 'host', 'true']
  assert.match(refusal(mapped), /\/m with other ids: not available on this host: only root can map/)
})

test('cp goes both ways, of one that runs and one that has ended, and the ids are those of each side', () => {
  const folder = user.folder('copies')
  user.run([
    'sh',
    '-c',
    `mkdir ${folder}/dir && echo text > ${folder}/dir/file && chmod 640 ${folder}/dir/file`,
  ])
  const told = user.module(`
    const engine = lib.createEngine()
    const { containers } = engine
    const modes = []
    for (const [name, argv] of [['runs', ['sleep', '1000']], ['ended', ['true']]]) {
      const container = await engine.start('host', argv, { name, keep: true })
      if (name === 'ended') await container.removed
      await containers.copy('${folder}/dir', { container: name, path: '/srv' })
      await containers.copy({ container: name, path: '/srv/dir' }, '${folder}/' + name)
      // Other ids are the namespace's to give inside, and nobody's on the host.
      const { tar } = await containers.copyFrom(name, '/srv/dir/file')
      const bytes = Buffer.concat(await Array.fromAsync?.(tar) ?? await (await import('node:stream')).Readable.from(tar).toArray())
      const [uid, gid] = [bytes.toString('latin1', 108, 115), bytes.toString('latin1', 116, 123)]
      bytes.write('0000005', 108)
      bytes.fill(' ', 148, 156)
      const sum = bytes.subarray(0, 512).reduce((all, byte) => all + byte, 0)
      bytes.write(sum.toString(8).padStart(6, '0') + '\\0 ', 148)
      await containers.copyInto(name, '/srv', (await import('node:stream')).Readable.from([bytes]), { archive: true })
      const refused = await containers.copy({ container: name, path: '/srv/file' }, '${folder}/owned', { archive: true }).catch(({ message }) => message)
      await containers.copy({ container: name, path: '/srv/file' }, '${folder}/five-' + name)
      modes.push([uid, gid, refused])
      if (name === 'runs') container.kill(9)
      await container.removed
      await engine.remove(name)
    }
    await engine.close()
    told(modes)
  `)
  const refused = `copy_chown: ${folder}/owned: EPERM (operation not permitted)`
  assert.equal(told, [
    ['0000000', '0000000', refused],
    ['0000000', '0000000', refused],
  ])
  for (const name of ['runs/file', 'ended/file', 'five-runs', 'five-ended']) {
    const file = lstatSync(path.join(folder, name))
    assert.equal([file.uid, file.mode & 0o7777], [user.uid, 0o640], name)
  }
  assert.equal(readdirSync(folder).sort(), ['dir', 'ended', 'five-ended', 'five-runs', 'runs'])
})

run()
