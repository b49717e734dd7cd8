// Limits as properties of a unit, units by their paths, and annotations.

import fc from 'fast-check'
import * as E from '#fp/Either'
import type { LinuxResources } from '../../../src/model/oci-spec.ts'
import { deviceList } from '../../../src/plan/device-list.ts'
import { limitWrites } from '../../../src/plan/launch/cgroup.ts'
import { annotatedProperties } from '../../../src/plan/systemd/annotations.ts'
import { deviceProperties } from '../../../src/plan/systemd/devices.ts'
import { limitProperties } from '../../../src/plan/systemd/properties.ts'
import { slicePath, unitObject, unitOf } from '../../../src/plan/systemd/unit.ts'
import { parseVariantText } from '../../../src/plan/systemd/variant-text.ts'
import { expectLeft, expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('plan/systemd')

const V1 = ['memory', 'cpu', 'cpuset', 'pids', 'blkio']
const V2 = ['memory', 'cpu', 'cpuset', 'pids', 'io']
const MAX = 2n ** 64n - 1n

const propertiesOf = (
  version: 1 | 2,
  resources: LinuxResources,
  systemd = 252,
  files: Readonly<Record<string, string>> = {},
): Record<string, unknown> =>
  Object.fromEntries(
    limitProperties(limitWrites({ version, controllers: version === 2 ? V2 : V1 }, resources), {
      systemd,
      current: (file) => files[file],
    }).map(({ name, signature, value }) => [name, [signature, value]]),
  )

const ALL: LinuxResources = {
  memory: { limit: 1000, swap: 1500, reservation: 500 },
  cpu: { shares: 1024, quota: 30_000, period: 100_000, cpus: '0,2-3,9', mems: '0' },
  pids: { limit: 12 },
  blockIO: { weight: 100 },
}

test('limits of v2', () => {
  assert.equal(propertiesOf(2, ALL), {
    MemoryMax: ['t', 1000n],
    MemorySwapMax: ['t', 500n],
    MemoryLow: ['t', 500n],
    CPUWeight: ['t', 100n],
    AllowedCPUs: ['ay', [0b1101, 0b10]],
    AllowedMemoryNodes: ['ay', [1]],
    TasksMax: ['t', 12n],
    IOWeight: ['t', 910n],
    CPUQuotaPerSecUSec: ['t', 300_000n],
    CPUQuotaPeriodUSec: ['t', 100_000n],
  })
})

test('limits of v1', () => {
  const { AllowedCPUs, AllowedMemoryNodes, ...rest } = propertiesOf(1, ALL)
  assert.ok(AllowedCPUs && AllowedMemoryNodes)
  assert.equal(rest, {
    MemoryLimit: ['t', 1000n],
    CPUShares: ['t', 1024n],
    TasksMax: ['t', 12n],
    BlockIOWeight: ['t', 100n],
    CPUQuotaPerSecUSec: ['t', 300_000n],
    CPUQuotaPeriodUSec: ['t', 100_000n],
  })
})

test('no limit at all is a number, too', () => {
  const none = { memory: { limit: -1, swap: -1 }, pids: { limit: -1 }, cpu: { quota: -1, period: 50_000 } }
  assert.equal(propertiesOf(2, none), {
    MemoryMax: ['t', MAX],
    MemorySwapMax: ['t', MAX],
    TasksMax: ['t', MAX],
    CPUQuotaPerSecUSec: ['t', MAX],
    CPUQuotaPeriodUSec: ['t', 50_000n],
  })
  assert.equal(propertiesOf(1, { memory: { limit: -1 }, pids: { limit: -1 } }), {
    MemoryLimit: ['t', MAX],
    TasksMax: ['t', MAX],
  })
})

test('an older systemd is not told what it does not know', () => {
  const names = (version: number) =>
    Object.keys(propertiesOf(2, { ...ALL, cpu: { ...ALL.cpu, idle: 1 } }, version))
  assert.not(names(243).includes('AllowedCPUs'))
  assert.ok(names(244).includes('AllowedCPUs'))
  assert.not(names(241).includes('CPUQuotaPeriodUSec'))
  assert.ok(names(242).includes('CPUQuotaPeriodUSec'))
  const weight = (version: number) => propertiesOf(2, { cpu: { shares: 1024, idle: 1 } }, version).CPUWeight
  assert.equal(weight(251), ['t', 100n])
  assert.equal(weight(252), ['t', 0n])
})

test('files of v2 by their own name are told, lines for a device are not', () => {
  assert.equal(
    propertiesOf(
      2,
      {
        unified: {
          'memory.high': '77',
          'memory.min': '5',
          'cpu.max': '20000',
          'io.weight': 'default 50\n8:0 70',
        },
      },
      252,
      { 'cpu.max': '5000 40000' },
    ),
    {
      MemoryHigh: ['t', 77n],
      MemoryMin: ['t', 5n],
      IOWeight: ['t', 50n],
      CPUQuotaPerSecUSec: ['t', 500_000n],
      CPUQuotaPeriodUSec: ['t', 40_000n],
    },
  )
  assert.equal(
    propertiesOf(2, { unified: { 'memory.max': 'nonsense', 'cpuset.cpus': '3-1', 'cpu.max': '5 0' } }),
    {},
  )
})

test('what update leaves out of a quota is in the file', () => {
  assert.equal(propertiesOf(1, { cpu: { quota: 10_000 } }, 252, { 'cpu.cfs_period_us': '20000\n' }), {
    CPUQuotaPerSecUSec: ['t', 500_000n],
    CPUQuotaPeriodUSec: ['t', 20_000n],
  })
  assert.equal(propertiesOf(1, { cpu: { period: 20_000 } }, 252, { 'cpu.cfs_quota_us': '-1\n' }), {
    CPUQuotaPerSecUSec: ['t', MAX],
    CPUQuotaPeriodUSec: ['t', 20_000n],
  })
})

test('a quota is rounded up, and never down to nothing', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 10_000_000 }),
      fc.integer({ min: 1000, max: 1_000_000 }),
      (quota, period) => {
        const [, value] = propertiesOf(2, { cpu: { quota, period } }).CPUQuotaPerSecUSec as [string, bigint]
        const exact = (quota * 1e6) / period
        assert.ok(Number(value) >= exact - 1e-6 && Number(value) < exact + 10_000 && value % 10_000n === 0n)
      },
    ),
  )
})

test('no process is a limit systemd does not know', () => {
  assert.equal(propertiesOf(2, { pids: { limit: 0 } }), { TasksMax: ['t', 1n] })
})

test('rules for devices that begin with none are a list of what is allowed', () => {
  const list = deviceList([
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rw' },
    { allow: true, type: 'c', major: 136, access: 'rwm' },
    { allow: true, type: 'b', access: 'm' },
    { allow: true, type: 'c', minor: 9, access: 'r' },
  ])
  assert.equal(deviceProperties(list), [
    { name: 'DevicePolicy', signature: 's', value: 'strict' },
    {
      name: 'DeviceAllow',
      signature: 'a(ss)',
      value: [
        ['/dev/char/1:3', 'rw'],
        ['char-136', 'rwm'],
        ['block-*', 'm'],
      ],
    },
  ])
  assert.equal(deviceProperties(deviceList([])), [])
  assert.equal(
    deviceProperties(deviceList([{ allow: false, type: 'c', major: 1, minor: 3, access: 'w' }])),
    [],
  )
})

test('a path of three parts is a unit in a slice', () => {
  for (const [cgroupsPath, slice, name, path] of [
    ['', 'system.slice', 'slipway-web.scope', '/system.slice/slipway-web.scope'],
    ['machine.slice:libpod:1f', 'machine.slice', 'libpod-1f.scope', '/machine.slice/libpod-1f.scope'],
    ['::1f', 'system.slice', '1f.scope', '/system.slice/1f.scope'],
    ['-:p:1f', '-.slice', 'p-1f.scope', '/p-1f.scope'],
    ['-.slice:p:1f', '-.slice', 'p-1f.scope', '/p-1f.scope'],
    [
      'kubepods-burstable-pod1_2.slice:cri:1f',
      'kubepods-burstable-pod1_2.slice',
      'cri-1f.scope',
      '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-1f.scope',
    ],
  ] as const)
    assert.equal(expectRight(unitOf(cgroupsPath, 'web', 'system.slice')), { name, slice, path })
})

test('other paths are refused by what is wrong with them', () => {
  for (const [cgroupsPath, why] of [
    ['/a/b', /not of the form/],
    ['a.slice:b', /not of the form/],
    ['a.slice:b:c:d', /not of the form/],
    ['a.slice:b:', /no name behind/],
    ['a:b:c', /a is no name of a slice/],
    ['a/b.slice:p:c', /is no name of a slice/],
    ['a--b.slice:p:c', /is no name of a slice/],
    ['-a.slice:p:c', /is no name of a slice/],
    ['.slice:p:c', /is no name of a slice/],
    ['..slice:../x:c', /is no name of a unit|no name of a slice/],
    ['a.slice:p:../x', /is no name of a unit/],
    ['a.slice:p:a b', /is no name of a unit/],
    [`a.slice:p:${'x'.repeat(250)}`, /is no name of a unit/],
  ] as const) {
    const error = expectLeft(unitOf(cgroupsPath, 'web', 'system.slice'))
    assert.is(error._tag, 'InvalidSpec')
    assert.match('why' in error ? String(error.why) : '', why, cgroupsPath)
  }
  assert.is(expectLeft(unitOf('a.slice:p:b.slice', 'web', 'system.slice'))._tag, 'Unsupported')
  assert.is(slicePath('a-b-c.slice'), '/a.slice/a-b.slice/a-b-c.slice')
})

test('an object is named after its unit', () => {
  assert.is(unitObject('a-1.scope'), '/org/freedesktop/systemd1/unit/a_2d1_2escope')
  assert.is(unitObject('1a_.scope'), '/org/freedesktop/systemd1/unit/_31a_5f_2escope')
})

test('values as people write them', () => {
  for (const [text, signature, value] of [
    ['true', 'b', true],
    [' 5 ', 'i', 5],
    ['-0x10', 'i', -16],
    ['uint64 18446744073709551615', 't', MAX],
    ['byte 255', 'y', 255],
    ['1.5', 'd', 1.5],
    ['double 2', 'd', 2],
    ["'it\\'s'", 's', "it's"],
    ['"a"', 's', 'a'],
    ['@t 7', 't', 7n],
    ["objectpath '/a'", 'o', '/a'],
    ['@as []', 'as', []],
    ["['a', 'b']", 'as', ['a', 'b']],
    ['[uint64 1, 2]', 'at', [1n, 2n]],
    ['@aai [[1], []]', 'aai', [[1], []]],
    ['<uint32 5>', 'v', { signature: 'u', value: 5 }],
    ['[byte 0x61, 98]', 'ay', [97, 98]],
  ] as const)
    assert.equal(parseVariantText(text), E.right({ signature, value }), text)
})

test('and what is none', () => {
  for (const text of [
    '',
    'yes',
    'constructor 5',
    '5 5',
    "'open",
    '[1',
    '[]',
    '[1 2]',
    "[1, 'a']",
    '[true, 1]',
    'uint32 -1',
    'byte 256',
    '2147483648',
    'int32 1.5',
    '@ 5',
    '@as 5',
    '@b [true]',
    '<5',
    "uint64 'a'",
    `${'<'.repeat(50)}5${'>'.repeat(50)}`,
    '{}',
    '(1,)',
  ])
    assert.ok(E.isLeft(parseVariantText(text)), text)
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseVariantText(text)
    }),
  )
})

test('annotations are properties, and seconds are microseconds', () => {
  const annotations = {
    'org.systemd.property.TimeoutStopSec': '1.5',
    'org.systemd.property.RuntimeMaxUSec': 'uint64 5',
    'org.systemd.property.CollectMode': "'inactive'",
    'org.other': '???',
  }
  assert.equal(expectRight(annotatedProperties(annotations)), [
    { name: 'CollectMode', signature: 's', value: 'inactive' },
    { name: 'RuntimeMaxUSec', signature: 't', value: 5n },
    { name: 'TimeoutStopUSec', signature: 't', value: 1_500_000n },
  ])
  for (const [name, text, why] of [
    ['ab', '5', /no name of a property/],
    ['Not-One', '5', /no name of a property/],
    ['Delegate', 'yes', /"yes" where a value should be, got "yes"/],
    ['TimeoutStopSec', "'5'", /a number of seconds/],
    ['TimeoutStopSec', '-1', /a number of seconds/],
  ] as const) {
    const error = expectLeft(annotatedProperties({ [`org.systemd.property.${name}`]: text }))
    assert.is(error._tag, 'InvalidSpec')
    assert.match('why' in error ? String(error.why) : '', why)
  }
})

test.run()
