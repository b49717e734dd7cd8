// slipway run against a fake engine: exit codes, messages, signals, the id file, the terminal.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { EngineError } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'
import { call, type FakeContainer, fakeContainer, type Started, settle } from '../fake-world.ts'

const test = suite('cli/commands/run')

const finished = (over: Parameters<FakeContainer['end']>[0] = {}): FakeContainer => {
  const container = fakeContainer()
  container.end(over)
  return container
}

test('the image, the words after it and the options reach the engine', async () => {
  const made = call(['run', '--rm', '-m', '64m', 'img', 'sh', '-c', 'x'])
  assert.is(await made.code, 0)
  const [started] = made.fake.started
  assert.is(started?.image, 'img')
  assert.equal(started?.argv, ['sh', '-c', 'x'])
  assert.is(started?.options.memory, '64m')
  assert.is(started?.options.stdout, 'inherit')
  assert.is(made.fake.closed(), 1)
  assert.equal([made.stdout(), made.stderr()], ['', ''])
})

for (const exitCode of [0, 1, 42, 137, 255])
  test(`exit code ${exitCode} of the program is ours`, async () => {
    const exit = { _tag: 'Exited', code: exitCode } as const
    const made = call(['run', 'img'], { answers: { start: finished({ exit, exitCode }) } })
    assert.is(await made.code, exitCode)
  })

const FAILURES: readonly (readonly [EngineError, number, string])[] = [
  [
    { _tag: 'CommandNotFound', command: 'nope' },
    127,
    'slipway: nope: command not found in the container\n  hint: a name is looked up in the PATH of the container; a script also needs the program its first line names\n',
  ],
  [
    { _tag: 'CommandNotExecutable', command: '/etc', errno: 13 },
    126,
    'slipway: /etc: cannot execute: EACCES (permission denied)\n  hint: it must be a file with an x bit for the user of the container (chmod +x), on a mount without noexec\n',
  ],
  [
    { _tag: 'ImageNotFound', reference: 'x:1', hint: 'pull it' },
    125,
    'slipway: no such image: x:1\n  hint: pull it\n',
  ],
  [
    { _tag: 'InvalidOption', option: 'mounts[1].target', value: '/', why: 'no' },
    125,
    'slipway: mount: "/": no\n',
  ],
  [
    { _tag: 'InvalidOption', option: 'security.capAdd[0]', value: 'x', why: 'no such capability' },
    125,
    'slipway: --cap-add: "x": no such capability\n',
  ],
  [
    { _tag: 'InvalidOption', option: 'command', value: '', why: 'no command given' },
    125,
    'slipway: COMMAND: no command given\n',
  ],
  [
    { _tag: 'CommandNotFound', command: 'a\nb\u001b[2J' },
    127,
    'slipway: a\\u000ab\\u001b[2J: command not found in the container\n  hint: a name is looked up in the PATH of the container; a script also needs the program its first line names\n',
  ],
  [
    { _tag: 'SyscallFailed', step: 'open bind source', errno: 2, path: '/x' },
    125,
    'slipway: open bind source: /x: ENOENT (no such file or directory)\n' +
      '  hint: create it first; -v creates a missing folder, --mount does not\n',
  ],
  [
    { _tag: 'InvalidOption', option: 'memorySwap', value: '1', why: 'too small' },
    125,
    'slipway: --memory-swap: "1": too small\n',
  ],
  [
    { _tag: 'InvalidOption', option: 'cwd', value: 'x', why: 'must be absolute' },
    125,
    'slipway: --workdir: "x": must be absolute\n',
  ],
]
for (const [error, code, text] of FAILURES)
  test(`${error._tag} gives exit code ${code}: ${text.split('\n')[0]}`, async () => {
    const made = call(['run', 'img'], { answers: { start: error } })
    assert.is(await made.code, code)
    assert.is(made.stderr(), text)
    assert.is(made.stdout(), '')
  })

test('a wrong flag never reaches the engine', async () => {
  for (const words of [['-d'], ['--cpus', 'x'], ['--network', 'bridge', 'img'], []]) {
    const made = call(['run', ...words])
    assert.is(await made.code, 125)
    assert.equal(made.fake.started, [])
    assert.equal(made.roots, [])
    assert.match(made.stderr(), /^slipway: (-d|--cpus|--network|IMAGE)/)
  }
})

test('a time limit and a lack of memory are told, because 137 may be anything', async () => {
  const timedOut = call(['run', 'img'], {
    answers: { start: finished({ exit: { _tag: 'TimedOut', afterMs: 1500 }, exitCode: 137 }) },
  })
  assert.is(await timedOut.code, 137)
  assert.is(timedOut.stderr(), 'slipway: ended after 1.5s, its time limit\n')
  const oom = call(['run', 'img'], {
    answers: { start: finished({ exit: { _tag: 'OomKilled' }, exitCode: 137 }) },
  })
  assert.is(await oom.code, 137)
  assert.is(oom.stderr(), 'slipway: killed for lack of memory at 3MiB\n  hint: raise --memory\n')
})

test('--timing adds the figures on standard error', async () => {
  const made = call(['run', '--timing', 'img'])
  assert.is(await made.code, 0)
  assert.is(
    made.stderr(),
    'slipway: start 1.50 ms, program 1.75 ms, cpu 4.00 ms, peak memory 3MiB\n' +
      '  slowest steps: clone 400 µs, cgroup_create 100 µs, mount_proc 50 µs\n',
  )
})

test('signals go to the container while it runs and to nobody afterwards', async () => {
  const container = fakeContainer()
  const made = call(['run', 'img'], { answers: { start: container } })
  await settle()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const)
    assert.ok(made.signal(name), name)
  assert.equal(container.kills, ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'])
  for (const name of ['SIGCHLD', 'SIGPIPE', 'SIGTSTP', 'SIGWINCH'] as const)
    assert.not(made.signal(name), name)
  container.end({ exitCode: 130 })
  assert.is(await made.code, 130)
  assert.not(made.signal('SIGINT'))
})

test('--sig-proxy=false: an ending signal ends the container as a whole, others have their default', async () => {
  const container = fakeContainer()
  const made = call(['run', '--sig-proxy=false', 'img'], { answers: { start: container } })
  await settle()
  assert.not(made.signal('SIGUSR2'))
  assert.ok(made.signal('SIGINT'))
  const { signal } = made.fake.started[0]?.options ?? {}
  assert.ok(signal?.aborted)
  container.end({ exit: { _tag: 'Aborted', reason: signal?.reason }, exitCode: 137 })
  assert.is(await made.code, 130)
  assert.equal(container.kills, [])
})

test('a signal during the start goes to the program that it started', async () => {
  const container = fakeContainer()
  const started = deferred<FakeContainer>()
  const made = call(['run', 'img'], { answers: { start: () => started.promise } })
  await settle()
  assert.ok(made.signal('SIGTERM'))
  assert.ok(made.signal('SIGUSR1'))
  started.resolve(container)
  await settle()
  assert.equal(container.kills, ['SIGTERM', 'SIGUSR1'])
  assert.not(made.fake.started[0]?.options.signal?.aborted)
  container.end({ exitCode: 5 })
  assert.is(await made.code, 5)
})

const deferred = <A>() => {
  let resolve: (value: A) => void = () => {}
  const promise = new Promise<A>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** An engine that is still fetching an image, and gives up when it is told to. */
const slow = ({ options }: Started): Promise<EngineError> =>
  new Promise((resolve) => {
    options.signal?.addEventListener('abort', () =>
      resolve({ _tag: 'Cancelled', what: 'pull', why: String(options.signal?.reason) }),
    )
  })

for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  test(`${name} before the start cancels it quietly with exit code ${code}`, async () => {
    const made = call(['run', 'img'], { answers: { start: slow } })
    await settle()
    assert.ok(made.signal(name))
    assert.is(await made.code, code)
    assert.is(made.stderr(), '')
  })

const folder = mkdtempSync(path.join(tmpdir(), 'slipway-run-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('--cidfile gets the id, relative to where we are', async () => {
  const made = call(['run', '--cidfile', 'id', 'img'], { cwd: folder })
  assert.is(await made.code, 0)
  assert.is(readFileSync(path.join(folder, 'id'), 'utf8'), 'a'.repeat(64))
})

test('--cidfile of a start that failed is taken away', async () => {
  const made = call(['run', '--cidfile', 'gone', 'img'], {
    cwd: folder,
    answers: { start: { _tag: 'ImageNotFound', reference: 'img' } },
  })
  assert.is(await made.code, 125)
  assert.not(existsSync(path.join(folder, 'gone')))
})

test('--cidfile never overwrites a file, and nothing is started then', async () => {
  const file = path.join(folder, 'mine')
  writeFileSync(file, 'precious')
  const made = call(['run', '--cidfile', file, 'img'])
  assert.is(await made.code, 125)
  assert.is(readFileSync(file, 'utf8'), 'precious')
  assert.equal(made.fake.started, [])
  assert.is(
    made.stderr(),
    `slipway: --cidfile: "${file}": exists already: it is the id of another container\n`,
  )
})

test('files are read relative to where we are', async () => {
  writeFileSync(path.join(folder, 'vars'), 'A=1\n')
  const made = call(['run', '--env-file', 'vars', 'img'], { cwd: folder })
  assert.is(await made.code, 0)
  assert.equal(made.fake.started[0]?.options.env, { A: '1' })
  const missing = call(['run', '--env-file', 'none', 'img'], { cwd: folder })
  assert.is(await missing.code, 125)
  assert.ok(missing.stderr().startsWith('slipway: --env-file: "none": ENOENT (no such file or directory)\n'))
})

const tty = { columns: 132, rows: 50 }

test('-it couples the terminals: keys in, output out, size along', async () => {
  const container = fakeContainer()
  const made = call(['run', '-it', 'img', 'sh'], { tty, answers: { start: container } })
  await settle()
  assert.equal(made.fake.started[0]?.options.tty, tty)
  assert.equal(made.raw, [true])
  made.keys.write('ls\r')
  container.printed.write('file\r\n')
  await settle()
  assert.is(String(container.typed.read()), 'ls\r')
  assert.is(made.stdout(), 'file\r\n')
  made.size.columns = 70
  assert.ok(made.signal('SIGWINCH'))
  assert.equal(container.sizes, [[70, 50]])
  container.printed.write('bye')
  container.end({ exitCode: 3 })
  assert.is(await made.code, 3)
  assert.is(made.stdout(), 'file\r\nbye')
  assert.equal(made.raw, [true, false])
  assert.not(made.signal('SIGWINCH'))
})

test('-t alone shows the output and leaves our keys and our terminal alone', async () => {
  const container = fakeContainer()
  const made = call(['run', '-t', 'img'], { tty, answers: { start: container } })
  await settle()
  assert.equal(made.raw, [])
  assert.is(made.fake.started[0]?.options.stdin, 'ignore')
  container.printed.write('x')
  container.end()
  assert.is(await made.code, 0)
  assert.is(made.stdout(), 'x')
})

test('-t into a pipe works, with a terminal of the default size inside', async () => {
  const made = call(['run', '-t', 'img'])
  assert.is(await made.code, 0)
  assert.is(made.fake.started[0]?.options.tty, true)
})

test('-it without a terminal outside says what to leave out', async () => {
  const made = call(['run', '-it', 'img'])
  assert.is(await made.code, 125)
  assert.is(
    made.stderr(),
    'slipway: -i with -t: not available on this host: our standard input is not a terminal\n' +
      '  hint: leave -t out, so that the input is passed on as it is\n',
  )
  assert.equal(made.fake.started, [])
})

test('the terminal is restored when the output fails half-way', async () => {
  const container = fakeContainer()
  const made = call(['run', '-it', 'img'], { tty, answers: { start: container } })
  await settle()
  container.printed.destroy(new Error('EIO'))
  container.end()
  assert.is(await made.code, 0)
  assert.equal(made.raw, [true, false])
})

test('a closed terminal takes that of the container along, and after the grace its life', async () => {
  for (const flags of [['-it'], ['-t'], []]) {
    const container = fakeContainer()
    const words = ['run', '--stop-timeout', '0', ...flags, 'img']
    const made = call(words, { tty, answers: { start: container } })
    await settle()
    made.signal('SIGHUP')
    assert.is(container.hangUps(), 0, "a signal alone is the container's business")
    made.close()
    made.signal('SIGHUP')
    made.signal('SIGHUP')
    await settle()
    assert.equal(container.kills, ['SIGHUP', 'SIGHUP', 'SIGHUP', 'SIGKILL'])
    assert.is(container.hangUps(), 1)
    container.end({ exitCode: 137 })
    assert.is(await made.code, 137)
  }
})

test('the end of our keys is a hangup too', async () => {
  const container = fakeContainer()
  const made = call(['run', '-it', 'img'], { tty, answers: { start: container } })
  await settle()
  made.keys.end()
  await settle()
  assert.is(container.hangUps(), 1)
  container.end({ exitCode: 129 })
  assert.is(await made.code, 129)
})

test.run()
