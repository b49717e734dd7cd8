// The other engines: how each is told to run the payload, and what it isolates by that. Pure.
import type { Spec } from '../model/oci-spec.ts'
import { CPUS, MEMORY_BYTES, PIDS } from './shape.ts'

/** Where things are for a peer. */
export interface PeerPlace {
  /** Absolute path of its program. */
  readonly program: string
  readonly rootfs: string
  /** A directory of its own on the storage under test, and one for runtime files. */
  readonly store: string
  readonly runtime: string
  /** A name nobody else uses, e.g. for its container, image and cgroup. */
  readonly name: string
  /** The payload inside the root. */
  readonly payload: string
  /** Further flags only this machine can tell. */
  readonly extra: readonly string[]
}

export interface Peer {
  readonly id: string
  /** Looked for on PATH. */
  readonly program: string
  readonly title: string
  /** What it is told to isolate, for the report. */
  readonly does: string
  /** Counted starts in a row: fewer of a slow one. */
  readonly block: number
  /** Its cleaning up goes on after the command has ended: time before the next subject, in milliseconds. */
  readonly settleMs: number
  /** Needs a bundle in `store`. */
  readonly bundle?: boolean
  /** How an image is made from a tar archive on standard input, and removed. */
  readonly image?: {
    readonly make: (place: PeerPlace) => readonly string[]
    readonly remove: (place: PeerPlace) => readonly string[]
  }
  /** Files it leaves that no flag puts elsewhere; removed where they were not there before. */
  readonly leaves?: readonly string[]
  readonly argv: (place: PeerPlace) => readonly string[]
}

const SPECIFICATION =
  "the runtime specification slipway's planner made for the whole default shape, less the time namespace; a plain directory as root"
const LIMITS = ['--memory', `${MEMORY_BYTES}`, '--pids-limit', `${PIDS}`, '--cpus', `${CPUS}`]

const podman = ({ program, store, runtime }: PeerPlace): readonly string[] => [
  program,
  ...['--root', `${store}/storage`, '--runroot', `${runtime}/storage`, '--tmpdir', `${runtime}/tmp`],
  ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'none', '--storage-driver', 'overlay'],
]

export const PEERS: readonly Peer[] = [
  {
    id: 'unshare',
    program: 'unshare',
    title: 'unshare(1)',
    does: 'pid, mount, UTS, IPC, network, cgroup namespaces, /proc, chroot; nothing else',
    block: 4,
    settleMs: 0,
    argv: ({ program, rootfs, payload }) => [
      program,
      ...['--fork', '--pid', '--mount', '--uts', '--ipc', '--net', '--cgroup'],
      ...['--mount-proc', `--root=${rootfs}`, payload],
    ],
  },
  {
    id: 'bwrap',
    program: 'bwrap',
    title: 'bwrap --unshare-all',
    does: 'all namespaces, a bound root, /proc, /dev; no cgroup, no seccomp filter, no masked paths, no overlay',
    block: 4,
    settleMs: 0,
    argv: ({ program, rootfs, payload }) => [
      program,
      ...['--unshare-all', '--bind', rootfs, '/', '--proc', '/proc', '--dev', '/dev', payload],
    ],
  },
  {
    id: 'crun',
    program: 'crun',
    title: 'crun run',
    does: SPECIFICATION,
    block: 4,
    settleMs: 0,
    bundle: true,
    argv: ({ program, store, runtime, name }) => [
      program,
      ...['--cgroup-manager=cgroupfs', '--root', `${runtime}/state`, 'run', '--bundle', store, name],
    ],
  },
  {
    id: 'runc',
    program: 'runc',
    title: 'runc run',
    does: SPECIFICATION,
    block: 2,
    settleMs: 0,
    bundle: true,
    argv: ({ program, store, runtime, name }) => [
      program,
      ...['--root', `${runtime}/state`, 'run', '--bundle', store, name],
    ],
  },
  {
    id: 'podman',
    program: 'podman',
    title: 'podman run',
    does: 'its defaults, network none, the same limits; an overlay over an imported image',
    block: 1,
    settleMs: 150,
    image: {
      make: (place) => [...podman(place), 'import', '-', place.name],
      remove: (place) => [...podman(place), 'rmi', '--force', place.name],
    },
    leaves: ['/dev/shm/libpod_lock'],
    argv: (place) => [
      ...podman(place),
      ...['run', '--rm', '--network', 'none', '--cgroup-parent', `/${place.name}`],
      ...place.extra,
      ...LIMITS,
      place.name,
      place.payload,
    ],
  },
  {
    id: 'docker',
    program: 'docker',
    title: 'docker run',
    does: 'its defaults, network none, the same limits; an overlay over an imported image; the daemon runs already',
    block: 1,
    settleMs: 150,
    image: {
      make: ({ program, name }) => [program, 'import', '-', name],
      remove: ({ program, name }) => [program, 'rmi', '--force', name],
    },
    argv: ({ program, name, payload }) => [
      program,
      ...['run', '--rm', '--pull', 'never', '--network', 'none', ...LIMITS, name, payload],
    ],
  },
]

/** A version of the specification that those in use know. */
const PEER_VERSION = '1.0.2'

/** What crun and runc are given. The time namespace is left out: only the newest know it. */
export const peerSpec = (spec: Spec, rootfs: string, name: string): Spec => ({
  ...spec,
  ociVersion: PEER_VERSION,
  root: { path: rootfs },
  linux: {
    ...spec.linux,
    namespaces: (spec.linux?.namespaces ?? []).filter(({ type }) => type !== 'time'),
    cgroupsPath: `/${name}`,
  },
})

const BIG = '\u0000bigint:'
/** JSON with 64-bit numbers written out in full. */
export const specText = (spec: Spec): string =>
  JSON.stringify(
    spec,
    (_, value: unknown) => (typeof value === 'bigint' ? `${BIG}${value}` : value),
    2,
  ).replace(/"\\u0000bigint:(\d+)"/g, '$1')

/**
 * Limits podman may set: it asks for the highest there are, and without CAP_SYS_RESOURCE only what this process has is to be had.
 * `limits`: /proc/self/limits.
 */
export const ownUlimits = (limits: string, pidMax: number): readonly string[] => {
  const hard = (title: string): number =>
    Number(new RegExp(`^${title}\\s+\\S+\\s+(\\d+)`, 'm').exec(limits)?.[1] ?? pidMax)
  const files = hard('Max open files')
  const processes = Math.min(hard('Max processes'), pidMax)
  return [
    '--ulimit',
    `nofile=${Math.min(1024, files)}:${files}`,
    '--ulimit',
    `nproc=${processes}:${processes}`,
  ]
}

const BLOCK = 512

/** A tar archive with one program at its top; POSIX.1-2017 pax, "ustar Interchange Format". */
export const tarOfProgram = (name: string, data: Uint8Array): Uint8Array => {
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0, 100)
  header.write('0000755\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        0', 148)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc(((BLOCK - (data.length % BLOCK)) % BLOCK) + 2 * BLOCK)
  return Buffer.concat([header, data, padding])
}
