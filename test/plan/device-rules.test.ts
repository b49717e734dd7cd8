// Device rules mean the same on v1, where the kernel reads them, and on v2, where a program of ours decides.
import fc from 'fast-check'
import { parseDeviceRule } from '../../src/model/devices.ts'
import type { LinuxDeviceCgroup } from '../../src/model/oci-spec.ts'
import { allowsEveryDevice, deviceList, deviceWrites } from '../../src/plan/device-list.ts'
import { compileDeviceProgram } from '../../src/plan/device-program.ts'
import { type DeviceRequest, DevicesGroup, linesOf, runDeviceProgram } from '../support/device-machine.ts'
import { assert, suite } from '../support/suite.ts'

const DeviceRules = suite('plan/device-rules')

const ACCESS = ['r', 'w', 'm', 'rw', 'rm', 'wm', 'rwm'] as const
/** Few numbers, so that rules and requests meet. */
const anyNumber = fc.constantFrom(-1, 0, 1, 3, 4095)
const anyRule: fc.Arbitrary<LinuxDeviceCgroup> = fc.record(
  {
    allow: fc.boolean(),
    type: fc.constantFrom('a' as const, 'b' as const, 'c' as const),
    major: anyNumber,
    minor: anyNumber,
    access: fc.constantFrom(...ACCESS),
  },
  { requiredKeys: ['allow'] },
)
const REQUESTS: readonly DeviceRequest[] = (['b', 'c'] as const).flatMap((type) =>
  [0, 1, 3, 4095, 7].flatMap((major) =>
    [0, 1, 3, 1_048_575].flatMap((minor) => ACCESS.map((access) => ({ type, major, minor, access }))),
  ),
)

const groupOf = (lines: readonly { readonly file: string; readonly value: string }[]): DevicesGroup => {
  const group = new DevicesGroup()
  for (const { file, value } of lines) group.write(file, value)
  return group
}

DeviceRules('the program decides as the v1 group does, for any rules', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 8 }), (rules) => {
      const group = groupOf(linesOf(rules))
      const program = compileDeviceProgram(deviceList(rules))
      for (const request of REQUESTS)
        assert.is(runDeviceProgram(program, request) === 1, group.permits(request), JSON.stringify(request))
    }),
    { numRuns: 500 },
  )
})

DeviceRules('what is written to a v1 group amounts to the rules themselves', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 8 }), (rules) => {
      const asked = groupOf(linesOf(rules))
      const written = groupOf(deviceWrites(deviceList(rules)))
      for (const request of REQUESTS)
        assert.is(written.permits(request), asked.permits(request), JSON.stringify(request))
    }),
  )
})

const DENY = { allow: false, access: 'rwm' } as const
const CASES: readonly (readonly [string, readonly LinuxDeviceCgroup[], DeviceRequest, boolean])[] = [
  ['nothing said', [], { type: 'c', major: 1, minor: 1, access: 'rw' }, true],
  ['all denied', [DENY], { type: 'c', major: 1, minor: 3, access: 'r' }, false],
  [
    'two rules for one device add up',
    [
      DENY,
      { allow: true, type: 'c', major: 1, minor: 3, access: 'r' },
      { allow: true, type: 'c', major: 1, minor: 3, access: 'w' },
    ],
    { type: 'c', major: 1, minor: 3, access: 'rw' },
    true,
  ],
  [
    'reading denied, reading and writing asked for',
    [{ allow: false, type: 'c', major: 1, minor: 1, access: 'r' }],
    { type: 'c', major: 1, minor: 1, access: 'rw' },
    false,
  ],
  [
    'type a with numbers is no pass for everything',
    [DENY, { allow: true, type: 'a', major: 1, minor: 3, access: 'r' }],
    { type: 'c', major: 1, minor: 1, access: 'r' },
    false,
  ],
  [
    'type a with an access is no pass for the others',
    [DENY, { allow: true, type: 'a', access: 'm' }],
    { type: 'b', major: 8, minor: 0, access: 'r' },
    false,
  ],
  [
    'only to read',
    [DENY, { allow: true, type: 'c', major: 10, minor: 200, access: 'r' }],
    { type: 'c', major: 10, minor: 200, access: 'w' },
    false,
  ],
]
for (const [name, rules, request, permitted] of CASES)
  DeviceRules(`${name}: ${permitted ? 'permitted' : 'refused'}`, () => {
    assert.is(runDeviceProgram(compileDeviceProgram(deviceList(rules)), request) === 1, permitted)
    assert.is(groupOf(deviceWrites(deviceList(rules))).permits(request), permitted)
  })

DeviceRules('where all is allowed there is nothing to write, and no program is needed', () => {
  const list = deviceList([DENY, { allow: true, access: 'rwm' }])
  assert.ok(allowsEveryDevice(list))
  assert.equal(deviceWrites(list), [])
})

DeviceRules('a rule is refused for numbers the kernel does not have', () => {
  assert.equal(parseDeviceRule('c 4095:1048575 r'), {
    allow: true,
    type: 'c',
    major: 4095,
    minor: 1048575,
    access: 'r',
  })
  for (const rule of ['c 4096:0 r', 'c 1:1048576 r', 'c 4294967295:1 rwm', 'c 1:3 rr', 'd 1:3 r'])
    assert.is(parseDeviceRule(rule), undefined, rule)
})

DeviceRules.run()
