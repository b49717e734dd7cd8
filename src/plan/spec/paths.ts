// Paths of /proc and /sys a container does not see, or may not write. moby daemon/pkg/oci/defaults.go.
import { isPrivileged, type SpecInput } from './input.ts'

const MASKED: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]
const READONLY: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/** With the thermal counters of every CPU, which tell tenants apart by their load (moby GHSA-6fw5-f8r9-fgfm). */
export const maskedPaths = (input: SpecInput): readonly string[] =>
  isOpen(input) ? [] : [...MASKED, ...input.facts.thermalThrottle]

export const readonlyPaths = (input: SpecInput): readonly string[] => (isOpen(input) ? [] : READONLY)

const isOpen = (input: SpecInput): boolean =>
  isPrivileged(input) || input.options.security?.systemPaths === 'unconfined'
