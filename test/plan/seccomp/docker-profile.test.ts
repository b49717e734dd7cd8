// Profiles from files: Docker's form, the plain form, and what is wrong with one by JSON path.
import * as E from '#fp/Either'
import type { LinuxSeccomp } from '../../../src/model/oci-spec.ts'
import { dockerProfileToOci, type ProfileFacts } from '../../../src/plan/seccomp/index.ts'
import { assert, suite } from '../../support/suite.ts'

const Docker = suite('plan/seccomp profiles from files')
const facts: ProfileFacts = { arch: 'x64', caps: ['CAP_CHOWN'], kernel: [5, 10] }

const decoded = (json: unknown, on: ProfileFacts = facts): LinuxSeccomp => {
  const result = dockerProfileToOci(json, on)
  if (E.isLeft(result)) throw new Error(JSON.stringify(result.left))
  return result.right
}
const allow = (names: readonly string[], more: object = {}) => ({ names, action: 'SCMP_ACT_ALLOW', ...more })
const profile = (...syscalls: readonly object[]) => ({ defaultAction: 'SCMP_ACT_ERRNO', syscalls })

Docker('a plain profile stays as it is', () => {
  const plain = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 38,
    architectures: ['SCMP_ARCH_X86_64'],
    flags: ['SECCOMP_FILTER_FLAG_LOG'],
    syscalls: [
      {
        names: ['read'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: 1, valueTwo: 2, op: 'SCMP_CMP_MASKED_EQ' }],
      },
    ],
  }
  assert.equal(decoded(plain), plain)
})

Docker('archMap gives the architectures of this machine', () => {
  const archMap = [
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_RISCV64', subArchitectures: null },
  ]
  const { architectures } = decoded({ ...profile(), archMap })
  assert.equal(architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'])
  assert.equal(decoded({ ...profile(), archMap }, { ...facts, arch: 'arm64' }).architectures, [
    'SCMP_ARCH_AARCH64',
    'SCMP_ARCH_ARM',
  ])
  assert.is(decoded({ ...profile(), archMap: archMap.slice(0, 1) }).architectures, undefined)
})

const conditions: readonly (readonly [string, object, boolean])[] = [
  ['every included capability is held', { includes: { caps: ['CAP_CHOWN'] } }, true],
  ['an included capability is missing', { includes: { caps: ['CAP_CHOWN', 'CAP_SYS_ADMIN'] } }, false],
  ['an excluded capability is held', { excludes: { caps: ['CAP_SYS_ADMIN', 'CAP_CHOWN'] } }, false],
  ['no excluded capability is held', { excludes: { caps: ['CAP_SYS_ADMIN'] } }, true],
  ['the machine is included', { includes: { arches: ['arm64', 'amd64'] } }, true],
  ['the machine is not included', { includes: { arches: ['x86', 'x32'] } }, false],
  ['the machine is excluded', { excludes: { arches: ['amd64'] } }, false],
  ['the kernel is as new as wanted', { includes: { minKernel: '5.10' } }, true],
  ['the kernel is newer in its first number', { includes: { minKernel: '4.99' } }, true],
  ['the kernel is too old', { includes: { minKernel: '5.11' } }, false],
  ['the kernel is as new as excluded', { excludes: { minKernel: '5.9' } }, false],
  ['the kernel is older than excluded', { excludes: { minKernel: '6.0' } }, true],
  ['an empty kernel version is wanted', { includes: { minKernel: '' } }, true],
  ['there are no conditions in includes', { includes: {}, excludes: { caps: [] } }, true],
  ['one of two conditions fails', { includes: { caps: ['CAP_CHOWN'], arches: ['arm64'] } }, false],
]
for (const [title, more, kept] of conditions)
  Docker(`a rule is ${kept ? 'kept' : 'dropped'} where ${title}`, () =>
    assert.equal(decoded(profile(allow(['read'], more))).syscalls, kept ? [allow(['read'])] : []),
  )

Docker('name is the old form of names', () =>
  assert.equal(decoded(profile({ name: 'read', action: 'SCMP_ACT_ALLOW' })).syscalls, [allow(['read'])]),
)

Docker('comments and fields nobody knows are left out', () =>
  assert.equal(decoded(profile(allow(['read'], { comment: 'why', later: 1 }))).syscalls, [allow(['read'])]),
)

Docker('null counts as missing', () =>
  assert.equal(decoded(profile(allow(['read'], { args: null, includes: null }))).syscalls, [allow(['read'])]),
)

Docker('64-bit numbers may come as bigints', () => {
  const args = [{ index: 0, value: 2n ** 64n - 1n, op: 'SCMP_CMP_EQ' }]
  assert.equal(decoded(profile(allow(['read'], { args }))).syscalls, [allow(['read'], { args })])
})

const arg = (fields: object) =>
  profile(allow(['read'], { args: [{ index: 0, value: 0, op: 'SCMP_CMP_EQ', ...fields }] }))
const faults: readonly (readonly [string, unknown])[] = [
  ['$', 'text'],
  ['$', []],
  ['$.defaultAction', {}],
  ['$.defaultAction', { defaultAction: 'SCMP_ACT_MAYBE' }],
  ['$.defaultErrnoRet', { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: -1 }],
  ['$.defaultErrnoRet', { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 5000 }],
  ['$', { ...profile(), architectures: ['SCMP_ARCH_X86'], archMap: [{ architecture: 'SCMP_ARCH_X86_64' }] }],
  ['$.archMap[0].architecture', { ...profile(), archMap: [{}] }],
  ['$.architectures[0]', { ...profile(), architectures: ['SCMP_ARCH_Z80'] }],
  ['$.flags[0]', { ...profile(), flags: ['SECCOMP_FILTER_FLAG_MAGIC'] }],
  ['$.syscalls', { defaultAction: 'SCMP_ACT_ALLOW', syscalls: {} }],
  ['$.syscalls[0]', profile({ name: 'read', names: ['write'], action: 'SCMP_ACT_ALLOW' })],
  ['$.syscalls[0].names', profile({ action: 'SCMP_ACT_ALLOW' })],
  ['$.syscalls[0].names[1]', profile(allow(['read', '']))],
  ['$.syscalls[0].names[0]', profile({ names: [7], action: 'SCMP_ACT_ALLOW' })],
  ['$.syscalls[1].action', profile(allow(['read']), { names: ['read'] })],
  ['$.syscalls[0].includes.minKernel', profile(allow(['read'], { includes: { minKernel: '5' } }))],
  ['$.syscalls[0].includes.minKernel', profile(allow(['read'], { includes: { minKernel: '0.0' } }))],
  ['$.syscalls[0].excludes.minKernel', profile(allow(['read'], { excludes: { minKernel: 5.1 } }))],
  ['$.syscalls[0].excludes.caps[0]', profile(allow(['read'], { excludes: { caps: [1] } }))],
  ['$.syscalls[0].args[0].index', arg({ index: 6 })],
  ['$.syscalls[0].args[0].value', arg({ value: -1 })],
  ['$.syscalls[0].args[0].value', arg({ value: 2n ** 64n })],
  ['$.syscalls[0].args[0].value', arg({ value: 2 ** 60 })],
  ['$.syscalls[0].args[0].valueTwo', arg({ valueTwo: 'x' })],
  ['$.syscalls[0].args[0].op', arg({ op: 'SCMP_CMP_LIKE' })],
]
faults.forEach(([where, json], index) => {
  Docker(`a profile wrong at ${where} is refused by that path (${index})`, () => {
    const result = dockerProfileToOci(json, facts)
    if (E.isRight(result) || result.left._tag !== 'InvalidSpec') return assert.unreachable('was decoded')
    assert.is(result.left.where, where)
    assert.is(result.left.document, 'seccomp profile')
  })
})

Docker.run()
