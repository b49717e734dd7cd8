// Archives of real tools: what the applier makes of them equals what the tools make of them, to the last attribute.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { createSnapshotter } from '../../src/adapters/snapshotter.ts'
import { assert, suite } from '../support/suite.ts'
import { ATTRIBUTES, TREE } from './layer-awkward.ts'
import { fullListing } from './layer-listing.ts'
import { chunks } from './layer-tar.ts'

const RoundTrip = suite('native/layer: archives of other tools')
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined
const isRoot = process.geteuid?.() === 0

const shell = (cwd: string, script: string): void => {
  execFileSync('bash', ['-euc', script], { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
}

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-roundtrip-'))
  try {
    await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const apply = async (archive: string, target: string, step: number): Promise<void> => {
  mkdirSync(target)
  const applier = new (loadLayerAddon().LayerApplier)(target)
  for await (const chunk of createReadStream(archive, { highWaterMark: step })) await applier.write(chunk)
  const result = await applier.end()
  assert.is(result.ok, true, JSON.stringify(result))
}

const XATTRS = ['--xattrs', '--xattrs-include=*']
const formats: readonly {
  readonly name: string
  readonly options: readonly string[]
  readonly attributes?: boolean
}[] = [
  { name: 'GNU format', options: ['--format=gnu'] },
  { name: 'GNU format with sparse files', options: ['--format=gnu', '--sparse'] },
  { name: 'pax format with attributes', options: ['--format=pax', ...XATTRS], attributes: true },
  {
    name: 'pax format with sparse files 0.0',
    options: ['--format=pax', '--sparse', '--sparse-version=0.0', ...XATTRS],
  },
  {
    name: 'pax format with sparse files 0.1',
    options: ['--format=pax', '--sparse', '--sparse-version=0.1', ...XATTRS],
  },
  {
    name: 'pax format with sparse files 1.0',
    options: ['--format=pax', '--sparse', '--sparse-version=1.0', ...XATTRS],
    attributes: true,
  },
]

for (const { name, options, attributes = false } of formats) {
  const title = `GNU tar, ${name}: the same tree as tar x`
  if (!isRoot || !has('tar') || (attributes && !has('setfattr')))
    RoundTrip.skip(title, 'needs root, GNU tar, attr')
  else
    RoundTrip(title, () =>
      inFolder(async (folder) => {
        const at = (file: string): string => path.join(folder, file)
        mkdirSync(at('source'))
        mkdirSync(at('theirs'))
        shell(at('source'), attributes ? TREE + ATTRIBUTES : TREE)
        if (attributes) shell(at('source'), `touch -d '2003-03-03' .`)
        execFileSync('tar', [...options, '--numeric-owner', '-C', at('source'), '-cf', at('a.tar'), '.'])
        execFileSync('tar', [
          ...(attributes ? XATTRS : []),
          '-x',
          '-p',
          '--numeric-owner',
          '-C',
          at('theirs'),
          '-f',
          at('a.tar'),
        ])
        const theirs = fullListing(at('theirs'))
        assert.ok(theirs.length >= 35)
        for (const step of [1 << 16, 777]) {
          await apply(at('a.tar'), at(`ours-${step}`), step)
          assert.equal(fullListing(at(`ours-${step}`)), theirs)
        }
        if (options.includes('--sparse')) {
          assert.ok(statSync(at('ours-777/plain/holes')).blocks < 100, 'holes stay holes')
        }
      }),
    )
}

const appended = 'an archive with entries appended: the same tree as tar x'
const appendedBody = (): Promise<void> =>
  inFolder(async (folder) => {
    mkdirSync(path.join(folder, 'source'))
    shell(
      folder,
      `cd source; mkdir d; echo 1 > d/a; tar -cf ../a.tar .; echo 2 > d/a; echo 3 > d/b; tar -rf ../a.tar ./d; mkdir ../theirs; tar -xf ../a.tar -C ../theirs`,
    )
    await apply(path.join(folder, 'a.tar'), path.join(folder, 'ours'), 1000)
    assert.equal(fullListing(path.join(folder, 'ours')), fullListing(path.join(folder, 'theirs')))
  })
if (!isRoot || !has('tar')) RoundTrip.skip(appended, 'needs root and GNU tar')
else RoundTrip(appended, appendedBody)

interface Manifest {
  readonly layers: readonly { readonly digest: string }[]
}
/** The layers of a tag of an OCI layout, uncompressed. */
const layersOf = (layout: string, tag: string): readonly Buffer[] => {
  const blob = (digest: string): Buffer => readFileSync(path.join(layout, 'blobs', 'sha256', digest.slice(7)))
  const index = JSON.parse(readFileSync(path.join(layout, 'index.json'), 'utf8')) as {
    readonly manifests: readonly {
      readonly digest: string
      readonly annotations?: Readonly<Record<string, string>>
    }[]
  }
  const found = index.manifests.find((m) => m.annotations?.['org.opencontainers.image.ref.name'] === tag)
  const manifest = JSON.parse(blob(found?.digest ?? '').toString()) as Manifest
  return manifest.layers.map((layer) => gunzipSync(blob(layer.digest)))
}

const UMOCI = [
  TREE,
  `rm -r plain/deep; rm plain/file; echo new > plain/file; ln -sfn plain links/dangling; rmdir empty; echo now-a-file > empty; chmod 700 sticky
   ln plain/block links/to-lower`,
  `rm -r links; mkdir links; echo only > links/only; rm empty; mkdir empty; echo in > empty/in; chown 7:8 setgid; rm -r dev; touch -d '2010-10-10' plain`,
]

const umociTitle = 'umoci: three layers flatten to what umoci unpack makes of them'
if (!isRoot || !has('umoci')) RoundTrip.skip(umociTitle, 'needs root and umoci')
else
  RoundTrip(umociTitle, () =>
    inFolder(async (folder) => {
      const umoci = (...args: readonly string[]): void => {
        execFileSync('umoci', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
      }
      umoci('init', '--layout', 'oci')
      umoci('new', '--image', 'oci:t')
      for (const [i, script] of UMOCI.entries()) {
        umoci('unpack', '--image', 'oci:t', `bundle${i}`)
        shell(path.join(folder, `bundle${i}`, 'rootfs'), script)
        umoci('repack', '--image', 'oci:t', `bundle${i}`)
      }
      umoci('unpack', '--image', 'oci:t', 'theirs')
      const snapshots = createSnapshotter({ root: path.join(folder, 'store'), native: loadLayerAddon() })
      const diffIds: string[] = []
      for (const layer of layersOf(path.join(folder, 'oci'), 't')) {
        const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`
        diffIds.push(diffId)
        const unpacked = await snapshots.unpackLayer(diffId, chunks(layer, 5000))()
        assert.is(unpacked._tag, 'Right', JSON.stringify(unpacked))
      }
      assert.is(diffIds.length, UMOCI.length)
      const stack = await snapshots.prepareStack(diffIds)()
      if (stack._tag === 'Left') throw new Error(JSON.stringify(stack.left))
      assert.equal(fullListing(stack.right.path), fullListing(path.join(folder, 'theirs', 'rootfs')))
    }),
  )

RoundTrip.run()
