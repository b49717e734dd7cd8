// Mounts only a document asks for: where their sources are opened, and by whom.

import type { Mount, Spec } from '../../../src/model/oci-spec.ts'
import { AT_SYMLINK_NOFOLLOW, MS_PRIVATE, MS_SLAVE } from '../../../src/plan/kernel.ts'
import { planDocument } from '../../../src/plan/launch/checked.ts'
import type { LaunchPlan } from '../../../src/plan/launch/index.ts'
import { parseMountOptions } from '../../../src/plan/launch/mount-options.ts'
import { expectLeft, expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'
import { documentInput, inputOf } from './inputs.ts'

const DocumentMounts = suite('plan/launch document mounts')
const map = [{ containerID: 0, hostID: 1000, size: 10 }]
const bind = (options: readonly string[], more: Partial<Mount> = {}): Mount => ({
  destination: '/m',
  source: '/srv',
  options: ['rbind', ...options],
  ...more,
})
const plan = (mount: Mount, linux: Spec['linux'] = {}): LaunchPlan =>
  expectRight(
    planDocument(documentInput({ spec: { mounts: [...(inputOf().spec.mounts ?? []), mount] }, linux })),
  )
const steps = ({ stages }: LaunchPlan): readonly string[] =>
  stages.flatMap(({ infos }) => infos).map(({ step, path }) => `${step} ${path ?? ''}`)

DocumentMounts('a shared source is opened before the copies of all mounts are cut off from the host', () => {
  const found = steps(plan(bind(['rshared'])))
  const opened = found.indexOf('open bind source /srv')
  assert.ok(opened >= 0 && opened < found.indexOf('make mounts private /'))
  assert.is(found.filter((step) => step === 'open bind source /srv').length, 1)
})

DocumentMounts(
  'a source of other ids is opened and mapped on the side of the engine, and only attached by the child',
  () => {
    const { after, stages } = plan(bind(['ridmap', 'ro'], { uidMappings: map, gidMappings: map }))
    const own = after.infos.filter(({ path }) => path === '/srv' || path === '/m' || path === '0 1000 10')
    assert.equal(
      own.map(({ step }) => step),
      [
        'open bind source',
        'make user namespace of mount',
        'map ids of mount',
        'set propagation',
        'set mount attributes',
      ],
    )
    const child = stages.flatMap(({ infos }) => infos).filter(({ path }) => path === '/srv')
    assert.equal(child, [])
  },
)

DocumentMounts('a root that is to hear nothing stays private beside a bind that is a slave', () => {
  const private_ = steps(plan(bind(['rslave']))).filter((step) => step === 'set propagation /')
  assert.is(private_.length, 1)
  assert.equal(
    steps(plan(bind(['rslave']), { rootfsPropagation: 'slave' })).filter(
      (step) => step === 'set propagation /',
    ),
    [],
  )
})

DocumentMounts('a shared root becomes so after pivot_root', () => {
  const found = steps(plan(bind([]), { rootfsPropagation: 'shared' }))
  assert.ok(found.indexOf('set propagation /') > found.findIndex((step) => step.startsWith('pivot_root')))
})

DocumentMounts('every option that is no file system’s is understood', () => {
  const { data, remount, copyUp, followSource, followTarget, idmap, propagation } = parseMountOptions([
    ...[
      'defaults',
      'async',
      'loud',
      'silent',
      'noiversion',
      'remount',
      'tmpcopyup',
      'src-nofollow',
      'dest-nofollow',
    ],
    ...['ridmap', 'rslave', 'rnosymfollow', 'size=1'],
  ])
  assert.equal(data, [['size', '1']])
  assert.equal(
    [remount, copyUp, followSource, followTarget, idmap?.recursive],
    [true, true, false, false, true],
  )
  assert.equal(propagation, { flag: MS_SLAVE, recursive: true })
  assert.is(parseMountOptions(['private']).propagation?.flag, MS_PRIVATE)
  const open = plan(bind(['src-nofollow']))
    .stages.flatMap(({ infos }) => infos)
    .find(({ path }) => path === '/srv')
  assert.ok((Number(open?.args[2]) & AT_SYMLINK_NOFOLLOW) !== 0)
})

DocumentMounts('a document whose plan is larger than the native side takes is refused', () => {
  const mounts = Array.from({ length: 600 }, (_, index) => bind([], { destination: `/m${index}` }))
  const error = expectLeft(planDocument(documentInput({ spec: { mounts } })))
  assert.is(error._tag, 'Unsupported')
})

DocumentMounts.run()
