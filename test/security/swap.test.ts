// One container turns a folder of a shared volume into a symlink and back while others are started with mounts below it: no
// mount, file or folder may land outside their roots (CVE-2021-30465, CVE-2024-45310; rules 2 and 9).
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { type Box, openBox, security, securityNeeds } from './box.ts'

const Swap = suite('security/swap')
const reason = securityNeeds()
const test = security(Swap, reason)
const STARTS = Number(process.env.SLIPWAY_SWAP_STARTS ?? 400)
let box: Box

Swap.before(() => {
  if (reason === undefined) box = openBox()
})
Swap.after(async () => {
  if (reason === undefined) await box.close()
})

const flipper = (target: string): readonly string[] => {
  const up = '../'.repeat(20)
  const script = `cd /volume; while :; do
    ln -sfn ${target} link; mv -T link sub 2>/dev/null || { rm -rf sub; ln -s ${up}${target.slice(1)} sub; }
    rm -rf sub; mkdir sub; mkdir sub/inner; echo ready
  done`
  return ['sh', '-c', script]
}

const hostMounts = (): readonly string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(box.host))

test(`${STARTS} starts with mount targets, files and working directories below a folder that keeps changing`, async () => {
  const volume = path.join(box.host, 'volume')
  const outside = path.join(box.host, 'outside')
  const source = path.join(box.host, 'source')
  for (const folder of [volume, outside, source]) mkdirSync(folder)
  writeFileSync(path.join(source, 'mark'), 'payload\n')
  for (const name of ['ln', 'mv']) {
    execFileSync('ln', ['-sf', 'busybox', path.join(box.rootfs, 'bin', name)])
  }
  const shared = { type: 'bind' as const, source: volume, target: '/volume' }
  const flipping = await box.engine.start({ rootfs: box.rootfs }, flipper(outside), { mounts: [shared] })
  await new Promise((resolve) => flipping.stdout?.once('data', resolve))
  flipping.stdout?.resume()
  let started = 0
  const mountsBefore = hostMounts()
  for (let i = 0; i < STARTS; i++) {
    const target = ['/volume/sub/inner', '/volume/sub/new/deep', '/volume/sub'][i % 3] ?? ''
    const file = { type: 'bind' as const, source: path.join(source, 'mark'), target: '/volume/sub/file' }
    const mounts = [shared, i % 2 === 0 ? { type: 'bind' as const, source, target } : file]
    const { code } = await box.run(['true'], { mounts, cwd: '/volume/sub/cwd' })
    if (code === 0) started++
    assert.equal(readdirSync(outside), [], `start ${i}`)
  }
  flipping.kill(9)
  await flipping.removed
  assert.equal(hostMounts(), mountsBefore)
  // `cwd` is made in it where it was the mount at /volume/sub, as Docker does.
  assert.equal(
    readdirSync(source).filter((name) => name !== 'cwd'),
    ['mark'],
  )
  assert.ok(started > 0, 'the race was never won by a start: nothing was tested')
  console.log(`${started} of ${STARTS} started`)
})

Swap.run()
