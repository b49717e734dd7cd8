// Whole documents, kept as files: `SLIPWAY_GOLDEN=write node test/run.mjs plan/spec/golden` writes them anew, for review.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { SpecInput } from '../../../src/plan/spec/index.ts'
import { buildEngineFiles, buildSpec } from '../../../src/plan/spec/index.ts'
import { expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'
import { ID, image, input, web } from './support.ts'

const Golden = suite('plan/spec golden')
const folder = 'test/plan/spec/golden'
const userMap = [{ containerId: 0, hostId: 100_000, size: 65_536 }]

const cases: Readonly<Record<string, SpecInput>> = {
  default: input(),
  limits: input({
    memory: '64m',
    memoryReservation: '32m',
    cpus: 0.5,
    cpuShares: 512,
    cpusetCpus: '0-1',
    cpusetMems: '0',
    pids: 32,
    shmSize: '1m',
    oomScoreAdj: 500,
    ulimits: [
      { name: 'core', soft: -1 },
      { name: 'nofile', soft: 1024, hard: 2048 },
    ],
  }),
  privileged: input(
    { security: { privileged: true } },
    {
      devices: [
        {
          path: '/dev/fuse',
          type: 'c',
          major: 10,
          minor: 229,
          fileMode: 0o666,
          uid: 0,
          gid: 0,
          access: 'rwm',
        },
      ],
    },
  ),
  'host-namespaces': input(
    { network: 'host', pid: 'host', ipc: 'host', uts: 'host', cgroupns: 'host' },
    { hostHostname: 'machine' },
  ),
  userns: input({ security: { userns: { uidMap: userMap, gidMap: userMap } } }),
  mounts: input({
    readonly: true,
    mounts: [
      { type: 'bind', source: '/src/deep', target: '/data/a/b', readonly: true },
      { type: 'bind', source: '/src', target: '/data', recursive: false, propagation: 'rslave' },
      { type: 'tmpfs', target: '/scratch', size: '16m', mode: 0o700, options: ['exec'] },
      { type: 'tmpfs', target: '/dev/shm', size: '1m' },
    ],
  }),
  hardened: input(
    {
      user: 'web',
      security: { capDrop: ['ALL'], capAdd: ['NET_BIND_SERVICE'], noNewPrivileges: true },
      tty: { columns: 80, rows: 24 },
      hostname: 'web',
      domainname: 'example',
      env: { HOME: '/srv', B: 'mine' },
      cwd: '/srv',
    },
    {
      user: web,
      argv: ['-g', 'daemon off;'],
      image: image({
        Entrypoint: ['/usr/sbin/nginx'],
        Cmd: ['-h'],
        Env: ['PATH=/opt/bin:/bin', 'A=image', 'B=image'],
        WorkingDir: '/var/www',
      }),
    },
  ),
}

for (const [name, given] of Object.entries(cases)) {
  Golden(`the document of "${name}" is the one that was reviewed`, () => {
    const made = {
      files: buildEngineFiles(given.options, ID, { hostname: 'machine' }),
      spec: expectRight(buildSpec(given)),
    }
    const text = `${JSON.stringify(made, withBigints, 2)}\n`
    const file = path.join(folder, `${name}.json`)
    if (process.env.SLIPWAY_GOLDEN === 'write') writeFileSync(file, text)
    assert.ok(existsSync(file), `${file} is missing`)
    assert.fixture(text, readFileSync(file, 'utf8'))
  })
}

Golden('every file belongs to a case', () => {
  assert.equal(
    readdirSync(folder).sort(),
    Object.keys(cases)
      .map((name) => `${name}.json`)
      .sort(),
  )
})

const withBigints = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value

Golden.run()
