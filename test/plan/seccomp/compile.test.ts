// The compiler: meaning of rules, errors by path, limits, and any profile against the plain reading of it.
import * as fc from 'fast-check'
import * as E from '#fp/Either'
import type { EngineError } from '../../../src/model/errors.ts'
import type { LinuxSeccomp, SeccompAction, SeccompArg, SeccompOperator } from '../../../src/model/oci-spec.ts'
import { AUDIT_ARCH, RET } from '../../../src/plan/seccomp/abi.ts'
import { compileSeccomp, evaluate, firstRefused, seccompKey } from '../../../src/plan/seccomp/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { callSource, randomSource } from './random-calls.ts'
import { anyProfile } from './random-profiles.ts'
import { referenceAnswer } from './reference.ts'
import { answer, compiled, docker, refusing } from './support.ts'

const Compile = suite('plan/seccomp compiler')
const EPERM = RET.errno | 1
const HUGE = 2n ** 64n - 1n

const allowRead = (...args: readonly SeccompArg[]): LinuxSeccomp =>
  refusing({ names: ['read', 'write'], action: 'SCMP_ACT_ALLOW', args })
const readAllowed = (op: SeccompOperator, value: bigint, valueTwo: bigint, actual: bigint): boolean =>
  answer(compiled(allowRead({ index: 3, value, valueTwo, op })), 'x64', 'read', 0n, 0n, 0n, actual) ===
  RET.allow

const operators: readonly (readonly [SeccompOperator, (actual: bigint, value: bigint) => boolean])[] = [
  ['SCMP_CMP_NE', (actual, value) => actual !== value],
  ['SCMP_CMP_LT', (actual, value) => actual < value],
  ['SCMP_CMP_LE', (actual, value) => actual <= value],
  ['SCMP_CMP_EQ', (actual, value) => actual === value],
  ['SCMP_CMP_GE', (actual, value) => actual >= value],
  ['SCMP_CMP_GT', (actual, value) => actual > value],
]
const EDGES = [
  0n,
  1n,
  0xffffffffn,
  0x100000000n,
  0x100000001n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  HUGE,
]
for (const [op, holds] of operators)
  Compile(`${op} compares all 64 bits, unsigned`, () => {
    for (const value of EDGES)
      for (const actual of EDGES)
        assert.is(readAllowed(op, value, 0n, actual), holds(actual, value), `${actual} ${value}`)
  })

Compile('SCMP_CMP_MASKED_EQ compares the bits of its mask alone', () => {
  for (const mask of EDGES)
    for (const value of EDGES)
      for (const actual of EDGES)
        assert.is(readAllowed('SCMP_CMP_MASKED_EQ', mask, value, actual), (actual & mask) === (value & mask))
})

Compile('all conditions of a rule must hold', () => {
  const filter = compiled(
    allowRead({ index: 0, value: 1, op: 'SCMP_CMP_EQ' }, { index: 5, value: 2, op: 'SCMP_CMP_EQ' }),
  )
  assert.is(answer(filter, 'x64', 'read', 1n, 0n, 0n, 0n, 0n, 2n), RET.allow)
  assert.is(answer(filter, 'x64', 'read', 1n, 0n, 0n, 0n, 0n, 3n), EPERM)
  assert.is(answer(filter, 'x64', 'read', 0n, 0n, 0n, 0n, 0n, 2n), EPERM)
})

Compile('conditions on one argument are alternatives', () => {
  const filter = compiled(
    allowRead({ index: 0, value: 1, op: 'SCMP_CMP_EQ' }, { index: 0, value: 2, op: 'SCMP_CMP_EQ' }),
  )
  const allowed = [0n, 1n, 2n, 3n].map((value) => answer(filter, 'x64', 'read', value) === RET.allow)
  assert.equal(allowed, [false, true, true, false])
})

Compile('a rule without conditions decides alone, before or after others', () => {
  const always = { names: ['read'], action: 'SCMP_ACT_LOG' } as const
  const sometimes = {
    names: ['read'],
    action: 'SCMP_ACT_TRAP',
    args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }],
  } as const
  for (const rules of [
    [always, sometimes],
    [sometimes, always],
  ])
    assert.is(answer(compiled(refusing(...rules)), 'x64', 'read', 1n), RET.log)
})

Compile('of rules that overlap, the first in the profile decides', () => {
  const rule = (action: SeccompAction, op: SeccompOperator) => ({
    names: ['read', 'write'],
    action,
    args: [{ index: 0, value: 5, op }],
  })
  const filter = compiled(refusing(rule('SCMP_ACT_LOG', 'SCMP_CMP_GE'), rule('SCMP_ACT_TRAP', 'SCMP_CMP_LE')))
  assert.equal(
    [4n, 5n, 6n].map((value) => answer(filter, 'x64', 'read', value)),
    [RET.trap, RET.log, RET.log],
  )
})

Compile('names no kernel has are passed over', () => {
  const filter = compiled(refusing({ names: ['no_such_call', 'read'], action: 'SCMP_ACT_ALLOW' }))
  assert.is(answer(filter, 'x64', 'read'), RET.allow)
})

const actions: readonly (readonly [SeccompAction, number | undefined, number])[] = [
  ['SCMP_ACT_KILL', undefined, 0],
  ['SCMP_ACT_KILL_THREAD', undefined, 0],
  ['SCMP_ACT_KILL_PROCESS', undefined, 0x80000000],
  ['SCMP_ACT_TRAP', undefined, 0x00030000],
  ['SCMP_ACT_ERRNO', undefined, 0x00050001],
  ['SCMP_ACT_ERRNO', 0, 0x00050000],
  ['SCMP_ACT_ERRNO', 38, 0x00050026],
  ['SCMP_ACT_TRACE', 1234, 0x7ff004d2],
  ['SCMP_ACT_TRACE', undefined, 0x7ff00001],
  ['SCMP_ACT_LOG', undefined, 0x7ffc0000],
  ['SCMP_ACT_ALLOW', undefined, 0x7fff0000],
  ['SCMP_ACT_NOTIFY', undefined, 0x7fc00000],
]
for (const [action, errnoRet, value] of actions)
  Compile(
    `${action}${errnoRet === undefined ? '' : ` with ${errnoRet}`} answers 0x${value.toString(16)}`,
    () => {
      const rule = { names: ['read'], action, ...(errnoRet === undefined ? {} : { errnoRet }) }
      const profile = {
        ...refusing(rule, { names: ['write'], action: 'SCMP_ACT_ALLOW' }),
        defaultErrnoRet: 99,
      } as const
      assert.is(answer(compiled(profile), 'x64', 'read'), value)
    },
  )

const flags: readonly (readonly [readonly string[] | undefined, number])[] = [
  [undefined, 4],
  [[], 0],
  [['SECCOMP_FILTER_FLAG_LOG'], 2],
  [['SECCOMP_FILTER_FLAG_SPEC_ALLOW', 'SECCOMP_FILTER_FLAG_LOG'], 6],
  [['SECCOMP_FILTER_FLAG_TSYNC'], 0],
  [['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'], 0],
]
for (const [named, value] of flags)
  Compile(`flags ${named?.join(', ') ?? 'not given'} are ${value}`, () =>
    assert.is(compiled({ ...refusing(), ...(named === undefined ? {} : { flags: named }) }).flags, value),
  )

Compile('what notifies asks for a listener, and may say how its notifications are waited for', () => {
  const rule = { ...refusing({ names: ['read', 'write'], action: 'SCMP_ACT_NOTIFY' }), flags: [] }
  assert.is(compiled(rule).flags, 8)
  assert.is(compiled({ defaultAction: 'SCMP_ACT_NOTIFY', flags: [] }).flags, 8)
  assert.is(compiled({ ...rule, flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] }).flags, 40)
})

Compile('architectures that are not listed are killed, the own one is always listed', () => {
  const filter = compiled({ ...docker(), architectures: [] })
  assert.is(answer(filter, 'x64', 'read'), RET.allow)
  for (const arch of ['x86', 'x32', 'arm64'] as const)
    assert.is(answer(filter, arch, 'read'), RET.killThread, arch)
})

Compile('the number -1 of a call a tracer skips is not taken for x32', () => {
  const filter = compiled({ ...docker(), architectures: ['SCMP_ARCH_X86_64'] })
  assert.is(answer(filter, 'x64', -1), EPERM)
  assert.is(answer(filter, 'x64', -2), RET.killThread)
})

Compile('a default that lets calls through has no ENOSYS above the numbers it names', () => {
  for (const defaultAction of ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'] as const) {
    const filter = compiled({ defaultAction, syscalls: [{ names: ['read'], action: 'SCMP_ACT_TRAP' }] })
    assert.is.not(answer(filter, 'x64', 9999), RET.errno | 38, defaultAction)
  }
})

Compile('a filter too large for 8-bit jumps still answers right', () => {
  const args = (value: number) => [{ index: value % 6, value, op: 'SCMP_CMP_EQ' }] as const
  const rules = Array.from(
    { length: 150 },
    (_, value) =>
      ({
        names: ['read', value % 2 === 0 ? 'write' : 'close'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: value + 1,
        args: args(value),
      }) as const,
  )
  const profile = { ...docker(), syscalls: rules }
  const filter = compiled(profile)
  assert.ok(filter.count > 1000)
  const reference = referenceAnswer(profile)
  const next = callSource(profile, randomSource(9))
  for (let left = 20_000; left > 0; left--) {
    const call = next()
    assert.is(evaluate(filter, call), reference(call))
  }
})

Compile('200 random profiles answer 200,000 calls as their plain reading does', () =>
  fc.assert(
    fc.property(anyProfile, fc.integer({ min: 1 }), (profile, seed) => {
      const filter = compiled(profile)
      const reference = referenceAnswer(profile)
      const next = callSource(profile, randomSource(seed))
      for (let left = 1000; left > 0; left--) {
        const call = next()
        if (evaluate(filter, call) !== reference(call))
          throw new Error(`nr ${call.nr} arch ${call.arch} ${call.args}`)
      }
    }),
    { numRuns: 200, seed: 20261124 },
  ),
)

Compile('every path loads what it tests, and every jump goes forward and stays inside', () =>
  fc.assert(
    fc.property(anyProfile, (profile) => {
      const { instructions, count } = compiled(profile)
      const view = new DataView(instructions.buffer)
      assert.is(view.getUint16((count - 1) * 8, true), 0x06)
      for (let at = 0; at < count; at++) {
        const code = view.getUint16(at * 8, true)
        const furthest =
          code === 0x05
            ? view.getUint32(at * 8 + 4, true)
            : Math.max(view.getUint8(at * 8 + 2), view.getUint8(at * 8 + 3))
        assert.ok(at + 1 + furthest < count || code === 0x06, `${at}`)
      }
    }),
    { numRuns: 100, seed: 1 },
  ),
)

const failure = (profile: LinuxSeccomp): EngineError => {
  const result = compileSeccomp(profile, 'x64')
  if (E.isRight(result)) throw new Error('compiled')
  return result.left
}

const rule = (fields: object): LinuxSeccomp =>
  refusing(
    { names: ['read'], action: 'SCMP_ACT_ALLOW' },
    { names: ['read'], action: 'SCMP_ACT_ALLOW', ...fields },
  )
const arg = (fields: object): LinuxSeccomp =>
  rule({ args: [{ index: 0, value: 0, op: 'SCMP_CMP_EQ', ...fields }] })
const faults: readonly (readonly [string, LinuxSeccomp])[] = [
  ['$.defaultErrnoRet', { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 4096 }],
  ['$.defaultErrnoRet', { defaultAction: 'SCMP_ACT_TRACE', defaultErrnoRet: 65536 }],
  ['$.architectures[1]', { ...refusing(), architectures: ['SCMP_ARCH_MIPS', 'SCMP_ARCH_Z80'] }],
  ['$.flags[0]', { ...refusing(), flags: ['SECCOMP_FILTER_FLAG_MAGIC'] }],
  ['$.syscalls[1].names', rule({ names: [] })],
  ['$.syscalls[1].errnoRet', rule({ action: 'SCMP_ACT_ERRNO', errnoRet: -1 })],
  ['$.syscalls[1].args[0].index', arg({ index: 6 })],
  ['$.syscalls[1].args[0].value', arg({ value: -1 })],
  ['$.syscalls[1].args[0].value', arg({ value: 2n ** 64n })],
  ['$.syscalls[1].args[0].valueTwo', arg({ valueTwo: 1.5 })],
]
for (const [where, profile] of faults)
  Compile(
    `a profile wrong at ${where} is refused by that path: ${JSON.stringify(profile.syscalls?.[1] ?? profile, show)}`,
    () => {
      const error = failure(profile)
      assert.is(error._tag, 'InvalidSpec')
      assert.is(error._tag === 'InvalidSpec' ? error.where : '', where)
    },
  )
function show(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}

Compile('a filter longer than the kernel allows is refused with its length', () => {
  const many = Array.from({ length: 3000 }, (_, value) => ({ index: 0, value, op: 'SCMP_CMP_EQ' }) as const)
  const error = failure(allowRead(...many))
  assert.is(error._tag, 'Unsupported')
  assert.match(
    error._tag === 'Unsupported' ? error.why : '',
    /\d{4,} instructions, and the kernel allows 4096/,
  )
})

Compile('the key is the same for equal inputs and differs with every part of them', () => {
  const base = docker()
  const others: LinuxSeccomp[] = [
    { ...base, defaultErrnoRet: 2 },
    { ...base, architectures: [] },
    { ...base, flags: [] },
    { ...base, syscalls: [] },
    {
      ...base,
      syscalls: [
        { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 5n, op: 'SCMP_CMP_EQ' }] },
      ],
    },
    {
      ...base,
      syscalls: [
        { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 6n, op: 'SCMP_CMP_EQ' }] },
      ],
    },
  ]
  const keys = [
    seccompKey(base, 'x64'),
    seccompKey(base, 'arm64'),
    ...others.map((profile) => seccompKey(profile, 'x64')),
  ]
  assert.is(new Set(keys).size, keys.length)
  assert.is(seccompKey(docker(), 'x64'), keys[0])
})

Compile('the first call a filter refuses is named', () => {
  const filter = compiled(refusing({ names: ['read'], action: 'SCMP_ACT_LOG' }))
  assert.equal(firstRefused(filter, 'x64', [{ nr: 0 }, { nr: 1 }, { nr: 2 }]), { nr: 1 })
})

const program = (...words: readonly (readonly [number, number])[]): { instructions: Uint8Array } => {
  const instructions = new Uint8Array(words.length * 8)
  const view = new DataView(instructions.buffer)
  words.forEach(([code, k], at) => {
    view.setUint16(at * 8, code, true)
    view.setUint32(at * 8 + 4, k, true)
  })
  return { instructions }
}
Compile('the evaluator refuses a program the kernel would not load', () => {
  const call = { nr: 0, arch: AUDIT_ARCH.x64, args: [] }
  assert.throws(() => evaluate(program([0x20, 0]), call), /ends without an answer/)
  assert.throws(() => evaluate(program([0x05, 9], [0x06, 0]), call), /ends without an answer/)
  assert.throws(() => evaluate(program([0x07, 0], [0x06, 0]), call), /no such instruction: 0x7/)
})

Compile.run()
