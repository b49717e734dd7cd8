// run, terminals, users that are mapped, and many commands at a time.

import { execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import path from 'node:path'
import { lacking } from '../../support/needs.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Box, MOUNTS, NEEDS, openBox, PEERS, pidOf, until } from './support.ts'

const test = suite('oci/life-cycle/run')
test.requires(...NEEDS)

let box: Box
test.before(() => {
  box = openBox()
  if (lacking('program:cc') === undefined)
    execFileSync('cc', ['-O1', '-o', receiver(), path.join('test', 'oci', 'life-cycle', 'receiver.c')])
})
test.after(() => box.close())
const receiver = (): string => path.join(box.folder, 'receiver')

const run = async (script: string, ...options: string[]) => {
  const id = box.newId()
  const bundle = box.bundle(id, { args: ['sh', '-c', script] })
  return { id, ...(await box.call(['run', ...options, '--bundle', bundle, id])) }
}

test('run ends with the exit code of the program, and nothing is left', async () => {
  for (const [script, code] of [
    ['exit 0', 0],
    ['exit 3', 3],
    ['exit 255', 255],
    ['sleep 0.1; exit 7', 7],
  ] as const) {
    const ran = await run(script)
    assert.is(ran.code, code, ran.err)
    assert.equal(box.left(ran.id), [])
  }
})

test('the streams of run are those of the program', async () => {
  const id = box.newId()
  const bundle = box.bundle(id, { args: ['sh', '-c', 'cat; echo wrong >&2; echo here'] })
  const { code, out, err } = await box.call(['run', '--bundle', bundle, id], { input: 'x'.repeat(200_000) })
  assert.equal([code, out, err], [0, `${'x'.repeat(200_000)}here\n`, 'wrong\n'])
})

test('a signal to run goes to the program', async () => {
  const id = box.newId()
  const script = 'trap "exit 5" TERM; trap "echo usr" USR1; echo ready; while :; do sleep 0.02; done'
  const call = box.begin(['run', '--bundle', box.bundle(id, { args: ['sh', '-c', script] }), id])
  await until('it runs', () => call.said() || undefined)
  call.child.kill('SIGUSR1')
  await until('it is told', () => (call.said().includes('usr') ? true : undefined))
  call.child.kill('SIGTERM')
  assert.is((await call.end).code, 5)
  assert.equal(box.left(id), [])
})

test('a program that a signal ends is told by 128 + its number', async () => {
  const id = box.newId()
  const call = box.begin(['run', '--bundle', box.bundle(id), id])
  await until('it runs', () => (existsSync(path.join(box.root, id, 'state.json')) ? true : undefined))
  await box.untilStatus(id, 'running')
  await box.ok('kill', id, 'KILL')
  assert.is((await call.end).code, 137)
  assert.equal(box.left(id), [])
})

test('a detached container runs on, and one that is kept can be looked at', async () => {
  const id = box.newId()
  const file = path.join(box.folder, 'run.pid')
  await box.ok('run', '--detach', '--pid-file', file, '--bundle', box.bundle(id), id)
  const { status, pid } = await box.state(id)
  assert.equal([status, pid], ['running', pidOf(file)])
  await box.gone(id)
  const kept = await run('exit 4', '--keep')
  assert.is(kept.code, 4)
  assert.is((await box.state(kept.id)).status, 'stopped')
  await box.ok('delete', kept.id)
  assert.equal(box.left(kept.id), [])
})

test('run tells a program that cannot be executed, and leaves nothing', async () => {
  const id = box.newId()
  const { code, err } = await box.call(['run', '--bundle', box.bundle(id, { args: ['/work'] }), id])
  assert.is(code, 1)
  assert.match(err, /permission denied|directory/i)
  assert.equal(box.left(id), [])
})

/** What the receiver prints once it has a descriptor; `begin` is given its socket. */
const receive = async (input: string, begin: (socket: string) => Promise<void>): Promise<string> => {
  const socket = path.join(box.folder, `s${sockets++}`)
  const child = spawn(receiver(), [socket, input], { stdio: ['ignore', 'pipe', 'inherit'] })
  const parts: Buffer[] = []
  child.stdout.on('data', (bytes) => parts.push(bytes))
  const end = new Promise((resolve) => child.on('close', resolve))
  await until('it listens', () => (existsSync(socket) ? true : undefined))
  await begin(socket)
  await end
  return Buffer.concat(parts).toString()
}
let sockets = 0

const TERMINAL_SCRIPT = 'tty=$(readlink /proc/self/fd/0); read -r line; echo "$tty got $line"'

if (lacking('program:cc') !== undefined) test.skip('terminals', 'needs the program cc')
else {
  test('the terminal of a container is sent to the console socket, with hooks, too', async () => {
    for (const hooks of [
      {},
      { createRuntime: [{ path: '/bin/true' }], createContainer: [{ path: '/bin/true' }] },
    ]) {
      const id = box.newId()
      const bundle = box.bundle(id, {
        args: ['sh', '-c', TERMINAL_SCRIPT],
        process: { terminal: true, consoleSize: { height: 30, width: 90 } },
        more: { hooks },
      })
      const said = await receive('word\n', async (socket) => {
        await box.ok('create', '--console-socket', socket, '--bundle', bundle, id)
        await box.ok('start', id)
      })
      assert.match(said, /\/dev\/pts\/0 got word/, JSON.stringify(said))
      await box.gone(id)
    }
  })

  test('the terminal of a detached exec is sent to the console socket', async () => {
    const id = await box.started()
    const said = await receive('word\n', async (socket) => {
      const words = ['--tty', '--detach', '--console-socket', socket, id, 'sh', '-c', TERMINAL_SCRIPT]
      // A child that Node does not wait for would keep the pid namespace of the container.
      const command = [path.resolve('dist/oci.cjs'), '--root', box.root, 'exec', ...words]
      execFileSync('sh', ['-c', '"$@"; exit $?', 'sh', ...command])
    })
    assert.match(said, /\/dev\/pts\/\d+ got word/, JSON.stringify(said))
    await box.gone(id)
  })

  test('a pidfd is sent to its socket', async () => {
    const id = box.newId()
    const said = await receive('', async (socket) => {
      await box.ok('create', '--pidfd-socket', socket, '--bundle', box.bundle(id), id)
      await box.ok('kill', id, 'KILL')
    })
    assert.match(said, /ended/)
    await box.gone(id)
  })
}

test('a terminal needs somebody to serve it', async () => {
  const id = box.newId()
  const bundle = box.bundle(id, { process: { terminal: true } })
  const { code, err } = await box.call(['create', '--bundle', bundle, id])
  assert.is(code, 1)
  assert.match(err, /console-socket/)
  assert.equal(box.left(id), [])
})

const MAPPED = {
  namespaces: ['pid', 'mount', 'ipc', 'uts', 'user'].map((type) => ({ type })),
  uidMappings: [{ containerID: 0, hostID: 200_000, size: 65_536 }],
  gidMappings: [{ containerID: 0, hostID: 300_000, size: 65_536 }],
}

test('a container with mapped users lives and takes processes', async () => {
  chownSync(box.rootfs, 200_000, 300_000)
  for (const name of readdirSync(box.rootfs)) chownSync(path.join(box.rootfs, name), 200_000, 300_000)
  const groups = { destination: '/groups', type: 'cgroup', source: 'cgroup', options: ['ro'] }
  const linux = { ...MAPPED, resources: { pids: { limit: 77 } } }
  const id = await box.started({ linux, more: { mounts: [...MOUNTS, groups] } })
  const { pid } = await box.state(id)
  // Without a cgroup namespace its own groups are shown, from a tree that the root lies over by then.
  if (existsSync('/sys/fs/cgroup/pids'))
    assert.is(await box.ok('exec', id, 'cat', '/groups/pids/pids.max'), '77\n')
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Uid:\t200000\t/m)
  const out = await box.ok(
    'exec',
    id,
    'sh',
    '-c',
    'id -u; id -g; cat /proc/self/uid_map; touch /work/mine; stat -c %u:%g /work /work/mine',
  )
  assert.match(out, /^0\n0\n +0 +200000 +65536\n0:0\n0:0\n$/)
  const user = await box.ok('exec', '--user', '1000:1000', id, 'readlink', '/proc/self/ns/user')
  assert.is(user.trim(), readlinkSync(`/proc/${pid}/ns/user`))
  await box.ok('pause', id)
  await box.ok('resume', id)
  await box.gone(id)
  chownSync(box.rootfs, 0, 0)
  for (const name of readdirSync(box.rootfs)) chownSync(path.join(box.rootfs, name), 0, 0)
})

test('a working directory that is missing is made before the root is read-only', async () => {
  const id = box.newId()
  const more = { root: { path: box.rootfs, readonly: true } }
  const bundle = box.bundle(id, { args: ['pwd'], process: { cwd: '/made/for/it' }, more })
  assert.is(await box.ok('run', '--bundle', bundle, id), '/made/for/it\n')
  rmSync(path.join(box.rootfs, 'made'), { recursive: true })
})

test('mounts are listed as in the document, by its sources, its binds behind file systems', async () => {
  const id = box.newId()
  const mounts = [
    { destination: '/proc', type: 'proc', source: 'my-proc' },
    { destination: '/dev', type: 'tmpfs', source: 'my-dev' },
    { destination: '/sys', type: 'sysfs', source: 'my-sys' },
    { destination: '/m1', type: 'tmpfs', source: 'my-tmp' },
    { destination: '/m2', source: '/usr', options: ['bind', 'shared'] },
    { destination: '/m3', source: '/usr', options: ['bind', 'private'] },
  ]
  const namespaces = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }))
  const script = `awk '$5 ~ "^/(proc|dev|sys|m.)$" {print $5, $(NF-1)}' /proc/self/mountinfo`
  const change = { args: ['sh', '-c', script], linux: { namespaces }, more: { mounts } }
  const lines = (await box.ok('run', '--bundle', box.bundle(id, change), id)).trim().split('\n')
  const places = lines.map((line) => line.split(' ')[0])
  assert.equal(
    places,
    mounts.map(({ destination }) => destination),
  )
  assert.equal(
    lines.slice(0, 4).map((line) => line.split(' ')[1]),
    ['my-proc', 'my-dev', 'my-sys', 'my-tmp'],
  )
})

test('a mapped container without a cgroup namespace is shown its own groups', async () => {
  if (!existsSync('/sys/fs/cgroup/memory')) return
  const id = box.newId()
  const mounts = [
    { destination: '/proc', type: 'proc' },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] },
  ]
  const script =
    'awk \'$(NF-2) == "cgroup" {print $4}\' /proc/self/mountinfo | sort -u | grep -c -v /$0$; ls /sys/fs/cgroup/pids/tasks'
  const whole = [{ containerID: 0, hostID: 0, size: 4_294_967_295 }]
  const linux = { ...MAPPED, uidMappings: whole, gidMappings: whole }
  const bundle = box.bundle(id, { args: ['sh', '-c', script, id], linux, more: { mounts } })
  assert.is(await box.ok('run', '--bundle', bundle, id), '0\n/sys/fs/cgroup/pids/tasks\n')
})

test('sockets of the service manager are passed on', async () => {
  const id = box.newId()
  const script = 'echo $LISTEN_FDS $LISTEN_PID; ls /proc/self/fd | wc -l'
  const bundle = box.bundle(id, { args: ['sh', '-c', script] })
  const words = ['--root', box.root, 'run', '--bundle', bundle, id]
  const out = execFileSync(
    'sh',
    [
      '-c',
      'export LISTEN_FDS=1 LISTEN_PID=$$; exec 3</dev/null; exec "$0" "$@"',
      path.resolve('dist/oci.cjs'),
      ...words,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  assert.match(out, /^1 1\n/)
})

test('thirty containers are made, started and deleted side by side', async () => {
  const one = async (): Promise<string> => {
    const id = await box.created()
    await box.ok('start', id)
    await box.ok('list')
    await box.ok('kill', id, 'KILL')
    await box.untilStatus(id, 'stopped')
    await box.ok('delete', id)
    return id
  }
  const ids = await Promise.all(Array.from({ length: 30 }, one))
  for (const id of ids) assert.equal(box.left(id), [])
  const listed = await box.ok('list', '--quiet')
  for (const id of ids) assert.not(listed.includes(`${id}\n`))
})

test('commands on one container that race end, and nothing is left', async () => {
  for (let round = 0; round < 4; round++) {
    const id = await box.started()
    const ran = await Promise.all(
      [
        ['delete', '--force', id],
        ['delete', '--force', id],
        ['kill', id, 'KILL'],
        ['state', id],
        ['list'],
        ['start', id],
      ].map((words) => box.call(words)),
    )
    const bugs = ran.filter(
      ({ code, err }) => code === null || /bug in slipway|StateDamaged|ENOENT/.test(err),
    )
    assert.equal(
      bugs.map(({ err }) => err),
      [],
    )
    assert.equal(
      ran.slice(0, 2).map(({ code }) => code),
      [0, 0],
      ran.map(({ err }) => err).join(''),
    )
    assert.equal(box.left(id), [])
  }
})

for (const peer of PEERS) {
  test(`run ends as with ${peer}`, async () => {
    for (const script of ['exit 0', 'exit 9', 'kill -9 $$; sleep 1', 'nope']) {
      const code = async (runtime: 'slipway' | typeof peer) => {
        const id = box.newId()
        const bundle = box.bundle(id, { args: ['sh', '-c', script] })
        return (await box.call(['run', '--bundle', bundle, id], { runtime })).code
      }
      assert.is(await code('slipway'), await code(peer), script)
    }
  })
}

test.run()
