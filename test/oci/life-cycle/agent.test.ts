// A seccomp filter with a listener: what the agent is told and what its answers do, beside runc and crun.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { openRuntime } from '../../../src/runtime.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Box, type Change, NEEDS, openBox, PEERS, until } from './support.ts'

const test = suite('oci/life-cycle/agent')
test.requires(...NEEDS, 'program:cc')

let box: Box
const agents: ChildProcess[] = []
test.before(() => {
  box = openBox()
  const source = path.join('test', 'oci', 'life-cycle', 'agent.c')
  execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program(), source])
})
test.after(async () => {
  for (const agent of agents) agent.kill('SIGKILL')
  await box.close()
})
const program = (): string => path.join(box.folder, 'agent')

interface Agent {
  readonly socket: string
  /** The lines it has printed. */
  readonly lines: () => readonly string[]
  readonly stop: () => Promise<void>
}

let sockets = 0
const newSocket = (): string => path.join(box.folder, `agent-${sockets++}.sock`)

const agentOf = async (manner: 'serve' | 'ignore' | 'close'): Promise<Agent> => {
  const socket = newSocket()
  const child = spawn(program(), [socket, manner], { stdio: ['ignore', 'pipe', 'inherit'] })
  agents.push(child)
  let said = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  await until('the agent listens', () => (said.includes('listening\n') ? true : undefined))
  return {
    socket,
    lines: () => said.split('\n').slice(1, -1),
    stop: () => {
      child.kill('SIGKILL')
      return ended
    },
  }
}

const statesOf = ({ lines }: Agent): readonly Record<string, unknown>[] =>
  lines()
    .filter((line) => line.startsWith('state '))
    .map((line) => JSON.parse(line.slice('state '.length)))
const callsOf = ({ lines }: Agent): readonly string[] => lines().filter((line) => line.startsWith('call '))

interface Profile {
  readonly defaultAction: string
  readonly syscalls?: readonly object[]
  readonly [field: string]: unknown
}
const asking = (...names: string[]): Profile => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names, action: 'SCMP_ACT_NOTIFY' }],
})
const ALL: Profile = { defaultAction: 'SCMP_ACT_NOTIFY' }

const changeOf = (listenerPath: string, profile: Profile, more: Change = {}): Change => ({
  ...more,
  linux: { seccomp: { listenerPath, listenerMetadata: 'a "word"', ...profile } },
})
const MKDIR = ['mkdir', 'mkdirat']
const SCRIPT =
  'mkdir /tmp/refused; echo $?; mkdir /tmp/pretended; echo $?; ls -d /tmp/pretended; mkdir /tmp/made && rmdir /tmp/made; echo $?'

for (const runtime of ['slipway', ...PEERS] as const) {
  test(`the agent's answer is what a call returns (${runtime})`, async () => {
    const agent = await agentOf('serve')
    const id = box.newId()
    const bundle = box.bundle(id, changeOf(agent.socket, asking(...MKDIR), { args: ['sh', '-c', SCRIPT] }))
    const { code, out, err } = await box.call(['run', '--bundle', bundle, id], { runtime })
    assert.equal([code, out], [0, '1\n0\n0\n'], err)
    assert.match(err, /'\/tmp\/refused': Read-only file system/)
    assert.match(err, /\/tmp\/pretended: No such file/)
    assert.equal(
      callsOf(agent).map((line) => line.split(' ')[2]),
      ['/tmp/refused', '/tmp/pretended', '/tmp/made'],
    )
    const [state, ...others] = statesOf(agent)
    assert.equal(others, [])
    assert.equal([state?.fds, state?.metadata], [['seccompFd'], 'a "word"'])
    assert.match(JSON.stringify(state?.state), `"id":"${id}"`)
    if (runtime === 'slipway') assert.ok(agent.lines().includes('end of connection'))
    await agent.stop()
  })
}

test('the agent is told of the container as it is then: once for its start, once for each exec', async () => {
  const agent = await agentOf('serve')
  const id = box.newId()
  const change = changeOf(agent.socket, asking(...MKDIR), { more: { annotations: { a: 'b' } } })
  const bundle = box.bundle(id, change)
  await box.ok('create', '--bundle', bundle, id)
  assert.equal(statesOf(agent), [], 'nothing is loaded yet')
  await box.ok('start', id)
  const { pid } = await box.state(id)
  const state = { ociVersion: '1.0.2', id, pid, bundle, annotations: { a: 'b' } }
  const common = { ociVersion: '1.0.2', fds: ['seccompFd'], metadata: 'a "word"' }
  assert.equal(statesOf(agent), [{ ...common, pid, state: { ...state, status: 'created' } }])
  const file = path.join(box.folder, `${id}.pid`)
  await box.ok('exec', '--detach', '--pid-file', file, id, 'sleep', '1000')
  const other = Number(readFileSync(file, 'utf8'))
  assert.is.not(other, pid)
  assert.equal(statesOf(agent)[1], { ...common, pid: other, state: { ...state, status: 'running' } })
  const { out, err } = await box.call(['exec', id, 'sh', '-c', SCRIPT])
  assert.is(out, '1\n0\n0\n', err)
  assert.is(statesOf(agent).length, 3)
  await box.gone(id)
  await agent.stop()
})

const SHAPES: readonly (readonly [name: string, profile: Profile, process: Change['process']])[] = [
  ['every call', ALL, {}],
  ['every call, without new privileges', ALL, { noNewPrivileges: true }],
  [
    'every call, with all flags there are',
    {
      ...ALL,
      flags: [
        'SECCOMP_FILTER_FLAG_TSYNC',
        'SECCOMP_FILTER_FLAG_LOG',
        'SECCOMP_FILTER_FLAG_SPEC_ALLOW',
        'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV',
      ],
    },
    {},
  ],
  [
    'every call that hands it over',
    asking(
      'sendmsg',
      'write',
      'read',
      'nanosleep',
      'close',
      'execve',
      'capset',
      'exit_group',
      'clock_gettime',
    ),
    {},
  ],
]
for (const [name, profile, process] of SHAPES)
  test(`an agent may be asked about ${name}: nothing waits for itself`, async () => {
    const agent = await agentOf('serve')
    const more = { args: ['sh', '-c', 'echo hi; exit 7'], ...(process === undefined ? {} : { process }) }
    const id = box.newId()
    const bundle = box.bundle(id, changeOf(agent.socket, profile, more))
    const ran = await box.call(['run', '--bundle', bundle, id])
    assert.equal([ran.code, ran.out, ran.err], [7, 'hi\n', ''])
    assert.ok(callsOf(agent).length > 0)
    assert.equal(box.left(id), [])
    const lasting = await box.started({ ...changeOf(agent.socket, profile), ...(process ? { process } : {}) })
    const inside = await box.call(['exec', lasting, 'sh', '-c', 'echo hi; exit 7'])
    assert.equal([inside.code, inside.out, inside.err], [7, 'hi\n', ''])
    await box.gone(lasting)
    await agent.stop()
  })

test('what the agent refuses of the start itself is told as a failure of the start', async () => {
  const agent = await agentOf('serve')
  const change = { args: ['/bin/nothing'] }
  writeFileSync(path.join(box.rootfs, 'bin', 'nothing'), '#!/bin/missing\n', { mode: 0o755 })
  const id = await box.created(changeOf(agent.socket, ALL, change))
  const { code, err } = await box.call(['start', id])
  assert.is(code, 1)
  assert.match(err, /"\/bin\/nothing\\": executable file not found/)
  await box.untilStatus(id, 'stopped')
  await box.gone(id)
  await agent.stop()
})

test('the program has one thread, and no descriptor that it was not given', async () => {
  const agent = await agentOf('serve')
  const seen = async (change: Change): Promise<string> => {
    const id = box.newId()
    const { out, err } = await box.call(['run', '--bundle', box.bundle(id, change), id])
    assert.is(err, '')
    return out
  }
  for (const folder of ['fd', 'task']) {
    const shape = { args: ['ls', `/proc/self/${folder}`] }
    // The fourth descriptor is that of the folder.
    const expected = folder === 'fd' ? '0\n1\n2\n3\n' : '1\n'
    assert.is(await seen(shape), expected)
    assert.is(await seen(changeOf(agent.socket, asking(...MKDIR), shape)), expected)
  }
  await agent.stop()
})

test('an agent that is not there, or refuses, fails the start and leaves nothing', async () => {
  const absent = newSocket()
  const refusing = newSocket()
  // A socket whose owner was killed stays in the file system, and refuses.
  const server = createServer().listen(refusing)
  await until('it listens', () => (existsSync(refusing) ? true : undefined))
  execFileSync('mv', [refusing, `${refusing}.kept`])
  await new Promise((resolve) => server.close(resolve))
  const folder = path.join(box.folder, 'no-socket')
  mkdirSync(folder)
  for (const [socket, why] of [
    [absent, 'ENOENT'],
    [path.join(absent, 'below'), 'ENOENT'],
    [`${refusing}.kept`, 'ECONNREFUSED'],
    [folder, 'ECONNREFUSED'],
  ] as const) {
    const change = changeOf(socket, asking(...MKDIR), { args: ['touch', '/tmp/has-run'] })
    const id = box.newId()
    const ran = await box.call(['run', '--bundle', box.bundle(id, change), id])
    assert.is(ran.code, 1)
    assert.match(ran.err, new RegExp(`${socket.split('/below')[0]}.*${why}`))
    assert.equal(box.left(id), [])
    const created = await box.created(change)
    assert.match((await box.call(['start', created])).err, new RegExp(why))
    assert.is((await box.state(created)).status, 'stopped')
    await box.gone(created)
  }
  assert.not(existsSync(path.join(box.rootfs, 'tmp', 'has-run')))
})

test('an agent that is gone fails an exec, and the container goes on', async () => {
  const agent = await agentOf('serve')
  const id = await box.started(changeOf(agent.socket, asking(...MKDIR)))
  await agent.stop()
  rmSync(agent.socket)
  const before = await box.ok('ps', '--format', 'json', id)
  const { code, err } = await box.call(['exec', id, 'true'])
  assert.is(code, 255)
  assert.match(err, /connect to seccomp agent: .*ENOENT/)
  assert.is(await box.ok('ps', '--format', 'json', id), before)
  assert.is((await box.state(id)).status, 'running')
  await box.gone(id)
})

test('without its agent a call fails as the kernel has it', async () => {
  const agent = await agentOf('ignore')
  const id = box.newId()
  const change = changeOf(agent.socket, asking(...MKDIR), { args: ['mkdir', '/tmp/x'] })
  const { code, err } = await box.call(['run', '--bundle', box.bundle(id, change), id])
  assert.is(code, 1)
  assert.match(err, /Function not implemented/)
  await agent.stop()
})

/** More than a socket takes before anybody reads. */
const LONG = 'x'.repeat(900_000)

test('an agent that closes in the middle of it fails the start', async () => {
  const agent = await agentOf('close')
  const change = changeOf(agent.socket, { ...asking(...MKDIR), listenerMetadata: LONG })
  const id = await box.created(change)
  const { code, err } = await box.call(['start', id])
  assert.is(code, 1)
  assert.match(err, /send to seccomp agent: .*EPIPE/)
  assert.is((await box.state(id)).status, 'stopped')
  await box.gone(id)
  await agent.stop()
})

/** One that accepts and never reads. */
const silent = async (): Promise<{ readonly socket: string; readonly close: () => Promise<void> }> => {
  const socket = newSocket()
  const held = new Set<{ destroy: () => void }>()
  const server = createServer({ pauseOnConnect: true }, (connection) => held.add(connection)).listen(socket)
  await until('it listens', () => (existsSync(socket) ? true : undefined))
  return {
    socket,
    close: async () => {
      for (const connection of held) connection.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('an agent that never reads fails the start in the end', async () => {
  const { socket, close } = await silent()
  const id = await box.created(changeOf(socket, { ...asking(...MKDIR), listenerMetadata: LONG }))
  const { code, err } = await box.call(['start', id])
  assert.is(code, 1)
  assert.match(err, /send to seccomp agent: .*(EPIPE|EAGAIN)/)
  await box.gone(id)
  await close()
})

test('a start that is killed while its agent is slow leaves a container that has ended', async () => {
  const { socket, close } = await silent()
  const id = await box.created(changeOf(socket, { ...asking(...MKDIR), listenerMetadata: LONG }))
  const starting = box.begin(['start', id])
  await until('the filter is loaded', () => {
    const status = readFileSync(`/proc/${pidOfGroup(id)}/status`, 'utf8')
    return /^Seccomp:\t2$/m.test(status) ? true : undefined
  })
  starting.child.kill('SIGKILL')
  await starting.end
  await box.untilStatus(id, 'stopped')
  await box.gone(id)
  await close()
})
const pidOfGroup = (id: string): number =>
  Number(JSON.parse(readFileSync(path.join(box.root, id, 'state.json'), 'utf8')).init.pid)

test('a service is told of each process, also of those that are planned once', async () => {
  const agent = await agentOf('serve')
  const runtime = openRuntime({ root: box.root })
  const silent = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const
  const id = box.newId()
  const made = await runtime.create(id, box.bundle(id, changeOf(agent.socket, asking(...MKDIR))), silent)
  await runtime.start(id)
  const pids = [made.pid]
  for (let round = 0; round < 3; round++) {
    const inside = await runtime.exec(id, ['mkdir', '/tmp/refused'], silent)
    pids.push(inside.pid)
    assert.is(await inside.exit, 1)
  }
  assert.equal(
    statesOf(agent).map(({ pid }) => pid),
    pids,
  )
  await agent.stop()
  rmSync(agent.socket)
  const error = await runtime.exec(id, ['true'], silent).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.match(String(error), /connect to seccomp agent/)
  await runtime.delete(id, { force: true })
  assert.equal(box.left(id), [])
  runtime.close()
})

test('what cannot be listened to is refused by name', async () => {
  for (const [profile, why] of [
    [{ ...asking('mkdir'), listenerPath: '', listenerMetadata: undefined }, /listenerPath: is required with/],
    [{ ...asking('mkdir'), listenerPath: 'a.sock' }, /listenerPath: must be an absolute path/],
  ] as const) {
    const id = box.newId()
    const { code, err } = await box.call(['create', '--bundle', box.bundle(id, changeOf('', profile)), id])
    assert.is(code, 1)
    assert.match(err, why)
    assert.equal(box.left(id), [])
  }
})

test('without the action listener and flag mean nothing', async () => {
  const id = box.newId()
  const profile = { defaultAction: 'SCMP_ACT_ALLOW', flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] }
  const change = changeOf(path.join(box.folder, 'nobody'), profile, { args: ['echo', 'hi'] })
  const { code, out, err } = await box.call(['run', '--bundle', box.bundle(id, change), id])
  assert.equal([code, out], [0, 'hi\n'], err)
})

test('a group of one process has no room for the thread that hands it over, and says so', async () => {
  const agent = await agentOf('serve')
  const { linux } = changeOf(agent.socket, asking(...MKDIR))
  const id = await box.created({ linux: { ...linux, resources: { pids: { limit: 1 } } } })
  const { code, err } = await box.call(['start', id])
  assert.is(code, 1)
  assert.match(err, /start stand-in: EAGAIN/)
  await box.gone(id)
  await agent.stop()
})

/** The start has nothing left to say but by the thread that the filter does not hold. */
const STRICT: Profile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  syscalls: [{ names: ['execve', 'capset'], action: 'SCMP_ACT_ALLOW' }],
}

test('a program that cannot be executed is told under a filter that lets nothing be said', async () => {
  writeFileSync(path.join(box.rootfs, 'bin', 'nothing'), '#!/bin/missing\n', { mode: 0o755 })
  for (const process of [{}, { noNewPrivileges: true }]) {
    const id = await box.created({ args: ['/bin/nothing'], process, linux: { seccomp: STRICT } })
    const { code, err } = await box.call(['start', id])
    assert.is(code, 1, 'start')
    assert.match(err, /executable file not found/)
    await box.untilStatus(id, 'stopped')
    await box.gone(id)
  }
})

test.run()
