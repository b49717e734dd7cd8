// The files an engine writes for each container: /etc/hosts, /etc/hostname and /etc/resolv.conf, as Docker words them.
import type { PlannedOptions } from '../../model/options-decoded.ts'
import { hostnameOf } from './input.ts'

export interface EngineFile {
  /** Absolute, inside the container. */
  readonly path: string
  readonly content: string
  readonly mode: number
}

/** Text of the host's own files; only looked at where the container shares what they describe. */
export interface HostFiles {
  readonly hosts?: string
  readonly resolvConf?: string
  /** The host's name, without a line end. */
  readonly hostname?: string
}

/** A file that a mount of the options covers is left out. */
export const buildEngineFiles = (
  options: PlannedOptions,
  id: string,
  host: HostFiles = {},
): readonly EngineFile[] => {
  const covered = new Set((options.mounts ?? []).map((mount) => mount.target))
  const files = [
    file('/etc/hostname', hostnameText(options, id, host)),
    file('/etc/hosts', hostsText(options, host)),
    file('/etc/resolv.conf', resolvText(options, host)),
  ]
  return files.filter(({ path }) => !covered.has(path))
}

const file = (path: string, content: string): EngineFile => ({ path, content, mode: 0o644 })

const hostnameText = (options: PlannedOptions, id: string, host: HostFiles): string => {
  const own = host.hostname === undefined ? {} : { hostHostname: host.hostname }
  const name = hostnameOf({ options, id, ...own }) ?? ''
  return options.domainname === undefined || name === '' ? `${name}\n` : `${name}.${options.domainname}\n`
}

/** moby daemon/libnetwork/etchosts. */
const LOCALHOST = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`

const hostsText = (options: PlannedOptions, host: HostFiles): string => {
  const base = options.network === 'host' && host.hosts !== undefined ? ended(host.hosts) : LOCALHOST
  return base + (options.extraHosts ?? []).map(hostsLine).join('')
}

/** `name:address`; the address may hold colons itself. */
const hostsLine = (entry: string): string => {
  const at = entry.search(/[:=]/)
  return `${entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1')}\t${entry.slice(0, at)}\n`
}

/** With the host's network its resolver goes on to be used, but for what the options replace. */
const resolvText = (options: PlannedOptions, host: HostFiles): string => {
  const { dns, dnsSearch, dnsOptions } = options
  const shared = options.network === 'host' ? (host.resolvConf ?? '') : ''
  const replaced = new Set([
    ...(dns === undefined ? [] : ['nameserver']),
    ...(dnsSearch === undefined ? [] : ['search', 'domain']),
    ...(dnsOptions === undefined ? [] : ['options']),
  ])
  const kept = shared.split('\n').filter((line) => !replaced.has(line.trim().split(/\s+/)[0] ?? ''))
  const lines = [...kept, ...resolvLines(options)].filter((line) => line !== '')
  return lines.map((line) => `${line}\n`).join('')
}

/** A lone `.` means no search list at all (docker-run(1), --dns-search). */
const resolvLines = ({ dns = [], dnsSearch = [], dnsOptions = [] }: PlannedOptions): string[] => {
  const search = dnsSearch.filter((domain) => domain !== '.')
  return [
    ...dns.map((address) => `nameserver ${address}`),
    ...(search.length === 0 ? [] : [`search ${search.join(' ')}`]),
    ...(dnsOptions.length === 0 ? [] : [`options ${dnsOptions.join(' ')}`]),
  ]
}

const ended = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)
