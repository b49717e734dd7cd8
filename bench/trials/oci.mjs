// The OCI runtime beside crun and runc: as a library, and as a command. All run one bundle, with Docker's default shape.
import path from 'node:path'
import { makeBundle } from '../bundle.mjs'
import { command, installed } from '../drivers/commands.mjs'
import { floorDriver } from '../drivers/floor.mjs'
import { ociDriver } from '../drivers/node.mjs'
import { CGROUP, crunDriver, execDriver, keepOne, runcDriver } from '../drivers/peers.mjs'
import { inPeers, measure } from '../measure.mjs'
import { shapeNamed } from '../shapes.mjs'
import { removeCgroups } from '../stage.mjs'

export const ociTrial = {
  name: 'oci',
  run: (stage, { rounds = 30, gapUs = 1000 }) => {
    const shape = shapeNamed('all')
    const program = installed(stage, 'slipway-oci', 'oci')
    const bundle = makeBundle(path.join(stage.store, 'oci'), shape, {
      rootfs: stage.rootfs,
      cgroup: `/${CGROUP}/oci`,
    })
    const kept = keepOne(stage, shape, 'slipway-oci', program)
    const others = ['crun', 'runc'].map((engine) => execDriver(stage, shape, engine, inPeers)).filter(Boolean)
    try {
      const drivers = [
        ociDriver(stage, bundle, { name: 'exec in this process', what: 'exec' }),
        command('nsenter --all', ['/usr/bin/nsenter', '--target', kept.pid(), '--all', '/true']),
        ...others.map(({ dispose: _, ...driver }) => driver),
        command('slipway-oci exec', kept.exec),
        ociDriver(stage, bundle, { name: 'create, start and delete in this process', what: 'cycle' }),
        floorDriver(stage, shape, { name: "the floor of the engine's start" }),
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
