// The OCI runtime inside this process: slipway/runtime, beside the command on the same containers.
import { readdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { OciCreateOptions, OciExecOptions, OciProcess, Runtime } from '../../src/runtime.ts'
import { openRuntime, type Spec } from '../../src/runtime.ts'
import { failure } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'
import { type Box, type Change, NEEDS, openBox, until } from './life-cycle/support.ts'

const test = suite('oci/runtime library')
test.requires(...NEEDS)

let box: Box
let runtime: Runtime
const warnings: string[] = []
test.before(() => {
  box = openBox()
  runtime = openRuntime({ root: box.root, onWarning: (text) => warnings.push(text) })
})
test.after(async () => {
  runtime.close()
  await box.close()
})

const SILENT = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const

const create = (id: string, change?: Change, options: OciCreateOptions = SILENT): Promise<OciProcess> =>
  runtime.create(id, box.bundle(id, change), options)

const running = async (change?: Change): Promise<string> => {
  const id = box.newId()
  await create(id, change)
  await runtime.start(id)
  return id
}

const textOf = async (stream: AsyncIterable<unknown> | null): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of stream ?? []) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const exec = async (
  id: string,
  program: readonly string[],
  options: OciExecOptions = {},
): Promise<readonly [code: number, out: string]> => {
  const made = await runtime.exec(id, program, { ...SILENT, stdout: 'pipe', ...options })
  const out = await textOf(made.stdout)
  return [await made.exit, out]
}

test('a container goes through its whole life', async () => {
  const id = box.newId()
  const made = await create(id, { args: ['sh', '-c', 'echo said; exit 7'] }, { ...SILENT, stdout: 'pipe' })
  const { status, pid, bundle } = await runtime.state(id)
  assert.equal([status, pid], ['created', made.pid])
  assert.ok(bundle.startsWith(box.folder))
  await runtime.start(id)
  assert.is(await textOf(made.stdout), 'said\n')
  assert.is(await made.exit, 7)
  assert.equal((await runtime.state(id)).status, 'stopped')
  await runtime.delete(id)
  assert.equal(box.left(id), [])
})

test('a program that cannot be executed is told by start, whoever made the container', async () => {
  const args = ['/no-program']
  writeFileSync(path.join(box.rootfs, 'no-program'), 'neither a script nor a program', { mode: 0o755 })
  const [own, theirs] = [box.newId(), await box.created({ args })]
  const made = await create(own, { args })
  for (const id of [own, theirs]) {
    const { error } = await failure(runtime.start(id))
    assert.equal(error, { _tag: 'CommandNotExecutable', command: '/no-program', errno: 8 })
    assert.is((await runtime.state(id)).status, 'stopped')
    await runtime.delete(id)
    assert.equal(box.left(id), [])
  }
  assert.is(await made.exit, 127)
})

test('a container of this process can be started by another one, and one of another by this', async () => {
  const [own, theirs] = [box.newId(), await box.created({ args: ['sh', '-c', 'exit 3'] })]
  const made = await create(own, { args: ['sh', '-c', 'exit 4'] })
  await box.ok('start', own)
  await runtime.start(theirs)
  assert.is(await made.exit, 4)
  for (const id of [own, theirs]) {
    await box.untilStatus(id, 'stopped')
    await runtime.delete(id)
    assert.equal(box.left(id), [])
  }
})

test('each container has a network of its own, made ahead or not, with lo up', async () => {
  const namespaces = ['pid', 'mount', 'network'].map((type) => ({ type }))
  const script = 'cat /sys/class/net/lo/flags; ls /sys/class/net'
  const mounts = [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro'] },
  ]
  const seen = new Set<string>([readlinkSync('/proc/self/ns/net')])
  const ids: string[] = []
  // All at once: the number of one that is gone may be another's.
  for (let life = 0; life < 4; life++) {
    const id = box.newId()
    ids.push(id)
    const { pid } = await create(id, { linux: { namespaces }, more: { mounts } })
    await runtime.start(id)
    const [code, said] = await exec(id, ['sh', '-c', script])
    const [flags, ...devices] = said.trim().split('\n')
    assert.equal([code, Number(flags) & 1, devices], [0, 1, ['lo']])
    const namespace = readlinkSync(`/proc/${pid}/ns/net`)
    assert.not.ok(seen.has(namespace))
    seen.add(namespace)
  }
  for (const id of ids) await runtime.delete(id, { force: true })
})

test('lives one after the other share what was found out about their document, and not their names', async () => {
  const document = { args: ['sh', '-c', 'cat /proc/self/cgroup'] }
  for (let life = 0; life < 3; life++) {
    const id = box.newId()
    const made = await create(id, document, { ...SILENT, stdout: 'pipe' })
    await runtime.start(id)
    const groups = (await textOf(made.stdout)).trim().split('\n')
    assert.is(await made.exit, 0)
    assert.ok(groups.some((line) => line.endsWith(`/${id}`)))
    await runtime.delete(id)
    assert.equal(box.left(id), [])
  }
})

test('run does all of it and gives the exit code', async () => {
  const id = box.newId()
  const bundle = box.bundle(id, { args: ['sh', '-c', 'exit 5'] })
  assert.is(await runtime.run(id, bundle, SILENT), 5)
  assert.equal(box.left(id), [])
})

test('run of a program that is not there fails, and leaves nothing', async () => {
  const id = box.newId()
  const { error } = await failure(runtime.run(id, box.bundle(id, { args: ['/no-such'] }), SILENT))
  assert.equal(error, { _tag: 'CommandNotFound', command: '/no-such' })
  assert.equal(box.left(id), [])
})

test('a document takes the place of the bundle’s own', async () => {
  const id = box.newId()
  const directory = box.bundle(id, { args: ['false'] })
  const spec = box.document(id, { args: ['sh', '-c', 'exit 3'] }) as Spec
  assert.is(await runtime.run(id, directory, { ...SILENT, spec }), 3)
})

test('the command sees a container of the library, and the other way round', async () => {
  const mine = await running()
  assert.equal((await box.state(mine)).status, 'running')
  assert.is(await box.ok('exec', mine, 'echo', 'from outside'), 'from outside\n')
  await box.gone(mine)
  const theirs = await box.started()
  assert.equal(await exec(theirs, ['echo', 'from inside']), [0, 'from inside\n'])
  assert.equal(
    (await runtime.list()).map(({ id }) => id).filter((id) => id === theirs || id === mine),
    [theirs],
  )
  await runtime.delete(theirs, { force: true })
  assert.equal(box.left(theirs), [])
})

test('a container lives on when the runtime is closed', async () => {
  const other = openRuntime({ root: box.root })
  const id = box.newId()
  const made = await other.create(id, box.bundle(id), SILENT)
  await other.start(id)
  other.close()
  made.unref()
  assert.is((await runtime.state(id)).status, 'running')
  await runtime.delete(id, { force: true })
})

test('exec: what it is given, and how it ends', async () => {
  const id = await running()
  assert.equal(
    await exec(id, ['sh', '-c', 'echo $A; pwd; id -u; exit 9'], {
      env: { A: 'x y' },
      cwd: '/tmp',
      user: '5:6',
    }),
    [9, 'x y\n/tmp\n5\n'],
  )
  assert.equal(await exec(id, ['cat'], { stdin: 'typed' }), [0, 'typed'])
  const whole = {
    args: ['sh', '-c', 'echo $B'],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    env: ['PATH=/bin', 'B=document'],
  }
  const made = await runtime.exec(id, whole, { ...SILENT, stdout: 'pipe' })
  assert.is(await textOf(made.stdout), 'document\n')
  await runtime.delete(id, { force: true })
})

test('exec: again and again, in different manners, each is its own', async () => {
  const id = await running()
  for (let round = 0; round < 3; round++)
    for (const word of ['one', 'two'])
      assert.equal(
        await exec(id, ['sh', '-c', `echo ${word} $$0 >&1; test $A = ${round}`], {
          env: { A: String(round) },
        }).then(([code]) => code),
        0,
      )
  await runtime.delete(id, { force: true })
})

test('exec: a later container of the same name is not taken for the first', async () => {
  const id = box.newId()
  for (const name of ['first', 'second']) {
    await create(id, { more: { hostname: name }, process: { env: ['PATH=/bin', `WHICH=${name}`] } })
    await runtime.start(id)
    assert.equal(await exec(id, ['sh', '-c', 'hostname; echo $WHICH']), [0, `${name}\n${name}\n`])
    await runtime.delete(id, { force: true })
  }
})

test('exec: with a terminal', async () => {
  const id = await running()
  const made = await runtime.exec(id, ['sh', '-c', 'stty size; read line; echo "got $line"'], { tty: true })
  made.resize(123, 45)
  made.stdin?.write('hello\n')
  const said = await textOf(made.stdout)
  assert.match(said, 'got hello')
  assert.is(await made.exit, 0)
  assert.is(made.stderr, null)
  await runtime.delete(id, { force: true })
})

test('exec: an abort kills it; one that came before starts nothing', async () => {
  const id = await running()
  const controller = new AbortController()
  const made = await runtime.exec(id, ['sleep', '1000'], { ...SILENT, signal: controller.signal })
  controller.abort()
  assert.is(await made.exit, 137)
  const { error } = await failure(runtime.exec(id, ['true'], { ...SILENT, signal: controller.signal }))
  assert.is(error._tag, 'Cancelled')
  await runtime.delete(id, { force: true })
})

test('exec: kill sends the signal that is named, and after the end nothing', async () => {
  const id = await running()
  const made = await runtime.exec(id, ['sleep', '1000'], SILENT)
  assert.throws(() => made.kill('SIGNOTHING'), /no such signal|signal/i)
  made.kill('SIGINT')
  assert.is(await made.exit, 130)
  made.kill()
  await runtime.delete(id, { force: true })
})

test('pause, resume, update, ps, stats, kill', async () => {
  const id = await running()
  await runtime.pause(id)
  assert.is((await runtime.state(id)).status, 'paused')
  assert.is((await failure(runtime.exec(id, ['true']))).error._tag, 'WrongStatus')
  await runtime.resume(id)
  await runtime.update(id, { pids: { limit: 17 } })
  const stats = await runtime.stats(id)
  assert.is(stats.pids.limit, 17)
  assert.equal(await runtime.ps(id), [(await runtime.state(id)).pid])
  await runtime.kill(id, 0)
  await runtime.kill(id, 'KILL', { all: true })
  for (let tries = 0; (await runtime.state(id)).status !== 'stopped'; tries++) {
    assert.ok(tries < 500)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await runtime.delete(id)
  assert.equal(box.left(id), [])
})

test('features are those of the command', async () => {
  const withoutVersion = (text: string): unknown => ({ ...JSON.parse(text), annotations: undefined })
  assert.equal(withoutVersion(JSON.stringify(runtime.features())), withoutVersion(await box.ok('features')))
})

test('what is wrong with an option, an id or a document is named', async () => {
  const id = await running()
  const wrong = async (body: Promise<unknown>): Promise<string> => {
    const { error } = await failure(body)
    return error._tag === 'InvalidOption'
      ? `${error.option}: ${error.why}`
      : error._tag === 'InvalidSpec'
        ? `${error.document} ${error.where}: ${error.why}`
        : error._tag
  }
  const any = (value: unknown): never => value as never
  const bundle = box.bundle('x')
  assert.equal(
    [
      await wrong(runtime.create('a/b', bundle)),
      await wrong(runtime.create(any(7), bundle)),
      await wrong(runtime.create('x', any(7))),
      await wrong(runtime.create('x', bundle, any({ specc: {} }))),
      await wrong(runtime.create('x', bundle, { spec: any({ ociVersion: '1.0.0' }) })),
      await wrong(runtime.create('x', bundle, { consoleSocket: '/s' })),
      await wrong(runtime.create('x', path.join(box.folder, 'nowhere'))),
      await wrong(runtime.exec(id, [])),
      await wrong(runtime.exec(id, any({ cwd: '/' }))),
      await wrong(
        runtime.exec(id, any({ args: ['x'], cwd: '/', user: { uid: 0, gid: 0 } }), { cwd: '/tmp' }),
      ),
      await wrong(runtime.exec(id, ['true'], { user: 'root' })),
      await wrong(runtime.exec(id, ['true'], { cwd: 'tmp' })),
      await wrong(runtime.exec(id, ['true'], any({ stdout: 5 }))),
      await wrong(runtime.exec('no-such', ['true'])),
      await wrong(runtime.kill(id, 'SIGNOTHING')),
      await wrong(runtime.kill(id, 'TERM', any({ al: true }))),
      await wrong(runtime.delete(id)),
      await wrong(runtime.delete(id, any({ force: 'yes' }))),
      await wrong(runtime.update(id, any({ pids: { limit: 'x' } }))),
      await wrong(runtime.state('no-such')),
      await wrong(runtime.start(id)),
    ],
    [
      'container id: invalid container id format: letters, digits and _ + - . are allowed',
      'id: expected a string',
      'bundle: expected a string',
      'specc: no such option; did you mean spec?',
      'spec $.root: is required',
      'consoleSocket: is for a process with a terminal',
      'SyscallFailed',
      'program: is empty',
      'process $.user: is required',
      'cwd: a whole document says it already',
      'user: expected UID or UID:GID, as numbers',
      'cwd: must be an absolute path',
      "stdout: expected 'pipe', 'ignore', 'inherit', a stream, { file } or { fd }",
      'ContainerNotFound',
      'signal: no such signal',
      'al: no such option; did you mean all?',
      'WrongStatus',
      'force: expected true or false',
      'resources $.pids.limit: expected a whole number, got "x"',
      'ContainerNotFound',
      'WrongStatus',
    ],
  )
  const opened = (): unknown => openRuntime(any({ root: '/' }))
  assert.throws(opened, /must not be \//)
  await runtime.delete(id, { force: true })
})

test('what is being created here is not deleted meanwhile', async () => {
  const id = box.newId()
  const making = create(id)
  const early = await failure(runtime.delete(id, { force: true })).catch(() => undefined)
  await making
  if (early !== undefined) assert.ok(['WrongStatus', 'ContainerNotFound'].includes(early.error._tag))
  await runtime.delete(id, { force: true })
  assert.equal(box.left(id), [])
})

test('two who delete by force are both told that it is gone', async () => {
  const id = await running()
  const both = await Promise.all([1, 2].map(() => runtime.delete(id, { force: true })))
  assert.equal(both, [undefined, undefined])
  assert.equal(box.left(id), [])
})

test('failures and ends leave no descriptor open', async () => {
  const count = (): number => readdirSync('/proc/self/fd').length
  const id = await running()
  const work = async (): Promise<void> => {
    await failure(runtime.exec(id, ['/no-such'], { stdout: 'pipe' }))
    await failure(runtime.create(id, box.bundle(id), { stdout: 'pipe' }))
    await exec(id, ['true'])
    const made = await runtime.exec(id, ['true'], { tty: true })
    await textOf(made.stdout)
    await made.exit
  }
  await work()
  const before = count()
  for (let round = 0; round < 5; round++) await work()
  const after = await until('descriptors to be closed', () => (count() <= before ? count() : undefined))
  assert.ok(after <= before)
  await runtime.delete(id, { force: true })
})

test('a state that a machine’s crash has emptied can be deleted', async () => {
  for (const text of ['', '\0'.repeat(4096)]) {
    const id = await running()
    await runtime.kill(id, 'KILL')
    await box.untilStatus(id, 'stopped')
    const state = path.join(box.root, id, 'state.json')
    const record = JSON.parse(readFileSync(state, 'utf8'))
    writeFileSync(state, text)
    assert.is((await failure(runtime.state(id))).error._tag, 'ContainerNotFound')
    await box.ok('delete', '--force', id)
    assert.not.ok(readdirSync(box.root).includes(id))
    // Its groups are still there, as they are not after a crash.
    for (const group of new Set<string>(Object.values(record.cgroup.paths))) rmdirSync(group)
  }
})

test('compiled filters are kept beside the containers, and are none', async () => {
  const seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO', errnoRet: 77 }],
  }
  const id = await running({ linux: { seccomp } })
  assert.ok(readdirSync(path.join(box.root, '~filters')).length > 0)
  assert.equal(
    (await runtime.list()).map((each) => each.id).filter((each) => each.includes('filters')),
    [],
  )
  assert.match(String(await exec(id, ['sh', '-c', 'mkdir /tmp/x 2>&1'])), 'bad state')
  await runtime.delete(id, { force: true })
})

test('of a capability that there is not is warned, and of nothing else', async () => {
  assert.equal(warnings, [])
  const id = await running({ process: { capabilities: { bounding: ['CAP_KILL', 'CAP_NO_SUCH'] } } })
  await runtime.delete(id, { force: true })
  assert.equal(warnings, ['ignored capabilities, which this kernel has not: CAP_NO_SUCH'])
})

test('a start that fails before there is a process ends', async () => {
  const id = box.newId()
  const namespaces = [{ type: 'mount' }, { type: 'uts', path: '/no/such/namespace' }]
  const call = await box.call(['create', '--bundle', box.bundle(id, { linux: { namespaces } }), id])
  assert.is(call.code, 1)
  assert.match(call.err, '/no/such/namespace')
  assert.equal(box.left(id), [])
})

test.run()
