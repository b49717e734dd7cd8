// The command line from process start to process end: the installed program beside an empty Node and podman.
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../build.mjs'
import { CGROUP, podmanDriver } from '../drivers/peers.mjs'
import { inPeers, measure } from '../measure.mjs'
import { removeCgroups } from '../stage.mjs'

/** As npm installs it: a link to the bundle, found by its first line. */
const installed = (stage) => {
  const folder = path.join(stage.dir, 'bin')
  mkdirSync(folder)
  symlinkSync(path.join(projectRoot, 'dist/cli.cjs'), path.join(folder, 'slipway'))
  return path.join(folder, 'slipway')
}

const exec = (name, argv) => ({ kind: 'exec', name, argv, block: 3, lead: 1, host: true })

const commandDrivers = (stage) => {
  const slipway = installed(stage)
  process.env.SLIPWAY_ROOT = path.join(stage.store, 'slipway-cli')
  const first = spawnSync(slipway, ['run', '--rm', 'host', 'true'], { encoding: 'utf8' })
  if (first.status !== 0) throw new Error(`slipway run: ${first.stderr}`)
  return [
    exec('node -e 0', [process.execPath, '-e', '0']),
    exec('slipway version', [slipway, 'version']),
    exec('slipway run --rm host true', [slipway, 'run', '--rm', 'host', 'true']),
  ]
}

export const commandLine = {
  name: 'command-line',
  run: (stage, { rounds = 30, gapUs = 1000, quick = false }) => {
    const podman = quick ? undefined : podmanDriver(stage, inPeers)
    try {
      return measure(stage, [...commandDrivers(stage), podman].filter(Boolean), { rounds, gapUs })
    } finally {
      podman?.dispose()
      removeCgroups(CGROUP)
    }
  },
}
