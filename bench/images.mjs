// Images for the benchmarks of pulls: Debian in one layer, three times Debian in 24, and Debian in 40 small ones.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
const shell = (script, ...args) =>
  execFileSync('bash', ['--norc', '-eo', 'pipefail', '-c', script, 'bash', ...args])

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Puts a file into the layout; it is moved there. */
const addFile = (layout, file) => {
  const digest = String(execFileSync('sha256sum', [file])).slice(0, 64)
  const { size } = statSync(file)
  renameSync(file, path.join(layout, 'blobs/sha256', digest))
  return { digest: `sha256:${digest}`, size }
}

const addText = (layout, mediaType, value) => {
  const text = JSON.stringify(value)
  const digest = sha256(text)
  writeFileSync(path.join(layout, 'blobs/sha256', digest), text)
  return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(text) }
}

/** One gzip layer of the files a list names, below another name; gives its descriptor and the digest of its tar. */
const addLayer = (layout, rootfs, list, prefix) => {
  const file = path.join(layout, 'layer.new')
  const diffId = String(
    shell(
      'tar -C "$1" --no-recursion --null -T "$2" --transform "flags=rhS;s,^\\./,./$3," --numeric-owner -c | tee >(gzip -1 >"$4") | sha256sum',
      rootfs,
      list,
      prefix,
      file,
    ),
  ).slice(0, 64)
  // The substitution above may end a moment after the pipe.
  for (let size = -1; size !== statSync(file).size; shell('sleep 0.2')) size = statSync(file).size
  execFileSync('gzip', ['-t', file])
  return { descriptor: { mediaType: LAYER, ...addFile(layout, file) }, diffId: `sha256:${diffId}` }
}

/** An OCI layout of Debian's files in `parts` layers, `copies` times over. Gives the layers' files, lowest first. */
const makeLayout = (layout, rootfs, { parts, copies }) => {
  const names = String(execFileSync('find', ['.', '-print0'], { cwd: rootfs, maxBuffer: 1 << 28 }))
    .split('\0')
    .filter((name) => name !== '' && name !== '.')
  const layers = Array.from({ length: parts * copies }, (_, index) => {
    const [copy, part] = [Math.floor(index / parts), index % parts]
    const chosen = names.slice(
      Math.floor((part * names.length) / parts),
      Math.floor(((part + 1) * names.length) / parts),
    )
    const list = path.join(layout, 'list')
    writeFileSync(list, chosen.map((name) => `${name}\0`).join(''))
    return addLayer(layout, rootfs, list, copy === 0 ? '' : `copy${copy}/`)
  })
  writeDocuments(layout, layers)
  return layers.map(({ descriptor }) =>
    path.join(layout, 'blobs/sha256', descriptor.digest.slice('sha256:'.length)),
  )
}

/** Config, manifest and index over layers that are in the layout. */
const writeDocuments = (layout, layers) => {
  const config = addText(layout, CONFIG, {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: ['bash'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  })
  const manifest = addText(layout, MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config,
    layers: layers.map(({ descriptor }) => descriptor),
  })
  writeFileSync(path.join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' }
  writeFileSync(
    path.join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  )
}

const copyTo = (layout, host, tag) =>
  execFileSync('skopeo', [
    'copy',
    '-q',
    '--dest-tls-verify=false',
    `oci:${layout}:latest`,
    `docker://${host}/bench:${tag}`,
  ])

export const IMAGES = [
  { name: 'debian, 1 layer', tag: 'one', parts: 1, copies: 1 },
  { name: '3 × debian, 24 layers', tag: 'many', parts: 8, copies: 3 },
  { name: 'debian, 40 layers', tag: 'small', parts: 40, copies: 1 },
]

/** `[{ name, tag, layers }]`: layouts below `folder`, of the root file system in `tar`, pushed to the registry at `host`. */
export const pushImages = (folder, tar, host, images = IMAGES) => {
  const rootfs = path.join(folder, 'debian')
  mkdirSync(rootfs, { recursive: true })
  execFileSync('tar', ['-C', rootfs, '-xf', tar, '--exclude=./dev/*'])
  return images.map((image) => {
    const layout = path.join(folder, image.tag)
    mkdirSync(path.join(layout, 'blobs/sha256'), { recursive: true })
    const layers = makeLayout(layout, rootfs, image)
    copyTo(layout, host, image.tag)
    return { ...image, layers, bytes: layers.reduce((sum, file) => sum + statSync(file).size, 0) }
  })
}

export const LARGE = { name: 'a layer of 2 GiB', tag: 'large' }
const GIB = 1 << 30

/** One layer of 1 GiB that no compressor makes smaller and 1 GiB that any does; of neither the layout stays. */
export const pushLarge = (folder, host) => {
  const [layout, rootfs] = ['large', 'large-files'].map((name) => path.join(folder, name))
  for (const each of [path.join(layout, 'blobs/sha256'), rootfs]) mkdirSync(each, { recursive: true })
  shell('head -c "$2" /dev/urandom >"$1/noise"; head -c "$2" <(yes slipway) >"$1/text"', rootfs, String(GIB))
  const list = path.join(layout, 'list')
  writeFileSync(list, './noise\0./text\0')
  writeDocuments(layout, [addLayer(layout, rootfs, list, '')])
  rmSync(rootfs, { recursive: true })
  copyTo(layout, host, LARGE.tag)
  rmSync(layout, { recursive: true })
}
