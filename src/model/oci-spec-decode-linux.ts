// Decoders of what a runtime spec says for Linux alone. runtime-spec config-linux.md.
import * as E from '#fp/Either'
import {
  array,
  boolean,
  check,
  type Decoder,
  firstRepeated,
  integer,
  object,
  oneOf,
  optional,
  record,
  text,
} from './decode.ts'
import { numberList } from './number-list.ts'
import { NAMESPACE_TYPES } from './oci-namespaces.ts'
import type { Linux, LinuxSeccomp } from './oci-spec.ts'
import { resources } from './oci-spec-decode-resources.ts'
import {
  absolute,
  id,
  idMappings,
  int64,
  nonEmpty,
  numbers,
  texts,
  uint32,
  uint64,
} from './oci-spec-decode-values.ts'
import { MEMORY_POLICIES, MEMORY_POLICY_FLAGS } from './oci-spec-scheduling.ts'
import { SECCOMP_ACTIONS, SECCOMP_FLAGS, SECCOMP_OPERATORS } from './oci-spec-seccomp.ts'

const namespace = object({
  type: oneOf(...NAMESPACE_TYPES),
  path: optional(absolute),
})
const namespaces = check(array(namespace), (list) => {
  const again = firstRepeated(list, ({ type }) => type)
  return again < 0 ? undefined : `the ${list[again]?.type} namespace is named twice`
})

const offset = object({ secs: optional(int64), nanosecs: optional(integer(0, 999_999_999)) })

/** dev_t of the kernel: 12 bits and 20, linux/kdev_t.h. Larger ones would be another device's. */
const MAX_MAJOR = 2 ** 12 - 1
const MAX_MINOR = 2 ** 20 - 1
const deviceFields = object({
  path: absolute,
  type: oneOf('c', 'b', 'u', 'p'),
  major: optional(integer(0, MAX_MAJOR)),
  minor: optional(integer(0, MAX_MINOR)),
  fileMode: optional(integer(0, 0o177777)),
  uid: optional(id),
  gid: optional(id),
})
const device = check(deviceFields, ({ type, major, minor }) =>
  type === 'p' || (major !== undefined && minor !== undefined) ? undefined : 'major and minor are required',
)

const SECCOMP_ACTION = oneOf(...SECCOMP_ACTIONS)
const takesErrno = (action: string): boolean => action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE'
const seccompArg = object({
  index: integer(0, 5),
  value: uint64,
  valueTwo: optional(uint64),
  op: oneOf(...SECCOMP_OPERATORS),
})
const seccompRule = object({
  names: check(array(nonEmpty), (names) =>
    names.length === 0 ? 'at least one name is required' : undefined,
  ),
  action: SECCOMP_ACTION,
  errnoRet: optional(uint32),
  args: optional(array(seccompArg)),
})
const seccompSyscall = check(seccompRule, ({ action, errnoRet }) =>
  errnoRet === undefined || takesErrno(action) ? undefined : `${action} takes no errnoRet`,
)

export const seccomp: Decoder<LinuxSeccomp> = check(
  object({
    defaultAction: SECCOMP_ACTION,
    defaultErrnoRet: optional(uint32),
    architectures: optional(
      array(
        check(text, (name) =>
          /^SCMP_ARCH_[A-Z0-9_]+$/.test(name) ? undefined : 'expected a SCMP_ARCH_ name',
        ),
      ),
    ),
    flags: optional(array(oneOf(...SECCOMP_FLAGS))),
    listenerPath: optional(text),
    listenerMetadata: optional(text),
    syscalls: optional(array(seccompSyscall)),
  }),
  ({ defaultAction, defaultErrnoRet, listenerMetadata, listenerPath }) => {
    if (defaultErrnoRet !== undefined && !takesErrno(defaultAction))
      return `${defaultAction} takes no defaultErrnoRet`
    return listenerMetadata !== undefined && (listenerPath ?? '') === ''
      ? 'listenerMetadata needs a listenerPath'
      : undefined
  },
)

const intelRdt = object({
  closID: optional(
    check(nonEmpty, (name) =>
      name === '.' || name === '..' || name.includes('/') ? 'must be one file name' : undefined,
    ),
  ),
  schemata: optional(texts),
  l3CacheSchema: optional(text),
  memBwSchema: optional(text),
  enableMonitoring: optional(boolean),
})

const memoryPolicy = object({
  mode: oneOf(...MEMORY_POLICIES),
  nodes: optional(
    check(numbers, (list) =>
      (numberList(list) ?? []).some((node) => node > 1023) ? 'is too large' : undefined,
    ),
  ),
  flags: optional(array(oneOf(...MEMORY_POLICY_FLAGS))),
})

/** config-linux.md, Personality: "Currently no flag values are supported". */
const noFlags = check(texts, ([flag]) =>
  flag === undefined ? undefined : `${flag} is no flag of a personality`,
)

/** netdevice(7): a name fits in 16 bytes with its end, and is no path. */
const interfaceName = check(text, (name) =>
  /^[^\s/:]{1,15}$/.test(name) && name !== '.' && name !== '..'
    ? undefined
    : 'is not a name of a network device',
)

const netDevices = check(record(object({ name: optional(interfaceName) })), (devices) => {
  const bad = Object.keys(devices).find((name) => E.isLeft(interfaceName(name)))
  return bad === undefined ? undefined : `${JSON.stringify(bad)} is not a name of a network device`
})

export const linux: Decoder<Linux> = object({
  namespaces: optional(namespaces),
  uidMappings: optional(idMappings),
  gidMappings: optional(idMappings),
  timeOffsets: optional(object({ monotonic: optional(offset), boottime: optional(offset) })),
  devices: optional(array(device)),
  netDevices: optional(netDevices),
  cgroupsPath: optional(text),
  resources: optional(resources),
  rootfsPropagation: optional(
    oneOf('shared', 'slave', 'private', 'unbindable', 'rshared', 'rslave', 'rprivate', 'runbindable'),
  ),
  seccomp: optional(seccomp),
  sysctl: optional(record(text)),
  maskedPaths: optional(array(absolute)),
  readonlyPaths: optional(array(absolute)),
  mountLabel: optional(text),
  intelRdt: optional(intelRdt),
  personality: optional(object({ domain: oneOf('LINUX', 'LINUX32'), flags: optional(noFlags) })),
  memoryPolicy: optional(memoryPolicy),
})
