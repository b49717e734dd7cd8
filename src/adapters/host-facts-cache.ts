// Keeps the probed facts in <runtime dir>/facts.json until the next boot. A cache nobody can vouch for is not used.
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import type { CgroupController, CgroupFacts, HostFacts } from '../model/host-facts.ts'
import { version } from '../model/version.ts'
import { type HostSource, type ProcessFacts, probeHostFacts, probeProcess, thisHost } from './host-facts.ts'
import { cgroupWritable } from './host-facts-cgroup.ts'

/** What does not change between two processes of one kind on one boot. */
type StoredFacts = Omit<HostFacts, keyof ProcessFacts | 'users' | 'isNamespaced'>

/** Raised whenever the shape or the meaning of a stored fact changes. */
const FORMAT = 2
const LIMIT_BYTES = 65_536

/**
 * Host facts, from the cache of this boot where it fits: same boot, kernel, slipway, ids, capabilities and views (the
 * namespaces of mounts, cgroups, processes, users and networks). Otherwise they are probed and stored. Never fails.
 */
export const hostFacts = (runtimeDir: string, source: HostSource = thisHost): HostFacts => {
  const own = probeProcess(source)
  const key = cacheKey(own, source)
  const file = `${runtimeDir}/facts.json`
  const stored = readCache(file, key, own.euid)
  if (stored !== undefined && cgroupIsAsStored(stored.cgroup, source)) return { ...stored, ...own }
  const facts = probeHostFacts(source)
  writeCache(file, key, facts)
  return facts
}

/** A remount since then is the one change that no key shows. */
const cgroupIsAsStored = (cgroup: CgroupFacts, source: HostSource): boolean => {
  const places = new Set(cgroup.controllers.map((controller) => controller.mountpoint))
  if (cgroup.unified !== undefined) places.add(cgroup.unified)
  return places.size === 0 || cgroupWritable([...places], source.root) === cgroup.writable
}

const VIEWS = ['mnt', 'cgroup', 'pid', 'user', 'net'] as const

const cacheKey = (own: ProcessFacts, source: HostSource): string => {
  const text = (read: () => string): string => {
    try {
      return read().trim()
    } catch {
      return '-'
    }
  }
  const file = (path: string) => text(() => readFileSync(source.root + path, 'utf8'))
  const link = (path: string) => text(() => readlinkSync(source.root + path))
  return [
    version,
    file('/proc/sys/kernel/random/boot_id'),
    file('/proc/sys/kernel/osrelease'),
    `${own.euid}:${own.egid}:${own.effectiveCaps.toString(16)}`,
    ...VIEWS.map((view) => link(`/proc/self/ns/${view}`)),
  ].join(' ')
}

const readCache = (file: string, key: string, euid: number): StoredFacts | undefined => {
  try {
    const document: unknown = JSON.parse(readTrusted(file, euid))
    if (!isRecord(document) || document.format !== FORMAT || document.key !== key) return undefined
    return decodeStored(document.facts)
  } catch {
    return undefined
  }
}

/** Throws unless the file is a plain one that only this user can have written. O_NONBLOCK: a FIFO must not hang us. */
const readTrusted = (file: string, euid: number): string => {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(fd)
    const trusted = stat.isFile() && stat.uid === euid && (stat.mode & 0o022) === 0
    if (!trusted || stat.size > LIMIT_BYTES) throw new Error('not a file of ours')
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** Losing the race or lacking the directory costs the next start a probe, nothing else. */
const writeCache = (file: string, key: string, facts: HostFacts): void => {
  const { euid, egid, effectiveCaps, nofileHard, oomScoreAdj, users, isNamespaced, ...stored } = facts
  const temporary = `${file}.${process.pid}`
  try {
    writeFileSync(temporary, JSON.stringify({ format: FORMAT, key, facts: stored }), {
      mode: 0o600,
      flag: 'wx',
    })
    renameSync(temporary, file)
  } catch {
    removeQuietly(temporary)
  }
}
const removeQuietly = (file: string): void => {
  try {
    unlinkSync(file)
  } catch {}
}

type Check = (value: unknown) => boolean
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isString: Check = (value) => typeof value === 'string'
const isBoolean: Check = (value) => typeof value === 'boolean'
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isTexts: Check = (value) => Array.isArray(value) && value.every(isString)
const oneOf =
  (...allowed: readonly unknown[]): Check =>
  (value) =>
    allowed.includes(value)

/** One check per stored fact; the type makes a forgotten one an error. */
const CHECKS: { readonly [K in keyof StoredFacts]: Check } = {
  bootId: isString,
  arch: oneOf('x64', 'arm64'),
  kernelRelease: isString,
  kernel: (value) => Array.isArray(value) && value.length === 2 && value.every(isCount),
  lastCap: isCount,
  cgroup: (value) => isCgroup(value),
  namespaces: isTexts,
  timeNamespaceAtExec: isBoolean,
  overlayLowerPlus: isBoolean,
  passPidfd: isBoolean,
  seccompActions: isTexts,
  apparmor: isBoolean,
  selinux: isBoolean,
  userNamespaces: isBoolean,
  cpus: (value) => isCount(value) && value !== 0,
  memoryBytes: isCount,
  canRaiseLimits: isBoolean,
  thermalThrottle: isTexts,
  ipv6: isBoolean,
}

const isCgroup = (value: unknown): value is CgroupFacts =>
  isRecord(value) &&
  oneOf('v1', 'v2', 'hybrid', 'none')(value.mode) &&
  isBoolean(value.writable) &&
  (value.unified === undefined || isAbsolute(value.unified)) &&
  Array.isArray(value.controllers) &&
  value.controllers.every(isController)

const isController = (value: unknown): value is CgroupController =>
  isRecord(value) && isString(value.name) && isAbsolute(value.mountpoint) && oneOf(1, 2)(value.version)

const isAbsolute: Check = (value) => typeof value === 'string' && value.startsWith('/')

/** `undefined` unless every fact is there and has its shape. */
export const decodeStored = (value: unknown): StoredFacts | undefined => {
  if (!isRecord(value)) return undefined
  const sound = Object.entries(CHECKS).every(([name, check]) => check(value[name]))
  return sound ? (value as unknown as StoredFacts) : undefined
}
