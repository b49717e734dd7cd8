// The system call tables, against numbers known from the kernel's own headers.
import { existsSync, readFileSync } from 'node:fs'
import {
  type SyscallArch,
  syscallName,
  syscallNumber,
  syscallsOf,
  X32_BIT,
} from '../../../src/plan/syscalls/index.ts'
import { assert, suite } from '../../support/suite.ts'

const Syscalls = suite('plan/syscalls')
const ARCHES: readonly SyscallArch[] = ['x64', 'x86', 'x32', 'arm64', 'arm']

const known: readonly [SyscallArch, string, number | undefined][] = [
  ['x64', 'read', 0],
  ['x64', 'rseq', 334],
  ['x64', 'uretprobe', 335],
  ['x64', 'pidfd_send_signal', 424],
  ['x64', 'socketcall', undefined],
  ['x86', 'socketcall', 102],
  ['x86', 'socket', 359],
  ['x86', 'accept', undefined],
  ['x32', 'read', X32_BIT],
  ['x32', 'execve', X32_BIT + 520],
  ['arm64', 'io_setup', 0],
  ['arm64', 'openat', 56],
  ['arm', 'socket', 281],
  ['arm', 'set_tls', 0xf0005],
]
for (const [arch, name, number] of known)
  Syscalls(`${name} of ${arch} is ${number}`, () => assert.is(syscallNumber(arch, name), number))

Syscalls('arm64 lacks the calls without a directory descriptor or flags', () => {
  for (const name of ['open', 'mkdir', 'pipe', 'dup2', 'fork', 'poll', 'access', 'rename', 'epoll_create'])
    assert.is(syscallNumber('arm64', name), undefined, name)
})

Syscalls('the calls a launch needs exist wherever slipway runs', () => {
  const needed =
    'fsopen fsconfig fsmount move_mount open_tree mount_setattr openat2 close_range clone3 pidfd_open'
  for (const name of `${needed} pidfd_getfd pidfd_send_signal pivot_root seccomp setns unshare`.split(' '))
    for (const arch of ['x64', 'arm64'] as const) assert.type(syscallNumber(arch, name), 'number', name)
})

Syscalls('from 424 to 471 a number means the same call everywhere', () => {
  for (let nr = 424; nr <= 471; nr++) {
    const named = ARCHES.map((arch) => syscallName(arch, arch === 'x32' ? nr + X32_BIT : nr))
    const names = new Set(named.filter((name) => name !== undefined))
    assert.is(names.size, 1, `${nr}: ${[...names]}`)
  }
})

Syscalls('no number has two names', () => {
  for (const arch of ARCHES) {
    const numbers = [...syscallsOf(arch).values()]
    assert.is(new Set(numbers).size, numbers.length, arch)
  }
})

const HEADERS = { x64: 'unistd_64.h', x86: 'unistd_32.h', x32: 'unistd_x32.h' } as const
for (const arch of ['x64', 'x86', 'x32'] as const) {
  const header = `/usr/include/x86_64-linux-gnu/asm/${HEADERS[arch]}`
  const name = `every call of this machine's ${HEADERS[arch]} has the number it has there`
  if (!existsSync(header)) {
    Syscalls.skip(name, `no ${header}`)
    continue
  }
  Syscalls(name, () => {
    const found = [
      ...readFileSync(header, 'utf8').matchAll(/#define __NR_(\w+) \(?(?:__X32_SYSCALL_BIT \+ )?(\d+)/g),
    ]
    assert.ok(found.length > 300)
    for (const [, call = '', number] of found)
      assert.is(syscallNumber(arch, call), Number(number) + (arch === 'x32' ? X32_BIT : 0), call)
  })
}

Syscalls.run()
