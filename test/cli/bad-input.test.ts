// Whatever is wrong with what was asked for: one line that names it, the remedy where there is one, and nothing left.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  type BuiltImage,
  buildImage,
  dockerArchiveFiles,
  layoutFiles,
  writeFiles,
} from '../support/image-builder.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { type TarFile, tarOf } from '../support/tar-builder.ts'
import {
  baseFiles,
  baseImage,
  OTHER_ARCH,
  OWN_ARCH,
  openRealCli,
  type RealCli,
  realCliNeeds,
} from './real-cli.ts'

const Bad = suite('cli/bad-input')
const why = realCliNeeds()

const layered = (...files: readonly TarFile[]): BuiltImage =>
  buildImage({ architecture: OWN_ARCH, layers: [baseFiles(), files], config: { Env: ['PATH=/bin'] } })

const IMAGES = {
  'other:1': buildImage({ architecture: OTHER_ARCH }),
  'corrupt:1': layered({ name: 'corrupt', data: 'x' }),
  'dots:1': layered({ name: '../escape', data: 'x' }),
  'absolute:1': layered({ name: '/absolute', data: 'x' }),
  'symlink:1': layered({ name: 'out', type: '2', linkName: '../../..' }, { name: 'out/escape', data: 'x' }),
  'hardlink:1': layered({ name: 'out', type: '1', linkName: '../../etc/passwd' }),
  'short:1': layered({ name: 'short', data: 'x', size: 1_000_000 }),
  'diffid:1': buildImage({ architecture: OWN_ARCH, diffIds: [`sha256:${'0'.repeat(64)}`] }),
}

let cli: RealCli
Bad.before(async () => {
  cli = await openRealCli(IMAGES)
  const corrupt = IMAGES['corrupt:1'].layers[1]?.digest
  cli.registry.fault = (request, response) => {
    if (corrupt === undefined || request.url?.endsWith(corrupt) !== true) return false
    const bytes = Buffer.from(IMAGES['corrupt:1'].blobs.get(corrupt) ?? [])
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
    return true
  }
  const archive = tarOf(dockerArchiveFiles(baseImage(), ['kept:1']))
  writeFileSync(path.join(cli.folder, 'cut.tar'), archive.subarray(0, 3000))
  writeFileSync(path.join(cli.folder, 'noise.tar'), Buffer.alloc(4096, 0x5a))
  writeFileSync(path.join(cli.folder, 'empty.tar'), '')
  mkdirSync(path.join(cli.folder, 'layout'))
  const damaged = layoutFiles([[IMAGES['corrupt:1'], 'damaged:1']]).map((file) =>
    corrupt !== undefined && file.name.endsWith(corrupt.slice(7)) ? { ...file, data: 'other bytes' } : file,
  )
  writeFiles(path.join(cli.folder, 'layout'), damaged)
  writeFileSync(path.join(cli.rootfs, 'bin', 'text'), 'no program\n', { mode: 0o755 })
  writeFileSync(path.join(cli.rootfs, 'bin', 'closed'), '#!/bin/sh\n', { mode: 0o644 })
  await cli.leftovers()
})
Bad.after(() => cli.close())

interface Case {
  readonly name: string
  /** REGISTRY, IMAGE, FOLDER and ROOTFS stand for this run's own. */
  readonly words: string
  readonly code: number
  /** The line itself; after it only a hint may come. */
  readonly says: RegExp
  readonly hint?: RegExp
}

const NO_IMAGE = /^slipway: no such image: /
const CASES: readonly Case[] = [
  {
    name: 'an image nobody has',
    words: 'run --pull never nosuch:1',
    code: 125,
    says: NO_IMAGE,
    hint: /pull or load it/,
  },
  {
    name: 'an image the registry does not have',
    words: 'run REGISTRY/nosuch',
    code: 125,
    says: NO_IMAGE,
    hint: /no such tag or digest in nosuch/,
  },
  {
    name: 'an image to pull that is not there',
    words: 'pull REGISTRY/nosuch:1',
    code: 1,
    says: NO_IMAGE,
    hint: /no such tag/,
  },
  {
    name: 'a registry that is not there',
    words: 'pull 127.0.0.1:1/x',
    code: 1,
    says: /127\.0\.0\.1:1: connection refused$/,
    hint: /nothing listens/,
  },
  { name: 'an image to remove that is not there', words: 'rmi nosuch:1', code: 1, says: NO_IMAGE },
  {
    name: 'a reference in capitals',
    words: 'run UPPER',
    code: 125,
    says: /invalid reference "UPPER": .*lower case$/,
  },
  {
    name: 'a reference with a scheme',
    words: 'pull http://x/y',
    code: 1,
    says: /invalid reference "http:\/\/x\/y"/,
  },
  {
    name: 'a reference with half a digest',
    words: 'run x@sha256:12',
    code: 125,
    says: /invalid reference .*64 lower-case hex digits$/,
  },
  {
    name: 'an image for another machine',
    words: 'run REGISTRY/other:1',
    code: 125,
    says: new RegExp(`no image for linux/${OWN_ARCH}; it has linux/${OTHER_ARCH}$`),
  },
  {
    name: 'a platform this machine is not',
    words: `run --platform linux/${OTHER_ARCH} IMAGE`,
    code: 125,
    says: new RegExp(`--platform linux/${OTHER_ARCH}: .*this machine runs linux/${OWN_ARCH}$`),
  },
  {
    name: 'a platform the image does not have',
    words: `pull --platform linux/${OTHER_ARCH} IMAGE`,
    code: 1,
    says: new RegExp(`no image for linux/${OTHER_ARCH}`),
  },
  {
    name: 'a blob that is not what its digest says',
    words: 'run REGISTRY/corrupt:1',
    code: 125,
    says: /expected sha256:[0-9a-f]{64}, got sha256:[0-9a-f]{64}$/,
  },
  {
    name: 'a layer that is not what the config says',
    words: 'pull REGISTRY/diffid:1',
    code: 1,
    says: /expected sha256:0{64}, got sha256:/,
  },
  {
    name: 'a layer that is cut short',
    words: 'run REGISTRY/short:1',
    code: 125,
    says: /layer sha256:[0-9a-f]{64}: .*(cut short|ends)/,
  },
  {
    name: 'an entry that climbs out by dots',
    words: 'run REGISTRY/dots:1',
    code: 125,
    says: /layer sha256:[0-9a-f]{64}: "\.\.\/escape": /,
  },
  {
    name: 'a hardlink to a file outside',
    words: 'run REGISTRY/hardlink:1',
    code: 125,
    says: /layer sha256:[0-9a-f]{64}: "out": /,
  },
  {
    name: 'an archive that is cut short',
    words: 'load -i FOLDER/cut.tar',
    code: 1,
    says: /cut\.tar: .*cut short$/,
  },
  { name: 'an archive that is none', words: 'load -i FOLDER/noise.tar', code: 1, says: /noise\.tar: / },
  { name: 'an empty archive', words: 'load -i FOLDER/empty.tar', code: 1, says: /empty\.tar: / },
  {
    name: 'an archive that is not there',
    words: 'load -i FOLDER/nosuch.tar',
    code: 1,
    says: /nosuch\.tar: ENOENT \(no such file or directory\)$/,
  },
  {
    name: 'a layout with a damaged blob',
    words: 'load -i FOLDER/layout',
    code: 1,
    says: /expected .*, got /,
  },
  {
    name: 'a command that does not exist',
    words: 'run --rm IMAGE nosuch',
    code: 127,
    says: /^slipway: nosuch: command not found in the container$/,
  },
  {
    name: 'a path that does not exist',
    words: 'run --rm IMAGE /bin/nosuch',
    code: 127,
    says: /\/bin\/nosuch: command not found/,
  },
  {
    name: 'no command at all',
    words: 'run --rootfs ROOTFS',
    code: 125,
    says: /^slipway: COMMAND: no command given/,
  },
  {
    name: 'no image at all',
    words: 'run',
    code: 125,
    says: /^slipway: IMAGE: name an image, or a directory with --rootfs$/,
  },
  {
    name: 'a directory as the command',
    words: 'run --rm IMAGE /etc',
    code: 126,
    says: /\/etc: cannot execute: EACCES/,
  },
  {
    name: 'a file without the x bit',
    words: 'run --rm --rootfs ROOTFS closed',
    code: 126,
    says: /closed: cannot execute: EACCES/,
  },
  {
    name: 'a file that is no program',
    words: 'run --rm --rootfs ROOTFS text',
    code: 126,
    says: /text: cannot execute: ENOEXEC/,
  },
  {
    name: 'a user the image does not know',
    words: 'run -u nosuch IMAGE',
    code: 125,
    says: /user "nosuch": no such user in the image$/,
  },
  {
    name: 'a group the image does not know',
    words: 'run -u app:nosuch IMAGE',
    code: 125,
    says: /no group "nosuch" in the image$/,
  },
  {
    name: 'an added group the image does not know',
    words: 'run --group-add nosuch IMAGE',
    code: 125,
    says: /--group-add: "nosuch": no group/,
  },
  {
    name: 'a uid out of range',
    words: 'run -u 4294967295 IMAGE',
    code: 125,
    says: /user "4294967295": uids go from 0 to/,
  },
  {
    name: 'a mount source that does not exist',
    words: 'run --mount type=bind,src=/nosuch,dst=/x IMAGE',
    code: 125,
    says: /open bind source: \/nosuch: ENOENT/,
    hint: /create it first/,
  },
  {
    name: 'a mount source nobody can make',
    words: 'run -v /proc/nosuch/x:/x IMAGE',
    code: 125,
    says: /bind source: \/proc\/nosuch.*(ENOENT|EPERM|EACCES)/,
  },
  {
    name: 'a mount over the root',
    words: 'run -v /tmp:/ IMAGE',
    code: 125,
    says: /"\/": the root itself cannot be mounted over$/,
  },
  {
    name: 'a mount at a relative path',
    words: 'run -v /tmp:x IMAGE',
    code: 125,
    says: /--volume: "\/tmp:x": the path inside must be absolute$/,
  },
  {
    name: 'a device that does not exist',
    words: 'run --device /dev/nosuch IMAGE',
    code: 125,
    says: /\/dev\/nosuch/,
  },
  {
    name: 'a rootfs that does not exist',
    words: 'run --rootfs /nosuch true',
    code: 125,
    says: /\/nosuch.*ENOENT/,
  },
  {
    name: 'a rootfs that is a file',
    words: 'run --rootfs FOLDER/cut.tar true',
    code: 125,
    says: /cut\.tar.*ENOTDIR/,
  },
  {
    name: 'a working directory that is a file',
    words: 'run --rm -w /etc/passwd IMAGE',
    code: 125,
    says: /open working directory: \/etc\/passwd: ENOTDIR/,
  },
  {
    name: 'less memory than a container can live in',
    words: 'run -m 1k IMAGE',
    code: 125,
    says: /--memory: "1k": the smallest memory limit is 6MiB$/,
  },
  {
    name: 'more memory than can be counted',
    words: 'run -m 9999999t IMAGE',
    code: 125,
    says: /--memory: "9999999t": too large$/,
  },
  {
    name: 'memory that is no size',
    words: 'run -m lots IMAGE',
    code: 125,
    says: /--memory: "lots": expected a size/,
  },
  {
    name: 'swap below memory',
    words: 'run -m 64m --memory-swap 32m IMAGE',
    code: 125,
    says: /--memory-swap: .*memory plus swap/,
  },
  {
    name: 'more CPUs than there are',
    words: 'run --cpus 9999 IMAGE',
    code: 125,
    says: /--cpus: "9999": the host has only \d+$/,
  },
  {
    name: 'a CPU that does not exist',
    words: 'run --cpuset-cpus 4095 IMAGE',
    code: 125,
    says: /cpuset\.cpus = 4095: E(RANGE|INVAL)/,
    hint: /CPUs that this host has/,
  },
  {
    name: 'a limit with an unknown name',
    words: 'run --ulimit nosuch=1 IMAGE',
    code: 125,
    says: /--ulimit: "nosuch": no such limit/,
  },
  {
    name: 'a kernel setting of the whole host',
    words: 'run --sysctl kernel.panic=1 IMAGE',
    code: 125,
    says: /--sysctl: "kernel\.panic": belongs to no namespace/,
  },
  {
    name: 'a kernel setting that does not exist',
    words: 'run --sysctl net.nosuch=1 IMAGE',
    code: 125,
    says: /net\/nosuch = 1: ENOENT/,
    hint: /no such setting/,
  },
  {
    name: 'a capability that does not exist',
    words: 'run --cap-add NOSUCH IMAGE',
    code: 125,
    says: /--cap-add: "NOSUCH": no such capability$/,
  },
  {
    name: 'a seccomp profile that is not there',
    words: 'run --security-opt seccomp=/nosuch IMAGE',
    code: 125,
    says: /seccomp: "\/nosuch": ENOENT/,
  },
  {
    name: 'a seccomp profile that is none',
    words: 'run --security-opt seccomp=FOLDER/noise.tar IMAGE',
    code: 125,
    says: /is not a JSON object$/,
  },
  {
    name: 'a file of variables that is not there',
    words: 'run --env-file /nosuch IMAGE',
    code: 125,
    says: /--env-file: "\/nosuch": ENOENT/,
  },
  {
    name: 'an id file that exists',
    words: 'run --cidfile FOLDER/empty.tar IMAGE',
    code: 125,
    says: /--cidfile: ".*empty\.tar": exists already/,
  },
  {
    name: 'an id file in no folder',
    words: 'run --cidfile /nosuch/id IMAGE',
    code: 125,
    says: /--cidfile: "\/nosuch\/id": ENOENT/,
  },
  { name: 'a name that cannot be one', words: 'run --name a/b IMAGE', code: 125, says: /--name: "a\/b": / },
  {
    name: 'a stop signal that does not exist',
    words: 'run --stop-signal NOSUCH IMAGE',
    code: 125,
    says: /--stop-signal: "NOSUCH": no such signal$/,
  },
  {
    name: 'a terminal where there is none',
    words: 'run -it IMAGE',
    code: 125,
    says: /standard input is not a terminal$/,
    hint: /leave -t out/,
  },
  {
    name: 'a terminal for one more program where there is none',
    words: 'exec -it nosuch true',
    code: 1,
    says: /standard input is not a terminal$/,
    hint: /leave -t out/,
  },
  {
    name: 'a health check with a time that is none',
    words: 'run --health-cmd true --health-interval 1x IMAGE',
    code: 125,
    says: /^slipway: --health-interval: "1x": expected a duration/,
  },
  {
    name: 'a health check that is asked for and forbidden',
    words: 'run --no-healthcheck --health-cmd true IMAGE',
    code: 125,
    says: /--health-cmd: "true": cannot be given with --no-healthcheck$/,
  },
  {
    name: 'a container that does not exist',
    words: 'rm nosuch',
    code: 1,
    says: /^slipway: no such container: nosuch$/,
  },
  {
    name: 'a root that is a file',
    words: '--root FOLDER/cut.tar/x run host true',
    code: 125,
    says: /cut\.tar\/x.*ENOTDIR/,
  },
  { name: 'a root on a device', words: '--root /dev/null images', code: 1, says: /\/dev\/null/ },
]

const filled = (words: string): readonly string[] =>
  words
    .replaceAll('REGISTRY', cli.registry.host)
    .replaceAll('IMAGE', cli.image)
    .replaceAll('FOLDER', cli.folder)
    .replaceAll('ROOTFS', cli.rootfs)
    .split(' ')

/** The line, then perhaps a hint: nothing else. */
const assertReport = (stderr: string, says: RegExp, hint?: RegExp): void => {
  const lines = stderr.split('\n')
  assert.match(lines[0] ?? '', /^slipway: [^\n]+$/, stderr)
  assert.match(lines[0] ?? '', says, stderr)
  assert.ok(lines[1] === '' || lines[1]?.startsWith('  hint: '), stderr)
  if (hint !== undefined) assert.match(lines[1] ?? '', hint, stderr)
  assert.is(lines.slice(2).join(''), '', stderr)
}

const test = (name: string, body: () => Promise<void>): void =>
  why === undefined ? Bad(name, body) : Bad.skip(name, why)

for (const { name, words, code, says, hint } of CASES)
  test(name, async () => {
    const got = await cli.run(filled(words))
    assertReport(withoutProgress(got.stderr), says, hint)
    assert.is(got.code, code, got.stderr)
    assert.equal(await cli.leftovers(), [])
  })

/** What `run` says about the layers it fetches comes before. */
const withoutProgress = (stderr: string): string => stderr.replace(/^[0-9a-f]{12}: .*\n/gm, '')

test('what an absolute path or a symlink would have led to lies inside', async () => {
  for (const [name, file] of [
    ['absolute', '/absolute'],
    ['symlink', '/escape'],
  ] as const) {
    const image = `${cli.registry.host}/${name}:1`
    const got = await cli.run(['run', '--rm', '-q', image, 'cat', file])
    assert.equal(got, { code: 0, stdout: 'x', stderr: '' })
    assert.not(existsSync(file), 'not on the host')
    assert.is((await cli.run(['rmi', image])).code, 0)
    assert.equal(await cli.leftovers(), [])
  }
})

const withoutRights = lacking('program:setpriv')
const rightsTest = (name: string, body: () => Promise<void>): void =>
  withoutRights === undefined ? test(name, body) : Bad.skip(name, withoutRights)

rightsTest('no privilege: said before anything is made, and doctor explains it', async () => {
  const drop = ['--bounding-set', '-sys_admin', process.execPath]
  const got = await cli.run(['run', '--rm', 'host', 'true'], {}, ['setpriv', ...drop])
  assertReport(got.stderr, /the right to make containers: .*without CAP_SYS_ADMIN$/, /run it as root/)
  assert.is(got.code, 125)
  assert.equal(await cli.leftovers(), [])
  const told = await cli.run(['doctor'], {}, ['setpriv', ...drop])
  assert.equal([told.code, told.stderr], [1, ''])
  assert.match(
    told.stdout.replace(/\s+/g, ' '),
    /user 0 without .*CAP_SYS_ADMIN.* containers cannot be started/,
  )
  assert.match(told.stdout, /Containers cannot run here: a necessary thing is missing/)
})

test('a name in use, and the holder is named', async () => {
  const first = await cli.run(['run', '--name', 'taken', cli.image])
  assert.is(first.code, 0, first.stderr)
  const second = await cli.run(['run', '--name', 'taken', cli.image])
  assertReport(second.stderr, /the name "taken" is in use by container [0-9a-f]{12}$/)
  assert.is(second.code, 125)
  assert.is((await cli.run(['rm', 'taken'])).code, 0)
  assert.equal(await cli.leftovers(), [])
})

test('words from outside cannot write a second line or drive the terminal', async () => {
  const got = await cli.run(['run', '--rm', cli.image, 'a\nb\u001b[2J'])
  assertReport(got.stderr, /a\\u000ab\\u001b\[2J: command not found/)
  assert.is(got.code, 127)
  assert.equal(await cli.leftovers(), [])
})

Bad.run()
