// Devices: nodes found on the host, and the rules of `--device` and `--device-cgroup-rule`.
import type { LinuxDeviceCgroup } from './oci-spec.ts'

/** A device node of the host, and what the container may do with it. */
export interface HostDevice {
  /** Path inside the container. */
  readonly path: string
  readonly type: 'c' | 'b'
  readonly major: number
  readonly minor: number
  /** Permission bits, e.g. 0o660. */
  readonly fileMode: number
  readonly uid: number
  readonly gid: number
  /** Any of `r`, `w`, `m`. */
  readonly access: string
}

/** Each of `r`, `w` and `m` at most once, at least one. */
export const isDeviceAccess = (text: string): boolean =>
  /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length

/** Widths of a device number inside the kernel: 12 and 20 bits (include/linux/kdev_t.h). */
const MAX_MAJOR = 0xfff
const MAX_MINOR = 0xfffff
const RULE = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/

/** `c 10:* rm` → a rule that allows; undefined when it is not one. docker-run(1), --device-cgroup-rule. */
export const parseDeviceRule = (text: string): LinuxDeviceCgroup | undefined => {
  const [, type, major, minor, access] = RULE.exec(text) ?? []
  if (type === undefined || access === undefined || !isDeviceAccess(access)) return undefined
  if (Number(major) > MAX_MAJOR || Number(minor) > MAX_MINOR) return undefined
  const rule: LinuxDeviceCgroup = { allow: true, type: type as 'a' | 'b' | 'c', access }
  return { ...rule, ...number('major', major), ...number('minor', minor) }
}

const number = (name: 'major' | 'minor', text: string | undefined): Partial<Record<typeof name, number>> =>
  text === undefined || text === '*' ? {} : { [name]: Number(text) }
