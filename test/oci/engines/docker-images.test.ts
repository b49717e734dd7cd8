// Images between slipway and a dockerd of the test's own: what goes there and comes back is what it was.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openTestEngine, type TestEngine } from '../../support/engine.ts'
import { assert, suite } from '../../support/suite.ts'
import { treeList, wholeSeconds } from '../../support/tree-list.ts'
import { said } from './common.ts'
import { dockerIn, engineNeeds, openStage, type Ran, type Stage, startDockerd } from './stage.ts'

const test = suite('oci/engines/docker-images')
const reason = engineNeeds('docker', 'dockerd')
const fact = (name: string, body: () => Promise<void>): void =>
  reason === undefined ? test(name, body) : test.skip(name, reason)

let stage: Stage
let box: TestEngine
let folder = ''
const at = (name: string): string => path.join(folder, name)
const docker = (...argv: readonly string[]): Ran => dockerIn(stage, argv)

test.before(async () => {
  if (reason !== undefined) return
  stage = await openStage()
  await startDockerd(stage)
  box = openTestEngine()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-docker-'))
  execFileSync('tar', ['c', '-C', box.rootfs, '-f', at('base.tar'), '.'])
  await box.engine.import(
    { path: at('base.tar') },
    { name: 'base:1', changes: ['ENV PATH=/bin', 'CMD ["true"]'] },
  )
})
test.after(async () => {
  if (reason !== undefined) return
  await box.close()
  rmSync(folder, { recursive: true, force: true })
  await stage.close(`slipway-none-${process.pid}`)
})

const MAKE = `
echo new > /new; rm /etc/group; echo x >> /etc/passwd; mkdir -p /d/e; ln /new /d/link; ln -s /nowhere /d/soft
mknod /d/fifo p; dd if=/dev/zero of=/d/hole bs=1 count=1 seek=5000000 2>/dev/null
rm -rf /work; mkdir /work; echo w > /work/w; chmod 700 /root; chown 1000:2000 /d/e; chmod 4755 /new; rm /bin/yes`

/** The tree of an image as docker shows it. */
const treeInDocker = (image: string, name: string): string => {
  said(docker('create', '--name', name, image))
  said(docker('export', '-o', at(`${name}.tar`), name))
  said(docker('rm', name))
  return unpacked(name)
}
const unpacked = (name: string): string => {
  mkdirSync(at(name))
  execFileSync('tar', ['x', '-p', '-C', at(name), '-f', at(`${name}.tar`)])
  return wholeSeconds(treeList(at(name)))
}

fact('what slipway commits and saves, docker loads as the same image with the same tree', async () => {
  const container = await box.engine.start('base:1', ['sh', '-ec', MAKE], { name: 'maker', keep: true })
  await container.removed
  const { id } = await box.engine.commit('maker', { name: 'made:1', changes: ['LABEL a=b'] })
  await box.engine.export('maker', { path: at('ours.tar') })
  await box.engine.save(['made:1', 'base:1'], { path: at('saved.tar') })
  assert.match(said(docker('load', '-i', at('saved.tar'))), /Loaded image: made:1/)
  assert.is(said(docker('image', 'inspect', '-f', '{{.Id}} {{.Config.Labels.a}}', 'made:1')), `${id} b`)
  assert.is(treeInDocker('made:1', 'theirs'), unpacked('ours'))
  await box.engine.remove('maker')
})
fact('what docker saves of that, slipway loads as the same image', async () => {
  said(docker('tag', 'made:1', 'back:1'))
  said(docker('save', '-o', at('back.tar'), 'back:1'))
  await box.engine.load({ path: at('back.tar') })
  assert.is((await box.engine.inspectImage('back:1')).Id, (await box.engine.inspectImage('made:1')).Id)
  assert.equal(await box.engine.diffImages('made:1', 'back:1'), [])
})
fact('what docker exports, slipway imports with the same tree', async () => {
  said(docker('create', '--name', 'source', 'made:1'))
  said(docker('export', '-o', at('source.tar'), 'source'))
  said(docker('rm', 'source'))
  await box.engine.import({ path: at('source.tar') }, { name: 'source:1', changes: ['ENV PATH=/bin'] })
  const container = await box.engine.start('source:1', ['true'], { name: 'source', keep: true })
  await container.removed
  await box.engine.export('source', { path: at('imported.tar') })
  assert.is(unpacked('imported'), wholeSeconds(treeList(at('theirs'))))
  await box.engine.remove('source')
})
test.run()
