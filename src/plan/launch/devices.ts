// /dev: the nodes of the spec on a tmpfs of our own, and its links.
import type { LinuxDevice } from '../../model/oci-spec.ts'
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  EEXIST,
  MOUNT_ATTR_RDONLY,
  makedev,
  O_CLOEXEC,
  OPEN_TREE_CLONE,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from '../kernel.ts'
import { ANY_DEVICE, type Program, type Slot } from '../program.ts'
import { attach, type LaunchBuild, setMountAttr } from './build.ts'
import { isBind, parseMountOptions } from './mount-options.ts'
import { ensureDirectory, ensureFile, openInRoot, openItself } from './paths.ts'

/** runtime-spec config-linux.md, Default Devices: what every container has besides `linux.devices`. */
const DEFAULT_NODES: readonly LinuxDevice[] = [
  { path: '/dev/null', type: 'c', major: 1, minor: 3, fileMode: 0o666 },
  { path: '/dev/zero', type: 'c', major: 1, minor: 5, fileMode: 0o666 },
  { path: '/dev/full', type: 'c', major: 1, minor: 7, fileMode: 0o666 },
  { path: '/dev/random', type: 'c', major: 1, minor: 8, fileMode: 0o666 },
  { path: '/dev/urandom', type: 'c', major: 1, minor: 9, fileMode: 0o666 },
  { path: '/dev/tty', type: 'c', major: 5, minor: 0, fileMode: 0o666 },
]

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['core', '/proc/kcore'],
  ['ptmx', 'pts/ptmx'],
]

const TYPES = { b: S_IFBLK, c: S_IFCHR, u: S_IFCHR, p: S_IFIFO } as const

/** Fills a fresh tmpfs: made through its descriptor, so whatever /dev is in the image plays no part (CVE-2026-41579). */
export const fillDev = (program: Program, build: LaunchBuild, dev: Slot): void => {
  const wanted = build.input.spec.linux?.devices ?? []
  for (const name of ['pts', 'shm', 'mqueue']) {
    program.call('make directory', 'mkdirat', [dev, program.text(name), 0o755], { path: `/dev/${name}` })
  }
  for (const device of defaultsBeside(wanted)) makeNode(program, build, dev, device, false)
  for (const device of wanted) if (isBelowDev(device)) makeNode(program, build, dev, device, true)
  makeLinks(program, dev)
}

const isBelowDev = ({ path }: LinuxDevice): boolean => path.startsWith('/dev/')

const defaultsBeside = (wanted: readonly LinuxDevice[]): readonly LinuxDevice[] => {
  const named = new Set(wanted.map((device) => device.path))
  return DEFAULT_NODES.filter((node) => !named.has(node.path))
}

const makeLinks = (program: Program, dev: Slot): void => {
  for (const [name, target] of LINKS) {
    program.call('make link', 'symlinkat', [program.text(target), dev, program.text(name)], {
      path: `/dev/${name}`,
      tolerate: [EEXIST],
    })
  }
}

/**
 * What `fillDev` has no part in: nodes elsewhere in the root, and all of them where the document mounts nothing at /dev. A /dev of the
 * host's that is bound there gets no nodes, so it must have those that are asked for.
 */
export const placeDevices = (program: Program, build: LaunchBuild, root: Slot): void => {
  const { mounts = [], linux } = build.input.spec
  const dev = mounts.findLast(
    ({ destination, options }) => destination === '/dev' && !parseMountOptions(options).remount,
  )
  const isMade = dev !== undefined && !isBind(dev)
  const devices = linux?.devices ?? []
  for (const device of devices) {
    if (!isBelowDev(device)) placeNode(program, build, root, device)
    else if (dev !== undefined && !isMade)
      verifyNode(program, openInRoot(program, 'open device', root, device.path), device)
  }
  // One that is opened for its files alone executes nothing, and its layer is to stay as it is.
  if (dev === undefined && build.input.isOnRecord !== true)
    placeDev(program, build, root, devices.filter(isBelowDev))
}

const placeDev = (program: Program, build: LaunchBuild, root: Slot, wanted: readonly LinuxDevice[]): void => {
  for (const device of [...defaultsBeside(wanted), ...wanted]) placeNode(program, build, root, device)
  makeLinks(program, ensureDirectory(program, 'make directory', root, '/dev'))
}

/** A node that is there already is taken only if it is the one that is asked for. runtime-spec config-linux.md, Devices. */
const placeNode = (program: Program, build: LaunchBuild, root: Slot, device: LinuxDevice): void => {
  const { parent, name } = placeOf(program, root, device.path)
  if (build.isNamespaced && device.type !== 'p') {
    bindNode(program, parent, name, device)
    return
  }
  const test = program.opCount
  mknod(program, parent, name, device, [EEXIST])
  program.skipOnTolerated(test, program.opCount)
  verifyNode(program, openItself(program, 'open device', parent, name, { path: device.path }), device)
}

const placeOf = (program: Program, from: Slot, path: string): { parent: Slot; name: string } => {
  const at = path.lastIndexOf('/')
  const parent = at <= 0 ? from : ensureDirectory(program, 'make directory', from, path.slice(0, at))
  return { parent, name: path.slice(at + 1) }
}

const verifyNode = (
  program: Program,
  node: Slot,
  { type, path, major = 0, minor = 0 }: LinuxDevice,
): void => {
  const device = type === 'p' ? ANY_DEVICE : makedev(major, minor)
  program.checkStat('verify device', node, TYPES[type], device, { path: `${path} ${type} ${major}:${minor}` })
}

/** `named`: by the document, which must mean the node that is there. */
const makeNode = (
  program: Program,
  build: LaunchBuild,
  dev: Slot,
  device: LinuxDevice,
  named: boolean,
): void => {
  const { parent, name } = placeOf(program, dev, device.path.slice('/dev/'.length))
  if (build.isNamespaced && device.type !== 'p') bindNode(program, parent, name, device, named)
  else mknod(program, parent, name, device)
}

const mknod = (
  program: Program,
  parent: Slot,
  file: string,
  { path, type, fileMode, uid = 0, gid = 0, major = 0, minor = 0 }: LinuxDevice,
  tolerate: readonly number[] = [],
): void => {
  const name = program.text(file)
  const mode = TYPES[type] | ((fileMode ?? 0o666) & 0o7777)
  const number = type === 'p' ? 0 : makedev(major, minor)
  program.call('mknod', 'mknodat', [parent, name, mode, number], { path, tolerate })
  if (uid !== 0 || gid !== 0)
    program.call('chown device', 'fchownat', [parent, name, uid, gid, AT_SYMLINK_NOFOLLOW], { path })
}

/** mknod is refused in a user namespace: the host's own node is bound over an empty file, and keeps its owner and mode. */
const bindNode = (program: Program, parent: Slot, name: string, device: LinuxDevice, named = true): void => {
  const { path } = device
  const tree = program.slots.next()
  const flags = OPEN_TREE_CLONE | O_CLOEXEC
  program.call('open device', 'open_tree', [AT_FDCWD, program.text(path), flags], { into: tree, path })
  if (named) verifyNode(program, tree, device)
  // A device can be written to all the same; what read-only forbids is to change the node itself, which is the host's.
  setMountAttr(program, 'set mount attributes', tree, { set: MOUNT_ATTR_RDONLY }, 0, path)
  attach(program, tree, ensureFile(program, 'make device target', parent, name), path)
}
