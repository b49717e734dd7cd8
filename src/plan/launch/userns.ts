// A user namespace of the container's own. Its maps are written from outside, so its first stage is sent after the clone.
//
//   child, sharing memory    carries its capabilities over the helper's exec as ambient ones: it has no mapped uid yet
//   engine, after the clone  writes uid_map and gid_map, makes id-mapped copies of the layers, sends the stages
//   child, first steps       becomes uid 0 of its namespace; unmapped host files are out of its reach from then on
import type { IdMapping } from '../../model/oci-spec.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  MOUNT_ATTR_IDMAP,
  O_CLOEXEC,
  O_PATH,
  O_WRONLY,
  OPEN_TREE_CLONE,
  oDirectory,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_RAISE,
  PR_SET_DUMPABLE,
} from '../kernel.ts'
import { Data, Program, type Slot, type SlotSpace } from '../program.ts'
import { type LaunchInput, MOUNT_ATTR_SIZE } from './build.ts'
import { isJoined } from './joined.ts'
import { layerNames, overlaysOf } from './layer-names.ts'

/** The id outside for an id inside; undefined where the maps do not cover it. */
export const hostId = (maps: readonly IdMapping[] | undefined, id: number): number | undefined => {
  if (maps === undefined || maps.length === 0) return id
  const map = maps.find(({ containerID, size }) => id >= containerID && id < containerID + size)
  return map === undefined ? undefined : map.hostID + (id - map.containerID)
}

/** For the child that still shares memory with the engine. No permitted set grows, so the engine stays dumpable. */
export const planCarriedCapabilities = (input: LaunchInput, slots: SlotSpace): Program => {
  const { arch, lastCap } = input.facts
  const program = new Program(arch, slots)
  const all = (1n << BigInt(lastCap + 1)) - 1n
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x20080522) // _LINUX_CAPABILITY_VERSION_3
  const data = Buffer.alloc(24)
  for (let place = 0; place < 3; place++) {
    data.writeUInt32LE(Number(all & 0xffffffffn), 4 * place)
    data.writeUInt32LE(Number(all >> 32n), 12 + 4 * place)
  }
  program.call('make capabilities inheritable', 'capset', [program.bytes(header), program.bytes(data)])
  for (let cap = 0; cap <= lastCap; cap++) {
    const args = [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0]
    program.call('carry capability', 'prctl', args, { path: `capability ${cap}` })
  }
  return program
}

const PID_WIDTH = 10

/** `/proc/<pid>/name` with room for the pid: repeated slashes count as one (path_resolution(7)). */
const procPath = (program: Program, name: string): Data => {
  const text = Buffer.from(`/proc/${'/'.repeat(PID_WIDTH)}/${name}\0`)
  const path = program.bytes(text)
  program.putPid(new Data(path.offset + '/proc/'.length), PID_WIDTH)
  return path
}

export const writeMaps = (after: Program, input: LaunchInput): void => {
  const { uidMappings, gidMappings } = input.spec.linux ?? {}
  writeMap(after, 'gid_map', gidMappings ?? [])
  writeMap(after, 'uid_map', uidMappings ?? [])
}

/** For id-mapped mounts. The child lives, or it has no use for them. */
export const openUserNamespace = (after: Program): Slot => {
  const namespace = after.slots.next()
  const path = procPath(after, 'ns/user')
  after.call('open user namespace', 'openat', [AT_FDCWD, path, O_CLOEXEC, 0], {
    into: namespace,
    path: 'ns/user',
  })
  return namespace
}

const writeMap = (after: Program, name: string, maps: readonly IdMapping[]): void => {
  const text = mapText(maps)
  const fd = after.slots.next()
  const path = `${name}: ${text.trim()}`
  after.call('open id map', 'openat', [AT_FDCWD, procPath(after, name), O_WRONLY | O_CLOEXEC, 0], {
    into: fd,
    path,
  })
  after.call('write id map', 'write', [fd, after.text(text), Buffer.byteLength(text)], { path })
  after.call('close', 'close', [fd])
}

/** user_namespaces(7), one line for each range. */
export const mapText = (maps: readonly IdMapping[]): string =>
  maps.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join('')

/** A copy of a layer's mount in which the host's ids appear as the container's. */
export const mapLayer = (after: Program, layer: string, namespace: Slot): Slot => {
  const tree = after.slots.next()
  const flags = OPEN_TREE_CLONE | O_CLOEXEC
  after.call('open layer', 'open_tree', [AT_FDCWD, after.text(layer), flags], { into: tree, path: layer })
  const attr = after.words([MOUNT_ATTR_IDMAP, 0, 0, 0])
  after.putSlot(attr, 24, namespace)
  const args = [tree, after.text(''), AT_EMPTY_PATH, attr, MOUNT_ATTR_SIZE]
  after.call('map ids of layer', 'mount_setattr', args, { path: layer })
  return tree
}

/**
 * The container's own directory belongs to the namespace's root and is handed over as a detached mount: its path is root's
 * alone, and overlayfs takes upper and work only from one mount of the child's own or a detached one (Linux 6.15).
 */
export const openPrivateLayers = (prepare: Program, input: LaunchInput, containers: Slot): Slot => {
  const uid = hostId(input.spec.linux?.uidMappings, 0) ?? 0
  const gid = hostId(input.spec.linux?.gidMappings, 0) ?? 0
  const names = overlaysOf(input.rootfs).flatMap((_, index) => Object.values(layerNames(index)))
  for (const name of ['', ...names]) {
    const path = name === '' ? input.id : `${input.id}/${name}`
    prepare.call('chown private layer', 'fchownat', [containers, prepare.text(path), uid, gid, 0], { path })
  }
  const tree = prepare.slots.next()
  const args = [containers, prepare.text(input.id), OPEN_TREE_CLONE | O_CLOEXEC]
  prepare.call('open private layers', 'open_tree', args, { into: tree, path: input.id })
  return tree
}

/** In the child: one private layer below the tree that was handed over. */
export const openPrivateLayer = (arm: Program, tree: Slot, name: string): Slot => {
  const fd = arm.slots.next()
  const flags = O_PATH | O_CLOEXEC | oDirectory(arm.arch)
  arm.call('open private layer', 'openat', [tree, arm.text(name), flags, 0], { into: fd, path: name })
  return fd
}

/**
 * Uid 0 of the namespace, with every capability over it, and visible to itself in /proc again: unless others are there already, who
 * would see into it, and it writes nothing there.
 */
export const becomeRoot = (arm: Program, { spec }: LaunchInput): void => {
  arm.call('setresgid', 'setresgid', [0, 0, 0], { path: 'gid 0' })
  arm.call('setresuid', 'setresuid', [0, 0, 0], { path: 'uid 0' })
  const { oomScoreAdj, apparmorProfile = '', selinuxLabel = '' } = spec.process ?? {}
  const writes = oomScoreAdj !== undefined || apparmorProfile !== '' || selinuxLabel !== ''
  if (writes || !isJoined(spec, 'pid')) arm.call('become dumpable', 'prctl', [PR_SET_DUMPABLE, 1, 0, 0, 0])
}
