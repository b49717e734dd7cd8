// Builds a fake /proc and /sys in a temporary folder, from a short description of a host.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { HostSource } from '../../src/adapters/host-facts.ts'

const STATUS = 'Name:\tx\nUid:\t1\t1000\t1\t1\nGid:\t1\t1001\t1\t1\nCapEff:\t000001ffffffffff\nThreads:\t1\n'
const LIMITS =
  'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024        524288      files\n'

/** A plain machine; a test overrides the files it is about. `undefined` removes one. */
const PLAIN: Readonly<Record<string, string>> = {
  '/proc/self/status': STATUS,
  '/proc/self/limits': LIMITS,
  '/proc/self/mountinfo': '',
  '/proc/self/ns/mnt': 'mnt:[1]',
  '/proc/self/ns/pid': 'pid:[2]',
  '/proc/self/ns/pid_for_children': 'pid:[2]',
  '/proc/self/ns/user': 'user:[3]',
  '/proc/self/ns/cgroup': 'cgroup:[4]',
  '/proc/self/ns/net': 'net:[5]',
  '/proc/self/ns/time': 'time:[6]',
  '/proc/sys/kernel/osrelease': '6.12.3-amd64\n',
  '/proc/sys/kernel/random/boot_id': '11111111-2222-3333-4444-555555555555\n',
  '/proc/sys/kernel/cap_last_cap': '40\n',
  '/proc/sys/kernel/seccomp/actions_avail': 'kill_process errno allow\n',
  '/proc/sys/user/max_user_namespaces': '7000\n',
  '/proc/meminfo': 'MemTotal:        1048576 kB\nMemFree:  1 kB\n',
  '/proc/net/if_inet6': '',
  '/sys/devices/system/cpu/online': '0-3,6\n',
}

export interface FakeHost {
  readonly source: HostSource
  readonly set: (file: string, text: string) => void
  readonly remove: () => void
}

export const fakeHost = (
  files: Readonly<Record<string, string | undefined>> = {},
  arch = 'x64',
): FakeHost => {
  const root = mkdtempSync(path.join(tmpdir(), 'slipway-host-'))
  const set = (file: string, text: string) => {
    const place = root + file
    mkdirSync(path.dirname(place), { recursive: true })
    rmSync(place, { force: true })
    if (file.startsWith('/sys/fs/cgroup/')) writeFileSync(path.join(path.dirname(place), 'cgroup.procs'), '')
    if (file.startsWith('/proc/self/ns/')) symlinkSync(text, place)
    else writeFileSync(place, text)
  }
  for (const [file, text] of Object.entries({ ...PLAIN, ...files })) if (text !== undefined) set(file, text)
  return { source: { root, arch }, set, remove: () => rmSync(root, { recursive: true, force: true }) }
}
