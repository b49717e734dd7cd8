// The cache of host facts: what it saves, and every reason not to believe it.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { decodeStored, hostFacts } from '../../src/adapters/host-facts-cache.ts'
import { assert, suite } from '../support/suite.ts'
import { type FakeHost, fakeHost } from './host-facts-tree.ts'

const test = suite('adapters/host-facts-cache')

const MOUNTINFO = '31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n'
const STATUS = (uid: number) =>
  `Name:\tx\nUid:\t${uid}\t${uid}\t1\t1\nGid:\t0\t0\t0\t0\nCapEff:\t00000000000000ff\n`
const isRoot = process.geteuid?.() === 0

/** A fake host whose facts belong to the user the tests run as, and its runtime directory with a cache in it. */
const withCache = (body: (host: FakeHost, dir: string, file: string) => void) => () => {
  const host = fakeHost({
    '/proc/self/mountinfo': MOUNTINFO,
    '/sys/fs/cgroup/cgroup.controllers': 'pids\n',
    '/proc/self/status': STATUS(process.geteuid?.() ?? 0),
  })
  const dir = `${host.source.root}/run`
  mkdirSync(dir)
  try {
    hostFacts(dir, host.source)
    body(host, dir, `${dir}/facts.json`)
  } finally {
    host.remove()
  }
}

/** Memory is not part of the key: a changed figure tells whether the cache was believed. */
const changeMemory = (host: FakeHost) => host.set('/proc/meminfo', 'MemTotal: 1 kB\n')
const isBelieved = (host: FakeHost, dir: string): boolean => {
  changeMemory(host)
  return hostFacts(dir, host.source).memoryBytes === 2 ** 30
}

test(
  'a second look takes the facts from the cache',
  withCache((host, dir) => assert.ok(isBelieved(host, dir))),
)

test(
  'the cache is private and leaves no temporary file',
  withCache((_, dir, file) => {
    assert.is(statSync(file).mode & 0o777, 0o600)
    assert.equal(readdirSync(dir), ['facts.json'])
  }),
)

test(
  'limits and ids of the process are never cached',
  withCache((host, dir) => {
    host.set('/proc/self/limits', 'Max open files   5   77   files\n')
    assert.is(hostFacts(dir, host.source).nofileHard, 77)
    assert.not(readFileSync(`${dir}/facts.json`, 'utf8').includes('effectiveCaps'))
  }),
)

const CHANGES: readonly (readonly [string, string, string])[] = [
  ['boot', '/proc/sys/kernel/random/boot_id', 'other'],
  ['kernel', '/proc/sys/kernel/osrelease', '6.99.0'],
  ['set of capabilities', '/proc/self/status', STATUS(process.geteuid?.() ?? 0).replace('ff', 'fe')],
  ['user', '/proc/self/status', STATUS(4242)],
  ['mount namespace', '/proc/self/ns/mnt', 'mnt:[99]'],
  ['cgroup namespace', '/proc/self/ns/cgroup', 'cgroup:[99]'],
  ['pid namespace', '/proc/self/ns/pid', 'pid:[99]'],
  ['user namespace', '/proc/self/ns/user', 'user:[99]'],
  ['network namespace', '/proc/self/ns/net', 'net:[99]'],
]
for (const [name, file, text] of CHANGES)
  test(
    `another ${name} makes the cache stale`,
    withCache((host, dir) => {
      host.set(file, text)
      assert.not(isBelieved(host, dir))
    }),
  )

test(
  'a cgroup tree that is gone since makes the cache stale',
  withCache((host, dir) => {
    rmSync(`${host.source.root}/sys/fs/cgroup`, { recursive: true })
    assert.is(hostFacts(dir, host.source).cgroup.writable, false)
  }),
)

const DAMAGE: readonly (readonly [string, (file: string) => void])[] = [
  ['is empty', (file) => writeFileSync(file, '')],
  ['is cut short', (file) => writeFileSync(file, readFileSync(file, 'utf8').slice(0, -9))],
  ['is of another format', (file) => writeFileSync(file, edit(file, '"format":2', '"format":0'))],
  ['has a fact of another type', (file) => writeFileSync(file, edit(file, '"cpus":5', '"cpus":"5"'))],
  ['lacks a fact', (file) => writeFileSync(file, edit(file, '"cpus":5,', ''))],
  [
    'points cgroups at a relative path',
    (file) => writeFileSync(file, edit(file, '"mountpoint":"/sys', '"mountpoint":"sys')),
  ],
  ['is too large', (file) => writeFileSync(file, readFileSync(file, 'utf8') + ' '.repeat(70_000))],
  ['can be written by the group', (file) => chmodSync(file, 0o660)],
  ['can be written by others', (file) => chmodSync(file, 0o602)],
  [
    'is a symbolic link',
    (file) => {
      renameSync(file, `${file}.real`)
      symlinkSync(`${file}.real`, file)
    },
  ],
  [
    'is a directory',
    (file) => {
      rmSync(file)
      mkdirSync(file)
    },
  ],
]
const edit = (file: string, from: string, to: string): string => {
  const text = readFileSync(file, 'utf8')
  assert.ok(text.includes(from), `the cache has ${from}`)
  return text.replace(from, to)
}
for (const [name, damage] of DAMAGE)
  test(
    `a cache that ${name} is ignored`,
    withCache((host, dir, file) => {
      damage(file)
      assert.not(isBelieved(host, dir))
    }),
  )

const foreign = 'a cache that belongs to someone else is ignored'
if (isRoot)
  test(
    foreign,
    withCache((host, dir, file) => {
      chownSync(file, 12345, 12345)
      assert.not(isBelieved(host, dir))
    }),
  )
else test.skip(foreign, 'needs root to give a file away')

test(
  'a missing runtime directory costs the cache, not the facts',
  withCache((host, dir) => {
    const absent = `${dir}/absent`
    assert.is(hostFacts(absent, host.source).cpus, 5)
    assert.not(existsSync(absent))
  }),
)

test('a decoder given something else gives nothing', () => {
  for (const value of [undefined, null, [], 'text', {}]) assert.is(decodeStored(value), undefined)
})

test.run()
