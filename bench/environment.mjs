// What a result depends on besides the code: kernel, processor, Node, cgroup mode, versions of the peers.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'

const firstLine = (program, args) => {
  const { stdout, status } = spawnSync(program, args, { encoding: 'utf8' })
  return status === 0 ? stdout.split('\n')[0].trim() : undefined
}

/** `enter` turns a command into one that runs in the peers' own root. */
const versions = (enter) => ({
  ...Object.fromEntries(
    ['crun', 'runc', 'bwrap', 'podman'].map((name) => {
      const [program, ...args] = enter([name, '--version'])
      return [name, firstLine(program, args)]
    }),
  ),
  docker: firstLine('docker', ['--version']),
  dockerd: firstLine('dockerd', ['--version']),
})

const git = (root, ...args) => {
  const { stdout, status } = spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** `v2`, `v1`, or `hybrid` (version 1 controllers with a version 2 tree beside them). */
const cgroupMode = (mountinfo) => {
  const v1 = / - cgroup /.test(mountinfo)
  const v2 = / - cgroup2 /.test(mountinfo)
  return v1 ? (v2 ? 'hybrid' : 'v1') : v2 ? 'v2' : 'none'
}

/** Facts recorded with every result. `storage` says what the files under test lay on. */
export const environment = (root, storage, enter = (argv) => argv) => ({
  date: new Date().toISOString(),
  commit: git(root, 'rev-parse', '--short=12', 'HEAD') ?? 'unknown',
  dirty: Boolean(git(root, 'status', '--porcelain')),
  kernel: os.release(),
  cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
  cpus: os.cpus().length,
  memoryBytes: os.totalmem(),
  arch: process.arch,
  node: process.version,
  cc: execFileSync('cc', ['--version'], { encoding: 'utf8' }).split('\n')[0],
  cgroup: cgroupMode(readFileSync('/proc/self/mountinfo', 'utf8')),
  storage,
  versions: versions(enter),
})
