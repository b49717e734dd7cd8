// Every document slipway writes is what the OCI's own JSON schemas allow, and an image that goes through the hands of other tools comes back as
// it was: names, types, modes, owners, times, hard links, devices, sparse files and attributes.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Descriptor } from '../../src/model/image.ts'
import { openTestEngine, type TestEngine } from '../support/engine.ts'
import { busyboxLayout } from '../support/real-images.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('library/image-spec')
/** Debian's golang-github-opencontainers-image-spec-dev: the schemas of image-spec, schema/*.json. */
const SCHEMAS = '/usr/share/gocode/src/github.com/opencontainers/image-spec/schema'
test.requires(
  'root',
  'program:busybox',
  'program:docker-registry',
  'program:skopeo',
  'program:umoci',
  'program:podman',
  'file:/usr/bin/python3',
  'program:setfattr',
  'program:setcap',
  `file:${SCHEMAS}/image-manifest-schema.json`,
  'file:/usr/lib/python3/dist-packages/jsonschema/__init__.py',
)

let box: TestEngine
let registry: RunningRegistry | undefined
let folder = ''
const at = (...names: readonly string[]): string => path.join(folder, ...names)
const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** Everything an archive can tell of a file, below the base of the image. */
const MAKE = `mkdir -p usr/d/e; echo text > usr/file; touch usr/gone; echo pair > usr/pair; ln usr/pair usr/twin; ln usr/file usr/d/hard; ln -s /nowhere usr/soft; ln -s ../file usr/d/up
mknod usr/null c 1 3; mknod usr/loop b 7 0; mkfifo usr/fifo; truncate -s 70M usr/holes; echo end >> usr/holes
cp bin/busybox usr/capable; setcap cap_net_raw+ep usr/capable; setfattr -n user.key -v value usr/file
setfattr -n trusted.key -v $'a\\nb' usr/d; chmod 4755 usr/capable; chmod 1777 usr/d/e; chown 1234:4321 usr/d; chown 70000:80000 usr/soft -h
touch -d '1969-12-31T23:59:58.25Z' usr/old; touch -d '2001-02-03T04:05:06.123456789Z' usr/file usr/d/e usr/soft -h
mkdir usr/$'new\\nline'; echo long > usr/${'n'.repeat(120)}`

test.before(async () => {
  box = openTestEngine()
  registry = await startRegistry()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-spec-'))
  run('bash', '-euc', `cd ${box.rootfs}; ${MAKE}`)
  run(
    'tar',
    'c',
    '--xattrs',
    '--xattrs-include=*',
    '--sparse',
    '--format=posix',
    '-C',
    box.rootfs,
    '-f',
    at('base.tar'),
    '.',
  )
  const changes = [
    'ENV PATH=/bin',
    'CMD ["true"]',
    'EXPOSE 80/tcp',
    'VOLUME /v',
    'LABEL a=b',
    'USER 1:2',
    'WORKDIR /usr',
  ]
  await box.engine.import({ path: at('base.tar') }, { name: 'base:1', changes })
  // Each is copied up with all it has, so that the second layer has all of it, too.
  const script =
    'cd /usr; chmod 4711 capable; chmod 600 file; chmod 700 d; chmod 4600 holes; rm gone; mkdir fifo.d; echo 1 > one; ln one two; rm -r d/e; mkdir d/e'
  const maker = await box.engine.start('base:1', ['sh', '-ec', script], {
    name: 'maker',
    keep: true,
    user: '0:0',
  })
  await maker.removed
  await box.engine.commit('maker', {
    name: 'made:1',
    author: 'me',
    message: 'why',
    changes: ['HEALTHCHECK CMD true', 'STOPSIGNAL 15'],
  })
})
test.after(async () => {
  await registry?.stop()
  await box.close()
  rmSync(folder, { recursive: true, force: true })
})

/** `[schema, file]` pairs to what is wrong, one line each; the schemas refer to each other by file name. */
const VALIDATE = `
import json, sys, os, jsonschema
folder = sys.argv[1]
def read(name):
    return without_ids(json.load(open(os.path.join(folder, name))))
# An id would make references relative to opencontainers.org.
def without_ids(value):
    if isinstance(value, list): return [without_ids(each) for each in value]
    if not isinstance(value, dict): return value
    return {key: without_ids(each) for key, each in value.items() if not (key == 'id' and isinstance(each, str))}
schemas = {'file:///' + name: read(name) for name in os.listdir(folder) if name.endswith('.json')}
for schema, name in json.load(sys.stdin):
    url = 'file:///' + schema
    resolver = jsonschema.RefResolver(url, schemas[url], store=schemas)
    validator = jsonschema.Draft4Validator(schemas[url], resolver=resolver, format_checker=jsonschema.draft4_format_checker)
    for error in validator.iter_errors(json.load(open(name))):
        print(schema, '/'.join(map(str, error.path)), error.message[:200])
`
type Pair = readonly [schema: string, file: string]
const wrongIn = (pairs: readonly Pair[]): readonly string[] => {
  const { stdout, stderr, status } = spawnSync(
    '/usr/bin/python3',
    ['-W', 'ignore', '-c', VALIDATE, SCHEMAS],
    {
      input: JSON.stringify(pairs),
      encoding: 'utf8',
    },
  )
  if (status !== 0) throw new Error(stderr)
  return stdout.split('\n').filter((line) => line !== '')
}

const INDEX = 'image-index-schema.json'
const MANIFEST = 'image-manifest-schema.json'
const CONFIG = 'config-schema.json'
/** The documents of a layout, each with its schema. */
const documentsOf = (layout: string): readonly Pair[] => {
  const blob = ({ digest }: Descriptor): string => path.join(layout, 'blobs/sha256', digest.slice(7))
  const json = (file: string) => JSON.parse(readFileSync(file, 'utf8'))
  const below = (entry: Descriptor): readonly Pair[] => {
    const file = blob(entry)
    if (entry.mediaType.includes('index'))
      return [[INDEX, file], ...(json(file).manifests as Descriptor[]).flatMap(below)]
    const { config } = json(file) as { config: Descriptor }
    return [
      [MANIFEST, file],
      [CONFIG, blob(config)],
    ]
  }
  const index = path.join(layout, 'index.json')
  return [
    [INDEX, index],
    ['image-layout-schema.json', path.join(layout, 'oci-layout')],
    ...(json(index).manifests as Descriptor[]).flatMap(below),
  ]
}

test('every document of the store passes its schema: imported, committed, pulled, tagged, loaded', async () => {
  registry?.push(busyboxLayout(folder), 'busybox:1')
  await box.engine.pull(`${registry?.host}/busybox:1`)
  await box.engine.tag('made:1', 'tagged:1')
  run('skopeo', 'copy', '-q', `oci:${at('busybox')}:latest`, `docker-archive:${at('docker.tar')}:me/docker:1`)
  await box.engine.load({ path: at('docker.tar') })
  const documents = documentsOf(path.join(box.root, 'oci'))
  // One config is that of two manifests: docker's archive has none, so one was made for it.
  assert.is(new Set(documents.map(([, file]) => file)).size, 2 + 4 + 3)
  assert.equal(wrongIn(documents), [])
})
for (const format of ['docker-archive', 'oci-archive', 'oci-dir'] as const) {
  test(`every document of what is saved as ${format} passes its schema`, async () => {
    const saved = at(`saved-${format}`)
    await box.engine.save(['made:1', 'base:1'], { path: saved }, { format })
    const layout = format === 'oci-dir' ? saved : `${saved}.d`
    if (format !== 'oci-dir') {
      mkdirSync(layout)
      run('tar', 'xf', saved, '-C', layout)
    }
    const documents = documentsOf(layout)
    assert.is(documents.length, 2 + 2 * 2)
    assert.equal(wrongIn(documents), [])
  })
}
test('the validator sees what is wrong in each kind of document', async () => {
  const documents = documentsOf(path.join(box.root, 'oci'))
  const spoil = (schema: string, change: (document: Record<string, unknown>) => void): Pair => {
    const [, file = ''] = documents.find(([each]) => each === schema) ?? []
    const document = JSON.parse(readFileSync(file, 'utf8'))
    change(document)
    const spoilt = at(`spoilt-${schema}`)
    writeFileSync(spoilt, JSON.stringify(document))
    return [schema, spoilt]
  }
  const spoilt = [
    spoil(INDEX, (index) => {
      index.manifests = [{ mediaType: 'no media type', digest: 'sha256:short', size: '1' }]
    }),
    spoil(MANIFEST, (manifest) => {
      manifest.config = { mediaType: 'a/b', size: -1 }
    }),
    spoil(CONFIG, (config) => {
      config.created = 'yesterday'
      config.rootfs = { type: 'tree' }
    }),
    spoil('image-layout-schema.json', (layout) => {
      layout.imageLayoutVersion = '2'
    }),
  ]
  for (const pair of spoilt) assert.ok(wrongIn([pair]).length > 0, pair[0])
})

/** A tree to the last attribute, one node a line; hard links by the first name of their file: a layer's directory has further ones of it. */
const LIST = `
import hashlib, os, stat, sys
root = os.fsencode(sys.argv[1])
nodes = sorted(os.path.join(folder, name)[len(root):] for folder, folders, files in os.walk(root) for name in folders + files)
inodes = [os.lstat(root + name).st_ino for name in nodes]
first = {}
def content(path, status):
    if stat.S_ISLNK(status.st_mode): return '-> ' + repr(os.readlink(path))
    if stat.S_ISREG(status.st_mode): return '%d %s' % (status.st_size, hashlib.sha256(open(path, 'rb').read()).hexdigest())
    return hex(status.st_rdev)
def attributes(path):
    names = sorted(name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith('trusted.overlay.'))
    return ' '.join('%s=%s' % (name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in names)
for name in nodes:
    path = root + name
    status = os.lstat(path)
    isfolder = stat.S_ISDIR(status.st_mode)
    links = '' if isfolder else '%d of %r' % (inodes.count(status.st_ino), first.setdefault(status.st_ino, name))
    size = '' if isfolder else content(path, status)
    print(repr(name), stat.filemode(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, links, size, attributes(path))
`
const listing = (tree: string): readonly string[] =>
  execFileSync('/usr/bin/python3', ['-c', LIST, tree], { encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n')

/** The tree of an image that another engine with a store of its own pulls. */
const pulledElsewhere = async (
  name: string,
): Promise<{ readonly tree: readonly string[]; readonly digest: string }> => {
  const other = openTestEngine()
  try {
    const { digest } = await other.engine.pull(name)
    const [chain = ''] = readdirSync(path.join(other.root, 'stacks'))
    assert.is((await other.engine.run(name, ['true'], { user: '0:0' })).exitCode, 0)
    return { tree: listing(path.join(other.root, 'stacks', chain, 'fs')), digest }
  } finally {
    await other.close()
  }
}
const ours = async (): Promise<{ readonly tree: readonly string[]; readonly digest: string }> => {
  const { Descriptor: target } = await box.engine.inspectImage('made:1')
  const name = `${registry?.host}/made:1`
  await box.engine.tag('made:1', name)
  await box.engine.push(name)
  const back = await pulledElsewhere(name)
  assert.is(back.digest, target.digest)
  return back
}

test('through a registry to skopeo and back nothing is lost, and no digest changes', async () => {
  const { tree, digest } = await ours()
  for (const word of [
    'user.key=',
    'security.capability=',
    'trusted.key=',
    ' crw',
    ' brw',
    ' prw',
    ' -rws',
    "2 of b'/usr/pair'",
    "2 of b'/usr/one'",
    ' -1750000000 ',
  ])
    assert.ok(
      tree.some((line) => line.includes(word)),
      word,
    )
  const away = `oci-archive:${at('away.tar')}`
  run(
    'skopeo',
    'copy',
    '-q',
    '--src-tls-verify=false',
    '--preserve-digests',
    `docker://${registry?.host}/made:1`,
    away,
  )
  registry?.push(away, 'back:skopeo', '--preserve-digests')
  const back = await pulledElsewhere(`${registry?.host}/back:skopeo`)
  assert.is(back.digest, digest)
  assert.equal(back.tree, tree)
})
test('through podman, which unpacks it and packs it again, nothing is lost; and what podman saves is read', async () => {
  const { tree } = await ours()
  const short = mkdtempSync('/run/sw-')
  const podman = (...args: readonly string[]): string =>
    run('podman', '--root', at('podman'), '--runroot', short, '--storage-driver', 'vfs', ...args)
  try {
    podman('pull', '-q', '--tls-verify=false', `${registry?.host}/made:1`)
    // Not ours: podman cannot put a layer with a sparse file into an archive of docker's form.
    podman('pull', '-q', '--tls-verify=false', `${registry?.host}/busybox:1`)
    const id = podman('image', 'inspect', '-f', '{{.Id}}', `${registry?.host}/busybox:1`).trim()
    for (const format of ['docker-archive', 'oci-archive', 'oci-dir']) {
      const saved = at(`podman-${format}`)
      podman('save', '-q', '--format', format, '-o', saved, `${registry?.host}/busybox:1`)
      const [loaded] = await box.engine.load({ path: saved }, { name: `podman:${format}` })
      assert.is(loaded?.id, `sha256:${id}`, format)
    }
    podman('push', '-q', '--tls-verify=false', `${registry?.host}/made:1`, `${registry?.host}/back:podman`)
  } finally {
    podman('rmi', '-f', '--all')
    rmSync(short, { recursive: true, force: true })
  }
  assert.equal((await pulledElsewhere(`${registry?.host}/back:podman`)).tree, tree)
})
test('umoci unpacks what we see, and what it packs again is what it was', async () => {
  const { tree } = await ours()
  run(
    'skopeo',
    'copy',
    '-q',
    '--src-tls-verify=false',
    `docker://${registry?.host}/made:1`,
    `oci:${at('umoci')}:made`,
  )
  run('umoci', 'unpack', '--image', `${at('umoci')}:made`, at('bundle'))
  assert.equal(listing(at('bundle', 'rootfs')), tree)
  writeFileSync(at('bundle', 'rootfs', 'added'), 'by umoci')
  run('umoci', 'repack', '--image', `${at('umoci')}:made`, at('bundle'))
  registry?.push(`oci:${at('umoci')}:made`, 'back:umoci')
  const back = (await pulledElsewhere(`${registry?.host}/back:umoci`)).tree
  assert.equal(
    back.filter((line) => !line.startsWith("b'/added'")),
    tree,
  )
})
test.run()
