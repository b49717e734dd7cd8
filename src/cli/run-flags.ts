// Every flag that `docker run` has: the ones that work, and for the others why they do not.
import type { FlagTable } from './command.ts'

const later = (why: string) => ({ yet: true, why }) as const
const never = (why: string) => ({ yet: false, why }) as const

const NO_BRIDGE = 'containers have the network none or host so far'
const NO_DETACH = 'containers run attached to the command so far'
const NO_VOLUMES = 'there are no named volumes so far; bind mounts work'
const NO_HEALTH = 'nothing watches the health of an attached container so far'
const NO_BLOCK_LIMITS = 'block device limits are not there so far'
const WINDOWS = 'it concerns Windows containers'

const IDENTITY = 'Identity'
const STREAMS = 'Streams and life'
const PROCESS = 'Process'
const FILES = 'Files'
const NETWORK = 'Network'
const LIMITS = 'Limits'
const SECURITY = 'Security'

export const runFlags = {
  rm: { kind: 'boolean', help: 'Remove the container when it ends' },
  name: { kind: 'text', value: 'NAME', group: IDENTITY, help: 'Name of the container' },
  hostname: { kind: 'text', short: 'h', value: 'NAME', group: IDENTITY, help: 'Host name inside' },
  domainname: { kind: 'text', value: 'NAME', group: IDENTITY, help: 'NIS domain name inside' },
  label: { kind: 'list', short: 'l', value: 'KEY=VALUE', group: IDENTITY, help: 'Put a label on it' },
  'label-file': {
    kind: 'list',
    value: 'FILE',
    group: IDENTITY,
    help: 'Read labels from a file, one per line',
  },
  cidfile: {
    kind: 'text',
    value: 'FILE',
    group: IDENTITY,
    help: 'Write the id of the container to this new file',
  },
  interactive: { kind: 'boolean', short: 'i', group: STREAMS, help: 'Hand our standard input to it' },
  tty: { kind: 'boolean', short: 't', group: STREAMS, help: 'Give it a terminal of its own' },
  attach: {
    kind: 'list',
    short: 'a',
    value: 'STREAM',
    group: STREAMS,
    help: 'Pass on only these of stdin, stdout and stderr',
  },
  init: {
    kind: 'boolean',
    group: STREAMS,
    help: 'Run a small PID 1 that forwards signals and reaps processes',
  },
  'sig-proxy': { kind: 'boolean', on: true, group: STREAMS, help: 'Forward the signals we receive' },
  'stop-signal': {
    kind: 'text',
    value: 'SIGNAL',
    group: STREAMS,
    help: "Signal that asks it to end (default: the image's)",
  },
  'stop-timeout': {
    kind: 'integer',
    value: 'SECONDS',
    group: STREAMS,
    help: 'Time between the stop signal and the kill, when it is cancelled or runs out of time',
  },
  timeout: {
    kind: 'text',
    value: 'DURATION',
    group: STREAMS,
    help: 'End it after this long, e.g. 90s or 2m',
  },
  timing: { kind: 'boolean', group: STREAMS, help: 'Say afterwards how long its start took' },
  entrypoint: {
    kind: 'text',
    value: 'PROGRAM',
    group: PROCESS,
    help: "Run this instead of the image's entrypoint",
  },
  workdir: { kind: 'text', short: 'w', value: 'DIR', group: PROCESS, help: 'Working directory inside' },
  user: { kind: 'text', short: 'u', value: 'USER[:GROUP]', group: PROCESS, help: 'User by name or number' },
  'group-add': { kind: 'list', value: 'GROUP', group: PROCESS, help: 'Further group by name or number' },
  env: {
    kind: 'list',
    short: 'e',
    value: 'NAME[=VALUE]',
    group: PROCESS,
    help: 'Set a variable, or pass ours on',
  },
  'env-file': {
    kind: 'list',
    value: 'FILE',
    group: PROCESS,
    help: 'Read variables from a file, one per line',
  },
  pull: {
    kind: 'text',
    value: 'always|missing|never',
    group: PROCESS,
    help: 'When to fetch the image (default: missing)',
  },
  quiet: { kind: 'boolean', short: 'q', group: PROCESS, help: 'Show no progress while fetching the image' },
  platform: { kind: 'text', value: 'OS/ARCH', group: PROCESS, help: "Which of the image's platforms to use" },
  rootfs: {
    kind: 'text',
    value: 'DIR',
    group: FILES,
    help: 'Use this directory instead of an IMAGE; changes stay in it',
  },
  volume: {
    kind: 'list',
    short: 'v',
    value: 'HOST:PATH[:OPTIONS]',
    group: FILES,
    help: 'Show a file or folder of the host at PATH',
  },
  mount: {
    kind: 'list',
    value: 'KEY=VALUE,...',
    group: FILES,
    help: 'Mount in the long form (type=bind or type=tmpfs)',
  },
  tmpfs: {
    kind: 'list',
    value: 'PATH[:OPTIONS]',
    group: FILES,
    help: 'Mount an empty file system in memory',
  },
  'read-only': { kind: 'boolean', group: FILES, help: 'Make the root file system read-only' },
  'shm-size': { kind: 'text', value: 'BYTES', group: FILES, help: 'Size of /dev/shm (default: 64m)' },
  network: {
    kind: 'list',
    value: 'none|host',
    aliases: ['net'],
    group: NETWORK,
    help: 'none is an empty network with lo (the default); host is ours',
  },
  'add-host': { kind: 'list', value: 'NAME:IP', group: NETWORK, help: 'Line for /etc/hosts' },
  dns: { kind: 'list', value: 'IP', group: NETWORK, help: 'Name server for resolv.conf' },
  'dns-search': { kind: 'list', value: 'DOMAIN', group: NETWORK, help: 'Search domain for resolv.conf' },
  'dns-option': {
    kind: 'list',
    value: 'OPTION',
    aliases: ['dns-opt'],
    group: NETWORK,
    help: 'Option for resolv.conf',
  },
  memory: { kind: 'text', short: 'm', value: 'BYTES', group: LIMITS, help: 'Memory limit, e.g. 512m' },
  'memory-swap': {
    kind: 'text',
    value: 'BYTES',
    group: LIMITS,
    help: 'Memory plus swap; -1 is unlimited swap',
  },
  'memory-reservation': {
    kind: 'text',
    value: 'BYTES',
    group: LIMITS,
    help: 'Memory it keeps when the host runs short',
  },
  cpus: { kind: 'decimal', group: LIMITS, help: 'CPUs it may keep busy, e.g. 0.5' },
  'cpu-shares': {
    kind: 'integer',
    short: 'c',
    group: LIMITS,
    help: 'Weight among containers (1024 is normal)',
  },
  'cpu-period': {
    kind: 'integer',
    value: 'MICROSECONDS',
    group: LIMITS,
    help: 'Period of --cpu-quota (default: 100000)',
  },
  'cpu-quota': {
    kind: 'integer',
    value: 'MICROSECONDS',
    group: LIMITS,
    help: 'CPU time per period; like --cpus',
  },
  'cpuset-cpus': { kind: 'text', value: 'LIST', group: LIMITS, help: 'CPUs to run on, e.g. 0-2,7' },
  'cpuset-mems': { kind: 'text', value: 'LIST', group: LIMITS, help: 'Memory nodes to use' },
  'pids-limit': { kind: 'integer', group: LIMITS, help: 'Most processes and threads; -1 is unlimited' },
  ulimit: {
    kind: 'list',
    value: 'NAME=SOFT[:HARD]',
    group: LIMITS,
    help: 'Resource limit, e.g. nofile=1024',
  },
  'oom-score-adj': {
    kind: 'integer',
    group: LIMITS,
    help: 'Preference of the out-of-memory killer, -1000 to 1000',
  },
  privileged: { kind: 'boolean', group: SECURITY, help: 'Give it every right on this host' },
  'cap-add': { kind: 'list', value: 'CAPABILITY', group: SECURITY, help: 'Add a capability, or ALL' },
  'cap-drop': { kind: 'list', value: 'CAPABILITY', group: SECURITY, help: 'Drop a capability, or ALL' },
  'security-opt': {
    kind: 'list',
    value: 'OPTION',
    group: SECURITY,
    help: 'no-new-privileges, seccomp=FILE, seccomp=unconfined or systempaths=unconfined',
  },
  device: { kind: 'list', value: 'HOST[:PATH][:rwm]', group: SECURITY, help: 'Show a device of the host' },
  'device-cgroup-rule': {
    kind: 'list',
    value: 'RULE',
    group: SECURITY,
    help: "Allow devices, e.g. 'c 13:* rwm'",
  },
  sysctl: { kind: 'list', value: 'NAME=VALUE', group: SECURITY, help: 'Kernel setting of its namespaces' },
  pid: { kind: 'text', value: 'host', group: SECURITY, help: "Share the host's processes" },
  ipc: {
    kind: 'text',
    value: 'private|host',
    group: SECURITY,
    help: 'Shared memory and queues of its own, or ours',
  },
  uts: { kind: 'text', value: 'host', group: SECURITY, help: "Share the host's name" },
  cgroupns: { kind: 'text', value: 'private|host', group: SECURITY, help: 'View of the cgroup tree' },
  userns: {
    kind: 'text',
    value: 'host',
    group: SECURITY,
    help: 'User namespace; host, the default, is ours',
  },
  restart: { kind: 'text', value: 'no', group: STREAMS, help: 'Only no, the default' },
  'no-healthcheck': {
    kind: 'boolean',
    group: STREAMS,
    help: "Do not run the image's health check (it never runs so far)",
  },
  'log-driver': {
    kind: 'text',
    value: 'none',
    group: STREAMS,
    help: 'Only none: an attached container keeps no log',
  },
  'memory-swappiness': { kind: 'integer', group: LIMITS, help: 'Only -1, the default' },
  'disable-content-trust': {
    kind: 'boolean',
    on: true,
    group: PROCESS,
    help: 'Images are not verified by signature',
  },
  annotation: {
    kind: 'list',
    help: '',
    unsupported: later('annotations are not passed on so far; labels are'),
  },
  'blkio-weight': { kind: 'integer', help: '', unsupported: later(NO_BLOCK_LIMITS) },
  'blkio-weight-device': { kind: 'list', help: '', unsupported: later(NO_BLOCK_LIMITS) },
  'cgroup-parent': {
    kind: 'text',
    help: '',
    unsupported: later('containers live below a cgroup of our own'),
  },
  'cpu-count': { kind: 'integer', help: '', unsupported: never(WINDOWS) },
  'cpu-percent': { kind: 'integer', help: '', unsupported: never(WINDOWS) },
  'cpu-rt-period': { kind: 'integer', help: '', unsupported: later('real-time limits are not there so far') },
  'cpu-rt-runtime': {
    kind: 'integer',
    help: '',
    unsupported: later('real-time limits are not there so far'),
  },
  detach: { kind: 'boolean', short: 'd', help: '', unsupported: later(NO_DETACH) },
  'detach-keys': { kind: 'text', help: '', unsupported: later(NO_DETACH) },
  'device-read-bps': { kind: 'list', help: '', unsupported: later(NO_BLOCK_LIMITS) },
  'device-read-iops': { kind: 'list', help: '', unsupported: later(NO_BLOCK_LIMITS) },
  'device-write-bps': { kind: 'list', help: '', unsupported: later(NO_BLOCK_LIMITS) },
  'device-write-iops': { kind: 'list', help: '', unsupported: later(NO_BLOCK_LIMITS) },
  expose: { kind: 'list', help: '', unsupported: later(NO_BRIDGE) },
  gpus: {
    kind: 'text',
    help: '',
    unsupported: later('GPUs are not set up so far; --device works for device nodes'),
  },
  'health-cmd': { kind: 'text', help: '', unsupported: later(NO_HEALTH) },
  'health-interval': { kind: 'text', help: '', unsupported: later(NO_HEALTH) },
  'health-retries': { kind: 'integer', help: '', unsupported: later(NO_HEALTH) },
  'health-start-interval': { kind: 'text', help: '', unsupported: later(NO_HEALTH) },
  'health-start-period': { kind: 'text', help: '', unsupported: later(NO_HEALTH) },
  'health-timeout': { kind: 'text', help: '', unsupported: later(NO_HEALTH) },
  'io-maxbandwidth': { kind: 'text', help: '', unsupported: never(WINDOWS) },
  'io-maxiops': { kind: 'integer', help: '', unsupported: never(WINDOWS) },
  ip: { kind: 'text', help: '', unsupported: later(NO_BRIDGE) },
  ip6: { kind: 'text', help: '', unsupported: later(NO_BRIDGE) },
  isolation: { kind: 'text', help: '', unsupported: never(WINDOWS) },
  'kernel-memory': { kind: 'text', help: '', unsupported: never('Linux has no such limit any more') },
  link: { kind: 'list', help: '', unsupported: never('links are superseded by networks') },
  'link-local-ip': { kind: 'list', help: '', unsupported: later(NO_BRIDGE) },
  'log-opt': { kind: 'list', help: '', unsupported: later('an attached container keeps no log') },
  'mac-address': { kind: 'text', help: '', unsupported: later(NO_BRIDGE) },
  'network-alias': { kind: 'list', aliases: ['net-alias'], help: '', unsupported: later(NO_BRIDGE) },
  'oom-kill-disable': {
    kind: 'boolean',
    help: '',
    unsupported: never('without the killer, a container at its limit hangs for ever'),
  },
  publish: { kind: 'list', short: 'p', help: '', unsupported: later(NO_BRIDGE) },
  'publish-all': { kind: 'boolean', short: 'P', help: '', unsupported: later(NO_BRIDGE) },
  runtime: { kind: 'text', help: '', unsupported: never('slipway starts containers itself') },
  'storage-opt': {
    kind: 'list',
    help: '',
    unsupported: later('the writable layer has no size limit so far'),
  },
  'use-api-socket': { kind: 'boolean', help: '', unsupported: later('there is no API socket so far') },
  'volume-driver': { kind: 'text', help: '', unsupported: later(NO_VOLUMES) },
  'volumes-from': { kind: 'list', help: '', unsupported: later(NO_VOLUMES) },
} as const satisfies FlagTable

export type RunFlags = typeof runFlags
