// Namespaces that are there already: opened first, verified, and entered in the one order that has the rights.
import type { Namespace, NamespaceType } from '../../../src/model/oci-spec.ts'
import { planDocument } from '../../../src/plan/launch/checked.ts'
import { type LaunchPlan, planLaunch } from '../../../src/plan/launch/index.ts'
import { expectLeft, expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'
import { documentInput, inputOf } from './inputs.ts'

const Joined = suite('plan/launch/joined')
const TYPES: readonly NamespaceType[] = ['user', 'mount', 'pid', 'network', 'ipc', 'uts', 'cgroup', 'time']
const directory = { image: { rootfs: { kind: 'directory', path: '/srv/rootfs' } } } as const

const plan = (namespaces: readonly Namespace[], more = {}): LaunchPlan =>
  expectRight(
    planDocument(
      documentInput(
        {
          spec: { mounts: [], ...more },
          linux: { namespaces, maskedPaths: [], readonlyPaths: [], sysctl: {} },
        },
        directory,
      ),
    ),
  )
const at = (type: NamespaceType): Namespace => ({ type, path: `/ns/${type}` })

Joined('a start that joins none is made as before', () => {
  const made = planLaunch(inputOf())
  assert.is(made.join, undefined)
  assert.not(made.prepare.infos.some(({ step }) => step === 'open namespace'))
})

Joined('each is opened and verified before anything is made', () => {
  const steps = plan(TYPES.map(at)).prepare.infos.map(({ step }) => step)
  const before = steps.slice(0, steps.indexOf('make record'))
  assert.is(before.filter((step) => step === 'verify namespace').length, TYPES.length)
  assert.equal([...new Set(before)].sort(), ['close', 'open namespace', 'verify namespace'])
})

Joined('the mount namespace is entered after the others and the user namespace last', () => {
  const steps = plan(TYPES.map(at)).join?.infos.filter(({ step }) => step === 'enter namespace')
  const entered = steps?.map(({ path }) => path?.split(' ')[0])
  assert.equal(entered, ['pid', 'network', 'ipc', 'uts', 'cgroup', 'mount', 'user'])
})

Joined('only a time namespace is entered by the child, which shares no memory any more', () => {
  const [begin, arm] = plan([at('time'), { type: 'mount' }]).stages
  assert.is(begin?.fds.length, 2)
  assert.ok((arm?.base ?? 0) >= (begin?.base ?? 0) + 2)
  assert.ok(begin?.infos.some(({ step }) => step === 'enter time namespace'))
})

Joined('nothing that is joined is made, and what is descriptors is closed', () => {
  const made = plan(TYPES.map(at))
  const steps = made.stages.flatMap(({ infos }) => infos).map(({ step }) => step)
  for (const step of ['unshare namespaces', 'make mounts private', 'attach rootfs', 'pivot_root'])
    assert.not(steps.includes(step as never), step)
  assert.is(made.cloneFlags, 0)
  assert.is(made.network, undefined)
  assert.ok(made.close.length >= TYPES.length)
})

Joined('the helper that enters is sent what it enters, closes it, and is seen by nobody there', () => {
  const join = plan([at('user'), at('mount'), at('pid')]).join
  assert.equal(
    join?.infos.map(({ step }) => step),
    ['become undumpable', ...Array(3).fill('enter namespace'), 'clone3', ...Array(3).fill('close')],
  )
  assert.is(join?.fds.length, 3)
  const alone = plan([at('user'), at('mount'), { type: 'pid' }])
  assert.not.ok(alone.join?.infos.some(({ step }) => step === 'become undumpable'))
  assert.is(alone.inChild, undefined)
})

Joined(
  'root of a user namespace that others are in is not to be looked into, unless it writes below its own proc',
  () => {
    const isDumpable = (...namespaces: Parameters<typeof plan>): boolean =>
      plan(...namespaces).stages.some(({ infos }) => infos.some(({ step }) => step === 'become dumpable'))
    assert.not.ok(isDumpable([at('user'), at('mount'), at('pid')]))
    assert.ok(isDumpable([at('user'), at('mount'), { type: 'pid' }]))
  },
)

Joined('what the document changes may not be in the host’s own namespace', () => {
  const named = plan([at('uts'), { type: 'mount' }, { type: 'pid' }], { hostname: 'n' })
  const verified = named.prepare.infos.find(({ step }) => step === 'verify namespace')
  assert.is.not(verified?.args[2], -1)
})

Joined('a kernel without a namespace is told by name', () => {
  const input = documentInput(
    { linux: { namespaces: [{ type: 'time' }] } },
    { facts: { namespaces: ['mnt', 'pid'] } },
  )
  assert.is(expectLeft(planDocument(input))._tag, 'HostUnfit')
})

Joined.run()
