// Profiles of any shape, as fast-check arbitraries.
import * as fc from 'fast-check'
import type {
  LinuxSeccomp,
  SeccompAction,
  SeccompArg,
  SeccompOperator,
  SeccompSyscall,
} from '../../../src/model/oci-spec.ts'
import { SECCOMP_ACTIONS, SECCOMP_OPERATORS } from '../../../src/model/oci-spec-seccomp.ts'
import { multiplexed } from '../../../src/plan/seccomp/multiplex.ts'
import { syscallsOf } from '../../../src/plan/syscalls/index.ts'

/**
 * Not those i386 multiplexes: with different actions, such a rule and one for socketcall or ipc itself would overlap.
 */
const NAMES = [
  ...new Set((['x64', 'x86', 'x32'] as const).flatMap((arch) => [...syscallsOf(arch).keys()])),
].filter((name) => multiplexed(name) === undefined)
/** Few, so that rules meet on one call; with calls that i386 multiplexes. */
const BUSY = [
  'read',
  'socket',
  'bind',
  'clone',
  'personality',
  'socketcall',
  'semop',
  'ioctl',
  'rt_sigaction',
]

/** Nobody is there to be notified. */
const ACTIONS = SECCOMP_ACTIONS.filter((name) => name !== 'SCMP_ACT_NOTIFY')

const value = fc.oneof(
  fc.bigInt({ min: 0n, max: 70n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 0xffffffffn, 0x100000000n, 0x7e020000n, 2n ** 64n - 1n, 0xffffffff00000000n),
)
const argOf = (operators: readonly SeccompOperator[]): fc.Arbitrary<SeccompArg> =>
  fc.record({
    index: fc.integer({ min: 0, max: 5 }),
    value,
    valueTwo: value,
    op: fc.constantFrom(...operators),
  })

const unconditional: fc.Arbitrary<SeccompSyscall> = fc.record({
  names: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 60 }),
  action: fc.constantFrom(...ACTIONS),
  errnoRet: fc.integer({ min: 0, max: 200 }),
})
const conditional = (
  actions: readonly SeccompAction[],
  args: fc.Arbitrary<SeccompArg[]>,
): fc.Arbitrary<SeccompSyscall> =>
  fc.record({
    names: fc.uniqueArray(fc.constantFrom(...BUSY), { minLength: 1, maxLength: 3 }),
    action: fc.constantFrom(...actions),
    errnoRet: fc.constant(7),
    args,
  })

const profileOf = (rules: fc.Arbitrary<SeccompSyscall[]>): fc.Arbitrary<LinuxSeccomp> =>
  fc.record({
    defaultAction: fc.constantFrom(...ACTIONS),
    defaultErrnoRet: fc.integer({ min: 0, max: 200 }),
    architectures: fc.subarray(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']),
    syscalls: fc
      .tuple(fc.array(unconditional, { maxLength: 5 }), rules)
      .chain(([some, others]) =>
        fc.shuffledSubarray([...some, ...others], { minLength: some.length + others.length }),
      ),
  })

/** Any rules at all, also such that overlap with different actions. */
export const anyProfile: fc.Arbitrary<LinuxSeccomp> = profileOf(
  fc.array(conditional(ACTIONS, fc.array(argOf(SECCOMP_OPERATORS), { minLength: 1, maxLength: 3 })), {
    maxLength: 6,
  }),
)

const EQUALITIES: readonly SeccompOperator[] = ['SCMP_CMP_EQ', 'SCMP_CMP_MASKED_EQ']
const distinct = (operators: readonly SeccompOperator[]): fc.Arbitrary<SeccompArg[]> =>
  fc.uniqueArray(argOf(operators), { minLength: 1, maxLength: 3, selector: ({ index }) => index })

/**
 * What libseccomp 2.5 and 2.6 get right. Rules with different actions for overlapping arguments they order by their
 * own lights; several rules with inequalities for one call they merge into trees that lose some of them
 * (read with arg2 >= 2^64 - 2^32 or arg2 < 0 never matches). So: any operators in one rule, or equalities in several.
 */
export const plainProfile: fc.Arbitrary<LinuxSeccomp> = fc
  .constantFrom(...ACTIONS)
  .chain((action) =>
    profileOf(
      fc.oneof(
        fc.array(conditional([action], distinct(SECCOMP_OPERATORS)), { maxLength: 1 }),
        fc.array(conditional([action], distinct(EQUALITIES)), { maxLength: 4 }),
      ),
    ),
  )
