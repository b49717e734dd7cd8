// /dev: the nodes of the spec on a tmpfs of our own, and its links.
import type { LinuxDevice } from '../../model/oci-spec.ts'
import {
  AT_FDCWD,
  EEXIST,
  MOUNT_ATTR_RDONLY,
  makedev,
  O_CLOEXEC,
  OPEN_TREE_CLONE,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { attach, type LaunchBuild, setMountAttr } from './build.ts'
import { ensureDirectory, ensureFile } from './paths.ts'

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
  const named = new Set(wanted.map((device) => device.path))
  for (const name of ['pts', 'shm', 'mqueue']) {
    program.call('make directory', 'mkdirat', [dev, program.text(name), 0o755], { path: `/dev/${name}` })
  }
  for (const device of [...DEFAULT_NODES.filter((node) => !named.has(node.path)), ...wanted])
    makeNode(program, build, dev, device)
  for (const [name, target] of LINKS) {
    program.call('make link', 'symlinkat', [program.text(target), dev, program.text(name)], {
      path: `/dev/${name}`,
      tolerate: [EEXIST],
    })
  }
}

const makeNode = (program: Program, build: LaunchBuild, dev: Slot, device: LinuxDevice): void => {
  if (!device.path.startsWith('/dev/')) return
  const path = device.path.slice('/dev/'.length)
  const at = path.lastIndexOf('/')
  const parent = at < 0 ? dev : ensureDirectory(program, 'make directory', dev, path.slice(0, at))
  const name = program.text(path.slice(at + 1))
  if (build.hasUserns) {
    bindNode(program, parent, path.slice(at + 1), device.path)
    return
  }
  const mode = TYPES[device.type] | (device.fileMode ?? 0o666)
  program.call('mknod', 'mknodat', [parent, name, mode, makedev(device.major ?? 0, device.minor ?? 0)], {
    path: device.path,
  })
  if ((device.uid ?? 0) !== 0 || (device.gid ?? 0) !== 0) {
    program.call('chown device', 'fchownat', [parent, name, device.uid ?? 0, device.gid ?? 0, 0x100], {
      path: device.path,
    })
  }
}

/** mknod is refused in a user namespace: the host's own node is bound over an empty file. */
const bindNode = (program: Program, parent: Slot, name: string, path: string): void => {
  const tree = program.slots.next()
  const flags = OPEN_TREE_CLONE | O_CLOEXEC
  program.call('open device', 'open_tree', [AT_FDCWD, program.text(path), flags], { into: tree, path })
  // A device can be written to all the same; what read-only forbids is to change the node itself, which is the host's.
  setMountAttr(program, 'set mount attributes', tree, { set: MOUNT_ATTR_RDONLY }, 0, path)
  attach(program, tree, ensureFile(program, 'make device target', parent, name), path)
}
