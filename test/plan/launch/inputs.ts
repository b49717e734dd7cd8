// Launch inputs for the planner's tests: one machine, one image, and what each test changes.

import type { HostFacts } from '../../../src/model/host-facts.ts'
import type { Linux, Process, Spec } from '../../../src/model/oci-spec.ts'
import type { PlannedOptions } from '../../../src/model/options-decoded.ts'
import type { PreparedImage } from '../../../src/model/prepared-image.ts'
import { resolveUser } from '../../../src/model/user-db.ts'
import type { CgroupParent, LaunchInput } from '../../../src/plan/launch/index.ts'
import { buildEngineFiles, buildSpec } from '../../../src/plan/spec/index.ts'
import { expectRight } from '../../support/either.ts'

export const ID = '5f0c7a1d93e84b26d1a7c05e8f39b4620d6e17fa85c3924b7e60d81f2ac4953b'

export const facts: HostFacts = {
  bootId: 'b',
  arch: 'x64',
  kernelRelease: '6.18.0',
  kernel: [6, 18],
  euid: 0,
  egid: 0,
  effectiveCaps: (1n << 41n) - 1n,
  lastCap: 40,
  cgroup: { mode: 'hybrid', controllers: [], unified: '/sys/fs/cgroup/unified', writable: true },
  namespaces: ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'user', 'time'],
  timeNamespaceAtExec: true,
  overlayLowerPlus: true,
  passPidfd: true,
  seccompActions: ['allow', 'errno'],
  apparmor: false,
  selinux: false,
  userNamespaces: true,
  cpus: 2,
  memoryBytes: 2 ** 34,
  nofileHard: 1048576,
  canRaiseLimits: true,
  thermalThrottle: [],
  ipv6: true,
}

const v1 = (controller: string, path = '/slipway'): CgroupParent => ({
  version: 1,
  controllers: [controller],
  mountpoint: `/sys/fs/cgroup/${controller}`,
  path,
})
export const v1Parents: readonly CgroupParent[] = [
  v1('memory'),
  v1('devices', '/slipway/devices-0'),
  v1('cpu'),
  v1('pids'),
]
export const v2Parents: readonly CgroupParent[] = [
  {
    version: 2,
    controllers: ['memory', 'cpu', 'pids'],
    mountpoint: '/sys/fs/cgroup',
    path: '/slipway/devices-0',
  },
]

const image: PreparedImage = {
  reference: 'debian:bookworm',
  id: `sha256:${'a'.repeat(64)}`,
  config: { Env: ['PATH=/usr/bin:/bin'], Cmd: ['sh'] },
  rootfs: { kind: 'layers', lowers: ['/var/lib/slipway/snapshots/stacks/aa/fs'] },
}

export interface Change {
  readonly options?: PlannedOptions
  readonly image?: Partial<PreparedImage>
  readonly facts?: Partial<HostFacts>
  readonly cgroups?: readonly CgroupParent[]
  readonly argv?: readonly string[]
  readonly id?: string
  readonly keep?: boolean
  readonly record?: string
  readonly createdMs?: number
}

const PASSWD = 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n'

/** The input of a start, made as the engine makes it. */
export const inputOf = (change: Change = {}): LaunchInput => {
  const options = change.options ?? {}
  const id = change.id ?? ID
  const host = { ...facts, ...change.facts }
  const from = { ...image, ...change.image }
  const user = expectRight(resolveUser(options.user ?? '', PASSWD, ''))
  const spec = expectRight(
    buildSpec({
      image: from,
      argv: change.argv ?? ['echo', 'hi'],
      options,
      user,
      id,
      facts: host,
      seccomp: undefined,
      cgroupsPath: `/slipway/${id}`,
    }),
  )
  return {
    id,
    spec,
    rootfs: from.rootfs,
    files: buildEngineFiles(options, id),
    facts: host,
    root: '/var/lib/slipway',
    scratch: '/run/slipway/mnt',
    record: change.record ?? `{"id":"${id}"}`,
    createdMs: change.createdMs ?? 1700000000001,
    cgroups: change.cgroups ?? v1Parents,
    keep: change.keep === true,
    init: options.init === true,
  }
}

/** The same with fields of a document that no option leads to. */
export const documentInput = (
  laid: {
    readonly spec?: Partial<Spec>
    readonly process?: Partial<Process>
    readonly linux?: Partial<Linux>
  },
  change: Change = {},
): LaunchInput => {
  const input = inputOf(change)
  const { process = { user: { uid: 0, gid: 0 }, cwd: '/' }, linux } = input.spec
  const spec = {
    ...input.spec,
    process: { ...process, ...laid.process },
    linux: { ...linux, ...laid.linux },
    ...laid.spec,
  }
  return { ...input, spec }
}
