// replace on the real kernel: what changes and what stays, what makes the new one good enough, and how the old one is put back.
import { createEngine, type ReplaceChanges, type ReplaceOptions } from '../../src/index.ts'
import { failure, librarySuite, pause } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/replace')
const containers = () => box().engine.containers
const GRACE = { grace: 50 } as const

const withWeb = async (options: object, use: (id: string) => Promise<void>, runs = true): Promise<void> => {
  const before = box().census()
  const { id } = await containers().create({ rootfs: box().rootfs }, ['sleep', '1000'], {
    name: 'web',
    stopTimeout: 1,
    ...options,
  })
  try {
    if (runs) await containers().start(id)
    await use(id)
  } finally {
    await box().engine.remove('web', { force: true, volumes: true })
  }
  assert.equal(await box().unchanged(before), [])
}
const textOf = async (container: string, ...argv: readonly string[]): Promise<string> => {
  const process = await containers().exec(container, argv, { stdin: 'ignore', stderr: 'ignore' })
  let text = ''
  for await (const chunk of process.stdout ?? []) text += String(chunk)
  await process.exit
  return text.trim()
}
const isOld = async (id: string): Promise<void> => {
  assert.equal(
    (await box().engine.list()).map((each) => [each.id, each.name, each.status]),
    [[id, 'web', 'running']],
  )
}
const refused = (changes: ReplaceChanges, options: ReplaceOptions = GRACE) =>
  failure(containers().replace('web', changes, options))

test('a first one makes what stays of a root', async () => {
  await containers().create({ rootfs: box().rootfs }, ['sleep', '1000'], {
    name: 'web',
    memory: '64MiB',
    mounts: [{ type: 'volume', target: '/own' }],
  })
  await containers().start('web')
  await textOf('web', 'true')
  await containers().replace('web', {}, GRACE)
  await containers().pause('web')
  await containers().unpause('web')
  await box().engine.remove('web', { force: true, volumes: true })
})
test('what is not given stays, and what is given is added', () =>
  withWeb(
    {
      env: { A: '1', B: '1' },
      labels: { one: '1' },
      hostname: 'inside',
      memory: '64MiB',
      restart: 'on-failure:3',
      mounts: [
        { type: 'volume', target: '/own' },
        { type: 'tmpfs', target: '/t' },
      ],
    },
    async (id) => {
      await textOf('web', 'sh', '-c', 'echo data > /own/file')
      const before = (await containers().inspect('web')).document
      const changes = {
        env: { B: '2' },
        labels: { two: '2' },
        mounts: [{ type: 'tmpfs', target: '/u' }],
      } as const
      const next = await containers().replace('web', changes, GRACE)
      assert.is.not(next.id, id)
      assert.is(next.name, 'web')
      const after = (await containers().inspect('web')).document
      assert.equal(after.options.env, { A: '1', B: '2' })
      assert.equal(after.options.labels, { one: '1', two: '2' })
      assert.equal(after.policies, before.policies)
      assert.is(after.options.memory, before.options.memory)
      assert.equal(after.options.mounts?.slice(0, 2), before.options.mounts)
      assert.is(await textOf('web', 'cat', '/own/file'), 'data')
      assert.is(await textOf('web', 'sh', '-c', 'echo $A$B; hostname; ls -d /u'), '12\ninside\n/u')
    },
  ))
test('one that does not run is replaced without a start', () =>
  withWeb(
    {},
    async (id) => {
      const next = await containers().replace('web', { argv: ['sleep', '2000'] }, GRACE)
      assert.is.not(next.id, id)
      const { document, isAlive, exit } = await containers().inspect('web')
      assert.equal([document.argv, isAlive, exit], [['sleep', '2000'], false, undefined])
    },
    false,
  ))
test('one that becomes healthy takes the place; the check of the options goes with it', () =>
  withWeb({ health: { command: 'test -e /ready', interval: '30ms', retries: 1000 } }, async (id) => {
    const next = await containers().replace(
      'web',
      { argv: ['sh', '-c', 'sleep 0.3; touch /ready; exec sleep 1000'] },
      { timeout: '20s' },
    )
    assert.is.not(next.id, id)
    assert.is((await containers().inspect('web')).state?.health?.status, 'healthy')
  }))
for (const [what, changes, options, why] of [
  [
    'becomes unhealthy',
    { health: { command: 'false', interval: '20ms', retries: 2 } },
    {},
    'became unhealthy',
  ],
  [
    'exits at once',
    { argv: ['sh', '-c', 'echo first; echo last words >&2; exit 3'] },
    {},
    'ended with exit code 3',
  ],
  [
    'is started again and again',
    { argv: ['false'], restart: 'always' },
    { grace: 400 },
    'ended with exit code 1',
  ],
  [
    'never becomes healthy',
    { health: { command: 'false', interval: '20ms', retries: 1000 } },
    { timeout: '200ms' },
    'was not healthy within 0.2 s',
  ],
] as const)
  test(`one that ${what} is removed, and the old one runs again`, () =>
    withWeb({ mounts: [{ type: 'volume', target: '/own' }] }, async (id) => {
      await textOf('web', 'sh', '-c', 'echo data > /own/file')
      const error = await refused({ ...changes, mounts: [{ type: 'volume', target: '/fresh' }] }, options)
      assert.is(error._tag, 'ReplaceFailed')
      assert.match(error.message, `the new container ${why}`)
      assert.match(error.message, 'the old one is back')
      await isOld(id)
      assert.is(await textOf('web', 'cat', '/own/file'), 'data')
      assert.is((await box().engine.volumes()).length, 1)
    }))
test('the last lines of the new one are told', () =>
  withWeb({}, async () => {
    const error = await refused({ argv: ['sh', '-c', 'echo first; echo last words; exit 3'] })
    assert.equal((error.error as { readonly log?: readonly string[] }).log, ['first', 'last words'])
    assert.match(error.message, 'it wrote last: last words')
  }))
for (const [what, changes, tag] of [
  ['an unknown image', { image: 'no.such/image:1' }, 'ImageNotFound'],
  ['a directory that is not there', { image: { rootfs: '/no/such/root' } }, 'SyscallFailed'],
  ['a program that is not there', { argv: ['/no/such/program'] }, 'CommandNotFound'],
  ['an unknown user', { user: 'nobody-here' }, 'UnknownUser'],
  ['a name', { name: 'other' }, 'InvalidOption'],
  ['an option that is wrong', { memory: 'much' }, 'InvalidOption'],
] as const)
  test(`${what} is told, and the old one runs`, () =>
    withWeb({}, async (id) => {
      assert.is((await refused(changes as ReplaceChanges))._tag, tag)
      await isOld(id)
    }))
test('a signal gives up, and the old one runs again', () =>
  withWeb({}, async (id) => {
    const controller = new AbortController()
    const replaced = refused({}, { grace: '1h', timeout: '1h', signal: controller.signal })
    await pause(300)
    controller.abort(new Error('enough'))
    const error = await replaced
    assert.is(error._tag, 'Cancelled')
    await isOld(id)
    assert.is((await refused({}, { signal: AbortSignal.abort() }))._tag, 'Cancelled')
    await isOld(id)
  }))
test('of two at once one wins, and the other one is told', () =>
  withWeb({}, async (id) => {
    const other = createEngine({ root: box().root, networksAhead: 0 })
    const all = await Promise.allSettled([
      containers().replace('web', {}, { grace: 400 }),
      other.containers.replace('web', {}, { grace: 400 }),
    ])
    await other.close()
    const lost = all.filter((each) => each.status === 'rejected')
    assert.is(lost.length, 1)
    assert.match(String(lost[0]?.reason), 'container web is already being replaced')
    const found = await box().engine.list()
    assert.is(found.length, 1)
    assert.is.not(found[0]?.id, id)
  }))
test('one that is attached, removes itself, is paused or is not there is refused', async () => {
  await withWeb({ autoRemove: true }, async (id) => {
    assert.match((await refused({})).message, 'it is removed when it ends')
    await isOld(id)
  })
  await withWeb({ memory: '64MiB' }, async () => {
    await containers().pause('web')
    assert.match((await refused({})).message, 'container web is paused')
    await containers().unpause('web')
  })
  const attached = await box().engine.start({ rootfs: box().rootfs }, ['sleep', '1000'], { name: 'web' })
  assert.match((await refused({})).message, 'it is attached')
  attached.kill('SIGKILL')
  await attached.removed
  assert.is((await refused({}))._tag, 'ContainerNotFound')
})
test('one that is renamed meanwhile keeps its new name', () =>
  withWeb({}, async (id) => {
    const replaced = containers().replace('web', {}, { grace: 500 })
    await pause(150)
    await containers().rename(id, 'shop')
    assert.is((await replaced).name, 'shop')
    await containers().rename('shop', 'web')
  }))
run()
