// Inputs of the spec builder for tests: a plain host, a plain image, options as a caller writes them.
import type { HostFacts } from '../../../src/model/host-facts.ts'
import { isPlanned } from '../../../src/model/named-mounts.ts'
import type { LinuxSeccomp, Spec } from '../../../src/model/oci-spec.ts'
import type { ContainerOptions } from '../../../src/model/options.ts'
import { decodeContainerOptions } from '../../../src/model/options-decode.ts'
import type { PlannedOptions } from '../../../src/model/options-decoded.ts'
import type { ImageRuntimeConfig, PreparedImage } from '../../../src/model/prepared-image.ts'
import type { ResolvedUser } from '../../../src/model/user-db.ts'
import { buildSpec, type SpecInput } from '../../../src/plan/spec/index.ts'
import { expectRight } from '../../support/either.ts'

export const facts: HostFacts = {
  bootId: '11111111-2222-3333-4444-555555555555',
  arch: 'x64',
  kernelRelease: '6.12.0',
  kernel: [6, 12],
  euid: 0,
  egid: 0,
  effectiveCaps: (1n << 41n) - 1n,
  lastCap: 40,
  cgroup: { mode: 'v2', controllers: [], unified: '/sys/fs/cgroup', writable: true },
  namespaces: ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'],
  timeNamespaceAtExec: true,
  overlayLowerPlus: true,
  passPidfd: true,
  seccompActions: ['errno', 'allow'],
  apparmor: false,
  selinux: false,
  userNamespaces: true,
  cpus: 4,
  memoryBytes: 2 ** 33,
  nofileHard: 524_288,
  canRaiseLimits: true,
  thermalThrottle: ['/sys/devices/system/cpu/cpu0/thermal_throttle'],
  ipv6: true,
}

export const ID = '0123456789abcdef'.repeat(4)
export const seccomp: LinuxSeccomp = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [] }
export const root: ResolvedUser = { uid: 0, gid: 0, additionalGids: [0], home: '/root' }
export const web: ResolvedUser = { uid: 33, gid: 33, additionalGids: [33, 50], home: '/var/www' }

export const image = (config: ImageRuntimeConfig = { Cmd: ['/bin/sh'] }): PreparedImage => ({
  reference: 'debian:bookworm',
  id: `sha256:${'a'.repeat(64)}`,
  config,
  rootfs: { kind: 'layers', lowers: ['/layers/1'] },
})

/** Without volumes, which are looked up before. */
export const decoded = (options: ContainerOptions): PlannedOptions => {
  const found = expectRight(decodeContainerOptions(options, facts))
  if (isPlanned(found, image())) return found
  throw new Error('the options have mounts that must be looked up')
}

/** Options are written as a caller writes them; the rest may be replaced. */
export const input = (options: ContainerOptions = {}, more: Partial<SpecInput> = {}): SpecInput => ({
  image: image(),
  argv: [],
  options: decoded(options),
  user: root,
  id: ID,
  facts,
  seccomp,
  cgroupsPath: `/slipway/${ID}`,
  ...more,
})

export const specOf = (options: ContainerOptions = {}, more: Partial<SpecInput> = {}): Spec =>
  expectRight(buildSpec(input(options, more)))
