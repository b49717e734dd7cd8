// The place a benchmark runs in: a private mount namespace with a journalled ext4 for stores and a tmpfs for run files.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const INSIDE = 'SLIPWAY_BENCH_STAGED'

/**
 * Runs this program again in a mount namespace of its own, once: whatever is mounted for a benchmark is gone when it ends,
 * however it ends. Returns only in the inner process.
 */
export const enterPrivateMounts = () => {
  if (process.env[INSIDE]) return
  const env = { ...process.env, [INSIDE]: '1' }
  delete env.NODE_EXTRA_CA_CERTS // Node 20 parses every root at start: +33 ms per process
  const { status, signal } = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    { stdio: 'inherit', env },
  )
  process.exit(status ?? (signal ? 128 + os.constants.signals[signal] : 1))
}

const mount = (...args) => execFileSync('mount', args, { stdio: ['ignore', 'ignore', 'inherit'] })

const mountExt4 = (directory, target) => {
  const image = path.join(directory, 'store.img')
  execFileSync('truncate', ['-s', '8G', image])
  execFileSync('mkfs.ext4', ['-q', '-F', image])
  mount('-o', 'loop,noatime', image, target)
}

const ROOTFS_FOLDERS = ['bin', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'usr', 'var']

/** A root file system holding `/true` (the payload), busybox as /bin/sh, and the usual mount points. */
const makeRootfs = (directory, payload) => {
  for (const folder of ROOTFS_FOLDERS) mkdirSync(path.join(directory, folder), { recursive: true })
  for (const file of ['hosts', 'hostname', 'resolv.conf', 'passwd', 'group']) {
    writeFileSync(path.join(directory, 'etc', file), file === 'passwd' ? 'root:x:0:0::/:/bin/sh\n' : '')
  }
  copyFileSync(payload, path.join(directory, 'true'))
  chmodSync(path.join(directory, 'true'), 0o755)
  copyBusybox(directory)
}

const copyBusybox = (directory) => {
  try {
    copyFileSync('/bin/busybox', path.join(directory, 'bin/busybox'))
    symlinkSync('busybox', path.join(directory, 'bin/sh'))
  } catch {} // only the shell is missing then; the payload is not
}

/** Where peers leave things whatever directories they are given: seen and written only inside the stage. */
const hidePeerFolders = () => {
  for (const folder of ['/run', '/dev/shm']) mount('-t', 'tmpfs', 'bench-hidden', folder)
}

/** podman keeps a cache here; it is removed unless this machine had it before. */
const PODMAN_FOLDER = '/var/lib/containers'

/** The cgroup directory of an engine with this root (src/adapters/live.ts): it outlives the engine. */
export const cgroupOf = (root) => {
  let state = 0x811c9dc5
  for (const byte of Buffer.from(root)) state = Math.imul(state ^ byte, 0x01000193) >>> 0
  return `slipway-${state.toString(16).padStart(8, '0')}`
}

/**
 * Makes the stage. `storage` is `ext4-loop` (default journal) or `tmpfs`.
 * `{ dir, store, run, rootfs, mountNamespace, dispose() }`; `store` is on the storage under test, `run` on a tmpfs.
 */
export const makeStage = ({ payload, batch, storage = 'ext4-loop' }) => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'slipway-bench-'))
  const [store, run] = [path.join(dir, 'store'), path.join(dir, 'run')]
  mkdirSync(store)
  mkdirSync(run)
  if (storage === 'tmpfs') mount('-t', 'tmpfs', 'bench-store', store)
  else mountExt4(dir, store)
  mount('-t', 'tmpfs', 'bench-run', run)
  const rootfs = path.join(store, 'rootfs')
  makeRootfs(rootfs, payload)
  // Where the peers' own root sees it, too.
  if (batch) copyFileSync(batch, path.join(dir, 'batch'))
  const hadPodman = existsSync(PODMAN_FOLDER)
  hidePeerFolders()
  const dispose = () => {
    for (const root of ['slipway', 'slipway-cli']) removeCgroups(cgroupOf(path.join(store, root)))
    if (!hadPodman) rmSync(PODMAN_FOLDER, { recursive: true, force: true })
    spawnSync('umount', ['-l', run, store])
    rmSync(dir, { recursive: true, force: true })
  }
  return {
    dir,
    store,
    run,
    rootfs,
    storage,
    batch: path.join(dir, 'batch'),
    /** Into its root directory, under its own name. */
    addProgram: (file) => copyFileSync(file, path.join(rootfs, path.basename(file))),
    mountNamespace: `/proc/${process.pid}/ns/mnt`,
    dispose,
  }
}

const CGROUP_ROOT = '/sys/fs/cgroup'

/** Removes the empty cgroups called `name` below every hierarchy's root: only what a peer made under our own name. */
export const removeCgroups = (name) => {
  for (const hierarchy of readdirSync(CGROUP_ROOT)) removeTree(path.join(CGROUP_ROOT, hierarchy, name))
}

const removeTree = (directory) => {
  for (const entry of entriesOf(directory)) {
    if (entry.isDirectory()) removeTree(path.join(directory, entry.name))
  }
  for (let tries = 0; tries < 100 && !removeOne(directory); tries++) sleep(20)
}

const entriesOf = (directory) => {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
}

/** False while its last process is on its way out. */
const removeOne = (directory) => {
  try {
    rmdirSync(directory)
    return true
  } catch (error) {
    return error.code !== 'EBUSY'
  }
}

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
