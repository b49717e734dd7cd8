// Any document that can be read is planned or refused by an error: nothing throws, and no plan is one that native code refuses.
import fc from 'fast-check'
import * as E from '#fp/Either'
import { message } from '../../../src/model/errors.ts'
import type { Spec } from '../../../src/model/oci-spec.ts'
import { decodeSpec } from '../../../src/model/oci-spec-decode.ts'
import { planDocument } from '../../../src/plan/launch/checked.ts'
import type { LaunchPlan } from '../../../src/plan/launch/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { inputOf, v1Parents, v2Parents } from './inputs.ts'

const Document = suite('plan/launch document')

type Shape = Readonly<Record<string, fc.Arbitrary<unknown>>>
/** Some of the fields, and all of `always`. */
const some = (shape: Shape, ...always: readonly string[]): fc.Arbitrary<Readonly<Record<string, unknown>>> =>
  fc
    .tuple(
      fc.record(shape as Record<string, fc.Arbitrary<unknown>>),
      fc.subarray(Object.keys(shape), { maxLength: Math.min(2, Object.keys(shape).length) }),
    )
    .map(([all, chosen]) => Object.fromEntries([...always, ...chosen].map((key) => [key, all[key]])))

const word = fc.constantFrom('a', 'b', 'eth0', 'x%d')
const place = fc.constantFrom(
  '/',
  '/dev',
  '/proc',
  '/sys',
  '/dev/pts',
  '/m',
  '/m/n',
  '/dev/x',
  '/sys/fs/cgroup',
)
const option = fc.constantFrom(
  ...[
    'ro',
    'rw',
    'rro',
    'bind',
    'rbind',
    'rshared',
    'rslave',
    'unbindable',
    'idmap',
    'ridmap',
    'remount',
    'noatime',
  ],
  ...['tmpcopyup', 'src-nofollow', 'dest-nofollow', 'sync', 'size=1m', 'iversion', 'defaults'],
)
const number = fc.integer({ min: -1, max: 1000 })
const positive = fc.integer({ min: 0, max: 1000 })
const maps = fc.constant([{ containerID: 0, hostID: 1000, size: 10 }])
const type = fc.constantFrom('pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time')

const mount = some(
  {
    destination: place,
    type: fc.constantFrom(
      'tmpfs',
      'proc',
      'sysfs',
      'devpts',
      'mqueue',
      'cgroup',
      'cgroup2',
      'bind',
      'none',
      'ext4',
    ),
    source: fc.constantFrom('/srv', 'tmpfs', ''),
    options: fc.array(option, { maxLength: 4 }),
  },
  'destination',
  'type',
)
const device = fc.record({
  path: place,
  type: fc.constantFrom('c', 'b', 'u', 'p'),
  major: positive,
  minor: positive,
  fileMode: positive,
})
const resources = some({
  memory: some({
    limit: number,
    swap: number,
    reservation: number,
    kernel: number,
    swappiness: positive,
    useHierarchy: fc.boolean(),
  }),
  cpu: some({
    shares: positive,
    quota: number,
    burst: positive,
    realtimeRuntime: number,
    cpus: fc.constant('0'),
  }),
  pids: some({ limit: number }),
  blockIO: some({
    weight: positive,
    leafWeight: positive,
    weightDevice: fc.constant([{ major: 8, minor: 0, weight: 10 }]),
  }),
  hugepageLimits: fc.constant([{ pageSize: '2MB', limit: 1 }]),
  unified: fc.dictionary(fc.constantFrom('memory.high', 'cgroup.procs', 'io.max'), word),
})
const linux = some({
  namespaces: fc.uniqueArray(some({ type, path: fc.constant('/ns/x') }, 'type'), {
    selector: (each) => each.type,
  }),
  uidMappings: maps,
  gidMappings: maps,
  devices: fc.array(device, { maxLength: 3 }),
  netDevices: fc.dictionary(word, some({ name: word }), { maxKeys: 2 }),
  resources,
  rootfsPropagation: fc.constantFrom('shared', 'rslave', 'private', 'runbindable'),
  sysctl: fc.dictionary(fc.constantFrom('net.ipv4.ip_forward', 'kernel.shmmax', 'kernel.domainname'), word),
  maskedPaths: fc.array(place, { maxLength: 2 }),
  readonlyPaths: fc.array(place, { maxLength: 2 }),
  mountLabel: word,
  timeOffsets: some({ monotonic: some({ secs: number }) }),
  personality: some({ domain: fc.constantFrom('LINUX', 'LINUX32') }, 'domain'),
  memoryPolicy: some({
    mode: fc.constantFrom('MPOL_BIND', 'MPOL_DEFAULT'),
    nodes: fc.constantFrom('', '0-1'),
  }),
})
const process = some({
  terminal: fc.boolean(),
  user: fc.record({ uid: positive, gid: positive }),
  cwd: fc.constantFrom('/', '/work'),
  args: fc.constant(['a']),
  oomScoreAdj: number,
  apparmorProfile: word,
  scheduler: some({
    policy: fc.constantFrom('SCHED_OTHER', 'SCHED_ISO', 'SCHED_RR'),
    priority: positive,
    nice: fc.constant(1),
  }),
})
const document = fc.record(
  {
    ociVersion: fc.constant('1.3.0'),
    root: fc.constant({ path: '/srv/rootfs' }),
    process: process.map((each) => ({ user: { uid: 0, gid: 0 }, cwd: '/', args: ['a'], ...each })),
    mounts: fc.array(mount, { maxLength: 3 }),
    linux,
  },
  { requiredKeys: ['ociVersion', 'root', 'process'] },
)

const RUNS = Number(globalThis.process.env.SLIPWAY_FUZZ_RUNS ?? 3000)
const HEADER = { operations: 8, slots: 12 }
const isWhole = ({ prepare, after, stages, slotCount }: LaunchPlan): boolean =>
  [prepare, after, ...stages].every(({ bytes, infos }) => {
    const buffer = Buffer.from(bytes)
    return (
      buffer.readUInt32LE(HEADER.operations) === infos.length && buffer.readUInt32LE(HEADER.slots) <= 1024
    )
  }) && stages.every(({ fds }) => fds.every((slot) => slot < slotCount))

Document('whatever can be read is planned or refused', () => {
  let planned = 0
  fc.assert(
    fc.property(document, fc.constantFrom(v1Parents, v2Parents, []), (json, cgroups) => {
      const decoded = decodeSpec(json)
      if (E.isLeft(decoded)) return
      const spec: Spec = decoded.right
      const rootfs = { kind: 'directory', path: '/srv/rootfs' } as const
      const devices = ['eth0', 'a'].map((name, index) => ({ name, index, addresses: [] }))
      const result = planDocument({ ...inputOf(), spec, rootfs, cgroups, files: [], netDevices: devices })
      if (E.isLeft(result)) assert.ok(message(result.left).length > 0)
      else {
        planned++
        assert.ok(isWhole(result.right))
      }
    }),
    { numRuns: RUNS },
  )
  assert.ok(planned > 20, `${planned} were planned`)
})

Document.run()
