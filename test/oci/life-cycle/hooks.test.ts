// The six hooks: their order, where they run, what they are told, and what their failures do. Beside runc.
import { readFileSync, readlinkSync, rmSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { type Box, NEEDS, openBox, PEERS, type Runtime, until } from './support.ts'

const test = suite('oci/life-cycle/hooks')
test.requires(...NEEDS)

let box: Box
test.before(() => {
  box = openBox()
})
test.after(() => box.close())

const RUNTIME_HOOKS = ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'] as const
const ALL = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop']
/** Steps 3 to 5 of the life cycle come after the one that is called creating, and before the program. runtime-spec runtime.md. */
const STATUS = ['created', 'created', 'created', 'created', 'running', 'stopped']

/** A busybox that is not called sh would be another program: it is the folder before that tells argv[0]. */
const SCRIPT =
  'read -r state; read -r zero < /proc/self/cmdline; echo "$HOOK|$(printf %.30s "$zero")|$(readlink /proc/self/ns/mnt)|$(env | grep -v -E "^(PWD|SHLVL|_|OLDPWD|PATH)=" | sort | tr "\\n" ",")|$state" >> '

const hookOf = (name: string, log: string) => ({
  path: '/bin/sh',
  args: [`/zero-${name}/sh`, '-c', `${SCRIPT}${log}`],
  env: [`HOOK=${name}`, 'B=two words'],
})

/** A path that the container sees, too. */
const hooksInto = (file: string) => ({
  ...Object.fromEntries(RUNTIME_HOOKS.map((name) => [name, [hookOf(name, path.join(box.rootfs, file))]])),
  startContainer: [hookOf('startContainer', file)],
})

interface Told {
  readonly name: string
  readonly zero: string
  readonly mnt: string
  readonly env: string
  readonly state: Record<string, unknown>
}

const toldIn = (file: string): readonly Told[] =>
  readFileSync(path.join(box.rootfs, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', zero = '', mnt = '', env = '', ...state] = line.split('|')
      return { name, zero, mnt, env, state: JSON.parse(state.join('|')) }
    })

/** All hooks of one life, what they were told, and the container's mount namespace. */
const life = async (runtime: Runtime) => {
  const file = `/work/hooks-${runtime}`
  rmSync(path.join(box.rootfs, file), { force: true })
  const change = { more: { hooks: hooksInto(file), annotations: { 'com.example.key': 'v' } } }
  const id = await box.created(change, { runtime })
  const { pid, bundle } = await box.state(id, runtime)
  const mnt = readlinkSync(`/proc/${pid}/ns/mnt`)
  for (const words of [
    ['start', id],
    ['delete', '--force', id],
  ]) {
    const { code, err } = await box.call(words, { runtime })
    assert.is(code, 0, err)
  }
  return { id, pid, bundle, mnt, told: toldIn(file) }
}

test('six hooks run in order, each in its namespaces, with state and environment of its own', async () => {
  const { id, pid, bundle, mnt, told } = await life('slipway')
  assert.equal(
    told.map(({ name }) => name),
    ALL,
  )
  const own = readlinkSync('/proc/self/ns/mnt')
  assert.equal(
    told.map((each) => (each.mnt === own ? 'runtime' : each.mnt === mnt ? 'container' : each.mnt)),
    ['runtime', 'runtime', 'container', 'container', 'runtime', 'runtime'],
  )
  told.forEach(({ name, zero, env, state }, index) => {
    assert.ok(zero.startsWith(`/zero-${name}/sh-c`), zero)
    assert.is(env, `B=two words,HOOK=${name},`, name)
    const inside = name === 'createContainer' || name === 'startContainer'
    const numbered = name === 'poststop' ? {} : { pid: inside ? 1 : pid }
    const annotations = { 'com.example.key': 'v' }
    assert.equal(state, { ociVersion: '1.0.2', id, status: STATUS[index], ...numbered, bundle, annotations })
  })
})

if (PEERS.includes('runc')) {
  test('runc runs the same hooks with the same state', async () => {
    const shape = async (runtime: Runtime) => {
      const { told, pid, bundle, id } = await life(runtime)
      return told.map(({ name, zero, env, state }) => {
        const { annotations, ociVersion: _, ...rest } = state
        // runc tells 0 where there is none.
        const number = state.pid === pid ? 'host' : (state.pid ?? 0)
        const key = (annotations as Record<string, string>)['com.example.key']
        // Its poststart hooks may be before the startContainer hooks, and are told so; it is creating up to its pivot_root.
        const status = name === 'poststart' ? 'running' : String(state.status).replace('creating', 'created')
        return [
          name,
          zero,
          env,
          { ...rest, status, pid: number, key, id: state.id === id, bundle: state.bundle === bundle },
        ]
      })
    }
    const byName = (rows: unknown[][]) => rows.sort(([a], [b]) => String(a).localeCompare(String(b)))
    assert.equal(byName(await shape('slipway')), byName(await shape('runc')))
  })
}

test('a hook without an environment has that of the runtime, in the container none', async () => {
  const file = path.join(box.rootfs, 'work/inherited')
  const tell = (where: string) => [{ path: '/bin/sh', args: ['sh', '-c', `echo "<$MARK>" >> ${where}`] }]
  const hooks = { createRuntime: tell(file), startContainer: tell('/work/inherited') }
  const id = await box.created({ more: { hooks } }, { env: { MARK: 'outside' } })
  assert.is((await box.call(['start', id], { env: { MARK: 'outside' } })).code, 0)
  assert.is(readFileSync(file, 'utf8'), '<outside>\n<>\n')
  await box.gone(id)
})

const failing = { path: '/bin/sh', args: ['sh', '-c', 'echo what is wrong >&2; exit 3'] }

for (const name of ['prestart', 'createRuntime', 'createContainer']) {
  test(`create fails with a ${name} hook, and leaves nothing`, async () => {
    const id = box.newId()
    const bundle = box.bundle(id, { more: { hooks: { [name]: [failing] } } })
    const { code, err } = await box.call(['create', '--bundle', bundle, id])
    assert.is(code, 1)
    assert.match(err, new RegExp(`${name} hook: /bin/sh: exit code 3`))
    if (name !== 'createContainer') assert.match(err, /what is wrong/)
    assert.equal(box.left(id), [])
  })
}

test('start fails with a startContainer hook, and its program never runs', async () => {
  const args = ['touch', '/work/after-hook']
  const id = await box.created({ args, more: { hooks: { startContainer: [failing] } } })
  const { code, err } = await box.call(['start', id])
  assert.is(code, 1)
  assert.match(err, /startContainer hook: \/bin\/sh: exit code 3/)
  await box.untilStatus(id, 'stopped')
  assert.throws(() => readFileSync(path.join(box.rootfs, 'work', 'after-hook')))
  await box.gone(id)
})

test('a poststart hook that fails is logged, the next one runs, and so does the container', async () => {
  const file = path.join(box.rootfs, 'work/after-poststart')
  const next = { path: '/bin/sh', args: ['sh', '-c', `echo ran > ${file}`] }
  const id = await box.created({ more: { hooks: { poststart: [failing, next] } } })
  const log = path.join(box.folder, 'poststart-log')
  assert.is((await box.call(['--log', log, '--log-level', 'warning', 'start', id])).code, 0)
  assert.match(readFileSync(log, 'utf8'), /level=warning .*poststart hook.*exit code 3/)
  assert.is(readFileSync(file, 'utf8'), 'ran\n')
  assert.is((await box.state(id)).status, 'running')
  await box.gone(id)
})

test('from version 1.3 on it stops the container', async () => {
  const file = path.join(box.rootfs, 'work/never')
  const next = { path: '/bin/sh', args: ['sh', '-c', `echo ran > ${file}`] }
  const id = await box.created({ more: { ociVersion: '1.3.0', hooks: { poststart: [failing, next] } } })
  const { code, err } = await box.call(['start', id])
  assert.is(code, 1)
  assert.match(err, /poststart hook: \/bin\/sh: exit code 3/)
  assert.is((await box.state(id)).status, 'stopped')
  assert.throws(() => readFileSync(file))
  await box.gone(id)
})

test('poststop hooks run each after the other, whatever they end with', async () => {
  const last = { path: '/bin/sh', args: ['sh', '-c', `echo ran >> ${path.join(box.rootfs, 'work/last')}`] }
  const id = await box.started({ more: { hooks: { poststop: [failing, last] } } })
  const log = path.join(box.folder, 'log')
  const words = ['--log', log, '--log-level', 'warning', 'delete', '--force', id]
  assert.is((await box.call(words)).code, 0)
  assert.is(readFileSync(path.join(box.rootfs, 'work/last'), 'utf8'), 'ran\n')
  assert.match(readFileSync(log, 'utf8'), /level=warning .*poststop hook.*exit code 3/)
  assert.equal(box.left(id), [])
})

for (const name of ['createRuntime', 'createContainer', 'startContainer']) {
  test(`a ${name} hook that is late is killed, and tells so`, async () => {
    const slow = { path: '/bin/sleep', args: ['sleep', '30'], timeout: 1 }
    const id = box.newId()
    const words = ['--bundle', box.bundle(id, { more: { hooks: { [name]: [slow] } } }), id]
    const before = Date.now()
    const made = await box.call(['create', ...words])
    const { code, err } = name === 'startContainer' ? await box.call(['start', id]) : made
    assert.is(code, 1)
    assert.match(err, new RegExp(`${name} hook: /bin/sleep: .*timeout`))
    assert.ok(Date.now() - before < 10_000)
    await box.gone(id)
  })
}

test('a hook need not read what it is told', async () => {
  const deaf = { path: '/bin/true' }
  const annotations = { 'com.example.long': 'x'.repeat(300_000) }
  const hooks = { ...Object.fromEntries(ALL.map((name) => [name, [deaf]])) }
  const id = await box.started({ more: { hooks, annotations } })
  await box.gone(id)
})

test('a hook in the container reads all of a long state', async () => {
  const count = { path: '/bin/sh', args: ['sh', '-c', 'wc -c > /work/size-startContainer'] }
  const outside = { path: '/bin/sh', args: ['sh', '-c', `wc -c > ${box.rootfs}/work/size-createContainer`] }
  const annotations = { 'com.example.long': 'x'.repeat(300_000) }
  const id = await box.started({
    more: { hooks: { startContainer: [count], createContainer: [outside] }, annotations },
  })
  for (const name of ['createContainer', 'startContainer']) {
    const file = path.join(box.rootfs, `work/size-${name}`)
    const size = await until('it is counted', () => Number(readFileSync(file, 'utf8')) || undefined)
    assert.ok(size > 300_000, `${name}: ${size}`)
  }
  await box.gone(id)
})

test.run()
