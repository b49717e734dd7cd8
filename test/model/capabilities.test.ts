// Capability names and numbers, and what --cap-add and --cap-drop leave.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import {
  CAPABILITIES,
  capabilityMask,
  capabilityName,
  capabilityNames,
  capabilityNumber,
  DEFAULT_CAPABILITIES,
  resolveCapabilities,
} from '../../src/model/capabilities.ts'
import { expectMessage, expectRight } from '../support/either.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Capabilities = suite('model/capabilities')
const lastCap = 40
const sorted = (names: readonly string[]): string[] => [...names].sort()

Capabilities('names and numbers lead to each other', () => {
  assert.is(CAPABILITIES.length, 41)
  CAPABILITIES.forEach((name, number) => {
    assert.is(capabilityNumber(name), number)
    assert.is(capabilityName(number), name)
  })
  assert.is(capabilityNumber('CAP_NOTHING'), undefined)
  assert.is(capabilityName(41), undefined)
})

const header = '/usr/include/linux/capability.h'
const missing = lacking(`file:${header}`)
if (missing !== undefined) Capabilities.skip('the numbers are those of the kernel header', missing)
else
  Capabilities('the numbers are those of the kernel header', () => {
    const defined = readFileSync(header, 'utf8').matchAll(/^#define (CAP_[A-Z_]+)\s+(\d+)$/gm)
    const wrong = Array.from(defined, ([, name = '', number]) => [name, Number(number)] as const).filter(
      ([name, number]) => capabilityNumber(name) !== number,
    )
    assert.equal(wrong, [])
  })

Capabilities('the default set is the mask that Docker shows in /proc/1/status', () => {
  assert.is(DEFAULT_CAPABILITIES.length, 14)
  assert.is(capabilityMask(DEFAULT_CAPABILITIES), 0xa80425fbn)
})

Capabilities('a mask gives back the names it was made of', () => {
  fc.assert(
    fc.property(fc.subarray([...CAPABILITIES]), (names) => {
      assert.equal(capabilityNames(capabilityMask(names)), names)
    }),
  )
})

Capabilities('a name nobody knows adds nothing to a mask', () => {
  assert.is(capabilityMask(['CAP_NOTHING', 'CAP_KILL']), 1n << 5n)
})

const resolve = (add: readonly string[], drop: readonly string[], privileged = false) =>
  expectRight(resolveCapabilities({ add, drop, privileged, lastCap }))
const without = (names: readonly string[], ...gone: readonly string[]) =>
  sorted(names.filter((name) => !gone.includes(name)))

const cases: readonly (readonly [what: string, got: () => readonly string[], want: readonly string[]])[] = [
  ['nothing asked gives the defaults', () => resolve([], []), DEFAULT_CAPABILITIES],
  [
    'an added one comes to the defaults',
    () => resolve(['net_admin'], []),
    [...DEFAULT_CAPABILITIES, 'CAP_NET_ADMIN'],
  ],
  ['a default that is added again is there once', () => resolve(['KILL'], []), DEFAULT_CAPABILITIES],
  [
    'a dropped one leaves the defaults',
    () => resolve([], ['CAP_MKNOD']),
    without(DEFAULT_CAPABILITIES, 'CAP_MKNOD'),
  ],
  ['one that is added and dropped is had', () => resolve(['MKNOD'], ['MKNOD']), DEFAULT_CAPABILITIES],
  ['dropping all leaves nothing', () => resolve([], ['ALL']), []],
  ['dropping all leaves what is added', () => resolve(['chown'], ['all']), ['CAP_CHOWN']],
  ['adding all gives all', () => resolve(['ALL'], []), CAPABILITIES],
  [
    'adding all leaves out what is dropped',
    () => resolve(['ALL'], ['SYS_ADMIN']),
    without(CAPABILITIES, 'CAP_SYS_ADMIN'),
  ],
  ['adding and dropping all gives all', () => resolve(['ALL'], ['ALL']), CAPABILITIES],
  ['privileged ignores both lists', () => resolve([], ['ALL'], true), CAPABILITIES],
]
for (const [what, got, want] of cases) {
  Capabilities(what, () => assert.equal(sorted(got()), sorted(want)))
}

Capabilities('all means all that this kernel knows', () => {
  const all = expectRight(resolveCapabilities({ privileged: true, lastCap: 37 }))
  assert.is(all.at(-1), 'CAP_AUDIT_READ')
})

Capabilities('a name that does not exist is refused', () => {
  const result = resolveCapabilities({ add: ['NET_ADMN'], lastCap })
  assert.is(expectMessage(result), 'security.capAdd: "NET_ADMN": no such capability')
  const drop = resolveCapabilities({ drop: ['x'], lastCap })
  assert.is(expectMessage(drop), 'security.capDrop: "x": no such capability')
})

Capabilities('one that this kernel lacks cannot be added, but can be dropped', () => {
  const result = resolveCapabilities({ add: ['BPF'], lastCap: 37 })
  assert.is(expectMessage(result), 'security.capAdd: "BPF": this kernel does not have it')
  assert.equal(
    sorted(expectRight(resolveCapabilities({ drop: ['BPF'], lastCap: 37 }))),
    sorted(DEFAULT_CAPABILITIES),
  )
})

Capabilities('an engine that lacks some gives what it has of all and of the defaults', () => {
  const available = capabilityMask(['CAP_KILL', 'CAP_CHOWN', 'CAP_SYS_ADMIN'])
  const have = (wish: object) => expectRight(resolveCapabilities({ lastCap, available, ...wish }))
  assert.equal(have({}), ['CAP_CHOWN', 'CAP_KILL'])
  assert.equal(have({ privileged: true }), ['CAP_CHOWN', 'CAP_KILL', 'CAP_SYS_ADMIN'])
  assert.equal(have({ add: ['ALL'], drop: ['KILL'] }), ['CAP_CHOWN', 'CAP_SYS_ADMIN'])
  assert.equal(have({ add: ['SYS_ADMIN'], drop: ['ALL'] }), ['CAP_SYS_ADMIN'])
})

Capabilities('one that the engine itself lacks cannot be added', () => {
  const result = resolveCapabilities({ add: ['kill', 'bpf'], lastCap, available: 1n << 5n })
  const why = 'slipway itself does not have it here, and cannot give it'
  assert.is(expectMessage(result), `security.capAdd: "bpf": ${why}`)
})

Capabilities.run()
