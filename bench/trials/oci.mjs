// The OCI runtime beside crun and runc: as a library, and as a command. All run one bundle, with Docker's default shape.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../build.mjs'
import { makeBundle } from '../bundle.mjs'
import { ociDriver } from '../drivers/node.mjs'
import { CGROUP, crunDriver, execDriver, runcDriver } from '../drivers/peers.mjs'
import { inPeers, measure } from '../measure.mjs'
import { shapeNamed } from '../shapes.mjs'
import { removeCgroups } from '../stage.mjs'

const command = (name, argv) => ({ kind: 'exec', name, argv, block: 3, lead: 1, host: true })

/** As npm installs it: a link to the bundle, found by its first line. */
const installed = (stage) => {
  const folder = path.join(stage.dir, 'oci-bin')
  mkdirSync(folder)
  symlinkSync(path.join(projectRoot, 'dist/oci.cjs'), path.join(folder, 'slipway-oci'))
  return path.join(folder, 'slipway-oci')
}

const succeed = (argv) => {
  const { status, stderr } = spawnSync(argv[0], argv.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
}

/** The container that nsenter and the command's own exec enter; what it prints must not keep this process's pipes. */
const keepOne = (stage, shape, program) => {
  const bundle = makeBundle(path.join(stage.store, 'oci-kept'), shape, {
    rootfs: stage.rootfs,
    cgroup: `/${CGROUP}/oci-kept`,
  })
  const config = path.join(bundle, 'sleep.json')
  spawnSync('sh', [
    '-c',
    `sed 's#"/true"#"/bin/busybox", "sleep", "100000"#' '${bundle}/config.json' > '${config}'`,
  ])
  const base = [program, '--root', path.join(stage.run, 'oci-kept')]
  const pidFile = path.join(stage.run, 'oci-kept.pid')
  const quiet = spawnSync(
    program,
    [
      ...base.slice(1),
      'run',
      '--detach',
      '--bundle',
      bundle,
      '--config',
      config,
      '--pid-file',
      pidFile,
      'kept',
    ],
    { stdio: 'ignore' },
  )
  if (quiet.status !== 0) throw new Error('slipway-oci run --detach failed')
  return {
    pid: readFileSync(pidFile, 'utf8'),
    exec: [...base, 'exec', 'kept', '/true'],
    dispose: () => succeed([...base, 'delete', '--force', 'kept']),
  }
}

export const ociTrial = {
  name: 'oci',
  run: (stage, { rounds = 30, gapUs = 1000 }) => {
    const shape = shapeNamed('all')
    const program = installed(stage)
    const bundle = makeBundle(path.join(stage.store, 'oci'), shape, {
      rootfs: stage.rootfs,
      cgroup: `/${CGROUP}/oci`,
    })
    const kept = keepOne(stage, shape, program)
    const others = ['crun', 'runc'].map((engine) => execDriver(stage, shape, engine, inPeers)).filter(Boolean)
    try {
      const drivers = [
        ociDriver(stage, bundle, { name: 'exec in this process', what: 'exec' }),
        command('nsenter --all', ['/usr/bin/nsenter', '--target', kept.pid, '--all', '/true']),
        ...others.map(({ dispose: _, ...driver }) => driver),
        command('slipway-oci exec', kept.exec),
        ociDriver(stage, bundle, { name: 'create, start and delete in this process', what: 'cycle' }),
        crunDriver(stage, shape),
        runcDriver(stage, shape),
        command('slipway-oci run', [
          program,
          '--root',
          path.join(stage.run, 'oci-run'),
          'run',
          '--bundle',
          bundle,
          'bench',
        ]),
      ]
      return measure(stage, drivers.filter(Boolean), { rounds, gapUs })
    } finally {
      for (const { dispose } of [...others, kept]) dispose()
      removeCgroups(CGROUP)
    }
  },
}
