// Trees into archives: what comes out of them again is what went in, whoever unpacks them; and what differs between two.
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { nativeTrees } from '../../src/adapters/trees.ts'
import type { ArchiveStats, LayerFailure, TreePair } from '../../src/native/layer-addon.ts'
import { loadAddon } from '../../src/native/load.ts'
import { openDescriptors } from '../support/census.ts'
import { assert, suite } from '../support/suite.ts'
import { ATTRIBUTES, TREE } from './layer-awkward.ts'
import { fullListing } from './layer-listing.ts'

const Archive = suite('native/layer: trees into archives')
Archive.requires('root', 'program:setfattr', 'program:getfattr', 'program:setcap', 'program:tar')

const addon = loadLayerAddon()
const shell = (cwd: string, script: string): string =>
  execFileSync('bash', ['-euc', script], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

let folder = ''
const at = (name: string): string => path.join(folder, name)
Archive.beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-archive-'))
  for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(at(name))
})
Archive.afterEach(() => rmSync(folder, { recursive: true, force: true }))

const pack = (trees: TreePair, changes: boolean, to = at('a.tar')): Promise<ArchiveStats | LayerFailure> =>
  addon.archiveTree(trees, changes, openSync(to, 'w'))
const packed = async (trees: TreePair, changes: boolean, to = at('a.tar')): Promise<ArchiveStats> => {
  const result = await pack(trees, changes, to)
  if (!result.ok) throw new Error(JSON.stringify(result))
  return result
}
const apply = async (archive: string, target: string): Promise<void> => {
  mkdirSync(target)
  const applier = new addon.LayerApplier(target)
  for await (const chunk of createReadStream(archive)) await applier.write(chunk as Uint8Array)
  const result = await applier.end()
  assert.is(result.ok, true, JSON.stringify(result))
}
/** Runs a script in an overlay of both trees, and gives what it shows afterwards. */
const inOverlay = (script: string): readonly string[] => {
  const options = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, at('merged')])
  try {
    shell(at('merged'), script)
    return fullListing(at('merged'))
  } finally {
    execFileSync('umount', [at('merged')])
  }
}
/** The time of the root says when a container was started, and is no part of a layer. */
const belowRoot = (listing: readonly string[]): readonly string[] =>
  listing.filter((line) => !line.startsWith('. '))

Archive('a tree comes back to the last attribute, by our own applier and by GNU tar', async () => {
  shell(at('lower'), TREE + ATTRIBUTES)
  const { entries, bytes } = await packed({ lower: at('lower') }, false)
  assert.is(bytes, statSync(at('a.tar')).size)
  assert.ok(entries > 30, `${entries} entries`)
  await apply(at('a.tar'), at('ours'))
  const wanted = fullListing(at('lower'))
  assert.equal(fullListing(at('ours')), wanted)
  mkdirSync(at('tar'))
  shell(folder, 'tar x --xattrs --xattrs-include="*" --numeric-owner -p -C tar -f a.tar')
  assert.equal(fullListing(at('tar')), wanted)
  const { blocks } = statSync(path.join(at('ours'), 'plain/only-hole'))
  assert.ok(blocks < 400, `${blocks} blocks`)
})

Archive('small holes are written as zeros and become holes again; large ones are left out', async () => {
  shell(
    at('lower'),
    `truncate -s 1M all; { head -c 300000 /dev/urandom; head -c 3000000 /dev/zero; echo end; } > middle
     { head -c 3000000 /dev/zero; echo x; } > start; { echo x; truncate -s 3M /dev/stdout; } > end
     head -c 70000 /dev/zero > short`,
  )
  const small = await packed({ lower: at('lower') }, false)
  assert.ok(small.bytes > 10_000_000, `${small.bytes} bytes`)
  await apply(at('a.tar'), at('out'))
  assert.equal(fullListing(at('out')), fullListing(at('lower')))
  const used = (name: string) => statSync(at(`out/${name}`)).blocks * 512
  assert.ok(
    used('all') < 200_000 && used('start') < 200_000 && used('middle') < 700_000,
    ['all', 'start', 'middle'].map(used).join(),
  )
  shell(
    at('lower'),
    'rm *; truncate -s 1G large; echo middle | dd of=large bs=1 seek=500000000 conv=notrunc status=none; echo end >> large',
  )
  const large = await packed({ lower: at('lower') }, false)
  assert.ok(large.bytes < 50_000, `${large.bytes} bytes`)
  rmSync(at('out'), { recursive: true })
  await apply(at('a.tar'), at('out'))
  shell(folder, 'cmp lower/large out/large; mkdir tar; tar x -C tar -f a.tar; cmp lower/large tar/large')
  assert.ok(used('large') < 50_000)
})

const CHANGES = `
echo more >> plain/file; rm plain/none; rm -r links; mkdir links; echo back > links/hard
rm -r sticky; echo 'a file' > sticky; rm plain/block; mkdir plain/block; echo in > plain/block/in
chmod 700 setgid; chown 7:8 plain/deep; mv plain/empty plain/moved; ln plain/moved plain/again; rm dev/null
mkdir -p new/er; echo n > new/er/f; mknod new/c c 1 5; mkfifo new/p; ln -s ../plain/file new/l; truncate -s 3M new/hole
touch -d '2001-02-03 04:05:06.123456789' new/er/f; setfattr -n user.a -v b new/er/f; setfattr -n trusted.b -v c new
setcap cap_net_admin+p plain/setuid; chown 3000000:4000000 new/er; setfattr -x user.note plain/file; ln new/er/f dev/f
`
Archive('a layer of changes over its lower tree shows what the overlay showed', async () => {
  shell(at('lower'), TREE + ATTRIBUTES)
  const wanted = inOverlay(CHANGES)
  await packed({ lower: at('lower') }, false, at('base.tar'))
  await packed({ lower: at('lower'), upper: at('upper') }, true, at('top.tar'))
  await apply(at('base.tar'), at('one'))
  await apply(at('top.tar'), at('two'))
  mkdirSync(at('stack'))
  const flat = await addon.flattenLayers([at('one'), at('two')], at('stack'), at('scratch'))
  assert.is(flat.ok, true, JSON.stringify(flat))
  assert.equal(belowRoot(fullListing(at('stack'))), belowRoot(wanted))
})
Archive('both trees merged show what the overlay showed', async () => {
  shell(at('lower'), TREE + ATTRIBUTES)
  const wanted = inOverlay(CHANGES)
  await packed({ lower: at('lower'), upper: at('upper') }, false)
  await apply(at('a.tar'), at('out'))
  assert.equal(fullListing(at('out')), wanted)
})
Archive(
  'a layer is as the image specification wants it: whiteouts, opaque directories, and nothing else',
  async () => {
    shell(at('lower'), 'mkdir -p d e; echo 1 > d/a; echo 2 > e/b; echo 3 > gone; echo 4 > kept')
    inOverlay('rm gone; rm -r d; mkdir d; echo 5 > d/c; rm e/b')
    await packed({ lower: at('lower'), upper: at('upper') }, true)
    assert.equal(shell(folder, 'tar tf a.tar').trim().split('\n'), [
      'd/',
      'd/.wh..wh..opq',
      'd/c',
      'e/',
      'e/.wh.b',
      '.wh.gone',
    ])
  },
)
Archive('the same trees are the same bytes, wherever they lie', async () => {
  shell(at('lower'), TREE + ATTRIBUTES)
  await packed({ lower: at('lower') }, false)
  shell(folder, 'cp -a lower copy')
  await packed({ lower: at('copy') }, false, at('b.tar'))
  assert.ok(readFileSync(at('a.tar')).equals(readFileSync(at('b.tar'))))
})
Archive('no change is an archive of nothing', async () => {
  writeFileSync(at('lower/a'), '')
  assert.equal(await packed({ lower: at('lower'), upper: at('upper') }, true), {
    ok: true,
    entries: 0,
    bytes: 1024,
    sockets: 0,
  })
})
Archive('the root is in a layer only when more of it has changed than its times', async () => {
  shell(at('lower'), 'chmod 750 .')
  shell(at('upper'), 'chmod 750 .; touch new')
  await packed({ lower: at('lower'), upper: at('upper') }, true)
  assert.is(shell(folder, 'tar tf a.tar'), 'new\n')
  shell(at('upper'), 'chmod 700 .; chown 5:5 .')
  await packed({ lower: at('lower'), upper: at('upper') }, true)
  assert.is(shell(folder, 'tar tf a.tar'), './\nnew\n')
})
Archive('mount points the engine made are no change, unless something is in them', async () => {
  const hidden = ['proc', 'etc/hosts', 'own/x']
  shell(at('lower'), 'mkdir etc own; touch own/x')
  inOverlay('mkdir proc; touch etc/hosts; echo y > own/x')
  const trees = { lower: at('lower'), upper: at('upper'), hidden }
  assert.equal(await addon.listChanges(trees), { ok: true, changes: ['C/own', 'C/own/x'] })
  shell(at('lower'), 'rmdir etc')
  inOverlay('rm -rf etc; mkdir etc; touch etc/hosts')
  assert.equal(await addon.listChanges(trees), { ok: true, changes: ['C/own', 'C/own/x'] })
  shell(at('lower'), 'mkdir etc')
  inOverlay('echo host > etc/hosts; touch proc/file')
  assert.equal(await addon.listChanges(trees), {
    ok: true,
    changes: ['C/etc', 'A/etc/hosts', 'C/own', 'C/own/x', 'A/proc', 'A/proc/file'],
  })
})

Archive('nothing in a tree is followed, opened or woken up', async () => {
  writeFileSync(at('secret'), 'secret of the host')
  symlinkSync(folder, at('upper/out'))
  symlinkSync(at('secret'), at('upper/file'))
  shell(at('upper'), 'mkfifo fifo; mknod watchdog c 10 130')
  await packed({ upper: at('upper') }, true)
  assert.not.ok(readFileSync(at('a.tar')).includes('secret of the host'))
  assert.equal(shell(folder, 'tar tf a.tar').trim().split('\n'), ['fifo', 'file', 'out', 'watchdog'])
})
Archive('directories that are swapped for links while they are read lead nowhere', async () => {
  mkdirSync(at('secrets'))
  writeFileSync(at('secrets/key'), 'secret of the host')
  shell(at('upper'), 'for i in $(seq 50); do mkdir -p d$i; echo own > d$i/key; done')
  const script = `cd ${at('upper')}; while [ ! -e ${at('stop')} ]; do for i in $(seq 50); do
    mv -T d$i x 2>/dev/null; ln -s ${at('secrets')} d$i 2>/dev/null; rm -f d$i 2>/dev/null; mv -T x d$i 2>/dev/null; done; done`
  const { spawn } = await import('node:child_process')
  const swapping = spawn('bash', ['-c', script], { stdio: 'ignore' })
  const ended = new Promise((resolve) => swapping.on('exit', resolve))
  for (let round = 0; round < 40; round++) {
    const result = await pack({ upper: at('upper') }, true)
    if (!result.ok) assert.is(result.step, 'archive_open', JSON.stringify(result))
    assert.not.ok(readFileSync(at('a.tar')).includes('secret of the host'))
  }
  writeFileSync(at('stop'), '')
  await ended
})
Archive('a socket is left out, and counted', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(at('upper/socket'), resolve))
  const { sockets, entries } = await packed({ upper: at('upper') }, true)
  await new Promise((resolve) => server.close(resolve))
  assert.equal([sockets, entries], [1, 0])
})

const refused = async (script: string, why: RegExp, trees: TreePair = {}): Promise<void> => {
  shell(at('upper'), script)
  const result = await pack({ upper: at('upper'), ...trees }, true)
  if (result.ok) throw new Error('it was packed')
  assert.match(`${result.entry}: ${result.why}`, why)
}
Archive('a name that would hide another one is refused, in a layer only', async () => {
  await refused('mkdir d; touch d/.wh.x', /^d\/\.wh\.x: a layer cannot hold a name that begins with \.wh\.$/)
  await packed({ upper: at('upper') }, false)
})
Archive('what an overlay with redirects or without data left is refused', async () => {
  await refused('mkdir d; setfattr -n trusted.overlay.redirect -v x d', /^d: .*redirect_dir=on$/)
  shell(at('upper'), 'rm -r d')
  await refused('touch f; setfattr -n trusted.overlay.metacopy f', /^f: .*metacopy=on$/)
})
Archive('directories nested deeper than a layer can have them are refused', async () => {
  await refused('for i in $(seq 260); do mkdir d; cd d; done', /nested too deep/)
})
Archive('a tree that is not there is told with its path', async () => {
  const result = await pack({ lower: at('none') }, false)
  assert.equal(result, { ok: false, entry: at('none'), step: 'archive_open', errno: 2 })
})
Archive('a reader that stops early ends the writer, and leaves no descriptor', async () => {
  shell(at('upper'), 'head -c 3000000 /dev/urandom > big')
  const trees = nativeTrees(loadAddon() as Parameters<typeof nativeTrees>[0])
  const read = async () => {
    for await (const _ of trees.layer({ upper: at('upper') })) break
  }
  await read()
  const before = openDescriptors()
  const ROUNDS = 20
  for (let round = 0; round < ROUNDS; round++) await read()
  const after = openDescriptors()
  // Node has a few that come and go by themselves; what is left behind is so by each round.
  const told = `before: ${before.join(', ')}\nafter: ${after.join(', ')}`
  assert.ok(after.length < before.length + ROUNDS / 2, told)
})
Archive('a file that cannot be written to is told', async () => {
  const fd = openSync('/dev/full', 'w')
  writeFileSync(at('upper/a'), 'a')
  const result = await addon.archiveTree({ upper: at('upper') }, true, fd)
  assert.equal(result, { ok: false, step: 'archive_write', errno: 28 })
  assert.throws(() => closeSync(fd), /EBADF/)
})

Archive('changes of an overlay are told as Docker does', async () => {
  shell(at('lower'), 'mkdir -p d/sub e; echo 1 > d/a; echo 2 > e/b; echo 3 > gone; echo 4 > kept')
  inOverlay('rm gone; rm -r d; mkdir d; echo 5 > d/c; rm e/b; mkdir -p n/m; echo x >> kept')
  assert.equal(await addon.listChanges({ lower: at('lower'), upper: at('upper') }), {
    ok: true,
    changes: ['C/d', 'D/d/a', 'D/d/sub', 'A/d/c', 'C/e', 'D/e/b', 'D/gone', 'C/kept', 'A/n', 'A/n/m'],
  })
})
Archive('two trees are compared by all that can be seen of them', async () => {
  shell(at('lower'), TREE + ATTRIBUTES)
  shell(folder, 'cp -a lower/. upper/')
  assert.equal(await addon.compareTrees(at('lower'), at('upper')), { ok: true, changes: [] })
  shell(
    at('upper'),
    `touch -r plain/file ../t; echo HELLO > plain/file; touch -r ../t plain/file; chmod 600 plain/owned; rm -r sticky; echo x > sticky
     setfattr -n user.new -v 1 setgid; rm dev/loop; mkdir new; touch new/a; rm plain/block; mkdir plain/block; touch plain/block/in
     ln -sfn elsewhere links/dangling; touch -h -d 2001-01-01 links/dangling; chown 9 empty`,
  )
  const result = await addon.compareTrees(at('lower'), at('upper'))
  assert.equal([...(result.ok ? result.changes : [])].sort(), [
    'A/new',
    'A/new/a',
    'A/plain/block/in',
    'C/dev',
    'C/empty',
    'C/links',
    'C/links/dangling',
    'C/links/hard',
    'C/links/hard2',
    'C/plain',
    'C/plain/block',
    'C/plain/file',
    'C/plain/owned',
    'C/setgid',
    'C/sticky',
    'D/dev/loop',
  ])
})
Archive.run()
