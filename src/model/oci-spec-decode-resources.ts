// Decoders of cgroup limits. runtime-spec config-linux.md, Control groups.
import {
  array,
  boolean,
  check,
  type Decoder,
  integer,
  object,
  oneOf,
  optional,
  record,
  text,
} from './decode.ts'
import type { LinuxResources } from './oci-spec.ts'
import { int64, nonEmpty, uint32, uint64 } from './oci-spec-decode-values.ts'

const deviceRule = object({
  allow: boolean,
  type: optional(oneOf('a', 'b', 'c')),
  major: optional(int64),
  minor: optional(int64),
  access: optional(
    check(text, (access) => (/^[rwm]*$/.test(access) ? undefined : 'expected any of r, w and m')),
  ),
})

/** -1 is unlimited; nothing below has a meaning. */
const limit = integer(-1, 2 ** 63)

const memory = object({
  limit: optional(limit),
  reservation: optional(limit),
  swap: optional(limit),
  kernel: optional(limit),
  kernelTCP: optional(limit),
  swappiness: optional(integer(0, 200)),
  disableOOMKiller: optional(boolean),
  useHierarchy: optional(boolean),
  checkBeforeUpdate: optional(boolean),
})

const cpu = object({
  shares: optional(integer(0)),
  quota: optional(int64),
  burst: optional(integer(0)),
  period: optional(integer(0)),
  realtimeRuntime: optional(int64),
  realtimePeriod: optional(integer(0)),
  cpus: optional(text),
  mems: optional(text),
  idle: optional(integer(0, 1)),
})

const weight = integer(0, 1000)
const device = { major: int64, minor: int64 }
const rates = optional(array(object({ ...device, rate: uint64 })))
const blockIO = object({
  weight: optional(weight),
  leafWeight: optional(weight),
  weightDevice: optional(
    array(object({ ...device, weight: optional(weight), leafWeight: optional(weight) })),
  ),
  throttleReadBpsDevice: rates,
  throttleWriteBpsDevice: rates,
  throttleReadIOPSDevice: rates,
  throttleWriteIOPSDevice: rates,
})

const pageSize = check(text, (size) =>
  /^[1-9][0-9]*[KMG]B$/.test(size) ? undefined : 'expected a size such as 2MB',
)

/** It becomes a word of a line of a cgroup's file. */
const word = check(nonEmpty, (name) => (/\s/.test(name) ? 'contains blanks' : undefined))

const network = object({
  classID: optional(uint32),
  priorities: optional(array(object({ name: word, priority: uint32 }))),
})

const rdma = check(
  record(
    check(object({ hcaHandles: optional(uint32), hcaObjects: optional(uint32) }), (limits) =>
      limits.hcaHandles === undefined && limits.hcaObjects === undefined
        ? 'needs hcaHandles or hcaObjects'
        : undefined,
    ),
  ),
  (devices) => {
    const bad = Object.keys(devices).find((name) => name === '' || /\s/.test(name))
    return bad === undefined ? undefined : `${JSON.stringify(bad)} is no name of a device`
  },
)

/** Keys become file names in the container's cgroup: none may lead out of it. */
const unified = check(record(text), (files) => {
  const bad = Object.keys(files).find((name) => !/^[a-z0-9_]+(?:\.[A-Za-z0-9_-]+)+$/.test(name))
  return bad === undefined ? undefined : `${JSON.stringify(bad)} is not a file of a cgroup`
})

export const resources: Decoder<LinuxResources> = object({
  devices: optional(array(deviceRule)),
  memory: optional(memory),
  cpu: optional(cpu),
  pids: optional(object({ limit: optional(int64) })),
  blockIO: optional(blockIO),
  hugepageLimits: optional(array(object({ pageSize, limit: uint64 }))),
  network: optional(network),
  rdma: optional(rdma),
  unified: optional(unified),
})
