// Kernel parameters of the container's namespaces.
import type { SpecInput } from './input.ts'

/** Any user may serve low ports, and ping without a raw socket: moby daemon/oci_linux.go. */
const PORTS = { 'net.ipv4.ip_unprivileged_port_start': '0' }
const PING = { 'net.ipv4.ping_group_range': '0 2147483647' }

/** Ours only for a network namespace of its own; the range of groups must be mapped, so not with a user namespace. */
export const specSysctls = ({ options, facts }: SpecInput): Readonly<Record<string, string>> => {
  const own = options.network !== 'host'
  const mapped = options.security?.userns === undefined && facts.users === undefined
  return { ...(own ? PORTS : {}), ...(own && mapped ? PING : {}), ...options.sysctls }
}
