// What a kernel before 6.15 can do of a user namespace, and what it is told of the rest. Elsewhere it is skipped.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { SlipwayError } from '../../src/index.ts'
import type { ImageSource } from '../../src/model/options.ts'
import { engineNeeds, makeRootfs, openTestEngine, type TestEngine } from '../support/engine.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Older = suite('v2/older-kernel')
const newer = lacking('linux:6.15') === undefined ? 'needs a kernel before 6.15' : undefined
const reason = engineNeeds() ?? newer
let box: TestEngine
let rootfs: string
Older.before(() => {
  box = openTestEngine()
  // Root inside is an ordinary user outside: it has to be able to get there, and to write.
  rootfs = mkdtempSync('/var/tmp/slipway-older-')
  chmodSync(rootfs, 0o755)
  makeRootfs(rootfs)
  execFileSync('chown', ['-hR', '100000:100000', rootfs])
})
Older.after(async () => {
  await box.close()
  rmSync(rootfs, { recursive: true })
})

const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Older(name, body)
  else Older.skip(name, reason)
}

const map = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
const inUserns = (image: ImageSource) =>
  box.engine.run(image, ['sh', '-c', 'id -u; head -c 1 /dev/zero | wc -c; cat /etc/hostname'], {
    hostname: 'mapped',
    security: { userns: { uidMap: map, gidMap: map } },
  })

test('a user namespace over a directory works', async () => {
  const { stdout, stderr } = await inUserns({ rootfs })
  assert.is(stdout, '0\n1\nmapped\n', String(stderr))
})

test('one over layers is refused, and the remedy is told', async () => {
  const error = await inUserns('host').then(
    () => undefined,
    (thrown) => thrown,
  )
  assert.instance(error, SlipwayError)
  assert.is(error._tag, 'HostUnfit')
  assert.match(error.hint, /6\.15/)
})

Older.run()
