// Whole plans against files that were read by hand. SLIPWAY_GOLDEN=write makes them anew.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { planLaunch } from '../../../src/plan/launch/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Change, inputOf, v2Parents } from './inputs.ts'
import { listing } from './listing.ts'

const Golden = suite('plan/launch golden')
const FOLDER = path.join('test', 'plan', 'launch', 'golden')
const map = [{ containerId: 0, hostId: 100000, size: 65536 }]

const CASES: Readonly<Record<string, Change>> = {
  'defaults on v1': {},
  'limits on v1': { options: { memory: 64 << 20, cpus: 0.5, pids: 50 } },
  'limits on v2': {
    options: { memory: 64 << 20, cpus: 0.5, pids: 50 },
    cgroups: v2Parents,
    facts: { cgroup: { mode: 'v2', controllers: [], unified: '/sys/fs/cgroup', writable: true } },
  },
  'user, terminal, read-only root, mounts': {
    options: {
      user: 'app',
      tty: true,
      readonly: true,
      cwd: '/work',
      mounts: [
        { type: 'bind', source: '/srv/data', target: '/data', readonly: true },
        { type: 'tmpfs', target: '/tmp', size: 1 << 20 },
      ],
    },
  },
  'host namespaces and init': {
    options: { network: 'host', pid: 'host', uts: 'host', init: true, ipc: 'host' },
  },
  'user namespace': { options: { security: { userns: { uidMap: map, gidMap: map } } } },
  'host image': {
    image: {
      rootfs: {
        kind: 'host',
        skeleton: '/var/lib/slipway/snapshots/host-1/fs',
        directories: ['/usr', '/opt'],
      },
    },
  },
  'directory as root, no cgroups': {
    image: { rootfs: { kind: 'directory', path: '/srv/rootfs' } },
    facts: { cgroup: { mode: 'none', controllers: [], writable: false } },
    cgroups: [],
  },
  'ordinary user, named user, host network': {
    options: { user: 'app', network: 'host' },
    facts: {
      cgroup: { mode: 'v1', controllers: [], writable: false },
      euid: 1000,
      effectiveCaps: 0n,
      users: {
        fd: 20,
        uidMappings: [
          { containerID: 0, hostID: 1000, size: 1 },
          { containerID: 1, hostID: 100000, size: 65536 },
        ],
        gidMappings: [
          { containerID: 0, hostID: 1000, size: 1 },
          { containerID: 1, hostID: 100000, size: 65536 },
        ],
        setsGroups: true,
      },
    },
    cgroups: [],
  },
  'older kernel, kept container': {
    facts: { overlayLowerPlus: false, timeNamespaceAtExec: false },
    keep: true,
  },
}

for (const [name, change] of Object.entries(CASES)) {
  Golden(`the plan for ${name} is the one on file`, () => {
    const file = path.join(FOLDER, `${name.replaceAll(/[^a-z0-9]+/g, '-')}.txt`)
    const text = listing(planLaunch(inputOf(change)))
    if (process.env.SLIPWAY_GOLDEN === 'write') writeFileSync(file, text)
    assert.ok(existsSync(file), `${file} is missing`)
    assert.fixture(text, readFileSync(file, 'utf8'))
  })
}

Golden.run()
