// Images for the storm of images: they share layers, and have whiteouts, opaque folders and hard links.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { importSource } from './build.mjs'

const APPLETS = ['sh', 'cat', 'echo', 'rm', 'mkdir', 'ln', 'true']

const base = () => [
  { name: 'bin/busybox', data: readFileSync('/bin/busybox') },
  ...APPLETS.map((name) => ({ name: `bin/${name}`, type: '2', linkName: 'busybox' })),
  { name: 'etc/passwd', data: 'root:x:0:0::/:/bin/sh\n' },
]
const many = () =>
  Array.from({ length: 300 }, (_, i) => ({ name: `many/${i % 10}/${i}`, data: randomBytes(10 + i * 7) }))
const links = () => [
  { name: 'many/0/.wh..wh..opq' },
  { name: 'many/1/.wh.1' },
  { name: 'many/0/new', data: 'new' },
  ...Array.from({ length: 20 }, (_, i) => ({ name: `many/link${i}`, type: '1', linkName: 'many/0/new' })),
]
const big = (bytes) => [{ name: `big-${bytes}`, data: randomBytes(bytes) }]

/**
 * Fills the registry, pulls the images that are to be kept (they have the label `keep`), keeps a container `keeper` with changes, and writes
 * `load.tar` and `import.tar` into `files`. Gives the names `{ keep, storm }`.
 */
export const makeStormImages = async (engine, { rootfs, files, registry }) => {
  const { buildImage, layoutFiles, writeFiles } = await importSource('test/support/image-builder.ts')
  const [bottom, small, over] = [base(), many(), links()]
  const [large, other] = [big(3_000_000), many()]
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const build = (layers, Labels) =>
    buildImage({ layers, architecture, config: { Cmd: ['true'], Env: ['PATH=/bin'], Labels } })
  const stacks = {
    keep: [[bottom], [bottom, small], [bottom, small, over]],
    storm: [
      [bottom, large],
      [bottom, small, large],
      [bottom, other],
      [bottom, other, over],
      [bottom, large, other],
    ],
  }
  const labels = { keep: { keep: 'yes' }, storm: {} }
  const images = Object.entries(stacks).flatMap(([name, list]) =>
    list.map((layers, index) => [build(layers, labels[name]), `${name}:${index + 1}`]),
  )
  const layout = path.join(files, 'layout')
  writeFiles(layout, layoutFiles(images))
  for (const [, name] of images) registry.push(`oci:${layout}:${name}`, name)
  const named = (repository) =>
    images.flatMap(([, name]) => (name.startsWith(repository) ? [`${registry.host}/${name}`] : []))
  const [keep, storm] = [named('keep'), named('storm')]
  for (const name of keep) await engine.pull(name)
  const load = [1, 2].map((tag) => [
    build([bottom, big(1_000_000 * tag)], {}),
    `docker.io/library/loaded:${tag}`,
  ])
  writeFiles(path.join(files, 'load'), layoutFiles(load))
  execFileSync('tar', ['cf', path.join(files, 'load.tar'), '-C', path.join(files, 'load'), '.'])
  execFileSync('tar', ['cf', path.join(files, 'import.tar'), '-C', rootfs, '.'])
  const script =
    'rm -r /many/3; ln /etc/passwd /many/passwd; echo changed >/many/4/4; mkdir /made; echo 1 >/made/file'
  const keeper = await engine.start(keep[2], ['sh', '-ec', script], {
    name: 'keeper',
    keep: true,
  })
  await keeper.removed
  return { keep, storm }
}
