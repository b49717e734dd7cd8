// Documents that differ in names and places alone share a plan: what a start makes of it is, byte for byte, the plan of its own document.
import type { Spec } from '../../src/model/oci-spec.ts'
import type { Document } from '../../src/oci/live/document.ts'
import { planOf } from '../../src/oci/live/document.ts'
import type { Parts } from '../../src/oci/live/parts.ts'
import { noPlans, type OwnPlan, ownPlan } from '../../src/oci/live/plans.ts'
import type { CgroupParent } from '../../src/plan/launch/index.ts'
import { PROGRAM } from '../../src/plan/program.ts'
import { facts, v1Parents } from '../plan/launch/inputs.ts'
import { expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('oci/shared-plans')

/** Nothing here asks the host. */
const parts = (): Parts => ({ plans: noPlans() }) as unknown as Parts

interface Named {
  readonly id: string
  readonly rootfs?: string
  readonly group?: string
  readonly parent?: string
}

const specOf = (change: Partial<Spec> = {}): Spec => ({
  ociVersion: '1.0.2',
  process: { user: { uid: 0, gid: 0 }, cwd: '/', args: ['/bin/true'], env: ['HOME=/'] },
  root: { path: 'rootfs' },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup' },
  ],
  linux: { namespaces: [{ type: 'pid' }, { type: 'mount' }] },
  ...change,
})

const documentOf = (spec: Spec, { id, rootfs, group, parent }: Named): Document => ({
  facts,
  id,
  spec,
  rootfs: rootfs ?? `/srv/containers/${id}/rootfs`,
  scratch: '/run/oci/~root',
  cgroups: v1Parents.map(
    (each): CgroupParent => ({ ...each, path: parent ?? '/containers/of-a-service', group: group ?? id }),
  ),
  lasting: {
    leavesParent: false,
    waitsForStart: true,
    extraFds: 0,
    copiesUp: true,
    pausesBeforeRoot: false,
    createContainer: [],
    startContainer: [],
    keepsKeyring: false,
  },
})

const planned = (at: Parts, spec: Spec, named: Named): OwnPlan =>
  expectRight(ownPlan(at, spec, documentOf(spec, named)))

const programsOf = ({ prepare, after, stages }: OwnPlan['plan']): readonly [number, Uint8Array][] => [
  [PROGRAM.prepare, prepare.bytes],
  [PROGRAM.after, after.bytes],
  ...stages.map(({ bytes }, index): [number, Uint8Array] => [PROGRAM.firstStage + index, bytes]),
]
const bytesOf = (plan: OwnPlan['plan']): readonly Buffer[] =>
  programsOf(plan).map(([, bytes]) => Buffer.from(bytes))
/** As the native side does: rows of program, place in it, place in the start's own text, and length, all in bytes. */
const ownBytesOf = ({ plan, own }: OwnPlan): readonly Buffer[] =>
  programsOf(plan).map(([program, bytes]) => {
    const whole = Buffer.from(bytes)
    for (let row = 0; row < plan.patches.length; row += 4) {
      const [which, at, from = 0, length = 0] = plan.patches.subarray(row, row + 4)
      if (which === program) Buffer.from(own).copy(whole, at, from, from + length)
    }
    return whole
  })
const pathsOf = (plan: OwnPlan['plan'], say = (text: string) => text): readonly (string | undefined)[] =>
  [plan.prepare, plan.after, ...plan.stages].flatMap(({ infos }) =>
    infos.map(({ path }) => (path === undefined ? path : say(path))),
  )

const one = { id: 'a'.repeat(64) }
const other = { id: 'b'.repeat(64) }

test('what a start makes of a shared plan is its own document’s plan, and says its own names', () => {
  const at = parts()
  const spec = specOf()
  const [first, second] = [planned(at, spec, one), planned(at, structuredClone(spec), other)]
  assert.is(first.plan, second.plan)
  for (const [named, shared] of [
    [one, first],
    [other, second],
  ] as const) {
    const alone = expectRight(planOf(parts(), documentOf(spec, named)))
    assert.equal(ownBytesOf(shared), bytesOf(alone))
    assert.equal(pathsOf(shared.plan, shared.say), pathsOf(alone))
  }
  assert.ok(pathsOf(first.plan, first.say).some((path) => path?.includes(one.id)))
})

/** What makes another plan of the same document. */
const OTHERWISE: readonly (readonly [string, Partial<Spec>, Partial<Named>])[] = [
  [
    'other arguments',
    { process: { ...specOf().process, user: { uid: 0, gid: 0 }, cwd: '/', args: ['/x'] } },
    {},
  ],
  ['another mount', { mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }] }, {}],
  ['a host name', { hostname: 'web' }, {}],
  ['a longer root', {}, { rootfs: '/srv/containers/somewhere/else/altogether' }],
  ['a group with a short name', {}, { group: 'web' }],
  ['a longer parent', {}, { parent: '/containers/of-another-service' }],
]

for (const [what, change, named] of OTHERWISE)
  test(`${what} makes it another plan`, () => {
    const at = parts()
    const before = planned(at, specOf(), one)
    const spec = specOf(change)
    const after = planned(at, spec, { ...one, ...named })
    assert.is.not(before.plan, after.plan)
    const alone = expectRight(planOf(parts(), documentOf(spec, { ...one, ...named })))
    assert.equal(ownBytesOf(after), bytesOf(alone))
  })

test('a name of more bytes than letters is written whole', () => {
  const [at, named] = [parts(), { id: 'box', rootfs: '/srv/Behälter/Nr-ﬁ/wurzel', group: 'größere-behälter' }]
  const alone = expectRight(planOf(parts(), documentOf(specOf(), named)))
  const other = { ...named, rootfs: '/srv/abcdefghijklmnop/root-1' }
  assert.is(Buffer.byteLength(named.rootfs), Buffer.byteLength(other.rootfs))
  assert.is(planned(at, specOf(), other).plan, planned(at, specOf(), named).plan)
  assert.equal(ownBytesOf(planned(at, specOf(), named)), bytesOf(alone))
})

test('annotations, and where the document says its root and group are, make no difference', () => {
  const at = parts()
  const before = planned(at, specOf(), one)
  const spec = specOf({
    annotations: { name: 'other' },
    root: { path: 'other' },
    linux: { namespaces: [{ type: 'pid' }, { type: 'mount' }], cgroupsPath: '/other' },
  })
  assert.is(planned(at, spec, other).plan, before.plan)
})

test('a document that says what a plan has in a name’s place is not changed by it', () => {
  const at = parts()
  const { plan } = planned(at, specOf(), one)
  const stand = plan.after.infos.find(({ step }) => step === 'make cgroup')?.path ?? ''
  const spec = specOf({
    hostname: 'x',
    process: { user: { uid: 0, gid: 0 }, cwd: '/', args: ['/bin/echo', one.id] },
  })
  const named = planned(at, spec, other)
  assert.ok(stand.length > 0)
  // The id among the arguments is the caller's word, and no name.
  assert.ok(Buffer.concat(ownBytesOf(named)).includes(one.id))
})

test.run()
