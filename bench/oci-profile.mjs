// `node bench/oci-profile.mjs [--lives 400] [--top 25] [--storage ext4-loop|tmpfs] [--state tmpfs|store]`: where the time of one life of an
// OCI container goes that the library makes, starts and deletes: each part between two moments, as a median, and the operations that
// take longest. `--state store` keeps the state on the storage, too.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildTools, projectRoot } from './build.mjs'
import { makeBundle } from './bundle.mjs'
import { shapeNamed } from './shapes.mjs'
import { enterPrivateMounts, makeStage, removeCgroups } from './stage.mjs'

const { values } = parseArgs({
  options: {
    lives: { type: 'string', default: '400' },
    top: { type: 'string', default: '25' },
    storage: { type: 'string' },
    state: { type: 'string', default: 'tmpfs' },
  },
})

enterPrivateMounts()
const group = `slipway-profile-${process.pid}`
const stage = makeStage({ ...buildTools(), storage: values.storage })
try {
  const bundle = makeBundle(path.join(stage.store, 'oci'), shapeNamed('all'), {
    rootfs: stage.rootfs,
    cgroup: `/${group}/oci`,
  })
  const root = path.join(values.state === 'store' ? stage.store : stage.run, 'oci-profile')
  const driver = path.join(projectRoot, 'bench/drivers/oci-profile-node.mjs')
  const argv = [...process.execArgv, driver, root, bundle, values.lives, values.top]
  const { status } = spawnSync(process.execPath, argv, { stdio: 'inherit' })
  process.exitCode = status ?? 1
} finally {
  removeCgroups(group)
  stage.dispose()
}
