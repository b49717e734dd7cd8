// Decoders of single option values: names, numbers, paths, limits.
import * as E from '#fp/Either'
import { normalizeCapability } from './capabilities.ts'
import { isAbsolute, isWithin, normalizePath } from './container-path.ts'
import {
  array,
  boolean,
  check,
  type Decoder,
  exactObject,
  finite,
  inside,
  integer,
  isObject,
  keyPath,
  mismatch,
  oneOf,
  optional,
  text,
} from './decode.ts'
import { isDeviceAccess, parseDeviceRule } from './devices.ts'
import { rlimitType, ULIMIT_NAMES } from './rlimits.ts'
import { signalNumber } from './signals.ts'
import { parseDuration, parseSize } from './units.ts'

/** moby daemon/daemon_unix.go, linuxMinMemory: less, and the start itself runs out of memory. */
export const MIN_MEMORY_BYTES = 6 * 1024 * 1024

const unit =
  (parse: typeof parseSize): Decoder<number> =>
  (value) => {
    if (typeof value !== 'string' && typeof value !== 'number')
      return mismatch('expected text or a number', value)
    const parsed = parse(value, '')
    return E.isLeft(parsed) ? mismatch(parsed.left.why, value) : parsed
  }
export const size: Decoder<number> = unit(parseSize)
export const duration: Decoder<number> = unit(parseDuration)

/** 0 stands for no limit, as in Docker. */
export const memory: Decoder<number> = check(size, (bytes) =>
  bytes > 0 && bytes < MIN_MEMORY_BYTES ? 'the smallest memory limit is 6MiB' : undefined,
)
export const memorySwap: Decoder<number> = (value) =>
  value === -1 || value === '-1' ? E.right(-1) : size(value)

/** 0 stands for no limit. One period of 100 ms cannot be cut finer than 1 ms (cgroup-v1 cpu.cfs_quota_us). */
export const cpus: Decoder<number> = check(finite, (value) =>
  value === 0 || value >= 0.01 ? undefined : 'must be 0.01 or more',
)

/** cgroup-v1/cpusets.rst, List format. */
export const cpuList: Decoder<string> = check(text, (value) => {
  const ranges = value.split(',').map((range) => /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range))
  const good = ranges.every((range) => range !== null && Number(range[1]) <= Number(range[2] ?? range[1]))
  return good ? undefined : 'expected a list such as 0-2,7'
})

export const absolutePath: Decoder<string> = check(text, (path) =>
  isAbsolute(path) ? undefined : 'must be an absolute path',
)

export const nonEmpty: Decoder<string> = check(text, (value) => (value === '' ? 'is empty' : undefined))
export const called: Decoder<unknown> = (value) =>
  typeof value === 'function' ? E.right(value) : mismatch('expected a function', value)
export const texts: Decoder<readonly string[]> = array(text)
export const names: Decoder<readonly string[]> = array(nonEmpty)

/** A map whose keys follow a rule. The key itself is named when it does not. */
export const mapOf =
  (problem: (name: string) => string | undefined): Decoder<Readonly<Record<string, string>>> =>
  (value) => {
    if (!isObject(value)) return mismatch('expected an object of strings', value)
    for (const [name, entry] of Object.entries(value)) {
      const why = problem(name)
      if (why !== undefined) return mismatch(why, name)
      const decoded = text(entry)
      if (E.isLeft(decoded)) return inside(keyPath(name), decoded.left)
    }
    return E.right(value as Readonly<Record<string, string>>)
  }

/** The kernel takes any name; a shell could not use one with `=`, and nor can we. */
export const environment = mapOf((name) =>
  name === '' || /[=\0]/.test(name) ? 'is not a name of an environment variable' : undefined,
)
export const labels = mapOf((name) =>
  name === '' || name.includes('\0') ? 'is not a name of a label' : undefined,
)

/** docker-run(1), --name. */
export const containerName: Decoder<string> = check(text, (name) =>
  /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) && name.length <= 255
    ? undefined
    : 'a name has two or more letters, digits, or _.- after the first',
)

/** sethostname(2): 64 bytes; RFC 1123 and the underscore that Docker's users rely on. */
export const hostname: Decoder<string> = check(text, (name) => {
  if (name.length > 64) return 'is longer than 64 bytes'
  return /^[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9_])?$/.test(name)
    ? undefined
    : 'has letters, digits, and - or . between them'
})

export const user: Decoder<string> = check(text, (name) =>
  /^[^\s:]*(?::[^\s:]*)?$/.test(name)
    ? undefined
    : 'expected a name or uid, and after a colon a group or gid',
)

export const stopSignal: Decoder<string> = check(text, (name) =>
  signalNumber(name) === undefined ? 'no such signal' : undefined,
)

export const tty: Decoder<boolean | { readonly columns: number; readonly rows: number }> = (value) =>
  typeof value === 'boolean' ? E.right(value) : terminal(value)
const terminal = exactObject({ columns: integer(1, 65535), rows: integer(1, 65535) })

/** One word is a program, not a command line: it is not split. */
export const entrypoint: Decoder<readonly string[]> = (value) =>
  typeof value === 'string' ? texts([value]) : texts(value)

const LIMIT = integer(-1)
const ulimitFields = exactObject({
  name: check(text, (name) =>
    rlimitType(name) === undefined ? `no such limit; there are ${ULIMIT_NAMES.join(', ')}` : undefined,
  ),
  soft: LIMIT,
  hard: optional(LIMIT),
})
const unlimited = (value: number): number => (value < 0 ? Number.POSITIVE_INFINITY : value)
export const ulimit = check(ulimitFields, ({ soft, hard = soft }) =>
  unlimited(soft) > unlimited(hard) ? 'the soft limit is above the hard one' : undefined,
)

export const device: Decoder<{ source: string; target: string; permissions: string }> = (value) => {
  const decoded = deviceFields(value)
  if (E.isLeft(decoded)) return decoded
  const { source, target, permissions = 'rwm' } = decoded.right
  return E.right({ source, target: normalizePath(target ?? source), permissions })
}
/** The launcher makes nodes on its own /dev and nowhere else. */
const devicePath = check(absolutePath, (path) =>
  isWithin(normalizePath(path), '/dev') && normalizePath(path) !== '/dev' ? undefined : 'must lie below /dev',
)
const deviceFields = exactObject({
  source: absolutePath,
  target: optional(devicePath),
  permissions: optional(
    check(text, (access) => (isDeviceAccess(access) ? undefined : 'expected any of r, w and m, each once')),
  ),
})

export const deviceRule: Decoder<string> = check(text, (rule) =>
  parseDeviceRule(rule) === undefined ? 'expected a rule such as "c 10:200 rwm"' : undefined,
)

export const capability: Decoder<string> = check(text, (name) =>
  normalizeCapability(name) === undefined ? 'no such capability' : undefined,
)

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/
const isIpv6 = (value: string): boolean => {
  const halves = value.split('::')
  const groups = value.split(':').filter((group) => group !== '')
  const tail = groups.at(-1) ?? ''
  const count = groups.length + (IPV4.test(tail) ? 1 : 0)
  const good = groups.every(
    (group, i) => /^[0-9a-f]{1,4}$/i.test(group) || (i === groups.length - 1 && IPV4.test(group)),
  )
  const edges = /^:[^:]|[^:]:$/.test(value)
  return (
    value.includes(':') &&
    good &&
    !edges &&
    (halves.length === 2 ? count < 8 : halves.length === 1 && count === 8)
  )
}
const isAddress = (value: string): boolean => IPV4.test(value) || isIpv6(value)

export const address: Decoder<string> = check(text, (value) =>
  isAddress(value) ? undefined : 'expected an IP address',
)

/** `name:address`; IPv6 with or without brackets. docker-run(1), --add-host. */
export const extraHost: Decoder<string> = check(text, (entry) => {
  const [, name, where] = /^([a-zA-Z0-9_.-]+)[:=]\[?([^\]]*)\]?$/.exec(entry) ?? []
  if (name === undefined || where === undefined) return 'expected name:address'
  if (where === 'host-gateway') return 'host-gateway needs a bridge network, which this network is not'
  return isAddress(where) ? undefined : 'expected name:address'
})

/** One word of resolv.conf(5): it must not begin a line of its own. */
export const resolverWord: Decoder<string> = check(text, (word) =>
  /^\S+$/.test(word) ? undefined : 'expected one word',
)

export const flag = boolean
export const host = oneOf('private', 'host')
export const network = oneOf('none', 'host')
