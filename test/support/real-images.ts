// Images made by other people's tools: busybox by umoci, Debian from this machine's own package mirror.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import { encodeIndex, encodeManifest, OCI_LAYOUT_FILE, REF_NAME } from '../../src/model/image.ts'
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from '../../src/model/media-type.ts'
import { writeFiles } from './image-builder.ts'

const run = (program: string, ...args: readonly string[]): void => {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** An OCI layout whose image `latest` is a static busybox. Gives the form skopeo reads. */
export const busyboxLayout = (folder: string): string => {
  const layout = path.join(folder, 'busybox')
  run('umoci', 'init', '--layout', layout)
  run('umoci', 'new', '--image', `${layout}:latest`)
  run('umoci', 'insert', '--image', `${layout}:latest`, '/bin/busybox', '/bin/busybox')
  run(
    'umoci',
    'config',
    '--image',
    `${layout}:latest`,
    '--config.cmd',
    '/bin/busybox',
    '--config.env',
    'PATH=/bin',
  )
  run('umoci', 'gc', '--layout', layout)
  return `oci:${layout}:latest`
}

/** The uncompressed root file system of Debian, made once per machine; or why there is none. */
export const debianTar = (): { readonly path: string } | { readonly missing: string } => {
  const cache = process.env.SLIPWAY_TEST_CACHE ?? '/var/tmp/slipway-test-cache'
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable'
  const file = path.join(cache, `debian-${suite}.tar`)
  if (existsSync(file)) return { path: file }
  mkdirSync(cache, { recursive: true })
  const unfinished = `${file}.${process.pid}.tar`
  // The mirror is the one this machine's packages come from.
  const sources = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].filter((name) =>
    existsSync(name),
  )
  const made = spawnSync(
    'mmdebstrap',
    ['--variant=minbase', '--quiet', suite, unfinished, ...sources.slice(0, 1)],
    {
      encoding: 'utf8',
    },
  )
  if (made.status === 0) renameSync(unfinished, file)
  else rmSync(unfinished, { force: true })
  const why = made.error?.message ?? made.stderr.trim().split('\n').at(-1)
  return made.status === 0 ? { path: file } : { missing: `needs a Debian image: mmdebstrap: ${why}` }
}

/** An OCI layout with Debian in one gzip layer. Gives the form skopeo reads. */
export const debianLayout = (folder: string, tarFile: string): string => {
  const layout = path.join(folder, 'debian')
  const tar = readFileSync(tarFile)
  const layer = gzipSync(tar, { level: 1 })
  const config = JSON.stringify({
    created: '2024-05-06T07:08:09Z',
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: ['bash'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  })
  const describe = (mediaType: string, bytes: string | Uint8Array) => ({
    mediaType,
    digest: digestOf(bytes),
    size: Buffer.byteLength(bytes),
  })
  const manifest = encodeManifest(describe(OCI_CONFIG, config), [describe(`${OCI_LAYER}+gzip`, layer)])
  const entry = { ...describe(OCI_MANIFEST, manifest), annotations: { [REF_NAME]: 'bookworm' } }
  writeFiles(layout, [
    { name: 'oci-layout', data: OCI_LAYOUT_FILE },
    { name: 'index.json', data: encodeIndex([entry]) },
    ...[config, manifest, layer].map((data) => ({ name: `blobs/sha256/${hexOf(digestOf(data))}`, data })),
  ])
  return `oci:${layout}:bookworm`
}
