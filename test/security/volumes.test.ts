// What leads out of a volume: a subpath that is swapped for a symlink while it is mounted, an image that ships symlinks, a container's own.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { type Box, openBox, security, securityNeeds } from './box.ts'

const Security = suite('security/volumes')
const reason = securityNeeds()
const test = security(Security, reason)
const STARTS = Number(process.env.SLIPWAY_SWAP_STARTS ?? 400)
let box: Box

Security.before(() => {
  if (reason !== undefined) return
  box = openBox()
  for (const name of ['ln', 'mv']) execFileSync('ln', ['-sf', 'busybox', path.join(box.rootfs, 'bin', name)])
})
Security.after(async () => {
  if (reason === undefined) await box.close()
})

const volume = (target: string, more: object = {}) =>
  ({ type: 'volume', source: 'shared', target, nocopy: true, ...more }) as const

test(`${STARTS} starts with a subpath that another container keeps swapping for a way out see nothing but the volume`, async () => {
  const secret = path.join(box.host, 'secret')
  mkdirSync(secret)
  writeFileSync(path.join(secret, 'mark'), 'secret\n')
  const up = '../'.repeat(30)
  const script = `cd /volume; mkdir -p real; echo inside > real/mark; echo inside > mark
    while :; do
      ln -sfn ${secret} t; mv -T t sub; ln -sfn ${up}${secret.slice(1)} t; mv -T t sub
      rm -f sub; mkdir sub; cp real/mark sub/; echo ready; rm -rf sub; ln -s . sub; rm -f sub
    done`
  execFileSync('ln', ['-sf', 'busybox', path.join(box.rootfs, 'bin', 'cp')])
  const flipping = await box.engine.start({ rootfs: box.rootfs }, ['sh', '-c', script], {
    mounts: [volume('/volume')],
  })
  await new Promise((resolve) => flipping.stdout?.once('data', resolve))
  flipping.stdout?.resume()
  let started = 0
  const refused = new Set<string>()
  for (let i = 0; i < STARTS; i++) {
    const [subpath, target] = i % 2 === 0 ? ['sub', '/folder'] : ['sub/mark', '/file']
    const { code, out, failed } = await box.run(['sh', '-c', 'cat /file /folder/mark 2>/dev/null; true'], {
      mounts: [volume(target, { subpath })],
    })
    if (failed === undefined) started++
    else refused.add(/: (E[A-Z]+) /.exec(failed)?.[1] ?? failed)
    assert.not.match(out, /secret/, `start ${i}`)
    assert.ok(code === 0 || failed !== undefined)
  }
  flipping.kill(9)
  await flipping.removed
  assert.equal(readdirSync(secret), ['mark'])
  assert.ok(started > 0, 'the race was never won by a start: nothing was tested')
  assert.ok(refused.has('EXDEV'), 'the race was never lost by a start: nothing was tested')
  console.log(`${started} of ${STARTS} started; refused with ${[...refused].join(', ')}`)
})

test('an image whose place for the volume is a symlink out of it brings nothing of the host', async () => {
  const secret = path.join(box.host, 'hidden')
  mkdirSync(secret)
  writeFileSync(path.join(secret, 'mark'), 'secret\n')
  const rootfs = box.rootfsWith((root) => {
    symlinkSync(secret, path.join(root, 'absolute'))
    symlinkSync(`${'../'.repeat(30)}${secret.slice(1)}`, path.join(root, 'relative'))
    symlinkSync('/proc/self/root', path.join(root, 'magic'))
    mkdirSync(path.join(root, 'through'))
    symlinkSync('/', path.join(root, 'through', 'root'))
    symlinkSync('loop', path.join(root, 'loop'))
  })
  for (const target of ['/absolute', '/relative', '/magic', `/through/root/${secret}`, '/loop']) {
    await box.engine.removeVolume('shared', { force: true })
    const { out } = await box.run(
      ['ls', '-A', target],
      { mounts: [{ type: 'volume', source: 'shared', target }] },
      { rootfs },
    )
    assert.not.match(out, /mark/, target)
    assert.equal(readFilesOf('shared'), [], target)
  }
  await box.engine.removeVolume('shared', { force: true })
})

const readFilesOf = (name: string): readonly string[] => {
  try {
    return readdirSync(path.join(box.root, 'volumes', name, '_data'), { recursive: true }).map(String)
  } catch {
    return []
  }
}

test('symlinks that a container leaves in its volume lead neither export nor import nor removal anywhere', async () => {
  const outside = path.join(box.host, 'outside')
  mkdirSync(outside)
  writeFileSync(path.join(outside, 'keep'), 'keep\n')
  const script = `ln -s ${outside} /m/out; ln -s / /m/root; mkdir /m/d; ln -s ${outside}/keep /m/d/file; mkfifo /m/pipe`
  await box.sh(script, { mounts: [volume('/m')] })
  await box.engine.exportVolume('shared', { path: path.join(box.host, 'v.tar') })
  const listed = execFileSync('tar', ['tf', path.join(box.host, 'v.tar')], { encoding: 'utf8' })
  assert.equal(listed.trim().split('\n').sort(), ['./', 'd/', 'd/file', 'out', 'pipe', 'root'])
  await box.engine.importVolume('copy', { path: path.join(box.host, 'v.tar') })
  await box.engine.removeVolume('copy')
  await box.engine.removeVolume('shared')
  assert.is(readFileSync(path.join(outside, 'keep'), 'utf8'), 'keep\n')
})

test('a program in one container cannot reach the volume of another through its own', async () => {
  await box.sh('echo mine > /m/f', { mounts: [volume('/m')] })
  const out = await box.sh('ls /m/../../volumes /m/../_data 2>&1 | grep -c shared; true', {
    mounts: [{ type: 'volume', target: '/m' }],
  })
  assert.is(out, '0')
  await box.engine.removeVolume('shared')
})

Security.run()
