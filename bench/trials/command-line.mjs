// The command line from process start to process end: the installed program beside an empty Node and podman.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { command, installed } from '../drivers/commands.mjs'
import { CGROUP, podmanDriver } from '../drivers/peers.mjs'
import { inPeers, measure } from '../measure.mjs'
import { removeCgroups } from '../stage.mjs'

const commandDrivers = (stage) => {
  const slipway = installed(stage, 'slipway', 'cli')
  process.env.SLIPWAY_ROOT = path.join(stage.store, 'slipway-cli')
  const first = spawnSync(slipway, ['run', '--rm', 'host', 'true'], { encoding: 'utf8' })
  if (first.status !== 0) throw new Error(`slipway run: ${first.stderr}`)
  return [
    command('node -e 0', [process.execPath, '-e', '0']),
    command('slipway version', [slipway, 'version']),
    command('slipway run --rm host true', [slipway, 'run', '--rm', 'host', 'true']),
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
