// Reads the cgroup layout of a host out of /proc/self/mountinfo: which controller lives in which hierarchy, and where.
import { accessSync, closeSync, constants, openSync } from 'node:fs'
import type { CgroupController, CgroupFacts } from '../model/host-facts.ts'
import { jsHost } from '../native/js-host.ts'

interface CgroupMount {
  readonly mountpoint: string
  readonly version: 1 | 2
  readonly readonly: boolean
  /** v1 only: the controllers of the hierarchy, or `name=…`. */
  readonly controllers: readonly string[]
}

/** Super-block options of a v1 hierarchy that are not controllers. Source: cgroups(7) and kernel/cgroup/cgroup-v1.c. */
const NOT_CONTROLLERS =
  /^(rw|ro|none|all|xattr|noprefix|clone_children|cpuset_v2_mode|favordynmods|seclabel)$|=/

/** `\040` and friends, as mountinfo writes blanks in paths (proc_pid_mountinfo(5)). */
const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

const cgroupMount = (line: string): CgroupMount | undefined => {
  const [head, tail] = line.split(' - ')
  const [type, , superOptions = ''] = (tail ?? '').split(' ')
  if (type !== 'cgroup' && type !== 'cgroup2') return undefined
  const fields = (head ?? '').split(' ')
  const options = superOptions.split(',')
  return {
    mountpoint: unescapeOctal(fields[4] ?? ''),
    version: type === 'cgroup2' ? 2 : 1,
    readonly: (fields[5] ?? '').split(',').includes('ro') || options.includes('ro'),
    controllers:
      type === 'cgroup2' ? [] : options.filter((word) => !NOT_CONTROLLERS.test(word) || /^name=/.test(word)),
  }
}

const placeOf = (line: string): string => line.split(' ')[4] ?? ''

/** Without what a later mount hides: one at the same place, or at one above. */
const visible = (lines: readonly string[]): readonly string[] =>
  lines.filter((line, index) => {
    const place = placeOf(line)
    const hides = (later: string): boolean =>
      later !== '' && (place === later || place.startsWith(later === '/' ? '/' : `${later}/`))
    return !lines.slice(index + 1).some((later) => hides(placeOf(later)))
  })

/** A host may show one hierarchy at several places; the standard one counts, and of two mounts on one place the later. */
const isStandard = (mount: CgroupMount): boolean => mount.mountpoint.startsWith('/sys/fs/cgroup')

const preferred = (mounts: readonly CgroupMount[]): readonly CgroupMount[] => {
  const chosen = new Map<string, CgroupMount>()
  for (const mount of mounts) {
    const key = mount.version === 2 ? 'v2' : mount.controllers.join(',')
    const rival = chosen.get(key)
    if (rival === undefined || isStandard(mount) || !isStandard(rival)) chosen.set(key, mount)
  }
  return [...chosen.values()]
}

/** Names in the mode: hybrid means that both versions are mounted, wherever the controllers live. */
const modeOf = (v1: boolean, v2: boolean): CgroupFacts['mode'] => {
  if (v1 && v2) return 'hybrid'
  return v1 ? 'v1' : v2 ? 'v2' : 'none'
}

const works = (attempt: () => void): boolean => {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}
const permits = (path: string): boolean => works(() => accessSync(path, constants.W_OK))
const opens = (path: string): boolean => works(() => closeSync(openSync(path, constants.O_WRONLY)))

/**
 * True when every hierarchy can be written to by this process; access(2) also tells a read-only mount.
 */
export const cgroupWritable = (mountpoints: readonly string[], root: string): boolean =>
  mountpoints.length > 0 &&
  mountpoints.every((mountpoint) => {
    const processes = `${root}${mountpoint}/cgroup.procs`
    return jsHost.accessAsksKernel ? permits(root + mountpoint) && permits(processes) : opens(processes)
  })

/**
 * The cgroup layout as seen by the process whose mountinfo is given. `readController` gives the text of a v2
 * `cgroup.controllers` file by its path; `root` is prefixed to paths for the writable test.
 */
export const cgroupFacts = (
  mountinfo: string,
  readController: (path: string) => string,
  root: string,
): CgroupFacts => {
  const mounts = preferred(
    visible(mountinfo.split('\n'))
      .filter((line) => line.includes(' - cgroup'))
      .map(cgroupMount)
      .filter((mount) => mount !== undefined),
  )
  const unified = mounts.find((mount) => mount.version === 2)
  const legacy = mounts.filter((mount) => mount.version === 1)
  const controllers = [
    ...legacy.flatMap((mount) => mount.controllers.map((name) => controller(name, mount))),
    ...(unified === undefined ? [] : unifiedControllers(unified, readController)),
  ]
  const writable = mounts.every((mount) => !mount.readonly) && cgroupWritable(places(mounts), root)
  return {
    mode: modeOf(legacy.length > 0, unified !== undefined),
    controllers,
    ...(unified === undefined ? {} : { unified: unified.mountpoint }),
    writable,
  }
}

const places = (mounts: readonly CgroupMount[]): readonly string[] => mounts.map((mount) => mount.mountpoint)

const controller = (name: string, mount: CgroupMount): CgroupController => ({
  name,
  mountpoint: mount.mountpoint,
  version: mount.version,
})

const unifiedControllers = (
  mount: CgroupMount,
  read: (path: string) => string,
): readonly CgroupController[] =>
  read(`${mount.mountpoint}/cgroup.controllers`)
    .split(/\s+/)
    .filter((name) => name !== '')
    .map((name) => controller(name, mount))
