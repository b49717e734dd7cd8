// The mounts of the spec, the engine's small files, masked and read-only paths.
import { isWithin } from '../../model/container-path.ts'
import type { Mount } from '../../model/oci-spec.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  EACCES,
  ENOENT,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MOVE_MOUNT_F_EMPTY_PATH,
  O_CLOEXEC,
  OPEN_TREE_CLONE,
  PROC_SUPER_MAGIC,
  S_IFDIR,
  S_IFREG,
} from '../kernel.ts'
import type { Program, Slot } from '../program.ts'
import { bindOf, changeAttributes, type OpenedBind, openBind, prepareBind } from './binds.ts'
import {
  attach,
  type CgroupParent,
  groupPath,
  has,
  type LaunchBuild,
  type LaunchInput,
  type MadeMount,
  newMount,
  setMountAttr,
} from './build.ts'
import { fileName } from './detached.ts'
import { fillDev } from './devices.ts'
import { attributesOf, hasMode, isSealedLate, newFilesystem } from './filesystem.ts'
import { isBind, type MountOptions, parseMountOptions } from './mount-options.ts'
import { ensureDirectory, ensureFile, ensureItself, openInOurs, openInRoot } from './paths.ts'
import { remount } from './remount.ts'
import { isOpened, openTree } from './trees.ts'

export { isBind } from './mount-options.ts'

/** Trees that came as descriptors are those of `treesOf`, in its order. */
export const openBinds = (build: LaunchBuild): ReadonlyMap<Mount, OpenedBind> => {
  const opened = new Map<Mount, OpenedBind>()
  const given = build.given.slice(build.input.rootfs.kind === 'directory' ? 1 : 0)
  for (const mount of build.input.spec.mounts ?? []) {
    if (!isBind(mount) || parseMountOptions(mount.options).remount) continue
    const tree = (isOpened(mount) ? given.shift() : undefined) ?? build.trees.get(mount)
    const isPrepared = build.prepared.has(mount)
    opened.set(
      mount,
      tree === undefined ? openBind(build.arm, mount) : { ...bindOf(mount, tree), isPrepared },
    )
  }
  return opened
}

/**
 * Where the container has no cgroup namespace of its own, a new mount would show the host's tree: its own groups are bound instead. Opened
 * before the root is attached: with a user namespace that lies over the tree they are in.
 */
export const openOwnGroups = (build: LaunchBuild): void => {
  const { arm, input, ownGroups } = build
  if (has(input.spec, 'cgroup') || showsUnified(input)) return
  for (const mount of (input.spec.mounts ?? []).filter(showsGroups)) {
    const { set } = parseMountOptions(mount.options)
    ownGroups.set(
      mount,
      groupsOfV1(input).map((parent) => ownGroup(arm, groupPath(parent, input), set)),
    )
  }
}

const showsGroups = (mount: Mount): boolean =>
  (mount.type === 'cgroup' || mount.type === 'cgroup2') &&
  !isBind(mount) &&
  !parseMountOptions(mount.options).remount

const showsUnified = ({ cgroups, facts }: LaunchInput): boolean =>
  cgroups.some(({ version }) => version === 2) && facts.cgroup.mode === 'v2'

const groupsOfV1 = ({ cgroups }: LaunchInput): readonly CgroupParent[] =>
  cgroups.filter(({ version }) => version === 1)

/** What shows the network namespace, and what lies on it or may: it waits until that namespace is there. */
const NETWORKED: ReadonlySet<string> = new Set(['sysfs'])
/** Of such a kind that no image and no caller has a say in where it goes. */
const OURS_ALONE: ReadonlySet<string> = new Set(['sysfs', 'cgroup', 'cgroup2'])

/**
 * Carries out the mounts in the order of the spec. The first one that has to wait for the network namespace makes all later ones
 * wait, but for those on top of our own: where the others go is for the image's symlinks to tell. Returns the program that
 * whatever depends on these mounts belongs to.
 */
export const mountAll = (build: LaunchBuild, root: Slot, binds: ReadonlyMap<Mount, OpenedBind>): Program => {
  let now = build.arm
  let rest = build.arm
  for (const mount of build.input.spec.mounts ?? []) {
    const { type = 'none', destination } = mount
    const bind = binds.get(mount)
    const above = aboveOf(build, destination)
    const standsAlone = build.detached.get(mount)?.target !== undefined && above?.program === build.arm
    if (NETWORKED.has(type)) now = build.settle
    const program = standsAlone ? build.arm : now
    if (program === build.settle && !OURS_ALONE.has(type)) rest = build.settle
    if (parseMountOptions(mount.options).remount) remount(program, root, mount)
    else if (bind !== undefined) mountBind(program, root, bind, build.noDevices)
    else if (type === 'cgroup' || type === 'cgroup2') mountCgroup(build, program, root, mount)
    else mountFilesystem(build, program, root, mount)
  }
  return rest
}

/** `noDevices`: device nodes in it do not work. */
const mountBind = (program: Program, root: Slot, bind: OpenedBind, noDevices: boolean): void => {
  const { mount, options, tree } = bind
  const where = mount.destination
  if (bind.isPrepared !== true) prepareBind(program, bind, noDevices)
  const attachTo = (kind: typeof S_IFDIR | typeof S_IFREG): void =>
    attach(program, tree, outsideProc(program, where, bindTarget(program, root, where, options, kind)), where)
  program.ifType(
    'look at bind source',
    tree,
    S_IFDIR,
    () => attachTo(S_IFDIR),
    () => attachTo(S_IFREG),
  )
}

const bindTarget = (
  program: Program,
  root: Slot,
  where: string,
  { followTarget }: MountOptions,
  kind: typeof S_IFDIR | typeof S_IFREG,
): Slot => {
  if (!followTarget) return ensureItself(program, 'open mount target', root, where, kind)
  return (kind === S_IFDIR ? ensureDirectory : ensureFile)(program, 'open mount target', root, where)
}

/** An instance of a file system: proc, sysfs, tmpfs, devpts, mqueue, overlay … */
const mountFilesystem = (build: LaunchBuild, program: Program, root: Slot, mount: Mount): void => {
  const { destination } = mount
  const { propagation, copyUp } = parseMountOptions(mount.options)
  const made = build.detached.get(mount)
  const fd = made?.fd ?? newFilesystem(build, program, mount)
  if (mount.type === 'tmpfs' && made?.target === undefined && !copyUp && !hasMode(mount))
    takeMode(build, program, root, destination, fd)
  attach(program, fd, made?.target ?? targetOf(build, program, root, destination), destination)
  const sealed = isSealedLate(mount)
  if (copyUp) {
    const set = attributesOf(mount) & ~(sealed ? MOUNT_ATTR_RDONLY : 0)
    setMountAttr(program, 'set mount attributes', fd, { set }, 0, destination)
  }
  if (sealed) build.sealedLate.push({ destination, fd })
  if (propagation !== undefined) {
    const deep = propagation.recursive ? AT_RECURSIVE : 0
    setMountAttr(program, 'set propagation', fd, { propagation: propagation.flag }, deep, destination)
  }
  build.mounted.push({ destination, fd, program })
  const filled = made !== undefined && !build.isNamespaced && !copyUp
  if (destination === '/dev' && !filled) fillDev(program, build, fd)
}

/** A tmpfs has the mode of the directory it covers, where there is one and no option says otherwise: as runc and crun have it. */
const takeMode = (build: LaunchBuild, program: Program, root: Slot, destination: string, fd: Slot): void => {
  const test = program.opCount
  program.copyMode('take mode', lookUpPlace(build, program, root, destination, [ENOENT]), fd, {
    path: destination,
  })
  program.skipOnTolerated(test, program.opCount)
}

/** Once everything has its place in them. */
export const sealMounts = ({ settle, sealedLate }: LaunchBuild): void => {
  for (const { destination, fd } of sealedLate)
    setMountAttr(settle, 'make mount read-only', fd, { set: MOUNT_ATTR_RDONLY }, 0, destination)
}

/** Into a root that is the container's already: binds whose sources came as descriptors, in their order, and file systems. */
export const mountLate = (
  program: Program,
  { root, noDevices }: { readonly root: Slot; readonly noDevices: boolean },
  mounts: readonly Mount[],
  trees: readonly Slot[],
): void => {
  const sources = [...trees]
  for (const mount of mounts) {
    const { destination, type = 'none' } = mount
    const options = parseMountOptions(mount.options)
    const tree = isBind(mount) ? sources.shift() : undefined
    if (tree !== undefined) mountBind(program, root, { mount, options, tree }, noDevices)
    else {
      const fd = newMount(program, type, options.data, options.set, destination)
      const target = ensureDirectory(program, 'open mount target', root, destination)
      attach(program, fd, outsideProc(program, destination, target), destination)
    }
  }
}

const aboveOf = (build: LaunchBuild, path: string): MadeMount | undefined =>
  build.mounted.findLast(({ destination }) => path.startsWith(`${destination}/`))

/** A target below a mount of our own is resolved from that mount, where the image has no say. */
const targetOf = (build: LaunchBuild, program: Program, root: Slot, destination: string): Slot => {
  const above = aboveOf(build, destination)
  if (above === undefined)
    return outsideProc(program, destination, ensureDirectory(program, 'open mount target', root, destination))
  const name = destination.slice(above.destination.length)
  return ensureDirectory(program, 'open mount target', above.fd, name)
}

/**
 * Only the last part of a target may lie in proc, and only when its name says so: a symlink of the image must not put a volume
 * between the engine and the kernel (CVE-2019-16884, CVE-2019-19921).
 */
const outsideProc = (program: Program, destination: string, target: Slot): Slot => {
  if (!isWithin(destination, '/proc'))
    program.refuseFs('verify mount target', target, PROC_SUPER_MAGIC, { path: destination })
  return target
}

/**
 * v2: the container's own group, through its cgroup namespace. v1: a tmpfs with one mount for each hierarchy the container
 * has joined; the others are left out, since there its namespace would show the engine's own group.
 */
const mountCgroup = (build: LaunchBuild, program: Program, root: Slot, mount: Mount): void => {
  const { input } = build
  const options = parseMountOptions(mount.options)
  const target = targetOf(build, program, root, mount.destination)
  if (input.cgroups.length === 0) return
  if (showsUnified(input)) {
    attach(
      program,
      newMount(program, 'cgroup2', [], options.set, mount.destination),
      target,
      mount.destination,
    )
    return
  }
  const flags = options.set & ~MOUNT_ATTR_RDONLY
  const top = newMount(
    program,
    'tmpfs',
    [
      ['mode', '755'],
      ['size', '64k'],
    ],
    flags,
    mount.destination,
  )
  attach(program, top, target, mount.destination)
  const own = build.ownGroups.get(mount)
  groupsOfV1(input).forEach(({ controllers }, index) => {
    mountHierarchy(program, { controllers, top, flags: options.set, own: own?.[index] }, mount.destination)
  })
  changeAttributes(program, top, options.set & MOUNT_ATTR_RDONLY, 0, 0, mount.destination)
}

interface Hierarchy {
  readonly controllers: readonly string[]
  readonly top: Slot
  readonly flags: number
  /** The container's own group; a new mount shows it where it is the root of the cgroup namespace. */
  readonly own: Slot | undefined
}

const mountHierarchy = (
  program: Program,
  { controllers, top, flags, own }: Hierarchy,
  where: string,
): void => {
  const names = controllers.map((controller) => controller.replace(/^name=/, ''))
  const name = names.join(',')
  const what = `${where}/${name}`
  const options = controllers.map((controller): readonly [string, string?] =>
    controller.startsWith('name=') ? ['name', controller.slice(5)] : [controller],
  )
  program.call('make directory', 'mkdirat', [top, program.text(name), 0o755], { path: what })
  const tree = own ?? newMount(program, 'cgroup', options, flags, what)
  attach(program, tree, openInOurs(program, 'open mount target', top, name), what)
  if (names.length > 1)
    for (const each of names) {
      const link = `${where}/${each}`
      program.call('make link', 'symlinkat', [program.text(name), top, program.text(each)], { path: link })
    }
}

const ownGroup = (program: Program, directory: string, flags: number): Slot => {
  const tree = openTree(program, { step: 'open cgroup', path: directory, recursive: false, follow: false })
  setMountAttr(program, 'set mount attributes', tree, { set: flags }, 0, directory)
  return tree
}

/**
 * Only parts of the stores are mounted in the end. They are attached before the root is: below it, at the same place, to be gone with
 * the old root. Each that was attached nowhere would be taken down by itself when its descriptor is closed, and the payload's first
 * instruction would wait for that; and before Linux 6.15 nothing can be cloned out of such a mount.
 */
export const attachStores = ({ arm, scratch, files, masks }: LaunchBuild): void => {
  for (const store of [files, masks?.directory]) {
    if (store === undefined) continue
    const args = [store, arm.text(''), AT_FDCWD, arm.text(scratch), MOVE_MOUNT_F_EMPTY_PATH]
    arm.call('attach store', 'move_mount', args, { path: scratch })
  }
}

/** Puts each of the engine's files over the image's own. */
export const mountFiles = ({ input, files }: LaunchBuild, program: Program, root: Slot): void => {
  if (files === undefined) return
  input.files.forEach(({ path }, index) => {
    const tree = program.slots.next()
    const args = [files, program.text(fileName(index)), OPEN_TREE_CLONE | O_CLOEXEC]
    program.call('open engine file', 'open_tree', args, { into: tree, path })
    attach(program, tree, ensureFile(program, 'open mount target', root, path), path)
  })
}

/** Hides each path that exists: a directory under an empty read-only tmpfs, a file under /dev/null. */
export const maskPaths = (build: LaunchBuild, rest: Program, root: Slot): void => {
  const { input, masks } = build
  if (masks === undefined) return
  for (const path of input.spec.linux?.maskedPaths ?? []) {
    withExisting(build, rest, root, path, (program, target) => {
      program.ifType(
        'look at masked path',
        target,
        S_IFDIR,
        () => cover(program, masks.directory, target, path),
        () => coverFile(program, masks.file, target, path),
      )
    })
  }
}

const cover = (program: Program, source: Slot, target: Slot, path: string): void =>
  attach(program, cloneMask(program, source, path), target, path)

/** Read-only, or the container's root could change the mode of the host's own /dev/null through it. */
const coverFile = (program: Program, nothing: Slot, target: Slot, path: string): void => {
  const tree = cloneMask(program, nothing, path)
  const set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC
  setMountAttr(program, 'set mount attributes', tree, { set }, 0, path)
  attach(program, tree, target, path)
}

const cloneMask = (program: Program, source: Slot, path: string): Slot => {
  const tree = program.slots.next()
  const args = [source, program.text(''), OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH]
  program.call('clone mask', 'open_tree', args, { into: tree, path })
  return tree
}

/** Bind-mounts each path that exists over itself, read-only with all that is mounted below it. */
export const makeReadonly = (build: LaunchBuild, rest: Program, root: Slot): void => {
  const sysctls = Object.keys(build.input.spec.linux?.sysctl ?? {}).length > 0
  for (const path of build.input.spec.linux?.readonlyPaths ?? []) {
    // The sysctls of the network namespace are written first.
    const after = sysctls && isWithin('/proc/sys', path) ? build.settle : rest
    withExisting(build, after, root, path, (program, target) => {
      const tree = program.slots.next()
      const flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE
      program.call('clone read-only path', 'open_tree', [target, program.text(''), flags], {
        into: tree,
        path,
      })
      setMountAttr(program, 'make path read-only', tree, { set: MOUNT_ATTR_RDONLY }, AT_RECURSIVE, path)
      attach(program, tree, target, path)
    })
  }
}

/** Runs `then` only when `path` exists; below a mount of ours it is looked up there, not through the image's symlinks. */
const withExisting = (
  build: LaunchBuild,
  rest: Program,
  root: Slot,
  path: string,
  then: (program: Program, target: Slot) => void,
): void => {
  const program = aboveOf(build, path)?.program === build.settle ? build.settle : rest
  const test = program.opCount
  then(program, lookUpPlace(build, program, root, path, [ENOENT, EACCES]))
  program.skipOnTolerated(test, program.opCount)
}

const lookUpPlace = (
  build: LaunchBuild,
  program: Program,
  root: Slot,
  path: string,
  tolerate: readonly number[],
): Slot => {
  const above = aboveOf(build, path)
  const options = { tolerate, path }
  return above === undefined
    ? openInRoot(program, 'look for path', root, path, options)
    : openInOurs(program, 'look for path', above.fd, path.slice(above.destination.length + 1), options)
}
