// Runs drivers through the timer, interleaved, and reads its samples back.
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { buildTools } from './build.mjs'

/**
 * Wraps a command so that it runs in a mount namespace in which the version 2 cgroup tree is hidden: crun and podman
 * refuse the hybrid layout. Where there is no hybrid tree nothing is hidden.
 */
export const inPeers = (argv) => {
  const hide = '[ -d /sys/fs/cgroup/unified ] && mount -t tmpfs hidden /sys/fs/cgroup/unified; exec "$0" "$@"'
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', hide, ...argv]
}

const driverLine = (driver, stage) =>
  [
    driver.kind,
    driver.name,
    driver.block,
    driver.lead,
    driver.host ? stage.mountNamespace : (driver.mountNamespace ?? '-'),
    path.join(stage.dir, 'drivers.log'),
  ]
    .concat(driver.argv)
    .join('\t')

const logTail = (stage) => {
  try {
    return readFileSync(path.join(stage.dir, 'drivers.log'), 'utf8').slice(-4000)
  } catch {
    return ''
  }
}

/**
 * Times `drivers` in `rounds` interleaved rounds. A driver is `{ kind: 'exec' | 'resident', name, argv, block, lead, host? }`;
 * `host` runs it where the cgroup tree is not hidden, `mountNamespace` in a namespace of its own. Returns `{ [name]: { outside: ns[], inside: ns[] } }`; throws when any run failed.
 */
export const measure = (stage, drivers, { rounds, gapUs = 0 }) => {
  rmSync(path.join(stage.dir, 'drivers.log'), { force: true })
  const input = [...drivers.map((driver) => driverLine(driver, stage)), `go\t${rounds}\t${gapUs}`, ''].join(
    '\n',
  )
  const [program, ...args] = inPeers([buildTools().timer])
  const result = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  if (result.status !== 0) throw new Error(`${result.stderr}${logTail(stage)}`)
  const samples = Object.fromEntries(drivers.map(({ name }) => [name, { outside: [], inside: [] }]))
  for (const line of result.stdout.split('\n')) {
    const [name, outside, inside] = line.split('\t')
    if (!inside) continue
    samples[name].outside.push(Number(outside))
    if (Number(inside) > 0) samples[name].inside.push(Number(inside))
  }
  return samples
}
