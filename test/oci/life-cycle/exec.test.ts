// exec: exit codes, what the new process is, and what it is given.
import { spawnSync } from 'node:child_process'
import { existsSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { type Box, NEEDS, openBox, PEERS, pidOf, type Runtime, until } from './support.ts'

const test = suite('oci/life-cycle/exec')
test.requires(...NEEDS)

let box: Box
let id: string
test.before(async () => {
  box = openBox()
  id = await box.started()
})
test.after(() => box.close())

const sh = (script: string, ...options: string[]): Promise<string> =>
  box.ok('exec', ...options, id, 'sh', '-c', script)

/** Each of `inputs`, so many at a time. */
const each = async <A>(
  inputs: readonly A[],
  atOnce: number,
  body: (input: A) => Promise<void>,
): Promise<void> => {
  const rest = [...inputs]
  const work = async (): Promise<void> => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) await body(next)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

test('every exit code is passed on', () =>
  each(
    Array.from({ length: 256 }, (_, code) => code),
    4,
    async (code) => {
      const ran = await box.call(['exec', id, 'sh', '-c', `exit ${code}`])
      assert.is(ran.code, code, ran.err)
    },
  ))

test('a program that a signal ends is told by 128 + its number', async () => {
  for (const [name, code] of [
    ['KILL', 137],
    ['TERM', 143],
    ['SEGV', 139],
    ['HUP', 129],
  ] as const)
    assert.is((await box.call(['exec', id, 'sh', '-c', `kill -${name} $$`])).code, code)
})

test('fifty that end at once are all told', () =>
  each(
    Array.from({ length: 50 }, (_, n) => n),
    10,
    async (n) => {
      const { code, out } = await box.call(['exec', id, 'echo', String(n)])
      assert.equal([code, out], [0, `${n}\n`])
    },
  ))

test('a signal to exec is passed on', async () => {
  const call = box.begin([
    'exec',
    id,
    'sh',
    '-c',
    'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done',
  ])
  await until('it runs', () => call.said() || undefined)
  call.child.kill('SIGTERM')
  assert.is((await call.end).code, 9)
})

test('what cannot be run is told with 255, in words that callers look for', async () => {
  writeFileSync(path.join(box.rootfs, 'work/plain'), 'text', { mode: 0o644 })
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['nope'], /executable file not found in \$PATH/],
    [['/work/nope'], /no such file or directory|not found/],
    [['/work/plain'], /permission denied/],
    [['/work'], /permission denied|is a directory/i],
  ]
  for (const [words, reason] of cases) {
    const { code, err } = await box.call(['exec', id, ...words])
    assert.is(code, 255, words.join(' '))
    assert.match(err, reason)
  }
})

const SEEN =
  'id -u; id -g; id -G; pwd; echo $A; grep -E "^(NoNewPrivs|Cap(Inh|Prm|Eff|Bnd|Amb))" /proc/self/status; cat /proc/self/oom_score_adj'
const FLAGS: readonly (readonly string[])[] = [
  [],
  ['--user', '1000:1000'],
  ['--user', '1000'],
  ['--user', '1000:1000', '--additional-gids', '5', '--additional-gids', '7'],
  ['--cwd', '/work'],
  ['--env', 'A=one'],
  ['--env', 'A=one', '--env', 'A=two'],
  ['--no-new-privs'],
  ['--cap', 'CAP_NET_RAW'],
  ['--cap', 'CAP_NET_RAW', '--user', '1000'],
]

for (const peer of PEERS.filter((name) => name === 'runc')) {
  test(`a process is the one that ${peer} makes of the same flags`, async () => {
    const other = await box.started({}, { runtime: peer })
    for (const flags of FLAGS) {
      const seen = async (name: string, runtime: Runtime) => {
        const { code, out, err } = await box.call(['exec', ...flags, name, 'sh', '-c', SEEN], { runtime })
        assert.is(code, 0, err)
        return out
      }
      assert.is(await seen(id, 'slipway'), await seen(other, peer), flags.join(' '))
    }
    await box.call(['delete', '--force', other], { runtime: peer })
  })
}

test('a variable the container has is there once, as the flag has it', async () => {
  const out = await box.ok(
    'exec',
    '-e',
    'PATH=/bin',
    '-e',
    'N=1',
    '-e',
    'N=2',
    id,
    '/bin/cat',
    '/proc/self/environ',
  )
  const all = out.split('\0').filter((entry) => /^(PATH|N)=/.test(entry))
  assert.equal(all.sort(), ['N=2', 'PATH=/bin'])
})

test('a document says everything of a process', async () => {
  const file = path.join(box.folder, 'process.json')
  const document = {
    user: { uid: 1000, gid: 1000, additionalGids: [2000], umask: 0o27 },
    args: ['sh', '-c', 'id -u; id -G; pwd; umask; echo $ONLY; env | grep -c PATH'],
    env: ['ONLY=this'],
    cwd: '/work',
    noNewPrivileges: true,
  }
  writeFileSync(file, JSON.stringify(document))
  const out = await box.ok('exec', '--process', file, id)
  assert.match(out, /^1000\n1000 2000\n\/work\n0027\nthis\n/)
})

test('it is in every namespace and group of the container', async () => {
  const { pid } = await box.state(id)
  const names = ['pid', 'mnt', 'ipc', 'uts', 'net', 'cgroup', 'user']
  const out = await sh(names.map((name) => `readlink /proc/self/ns/${name}`).join(';'))
  assert.equal(
    out.trim().split('\n'),
    names.map((name) => readlinkSync(`/proc/${pid}/ns/${name}`)),
  )
  assert.is(await sh('cat /proc/self/cgroup'), readFileSync(`/proc/${pid}/cgroup`, 'utf8'))
})

test('a detached process runs on as a child of the caller, and its pid is told', async () => {
  const file = path.join(box.folder, 'pid')
  await box.ok('exec', '--detach', '--pid-file', file, id, 'sleep', '1000')
  const pid = pidOf(file)
  const [, parent] = /\) . (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
  assert.is(Number(parent), process.pid)
  assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /^sleep/)
  process.kill(pid, 'SIGKILL')
})

test('descriptors are passed on from 3, and no others', async () => {
  const files = ['one', 'two', 'three'].map((name) => {
    const file = path.join(box.folder, name)
    writeFileSync(file, `${name}\n`)
    return openSync(file, 'r')
  })
  const { out, err } = await box.call(
    ['exec', '--preserve-fds', '2', id, 'sh', '-c', 'cat <&3; cat <&4; ls /proc/$$/fd; true'],
    { more: files },
  )
  assert.is(out.replace(/\n10$/m, ''), 'one\ntwo\n0\n1\n2\n3\n4\n', err)
})

test('standard input is read to its end', async () => {
  const input = 'x'.repeat(1_000_000)
  const { out } = await box.call(['exec', id, 'wc', '-c'], { input })
  assert.is(out.trim(), '1000000')
})

test('a container without a pid namespace', async () => {
  const shared = await box.started({
    linux: { namespaces: ['mount', 'uts', 'ipc'].map((type) => ({ type })) },
  })
  assert.is(
    await box.ok('exec', shared, 'readlink', '/proc/self/ns/pid'),
    `${readlinkSync('/proc/self/ns/pid')}\n`,
  )
  await box.ok('kill', shared, 'KILL')
  await box.untilStatus(shared, 'stopped')
  await box.gone(shared)
})

test('a container with namespaces of another', async () => {
  const { pid } = await box.state(id)
  const joined = await box.started({
    linux: {
      namespaces: [
        { type: 'mount' },
        ...['pid', 'ipc', 'uts'].map((type) => ({ type, path: `/proc/${pid}/ns/${type}` })),
      ],
    },
  })
  for (const name of ['pid', 'ipc', 'uts'])
    assert.is(
      (await box.ok('exec', joined, 'readlink', `/proc/self/ns/${name}`)).trim(),
      readlinkSync(`/proc/${pid}/ns/${name}`),
    )
  await box.gone(joined)
  assert.is((await box.state(id)).status, 'running')
})

test('a group that is given twice is one', async () => {
  const user = { uid: 0, gid: 3, additionalGids: [7, 7, 3, 9, 7] }
  const other = await box.started({ process: { user } })
  assert.is(await box.ok('exec', other, 'sh', '-c', 'grep Groups /proc/self/status'), 'Groups:\t3 7 9 \n')
  const again = await box.ok(
    'exec',
    '-g',
    '9',
    '-g',
    '11',
    '-g',
    '11',
    other,
    'grep',
    'Groups',
    '/proc/1/status',
  )
  assert.is(again, 'Groups:\t3 7 9 \n')
  const more = ['-g', '9', '-g', '11', '-g', '11', other, 'grep', 'Groups', '/proc/self/status']
  assert.is(await box.ok('exec', ...more), 'Groups:\t3 7 9 11 \n')
  await box.gone(other)
})

const CPUS = ['grep', 'Cpus_allowed_list', '/proc/self/status']
const cpusOf = (text: string): string => text.replace('Cpus_allowed_list:', '').trim()

const onTwo = (name: string, body: () => Promise<void>): void =>
  cpus().length < 2 ? test.skip(name, 'this machine has one CPU') : test(name, body)

onTwo('execCPUAffinity is where a process ends up, and not the first one', async () => {
  const all = cpusOf(await box.ok('exec', id, ...CPUS))
  for (const [affinity, expected] of [
    [{ initial: '0', final: '1' }, '1'],
    [{ final: '0' }, '0'],
    [{ initial: '0' }, all],
    [{}, all],
  ] as const) {
    const other = await box.started({ process: { execCPUAffinity: affinity } })
    assert.is(cpusOf(await box.ok('exec', other, ...CPUS)), expected, JSON.stringify(affinity))
    assert.is(cpusOf(await box.ok('exec', other, 'grep', CPUS[1] ?? '', '/proc/1/status')), all)
    await box.gone(other)
  }
})

test('CPUs that are not there are told by number, and the process is not run', async () => {
  const file = path.join(box.folder, 'process.json')
  const resources = { cpu: { cpus: '0' } }
  const other = await box.started({ linux: { resources } })
  const plain = { cwd: '/', user: { uid: 0, gid: 0 }, env: ['PATH=/bin'], args: ['touch', '/work/has-run'] }
  for (const [affinity, list] of [
    [{ initial: '8000' }, '8000'],
    [{ final: '8000' }, '8000'],
    [{ final: '1' }, '1'],
  ] as const) {
    writeFileSync(file, JSON.stringify({ ...plain, execCPUAffinity: affinity }))
    const { code, err } = await box.call(['exec', '--process', file, other])
    assert.is(code, 255)
    assert.ok(err.includes(`set cpu affinity: ${list}: EINVAL`), err)
  }
  assert.not(existsSync(path.join(box.rootfs, 'work', 'has-run')))
  await box.gone(other)
})

test('a process that nobody waits for does not hold up the delete', async () => {
  // This process is its parent, and knows nothing of it.
  const other = await box.started()
  const file = path.join(box.folder, `${other}.pid`)
  await box.ok('exec', '--detach', '--pid-file', file, other, 'sleep', '1000')
  const begun = Date.now()
  await box.gone(other)
  assert.ok(Date.now() - begun < 5000)
  assert.match(readFileSync(`/proc/${pidOf(file)}/stat`, 'latin1'), /\) Z /)
})

test.requires('program:strace')

test('whoever enters the container’s namespaces has executed the helper before, and forks there', async () => {
  const file = path.join(box.folder, 'trace')
  const words = ['-f', '-qq', '-e', 'trace=clone3,setns,execveat', '-o', file, path.resolve('dist/oci.cjs')]
  const { status, stderr } = spawnSync('strace', [...words, '--root', box.root, 'exec', id, 'true'], {
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
  // strace pads pids to five columns.
  const lines = readFileSync(file, 'utf8')
    .replace(/^(\d+) +/gm, '$1 ')
    .split('\n')
  const entered = lines.findIndex((line) => /setns\(\d+, CLONE_NEWPID\)\s+= 0/.test(line))
  const [maker = ''] = lines[entered]?.split(' ') ?? []
  const executed = lines.findIndex((line) => line.startsWith(`${maker} execveat(`))
  assert.ok(executed >= 0 && executed < entered, lines.join('\n'))
  const born = lines.filter((line) => line.startsWith(`${maker} clone3(`))
  assert.is(born.length, 1, born.join('\n'))
  assert.match(born[0] ?? '', /CLONE_PIDFD/)
  assert.not.match(born[0] ?? '', /CLONE_(VM|FILES)\b/)
})

test.run()
