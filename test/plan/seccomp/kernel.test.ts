// Filters in the real kernel: it takes them, and calls come out as the evaluator says.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import type { LinuxSeccomp } from '../../../src/model/oci-spec.ts'
import { syscallNumber, X32_BIT } from '../../../src/plan/syscalls/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { compiled, docker, refusing } from './support.ts'

const Kernel = suite('plan/seccomp in the kernel')
const { EPERM, ENOSYS, EACCES } = constants.errno
const dir = mkdtempSync(path.join(tmpdir(), 'slipway-seccomp-kernel-'))
const program = path.join(dir, 'kernel')

Kernel.before(() => {
  execFileSync('cc', ['-o', program, path.join('test', 'plan', 'seccomp', 'kernel.c')])
})
Kernel.after(() => rmSync(dir, { recursive: true, force: true }))

type Call = readonly [name: string | number, arg0: number]
const results = (profile: LinuxSeccomp, arch: 'x64' | 'x86', calls: readonly Call[]): readonly string[] => {
  const words = calls.flatMap(([name, arg0]) => [
    String(typeof name === 'number' ? name : syscallNumber(arch, name)),
    String(arg0),
  ])
  const input = compiled(profile).instructions
  const { stdout, stderr, status } = spawnSync(program, [arch, ...words], { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout.trim().split('\n')
}

const lacking = ((): string | undefined => {
  if (process.arch !== 'x64') return 'the calls are those of x86-64'
  return spawnSync('cc', ['--version']).status === 0 ? undefined : 'needs a C compiler'
})()
const test = (name: string, body: () => void): void =>
  lacking === undefined ? Kernel(name, body) : Kernel.skip(name, lacking)

test("the kernel refuses and allows by Docker's default profile", () => {
  assert.equal(
    results(docker(), 'x64', [
      ['getppid', 0],
      ['umask', 0o77],
      ['setns', -1],
      ['unshare', 0],
      ['keyctl', 0],
      ['clone3', 0],
      ['socket', 38],
      ['socket', 40],
      ['personality', 0x40000],
      [600, 0],
    ]).slice(1),
    [
      String(process.umask()),
      ...[EPERM, EPERM, EPERM, ENOSYS, EPERM, EPERM, EPERM, ENOSYS].map((errno) => String(-errno)),
    ],
  )
})

test('a socket family between the two refused ones gets to the kernel', () =>
  assert.is.not(results(docker(), 'x64', [['socket', 39]])[0], String(-EPERM)))

test('i386 calls are decided by their own table', () => {
  const [pid, unshared, socket] = results(docker(), 'x86', [
    ['getpid', 0],
    ['unshare', 0],
    ['clone3', 0],
  ])
  // Kernels without CONFIG_IA32_EMULATION kill the caller of int 0x80 whatever the filter.
  if (pid === 'signal 11') return
  assert.ok(Number(pid) > 0, pid)
  assert.is(unshared, String(-EPERM))
  assert.is(socket, String(-ENOSYS))
})

test('an architecture the profile does not list is killed with SIGSYS', () => {
  const alone = { ...docker(), architectures: ['SCMP_ARCH_X86_64'] }
  assert.equal(results(alone, 'x64', [[X32_BIT + 39, 0]]), ['signal 31'])
  assert.match(results(alone, 'x86', [['getpid', 0]])[0] ?? '', /^signal (31|11)$/)
})

test('an errno of the profile arrives, and killing kills', () => {
  const rules = refusing(
    { names: ['write', 'exit_group', 'exit'], action: 'SCMP_ACT_ALLOW' },
    { names: ['getpid'], action: 'SCMP_ACT_ERRNO', errnoRet: EACCES },
    { names: ['getppid'], action: 'SCMP_ACT_KILL_PROCESS' },
    {
      names: ['umask'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: 7,
      args: [{ index: 0, value: 18, op: 'SCMP_CMP_GE' }],
    },
  )
  const got = results(rules, 'x64', [
    ['getpid', 0],
    ['getppid', 0],
    ['umask', 17],
    ['umask', 18],
    ['getuid', 0],
  ])
  assert.equal(got, [String(-EACCES), 'signal 31', String(-EPERM), '-7', String(-EPERM)])
})

test('the kernel takes a filter with long jumps', () => {
  const syscalls = Array.from(
    { length: 150 },
    (_, value) =>
      ({
        names: ['umask', value % 2 === 0 ? 'read' : 'getppid'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: value + 1,
        args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
      }) as const,
  )
  const rules = refusing({ names: ['write', 'exit_group'], action: 'SCMP_ACT_ALLOW' }, ...syscalls)
  assert.ok(compiled(rules).count > 600)
  assert.equal(
    results(rules, 'x64', [
      ['umask', 0],
      ['umask', 149],
      ['umask', 150],
    ]),
    ['-1', '-150', '-1'],
  )
})

Kernel.run()
