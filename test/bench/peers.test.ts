// What other engines are given: arguments, a specification, an archive; and the payload all of them run.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { endOf, firstLine } from '../../src/bench/command.ts'
import { fileSystemIn } from '../../src/bench/environment.ts'
import { payload } from '../../src/bench/payload.ts'
import { ownUlimits, PEERS, peerSpec, specText, tarOfProgram } from '../../src/bench/peers.ts'
import { findProgram } from '../../src/bench/peers-live.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/peers')
const own = process.arch === 'arm64' ? 'arm64' : 'x64'

const inFolder = (body: (folder: string) => void): void => {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-peers-'))
  try {
    body(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the payload runs, ends with 0, and says nothing', () =>
  inFolder((folder) => {
    const file = path.join(folder, 'true')
    writeFileSync(file, payload(own), { mode: 0o755 })
    const { status, signal, stdout, error } = spawnSync(file, { encoding: 'utf8' })
    assert.equal([status, signal, stdout, error], [0, null, '', undefined])
  }))

test('it is a hundred-odd bytes on either processor, and says for which it is', () => {
  for (const [arch, machine, size] of [
    ['x64', 62, 129],
    ['arm64', 183, 132],
  ] as const) {
    const file = Buffer.from(payload(arch))
    assert.equal([file.readUInt16LE(18), file.length], [machine, size])
    assert.is(file.readBigUInt64LE(24), 0x400000n + 120n)
  }
})

test('the archive is one tar(1) reads: the program, with its mode', () =>
  inFolder((folder) => {
    const archive = tarOfProgram('true', payload(own))
    execFileSync('tar', ['-x', '-C', folder], { input: archive })
    assert.is(spawnSync(path.join(folder, 'true')).status, 0)
  }))

const place = {
  program: '/bin/peer',
  rootfs: '/r',
  store: '/s',
  runtime: '/t',
  name: 'n',
  payload: '/true',
  extra: ['--extra'],
}

test('every engine is called by its path, without a network, and keeps what it writes where it is told', () => {
  for (const peer of PEERS) {
    const words = peer.argv(place)
    assert.is(words[0], '/bin/peer')
    const line = words.join(' ')
    assert.match(line, /--net|--unshare-all|--network none|--bundle \/s/, peer.id)
    if (peer.id !== 'docker') assert.match(line, /\/r|\/s|\/t/, peer.id)
    for (const argv of [peer.image?.make(place), peer.image?.remove(place)])
      assert.ok(argv === undefined || argv.includes('n'), peer.id)
  }
})

test('the specification of others has a root, a cgroup and no time namespace, and whole 64-bit numbers', () => {
  const rlimits = [{ type: 'RLIMIT_CORE', hard: 2n ** 64n - 1n, soft: 0 }] as const
  const spec = peerSpec(
    {
      ociVersion: '1.2.0',
      process: { user: { uid: 0, gid: 0 }, cwd: '/', rlimits },
      linux: { namespaces: [{ type: 'time' }, { type: 'pid' }], maskedPaths: ['"\u0000bigint:1"'] },
    },
    '/r',
    'n',
  )
  const text = specText(spec)
  const read = JSON.parse(text)
  assert.ok(text.includes('"hard": 18446744073709551615'))
  assert.equal(read.root, { path: '/r' })
  assert.equal([read.linux.cgroupsPath, read.linux.namespaces], ['/n', [{ type: 'pid' }]])
  assert.equal(read.linux.maskedPaths, ['"\u0000bigint:1"'])
})

test('podman asks for no higher limits than there are', () => {
  const limits =
    'Max processes             500                  700                  processes\nMax open files            9    512   files\n'
  assert.equal(ownUlimits(limits, 32_768), ['--ulimit', 'nofile=512:512', '--ulimit', 'nproc=700:700'])
  assert.equal(ownUlimits('', 100), ['--ulimit', 'nofile=100:100', '--ulimit', 'nproc=100:100'])
})

test('a program is looked for on PATH, in absolute folders, among what can be executed', () =>
  inFolder((folder) => {
    writeFileSync(path.join(folder, 'plain'), '', { mode: 0o644 })
    writeFileSync(path.join(folder, 'tool'), '', { mode: 0o755 })
    assert.is(findProgram('tool', `.:/nowhere:${folder}`), path.join(folder, 'tool'))
    assert.is(findProgram('plain', folder), undefined)
    assert.is(findProgram('tool', ''), undefined)
  }))

test('the end of a command is told in words', () => {
  const end = { errno: 0, waitStatus: 0, timedOut: false, elapsedNs: 1 }
  assert.is(endOf(end), undefined)
  assert.is(endOf({ ...end, waitStatus: 3 << 8 }), 'exit code 3')
  assert.is(endOf({ ...end, waitStatus: 9 }), 'ended by SIGKILL')
  assert.is(endOf({ ...end, waitStatus: 9, timedOut: true }), 'had not ended after 60 s')
  assert.match(endOf({ ...end, errno: 11 }) ?? '', /^could not be started: EAGAIN/)
  assert.is(firstLine('\n \n  first \nsecond'), 'first')
  assert.is(firstLine('\n'), undefined)
})

test('the file system of a directory is that of the innermost mount', () => {
  const mounts =
    '1 1 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /run rw - tmpfs tmpfs rw\n3 1 0:6 / /run/x rw shared:1 - xfs /dev/b rw\n'
  assert.equal(
    ['/', '/runner', '/run', '/run/x/y', '/run/xy'].map((folder) => fileSystemIn(mounts, folder)),
    ['ext4', 'ext4', 'tmpfs', 'xfs', 'tmpfs'],
  )
  assert.is(fileSystemIn('', '/'), 'unknown')
})

test.run()
