// What must hold for every plan, whatever was asked for.
import fc from 'fast-check'
import { CLONE_NEWNS, RESOLVE_IN_ROOT } from '../../../src/plan/kernel.ts'
import { type LaunchPlan, planArmed, planLaunch, servesAs } from '../../../src/plan/launch/index.ts'
import { ownText, withOwnText } from '../../../src/plan/launch/own-text.ts'
import { type OpInfo, Slot } from '../../../src/plan/program.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Change, ID, inputOf, v2Parents } from './inputs.ts'

const Plan = suite('plan/launch')

const stage = (plan: LaunchPlan, index: number): readonly OpInfo[] => plan.stages[index]?.infos ?? []
/** All of the child up to the payload's own stage. */
const sandbox = (change: Change = {}): readonly OpInfo[] =>
  planLaunch(inputOf(change))
    .stages.slice(0, -1)
    .flatMap(({ infos }) => infos)
const fire = (change: Change = {}): readonly OpInfo[] =>
  planLaunch(inputOf(change)).stages.at(-1)?.infos ?? []
const at = (infos: readonly OpInfo[], step: string): number => infos.findIndex((info) => info.step === step)

const anyChange: fc.Arbitrary<Change> = fc.record(
  {
    options: fc.record(
      {
        readonly: fc.boolean(),
        init: fc.boolean(),
        network: fc.constantFrom('none' as const, 'host' as const),
        memory: fc.integer({ min: 6 << 20, max: 2 ** 33 }),
        pids: fc.integer({ min: 1, max: 1000 }),
        cpus: fc.double({ min: 0.01, max: 2, noNaN: true }),
        hostname: fc.stringMatching(/^[a-z][a-z0-9]{0,20}$/),
        user: fc.constantFrom('app', '0', '33:33', ''),
        env: fc.dictionary(
          fc.stringMatching(/^[A-Z]{1,8}$/),
          fc.string({ maxLength: 20 }).filter((text) => !text.includes('\0')),
        ),
        tty: fc.boolean(),
        mounts: fc.array(
          fc.record({
            type: fc.constant('bind' as const),
            source: fc.constant('/srv'),
            target: fc.stringMatching(/^\/m[a-z]{1,5}(\/[a-z]{1,5}){0,2}$/),
          }),
          { maxLength: 3 },
        ),
      },
      { requiredKeys: [] },
    ),
    argv: fc.array(
      fc.string({ minLength: 1, maxLength: 30 }).filter((text) => !text.includes('\0')),
      { minLength: 1, maxLength: 4 },
    ),
    cgroups: fc.constantFrom(v2Parents, undefined),
  },
  { requiredKeys: ['argv'] },
) as fc.Arbitrary<Change>

Plan('with limits on v2 the payload is not sent before they are written', () => {
  fc.assert(
    fc.property(anyChange, (change) => {
      const plan = planLaunch(inputOf({ ...change, cgroups: v2Parents }))
      const limits = plan.after.infos.filter(({ step }) => step === 'set cgroup limit')
      const { memory, pids, cpus } = change.options ?? {}
      const asked = [memory, memory, pids, cpus].filter((limit) => limit !== undefined)
      assert.is(limits.length, asked.length)
      if (limits.length > 0) assert.ok(['after', 'last'].includes(plan.stages.at(-1)?.when ?? ''))
      assert.not(plan.stages[0]?.infos.some(({ step }) => step === 'execve'))
    }),
  )
})

Plan('without a devices group no node works but those of /dev', () => {
  const nodev = (change: Change): readonly (string | undefined)[] =>
    sandbox(change)
      .filter(({ step, path }) => step === 'set mount attributes' && !/^\/(sys|proc)\//.test(path ?? ''))
      .map(({ path }) => path)
  const mounts = [{ type: 'bind' as const, source: '/srv', target: '/m' }]
  assert.equal(nodev({ options: { mounts }, cgroups: [] }), ['/', '/m'])
  assert.equal(nodev({ options: { mounts, security: { privileged: true } }, cgroups: [] }), [])
  assert.equal(nodev({ options: { mounts }, cgroups: v2Parents }), [])
})

Plan('a group of another name than the container may be there already', () => {
  const [parent] = v2Parents
  if (parent === undefined) throw new Error('no parent')
  const plan = planLaunch(
    inputOf({ cgroups: [{ ...parent, path: '/a', group: 'b' }], options: { pid: 'host' } }),
  )
  const made = plan.prepare.infos.filter(({ step }) => /cgroup/.test(step)).map(({ path }) => path)
  assert.equal(made, ['/sys/fs/cgroup/a/b', '/sys/fs/cgroup/a/b'])
  const registered = plan.stages[0]?.infos.find(({ step }) => step === 'register with guardian')
  assert.is(registered?.args[2], '/sys/fs/cgroup/a/b/cgroup.kill'.length + 1)
})

Plan('registration with the guardian comes before everything else', () => {
  fc.assert(
    fc.property(anyChange, (change) => {
      assert.is(sandbox(change)[0]?.step, 'register with guardian')
    }),
  )
})

Plan(
  'the cgroup is joined before its namespace is made, so the namespace does not show the host tree',
  () => {
    const steps = sandbox()
    assert.ok(at(steps, 'join cgroup') >= 0)
    const unshared = steps.findIndex(({ step, path }) => step === 'unshare namespaces' && path === 'cgroup')
    assert.ok(steps.findLastIndex(({ step }) => step === 'join cgroup') < unshared)
    assert.is(
      stage(planLaunch(inputOf()), 0).some(({ path }) => path?.includes('cgroup') === true),
      false,
    )
  },
)

Plan('every bind source is opened before the first mount is attached', () => {
  const steps = sandbox({
    options: { mounts: ['/a', '/b'].map((target) => ({ type: 'bind', source: '/srv', target })) },
  })
  assert.is(steps.filter(({ step }) => step === 'open bind source').length, 2)
  assert.ok(steps.findLastIndex(({ step }) => step === 'open bind source') < at(steps, 'attach rootfs'))
})

Plan('masked and read-only paths come after every mount of the spec', () => {
  const steps = sandbox()
  const lastMount = steps.findLastIndex(
    ({ step, path }) => step === 'move_mount' && path?.startsWith('/etc/') === true,
  )
  assert.ok(lastMount < at(steps, 'look for path'))
  assert.ok(at(steps, 'verify /dev/null') < at(steps, 'attach rootfs'))
})

Plan('no mount target inside the root is opened by a plain openat', () => {
  fc.assert(
    fc.property(anyChange, (change) => {
      for (const { step, call } of sandbox(change))
        if (step === 'open mount target') assert.is(call, 'openat2')
    }),
  )
})

Plan('a path of the image is resolved inside the root', () => {
  assert.is(RESOLVE_IN_ROOT, 0x10)
  const { bytes } = planLaunch(inputOf()).stages[1] ?? { bytes: new Uint8Array() }
  const how = Buffer.alloc(8)
  how.writeUInt32LE(0x12)
  assert.ok(Buffer.from(bytes).includes(how), 'open_how with IN_ROOT and NO_MAGICLINKS')
})

Plan('rights are given up in the only order that works', () => {
  const steps = fire({ options: { user: 'app' } }).map(({ step }) => step)
  const order = [
    'drop bounding capability',
    'setgroups',
    'setresgid',
    'setresuid',
    'set capabilities',
    'close other descriptors',
    'report timings',
    'execve',
  ]
  const places = order.map((step) => steps.lastIndexOf(step as (typeof steps)[number]))
  assert.ok(
    places.every((place) => place >= 0),
    String(places),
  )
  assert.equal(
    places,
    [...places].sort((a, b) => a - b),
  )
})

Plan('the parent death signal is set again after the credentials have changed', () => {
  const steps = fire({ options: { user: 'app' } }).map(({ step }) => step)
  assert.ok(steps.lastIndexOf('set parent death signal') > steps.lastIndexOf('set capabilities'))
})

Plan(
  'a command without a slash is tried in each directory of PATH, one with a slash only where it says',
  () => {
    const tries = (argv: readonly string[]): (string | undefined)[] =>
      fire({ argv })
        .filter(({ call }) => call === 'execve')
        .map(({ path }) => path)
    assert.equal(tries(['sh']), ['/usr/bin/sh', '/bin/sh'])
    assert.equal(tries(['./sh']), ['./sh'])
  },
)

Plan('only the slots of the child are used by the child, and each is filled before it is used', () => {
  fc.assert(
    fc.property(anyChange, (change) => {
      const plan = planLaunch(inputOf(change))
      const filled = new Set([0])
      for (const { fds, base } of plan.stages) for (let i = 0; i < fds.length; i++) filled.add(base + i)
      for (const { infos, bytes } of plan.stages) {
        infos.forEach((info, index) => {
          for (const arg of info.args)
            if (arg instanceof Slot) assert.ok(filled.has(arg.index), `${info.step} uses #${arg.index}`)
          const into = Buffer.from(bytes).readUInt32LE(24 + 80 * index + 8)
          if (into !== 0xffffffff) filled.add(into)
        })
      }
    }),
  )
})

Plan('limits are written before the child gets what it needs to go on', () => {
  const limits = { memory: 64 << 20 }
  for (const change of [{}, { cgroups: v2Parents }]) {
    const plan = planLaunch(inputOf({ options: limits, ...change }))
    assert.ok(at(plan.after.infos, 'set cgroup limit') >= 0)
    assert.equal(
      plan.stages.map(({ when }) => when),
      ['early', 'after', 'last', 'last'],
    )
  }
})

Plan('what shows the network namespace waits for it, and so does what may lie on top of that', () => {
  const [, armed = [], settled = []] = planLaunch(
    inputOf({ options: { mounts: [{ type: 'bind', source: '/srv', target: '/m' }] } }),
  ).stages.map(({ infos }) => infos)
  assert.is(settled[0]?.step, 'enter network namespace')
  const attached = (infos: readonly OpInfo[]): (string | undefined)[] =>
    infos.filter(({ step }) => step === 'move_mount').map(({ path }) => path)
  assert.equal(attached(armed), ['/proc', '/dev', '/dev/pts', '/dev/mqueue', '/dev/shm'])
  assert.equal(attached(settled).slice(0, 3), ['/sys', '/sys/fs/cgroup', '/sys/fs/cgroup/memory'])
  assert.ok(attached(settled).includes('/m'), 'an image may have a link to /sys there')
  assert.ok(at(settled, 'set sysctl') < at(settled, 'clone read-only path'))
})

Plan('without mounts of the caller only /sys waits for the network namespace', () => {
  const [, armed = [], settled = []] = planLaunch(inputOf()).stages.map(({ infos }) => infos)
  for (const { step, path } of settled)
    if (step === 'move_mount') assert.match(path ?? '', /^\/(sys|proc\/sys)(\/|$)/)
  assert.ok(armed.some(({ step, path }) => step === 'move_mount' && path === '/etc/hosts'))
  assert.ok(at(settled, 'detach old root') > settled.findLastIndex(({ step }) => step === 'clone mask'))
})

Plan('mounts of the caller are made in the order of the spec', () => {
  fc.assert(
    fc.property(anyChange, (change) => {
      const given = (inputOf(change).spec.mounts ?? [])
        .map(({ destination }) => destination)
        .filter((destination) => /^\/m[a-z]/.test(destination))
      const made = sandbox(change).filter(
        ({ step, path }) => step === 'move_mount' && /^\/m[a-z]/.test(path ?? ''),
      )
      // Each is there twice: the operation for a file, and the one for a directory.
      const order = made.map(({ path }) => path).filter((_, index) => index % 2 === 0)
      assert.equal(order, given)
    }),
  )
})

Plan('a network namespace of a new user namespace is made by the child, any other by the engine', () => {
  const uidMap = [{ containerId: 0, hostId: 100000, size: 65536 }]
  const own = planLaunch(inputOf({ options: { security: { userns: { uidMap, gidMap: uidMap } } } }))
  assert.is(own.network, undefined)
  assert.match(own.stages[0]?.infos.find(({ step }) => step === 'unshare namespaces')?.path ?? '', /network/)
  const host = planLaunch(inputOf({ options: { network: 'host' } }))
  assert.is(host.network, undefined)
  const none = planLaunch(inputOf())
  assert.ok(at(none.network?.infos ?? [], 'bring up lo') > 0)
  assert.is(at(sandbox(), 'bring up lo'), -1)
})

Plan('a v2 group is there before the clone, v1 groups are made beside the child', () => {
  const v1 = planLaunch(inputOf())
  const v2 = planLaunch(inputOf({ cgroups: v2Parents }))
  assert.is(at(v1.prepare.infos, 'make cgroup'), -1)
  assert.ok(at(v1.after.infos, 'open cgroup tasks') > at(v1.after.infos, 'make cgroup'))
  assert.ok(at(v2.prepare.infos, 'make cgroup') >= 0)
})

Plan('a mount namespace is made even where no namespace is asked for', () => {
  const steps = sandbox({
    options: { network: 'host', ipc: 'host', uts: 'host', pid: 'host', cgroupns: 'host' },
  })
  const flags = steps[at(steps, 'unshare namespaces')]?.args[0]
  assert.is(Number(flags) & CLONE_NEWNS, CLONE_NEWNS)
})

Plan('a plan with another own text is the plan made for that container, byte for byte', () => {
  fc.assert(
    fc.property(anyChange, fc.stringMatching(/^[0-9a-f]{64}$/), (change, id) => {
      const of = (container: string, createdMs: number) =>
        planLaunch(
          inputOf({
            ...change,
            id: container,
            createdMs,
            record: `{"id":"${container}","createdMs":${createdMs}}`,
          }),
        )
      const made = withOwnText(of(ID, 1700000000001), ownText(id, 1800000000002))
      const wanted = of(id, 1800000000002)
      assert.equal(
        made.stages.map(({ infos }) => infos),
        wanted.stages.map(({ infos }) => infos),
      )
      const bytesOf = (plan: LaunchPlan): string =>
        [plan.prepare, plan.after, plan.layers, plan.network, ...plan.stages]
          .filter((program) => program !== undefined)
          .map(({ bytes }) => Buffer.from(bytes).toString('latin1'))
          .join()
      assert.ok(bytesOf(made) === bytesOf(wanted))
    }),
    { numRuns: 40 },
  )
})

const IMAGES = {
  layers: {},
  host: {
    rootfs: {
      kind: 'host',
      skeleton: '/var/lib/slipway/snapshots/host-1/fs',
      directories: ['/usr', '/opt'],
    },
  },
  directory: { rootfs: { kind: 'directory', path: '/srv/rootfs' } },
} as const
const half = (change: Change) => planArmed(false, 'half')(inputOf(change))
const map = [{ containerId: 0, hostId: 100_000, size: 65_536 }]

for (const [name, change] of Object.entries({
  'on v1': {},
  'on v2': { cgroups: v2Parents },
  'on the host network': { options: { network: 'host' } },
  'in a user namespace': { options: { security: { userns: { uidMap: map, gidMap: map } } } },
  'read-only, with a limit and a mount': {
    options: {
      readonly: true,
      memory: 64 << 20,
      mounts: [{ type: 'bind', source: '/srv/data', target: '/data' }],
    },
  },
} as const satisfies Record<string, Change>))
  Plan(`a sandbox without a root serves every image, user and program: ${name}`, () => {
    const made = half({ ...change, image: IMAGES.directory })
    for (const image of Object.values(IMAGES)) {
      const wanted = half({
        ...change,
        image,
        options: { ...('options' in change ? change.options : {}), user: '7:8' },
      })
      assert.ok(servesAs(made, wanted))
      const said = JSON.stringify(
        [wanted.after, ...wanted.stages].flatMap(({ infos }) => infos.map(({ path }) => path)),
      )
      assert.not(/snapshots|srv/.test(said), 'nothing of the image is known to it')
    }
  })

Plan('a sandbox without a root serves no container that differs in what it has already', () => {
  const made = half({})
  for (const options of [
    { hostname: 'other' },
    { network: 'host' },
    { ipc: 'host' },
    { memory: 64 << 20 },
    { shmSize: 1 << 20 },
    { mounts: [{ type: 'tmpfs', target: '/tmp' }] },
    { security: { userns: { uidMap: map, gidMap: map } } },
  ] as const)
    assert.not(servesAs(made, half({ options })), JSON.stringify(options))
  assert.not(servesAs(made, { ...made, id: 'another' }))
})

Plan('what a sandbox without a root gets by path comes as descriptors', () => {
  const mounts = [{ type: 'bind', source: '/srv/data', target: '/data', recursive: false }] as const
  const plan = half({ image: IMAGES.directory, options: { mounts } })
  assert.equal(plan.rest?.trees, [
    { step: 'open rootfs', path: '/srv/rootfs', recursive: true, follow: true },
    { step: 'open bind source', path: '/srv/data', recursive: false, follow: true },
  ])
  const opened = [plan, plan.rest].flatMap((each) => each?.stages ?? []).flatMap(({ infos }) => infos)
  assert.equal(
    opened.filter(({ path }) => path?.startsWith('/srv')),
    [],
  )
})

Plan.run()
