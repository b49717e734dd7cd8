// What a container may do with devices.
import type { LinuxDeviceCgroup, Spec } from '../../model/oci-spec.ts'
import { type DeviceList, deviceList } from '../../plan/device-list.ts'

const allowed = (type: 'b' | 'c', access: string, major?: number, minor?: number): LinuxDeviceCgroup => ({
  allow: true,
  type,
  access,
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
})

/** What the default devices need, whatever a document says before: runc libcontainer/specconv, AllowedDevices. */
const DEFAULT_RULES: readonly LinuxDeviceCgroup[] = [
  allowed('c', 'm'),
  allowed('b', 'm'),
  ...[3, 5, 7, 8, 9].map((minor) => allowed('c', 'rwm', 1, minor)),
  allowed('c', 'rwm', 5, 0),
  allowed('c', 'rwm', 5, 2),
  allowed('c', 'rwm', 136),
]

const known = new WeakMap<Spec, DeviceList>()
/** A document is looked at once. */
export const devicesOf = (spec: Spec): DeviceList => {
  const before = known.get(spec)
  if (before !== undefined) return before
  const list = deviceList([...(spec.linux?.resources?.devices ?? []), ...DEFAULT_RULES])
  known.set(spec, list)
  return list
}
