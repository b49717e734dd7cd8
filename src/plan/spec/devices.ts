// Device nodes and the rules of the devices cgroup: what moby and runc together give a container by default.
import type { HostDevice } from '../../model/devices.ts'
import { parseDeviceRule } from '../../model/devices.ts'
import type { LinuxDevice, LinuxDeviceCgroup } from '../../model/oci-spec.ts'
import { isPrivileged, type SpecInput } from './input.ts'

const character = (major: number, minor: number | undefined, access = 'rwm'): LinuxDeviceCgroup => ({
  allow: true,
  type: 'c',
  major,
  ...(minor === undefined ? {} : { minor }),
  access,
})

/**
 * Nothing, then the harmless ones. moby daemon/pkg/oci/defaults.go, and what runc adds to it (libcontainer/specconv,
 * AllowedDevices): making any node is allowed, since using it still is not. moby's further rule that denies fuse
 * changes nothing after the first one and is left out: each rule is a write on the way to a start.
 */
const DEFAULT_RULES: readonly LinuxDeviceCgroup[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  character(1, 3), // null
  character(1, 5), // zero
  character(1, 7), // full
  character(1, 8), // random
  character(1, 9), // urandom
  character(5, 0), // tty
  character(5, 1), // console
  character(5, 2), // ptmx
  character(136, undefined), // pts
]

const EVERYTHING: readonly LinuxDeviceCgroup[] = [{ allow: true, access: 'rwm' }]

export const deviceRules = (input: SpecInput): readonly LinuxDeviceCgroup[] => {
  if (isPrivileged(input)) return EVERYTHING
  const asked = (input.options.deviceCgroupRules ?? []).flatMap((rule) => parseDeviceRule(rule) ?? [])
  return [...DEFAULT_RULES, ...(input.devices ?? []).map(ruleOf), ...asked]
}

const ruleOf = ({ type, major, minor, access }: HostDevice): LinuxDeviceCgroup => ({
  allow: true,
  type,
  major,
  minor,
  access,
})

export const deviceNodes = (input: SpecInput): readonly LinuxDevice[] =>
  (input.devices ?? []).map(({ access: _, ...node }) => node)
