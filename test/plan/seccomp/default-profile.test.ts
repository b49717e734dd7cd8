// Docker's default profile, call by call.
import { createHash } from 'node:crypto'
import { CAPABILITIES } from '../../../src/model/capabilities.ts'
import { RET } from '../../../src/plan/seccomp/abi.ts'
import type { ProfileFacts } from '../../../src/plan/seccomp/conditional.ts'
import { DEFAULT_REVISION, defaultFilterKey } from '../../../src/plan/seccomp/default-profile.ts'
import { admits, defaultProfile } from '../../../src/plan/seccomp/index.ts'
import { type SyscallArch, syscallNumber, X32_BIT } from '../../../src/plan/syscalls/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { answer, compiled, DOCKER_CAPS, docker } from './support.ts'

const Default = suite('plan/seccomp default profile')
const EPERM = RET.errno | 1
const ENOSYS = RET.errno | 38
const ALLOW = RET.allow

type Row = readonly [SyscallArch, string | number, readonly bigint[], number]
const table = (machine: 'x64' | 'arm64', caps: readonly string[], rows: readonly Row[]): void => {
  const filter = compiled(docker(machine, caps), machine)
  for (const [arch, call, args, wanted] of rows) {
    const got = answer(filter, arch, call, ...args)
    assert.is(got.toString(16), wanted.toString(16), `${arch} ${call}(${args.join(', ')})`)
  }
}

Default('ordinary calls are allowed, and what needs a capability is refused', () => {
  table('x64', DOCKER_CAPS, [
    ['x64', 'read', [], ALLOW],
    ['x64', 'openat2', [], ALLOW],
    ['x64', 'ptrace', [], ALLOW],
    ['x64', 'chroot', [], ALLOW],
    ['x64', 'mount', [], EPERM],
    ['x64', 'bpf', [], EPERM],
    ['x64', 'setns', [], EPERM],
    ['x64', 'keyctl', [], EPERM],
    ['x64', 'io_uring_setup', [], EPERM],
    ['x64', 'userfaultfd', [], EPERM],
    ['x64', 'kexec_load', [], EPERM],
  ])
})

Default('clone may make threads and processes, and no namespace', () => {
  const rows: Row[] = [['x64', 'clone', [17n], ALLOW]]
  for (const flag of [
    0x00020000n,
    0x02000000n,
    0x04000000n,
    0x08000000n,
    0x10000000n,
    0x20000000n,
    0x40000000n,
  ])
    rows.push(['x64', 'clone', [flag | 17n], EPERM], ['x86', 'clone', [flag | 17n], EPERM])
  table('x64', DOCKER_CAPS, rows)
})

Default('clone3 looks missing, so that libraries fall back to clone', () =>
  table('x64', DOCKER_CAPS, [
    ['x64', 'clone3', [], ENOSYS],
    ['x86', 'clone3', [], ENOSYS],
    ['x32', 'clone3', [], ENOSYS],
  ]),
)

Default('sockets are allowed but for AF_ALG and AF_VSOCK', () => {
  const rows: Row[] = [0n, 1n, 2n, 10n, 16n, 37n, 39n, 41n, 44n, 1n << 32n].map((family) => [
    'x64',
    'socket',
    [family],
    ALLOW,
  ])
  for (const family of [38n, 40n])
    rows.push(['x64', 'socket', [family], EPERM], ['x86', 'socket', [family], EPERM])
  table('x64', DOCKER_CAPS, rows)
})

Default('personality takes five values', () => {
  const rows: Row[] = [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn].map((value) => [
    'x64',
    'personality',
    [value],
    ALLOW,
  ])
  for (const value of [1n, 9n, 0x40000n, 0x20009n, 1n << 32n])
    rows.push(['x64', 'personality', [value], EPERM])
  table('x64', DOCKER_CAPS, rows)
})

Default('numbers above the highest named are answered ENOSYS, per architecture', () => {
  table('x64', DOCKER_CAPS, [
    ['x64', 466, [], ALLOW],
    ['x64', 467, [], ENOSYS],
    ['x64', 1000, [], ENOSYS],
    ['x64', X32_BIT - 1, [], ENOSYS],
    ['x64', 0xffffffff, [], ENOSYS],
    ['x64', 400, [], EPERM],
    ['x32', X32_BIT + 466, [], ALLOW],
    ['x32', X32_BIT + 500, [], EPERM],
    ['x32', X32_BIT + 548, [], ENOSYS],
    ['x86', 467, [], ENOSYS],
    ['x86', 0x40000000, [], ENOSYS],
  ])
})

Default('i386 and x32 have their own numbers', () =>
  table('x64', DOCKER_CAPS, [
    ['x86', 'socketcall', [1n, 0xdeadn], ALLOW],
    ['x86', 'mount', [], EPERM],
    ['x86', 'stime', [], EPERM],
    ['x86', 'chown32', [], ALLOW],
    ['x32', 'execve', [], ALLOW],
    // 59 is execve of x86-64; x32 has another.
    ['x32', X32_BIT + 59, [], EPERM],
    ['x32', 'personality', [1n << 32n], ALLOW],
  ]),
)

Default('arm64 has its own calls and those of arm', () =>
  table('arm64', DOCKER_CAPS, [
    ['arm64', 'openat', [], ALLOW],
    ['arm64', 'clone', [0x20000000n], EPERM],
    ['arm64', 'mount', [], EPERM],
    ['arm64', 1000, [], ENOSYS],
    ['arm', 'open', [], ALLOW],
    ['arm', 'set_tls', [], ALLOW],
    ['arm', 'arm_sync_file_range', [], ALLOW],
    ['x64', 'read', [], RET.killThread],
  ]),
)

const opened: readonly (readonly [string, readonly string[]])[] = [
  ['CAP_SYS_ADMIN', ['mount', 'umount2', 'setns', 'unshare', 'bpf', 'clone3', 'fsopen', 'sethostname']],
  ['CAP_SYS_BOOT', ['reboot']],
  ['CAP_SYS_MODULE', ['init_module', 'finit_module', 'delete_module']],
  ['CAP_SYS_PTRACE', ['kcmp', 'pidfd_getfd', 'process_madvise']],
  ['CAP_SYS_RAWIO', ['iopl', 'ioperm']],
  ['CAP_SYS_TIME', ['settimeofday', 'clock_settime']],
  ['CAP_SYS_TTY_CONFIG', ['vhangup']],
  ['CAP_SYS_NICE', ['mbind', 'set_mempolicy']],
  ['CAP_SYS_PACCT', ['acct']],
  ['CAP_SYSLOG', ['syslog']],
  ['CAP_BPF', ['bpf']],
  ['CAP_PERFMON', ['perf_event_open']],
  ['CAP_DAC_READ_SEARCH', ['open_by_handle_at']],
]
for (const [cap, calls] of opened)
  Default(`${cap} opens ${calls.join(', ')}`, () => {
    const numbers = calls.map((name) => ({ nr: syscallNumber('x64', name) ?? -1 }))
    const without = compiled(docker('x64', []))
    for (const call of numbers) assert.not(admits(without, 'x64', [call]))
    assert.ok(admits(compiled(docker('x64', [cap])), 'x64', numbers))
  })

Default('with CAP_SYS_ADMIN clone may make namespaces', () =>
  table('x64', ['CAP_SYS_ADMIN'], [['x64', 'clone', [0x7e020000n], ALLOW]]),
)

Default('before Linux 4.8 ptrace needs its capability', () => {
  const call = [{ nr: syscallNumber('x64', 'ptrace') ?? -1 }]
  const on = (kernel: readonly [number, number], caps: readonly string[]) =>
    compiled(defaultProfile({ arch: 'x64', caps, kernel }))
  assert.not(admits(on([4, 7], []), 'x64', call))
  assert.ok(admits(on([4, 7], ['CAP_SYS_PTRACE']), 'x64', call))
  assert.ok(admits(on([4, 8], []), 'x64', call))
})

/** All that decides about the default filter, in its extremes. */
const MATRIX: readonly ProfileFacts[] = (['x64', 'arm64'] as const).flatMap((arch) =>
  [[], DOCKER_CAPS, CAPABILITIES].flatMap((caps) =>
    (
      [
        [4, 7],
        [6, 18],
      ] as const
    ).map((kernel) => ({ arch, caps, kernel })),
  ),
)

Default('the revision changes with the profile and with what is compiled from it', () => {
  const hash = createHash('sha256')
  for (const facts of MATRIX) {
    const profile = defaultProfile(facts)
    hash.update(JSON.stringify(profile))
    hash.update(compiled(profile, facts.arch).instructions)
  }
  assert.is(
    DEFAULT_REVISION,
    hash.digest('hex').slice(0, 12),
    'write the new revision into default-profile.ts',
  )
})

Default('each filter of the default profile has a key of its own', () => {
  assert.is(new Set(MATRIX.map(defaultFilterKey)).size, MATRIX.length)
  const facts = { arch: 'x64', kernel: [6, 18], caps: ['CAP_CHOWN'] } as const
  assert.is(defaultFilterKey(facts), `default-${DEFAULT_REVISION}-x64-6.18-1`)
})

Default.run()
