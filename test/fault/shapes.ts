// The containers the fault tests start: together they make nearly every step of a plan happen.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Engine, ExtraStartOptions, ImageSource, StartOptions } from '../../src/index.ts'
import { openTestEngine, type TestEngine } from '../support/engine.ts'
import { buildImage, layoutFiles, writeFiles } from '../support/image-builder.ts'
import { findProgram } from '../support/needs.ts'

export interface Shape {
  readonly name: string
  readonly image: ImageSource
  readonly argv: readonly string[]
  readonly options: StartOptions & ExtraStartOptions
}

export interface FaultBox extends TestEngine {
  readonly shapes: readonly Shape[]
  readonly shape: (name: string) => Shape
}

const LAYERS_IMAGE = 'me/layers:1'
const QUIET = { stdout: 'ignore', stderr: 'ignore' } as const
const USERNS = {
  uidMap: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
  gidMap: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
}

/** An engine with an image of two layers, directories to bind and a device that has an owner. */
export const openFaultBox = async (): Promise<FaultBox> => {
  // Every start makes its own network namespace, so that its operations can be made to fail.
  const box = openTestEngine({ networksAhead: 0 })
  await loadLayers(box.engine, path.dirname(box.root))
  const own = path.join(path.dirname(box.root), 'own')
  mkdirSync(own)
  const device = path.join(own, 'null')
  execFileSync('mknod', [device, 'c', '1', '3'])
  execFileSync('chown', ['5:5', device])
  const shapes = shapesOf(box.rootfs, own, device)
  const shape = (name: string): Shape => {
    const found = shapes.find((each) => each.name === name)
    if (found === undefined) throw new Error(`no shape ${name}`)
    return found
  }
  return { ...box, shapes, shape }
}

const loadLayers = async (engine: Engine, folder: string): Promise<void> => {
  const busybox = readFileSync(findProgram('busybox') ?? '/bin/busybox')
  const link = (name: string) => ({ name: `bin/${name}`, type: '2', linkName: 'busybox' })
  const image = buildImage({
    layers: [
      [{ name: 'bin/busybox', data: busybox }, link('true'), link('sleep'), link('sh')],
      [
        { name: 'etc/passwd', data: 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n' },
        { name: 'etc/group', data: 'root:x:0:\napp:x:1000:\n' },
      ],
    ],
    config: { Cmd: ['/bin/true'], Env: ['PATH=/sbin:/bin'] },
  })
  const layout = path.join(folder, 'layout')
  writeFiles(layout, layoutFiles([[image, LAYERS_IMAGE]]))
  await engine.load({ path: layout })
}

const shapesOf = (rootfs: string, own: string, device: string): readonly Shape[] => [
  { name: "Docker's default on image layers", image: LAYERS_IMAGE, argv: ['true'], options: { ...QUIET } },
  {
    name: 'a directory as root, with everything one can ask for',
    image: { rootfs },
    argv: ['/bin/true'],
    options: {
      ...QUIET,
      user: 'app',
      cwd: '/made/for',
      readonly: true,
      memory: '64MiB',
      memorySwap: '64MiB',
      memoryReservation: '32MiB',
      cpus: 0.5,
      cpuShares: 512,
      cpusetCpus: '0',
      pids: 50,
      hostname: 'fault',
      domainname: 'example.org',
      oomScoreAdj: 100,
      ulimits: [{ name: 'nofile', soft: 100, hard: 200 }],
      sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0' },
      devices: [{ source: device, target: '/dev/folder/owned' }],
      security: { noNewPrivileges: true },
      mounts: [
        { type: 'bind', source: own, target: '/made/for/it', readonly: true, propagation: 'rslave' },
        { type: 'bind', source: path.join(rootfs, 'etc/passwd'), target: '/work/new-file' },
        { type: 'tmpfs', target: '/tmp', size: '1MiB' },
      ],
    },
  },
  { name: 'the host image', image: 'host', argv: ['true'], options: { ...QUIET, readonly: true } },
  {
    name: 'a user namespace over image layers',
    image: LAYERS_IMAGE,
    argv: ['/bin/true'],
    options: { ...QUIET, security: { userns: USERNS } },
  },
  {
    name: 'behind a small init',
    image: LAYERS_IMAGE,
    argv: ['/bin/true'],
    options: { ...QUIET, init: true },
  },
  {
    name: 'a terminal for a user',
    image: { rootfs },
    argv: ['/bin/true'],
    options: { tty: { columns: 80, rows: 24 }, user: 'app' },
  },
  {
    name: 'in the namespaces of the host, behind a small init',
    image: { rootfs },
    argv: ['/bin/true'],
    options: {
      ...QUIET,
      pid: 'host',
      ipc: 'host',
      uts: 'host',
      network: 'host',
      cgroupns: 'host',
      init: true,
    },
  },
  {
    name: 'a kept container without a filter',
    image: LAYERS_IMAGE,
    argv: ['/bin/true'],
    options: { ...QUIET, keep: true, name: 'kept', security: { seccomp: 'unconfined' } },
  },
]
