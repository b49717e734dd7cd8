// The command line on the real engine: what comes out, which signals arrive, and what a death or a race leaves.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { DEAR, modulesIn, writeLoadProbe } from './load-probe.ts'
import { openRealCli, outcomeOf, type RealCli, realCliNeeds } from './real-cli.ts'

const Real = suite('cli/real')
const why = realCliNeeds()
let cli: RealCli
Real.before(async () => {
  cli = await openRealCli()
})
Real.after(() => cli.close())
Real.afterEach(async () => {
  assert.equal(await cli.leftovers(), [])
})

const test = (name: string, body: () => Promise<void>, reason = why): void =>
  reason === undefined ? Real(name, body) : Real.skip(name, reason)

const sh = (script: string, ...flags: readonly string[]): readonly string[] => [
  ...['run', '--rm', ...flags, cli.image, 'sh', '-c', script],
]

/** Resolves when the child has written `text`. */
const said = (child: ChildProcess, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let all = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      all += chunk.toString()
      if (all.includes(text)) resolve()
    })
    child.on('close', () => reject(new Error(`ended before it said ${text}: ${all}`)))
  })

const LOOP = 'echo ready; while :; do sleep 0.05; done'

test('exit codes: the own one, 128 and the signal, 126 and 127', async () => {
  for (const [script, code] of [
    ['exit 0', 0],
    ['exit 3', 3],
    ['exit 255', 255],
  ] as const)
    assert.is((await cli.run(sh(script))).code, code)
  assert.is((await cli.run(sh('kill -TERM $$', '--init'))).code, 143)
  assert.is((await cli.run(sh('kill -KILL $$', '--init'))).code, 137)
})

test('every signal that can be caught reaches the program', async () => {
  for (const name of ['HUP', 'INT', 'QUIT', 'TERM', 'USR1', 'USR2', 'CONT', 'ALRM'] as const) {
    const child = cli.spawn(sh(`trap 'echo got ${name}; exit 5' ${name}; ${LOOP}`))
    const outcome = outcomeOf(child)
    await said(child, 'ready')
    child.kill(`SIG${name}`)
    const { code, stdout } = await outcome
    assert.equal([code, stdout], [5, `ready\ngot ${name}\n`])
  }
})

test('without --sig-proxy a signal ends us, and the container with us', async () => {
  const child = cli.spawn(sh(`trap 'echo never' TERM; ${LOOP}`, '--sig-proxy=false'))
  const outcome = outcomeOf(child)
  await said(child, 'ready')
  child.kill('SIGTERM')
  assert.is((await outcome).code, 143)
  await cli.run(['rm', '-f', 'nothing'])
})

test('killed without a chance, nothing is left after the next command', async () => {
  const child = cli.spawn(['run', '--rm', cli.image, 'sh', '-c', LOOP])
  const outcome = outcomeOf(child)
  await said(child, 'ready')
  child.kill('SIGKILL')
  assert.is((await outcome).code, 137)
  const listed = await cli.run(['ps', '-a', '--format', '{{.State}}'])
  assert.equal(listed, { code: 0, stdout: listed.stdout.replace(/running\n/, ''), stderr: '' })
})

test('one name, many at once: one gets it', async () => {
  const all = await Promise.all(
    Array.from({ length: 6 }, () => cli.run(['run', '--rm', '--name', 'one', cli.image, 'sleep', '1'])),
  )
  assert.equal(all.map(({ code }) => code).sort(), [0, 125, 125, 125, 125, 125])
  for (const { code, stderr } of all)
    if (code !== 0) assert.match(stderr, /^slipway: the name "one" is in use by container [0-9a-f]{12}\n$/)
})

test('a name whose holder was killed is free again', async () => {
  const child = cli.spawn(sh(LOOP, '--name', 'again'))
  const outcome = outcomeOf(child)
  await said(child, 'ready')
  child.kill('SIGKILL')
  await outcome
  assert.equal(await cli.run(sh('echo mine', '--name', 'again')), { code: 0, stdout: 'mine\n', stderr: '' })
})

test('a container that is kept is listed with its end, and removed by name', async () => {
  const file = path.join(cli.folder, 'id')
  const made = await cli.run([
    'run',
    '--name',
    'kept',
    '-l',
    'a=b',
    '--cidfile',
    file,
    cli.image,
    'sh',
    '-c',
    'exit 4',
  ])
  assert.is(made.code, 4)
  const row = '{{.ID}} {{.Names}} {{.State}} {{.Labels}} {{.Image}}'
  const listed = await cli.run(['ps', '-a', '--no-trunc', '--format', row])
  assert.is(listed.stdout, `${readFileSync(file, 'utf8')} kept exited a=b ${cli.image}\n`)
  assert.match((await cli.run(['ps', '-a'])).stdout, /Exited \(4\)/)
  assert.is((await cli.run(['ps', '-q'])).stdout, '')
  assert.equal(await cli.run(['rm', 'kept']), { code: 0, stdout: 'kept\n', stderr: '' })
})

test('ps tells for how long a container has been up', async () => {
  const child = cli.spawn(sh(LOOP))
  const outcome = outcomeOf(child)
  await said(child, 'ready')
  await sleep(1100)
  const { stdout } = await cli.run(['ps', '--format', '{{.Status}}'])
  assert.match(stdout, /^Up [1-9]\d* seconds?\n$/)
  child.kill('SIGTERM')
  await cli.run(['rm', '-f', (await cli.run(['ps', '-q'])).stdout.trim()])
  await outcome
})

test('a hundred megabytes of any bytes go in and come out', async () => {
  const block = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const file = path.join(cli.folder, 'bytes')
  writeFileSync(file, Buffer.alloc(100 * 2 ** 20, block))
  const child = spawn(
    'sh',
    ['-c', 'exec "$@" < "$0"', file, ...commandOf(['run', '--rm', '-i', cli.image, 'cat'])],
    {
      env: envOf(),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const hash = createHash('sha256')
  child.stdout.on('data', (chunk: Buffer) => hash.update(chunk))
  const code = await new Promise((resolve) => child.on('close', resolve))
  assert.is(code, 0)
  assert.is(hash.digest('hex'), createHash('sha256').update(readFileSync(file)).digest('hex'))
})

test('a reader that leaves a terminal run ends it', async () => {
  const child = spawn(
    'sh',
    ['-c', '("$@"; echo $? >&2) | true', 'sh', ...commandOf(['run', '--rm', '-t', cli.image, 'yes'])],
    {
      env: envOf(),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const { stderr } = await outcomeOf(child)
  assert.is(stderr, '141\n')
})

test(
  'a closed terminal ends the container, and us by its signal',
  async () => {
    for (const flags of [['-it'], ['-t'], []]) {
      const note = path.join(cli.folder, `code${flags.join('')}`)
      const words = commandOf(
        sh("trap '' HUP; echo ready; while :; do sleep 0.05; done", '--stop-timeout', '0', ...flags),
      )
      const script = path.join(cli.folder, 'inner.sh')
      const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
      // The leader dies of the hangup, as a shell does; what waits in it stays to tell the code.
      writeFileSync(script, `(trap '' HUP; ${quoted}; echo $? > '${note}')\ntrue\n`)
      const terminal = spawn('script', ['-qec', `sh ${script}`, '/dev/null'], {
        env: envOf(),
        stdio: ['pipe', 'pipe', 'ignore'],
      })
      await said(terminal, 'ready')
      terminal.kill('SIGKILL')
      await until(() => readdirSync(cli.folder).includes(path.basename(note)))
      await until(() => readFileSync(note, 'utf8') !== '')
      assert.is(readFileSync(note, 'utf8'), '129\n', flags.join())
    }
  },
  why ?? lacking('program:script'),
)

test("a variable file is ours, whoever runs us: Node's own flag of that name stays out", async () => {
  const file = path.join(cli.folder, 'vars')
  writeFileSync(file, 'NODE_OPTIONS=--nonsense\nA=1\n')
  const got = await cli.run(sh('echo $A $NODE_OPTIONS', '--env-file', file))
  assert.equal(got, { code: 0, stdout: '1 --nonsense\n', stderr: '' })
  const inner = await cli.run(['run', '--rm', cli.image, 'echo', '--env-file', '/nosuch'])
  assert.equal(inner, { code: 0, stdout: '--env-file /nosuch\n', stderr: '' })
})

test('few files may be open', async () => {
  const node = ['sh', '-c', 'ulimit -Sn 200; ulimit -Hn 200; exec "$0" "$@"', process.execPath]
  const words = ['run', '--rm', '--network', 'none', cli.image, 'sh', '-c', 'ulimit -n']
  const attached = await cli.run(words, {}, node)
  assert.equal(attached, { code: 0, stdout: '200\n', stderr: '' })
  const detached = await cli.run(['run', '-d', '--name', 'few', ...words.slice(2)], {}, node)
  assert.is(detached.code, 0, detached.stderr)
  assert.is((await cli.run(['wait', 'few'])).stdout, '0\n')
  assert.is((await cli.run(['logs', 'few'])).stdout, '200\n')
  assert.is((await cli.run(['rm', 'few'])).code, 0)
  // What the first detached one makes, and stays.
  await cli.leftovers()
})

test('arguments arrive as they are: empty ones, newlines, thirty thousand', async () => {
  const odd = await cli.run([
    'run',
    '--rm',
    cli.image,
    'sh',
    '-c',
    'printf "%s|" "$@"',
    'sh',
    'a\nb',
    '',
    ' c ',
    '--rm',
  ])
  assert.is(odd.stdout, 'a\nb|| c |--rm|')
  const many = await cli.run([
    'run',
    '--rm',
    cli.image,
    'sh',
    '-c',
    'echo $#',
    'sh',
    ...Array.from({ length: 30_000 }, String),
  ])
  assert.is(many.stdout, '30000\n')
})

test('a start loads none of the dear modules of Node; one of an image needs its hash, and no network', async () => {
  const probe = writeLoadProbe(cli.folder)
  const start = async (image: string, refused: readonly string[]): Promise<void> => {
    const { code, stderr } = await cli.run(['run', '--rm', image, 'true'], {}, [
      process.execPath,
      '-r',
      probe,
    ])
    const loaded = modulesIn(stderr)
    assert.is(code, 0, stderr)
    assert.ok(loaded.has('fs'), 'the probe works')
    assert.equal(
      refused.filter((name) => loaded.has(name)),
      [],
    )
  }
  await cli.run(['run', '--rm', 'host', 'true'])
  await cli.leftovers()
  await start('host', DEAR)
  await start(cli.image, ['net', 'tty', 'http', 'https', 'zlib', 'child_process', 'worker_threads'])
})

test(
  'a second engine in a pid and mount namespace of its own works, too',
  async () => {
    const words = commandOf(sh('echo nested'))
    const child = spawn('unshare', ['--mount', '--pid', '--fork', '--mount-proc', ...words], { env: envOf() })
    assert.equal(await outcomeOf(child), { code: 0, stdout: 'nested\n', stderr: '' })
  },
  why ?? lacking('program:unshare'),
)

const commandOf = (words: readonly string[]): string[] => [process.execPath, '--', cli.file, ...words]
const envOf = () => ({ ...process.env, ...cli.env })

const until = async (isSo: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 1000; tries++) {
    if (isSo()) return
    await sleep(20)
  }
  throw new Error('it never came about')
}

Real.run()
