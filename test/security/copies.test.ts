// A container changes its files as fast as it can — folders become links that lead out, files become pipes and links, folders move away —
// while others copy into it and out of it: no file of the host is read, made or changed outside the two ends, and no copy waits for ever
// (CVE-2018-15664, CVE-2019-14271; rules 2 and 9).
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { SlipwayError } from '../../src/index.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'
import { type Box, openBox, security, securityNeeds } from './box.ts'

const Copies = suite('security/copies')
const reason = securityNeeds()
const test = security(Copies, reason)
const ROUNDS = Number(process.env.SLIPWAY_COPY_ROUNDS ?? 150)
/** More than any of these copies takes: what hangs is told as that, and not by the end of the file's time. */
const LONGEST = 60_000
let box: Box

Copies.before(() => {
  if (reason === undefined) box = openBox()
})
Copies.after(async () => {
  if (reason === undefined) await box.close()
})

const UP = '../'.repeat(30)

/** `sub` is in turn a folder with files, a link to the host's canary by either way, a pipe, and gone; `sub/deep` moves in and out of it. */
const swapper = (canary: string): readonly string[] => [
  'sh',
  '-c',
  `mkdir -p /v; cd /v; echo ready; while :; do
    mkdir -p sub/deep; echo inside > sub/deep/file; echo inside > sub/file
    mv sub/deep deep; ln -s ${canary} sub/deep; rm -rf sub
    ln -s ${canary} sub; rm sub
    ln -s ${UP}${canary.slice(1)} sub; rm sub
    mknod sub p; rm sub
    ln -s /proc/self/root sub; rm sub
    mkdir sub; mknod sub/file p; mv deep sub/deep; rm -rf sub deep
  done`,
]

const within = async <A>(copy: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('a copy waits for something')), LONGEST)
  })
  return Promise.race([copy, late]).finally(() => clearTimeout(timer))
}

/** True when it was done; a refusal is as good. */
const tried = async (copy: Promise<unknown>): Promise<boolean> => {
  try {
    await within(copy)
    return true
  } catch (error) {
    if (error instanceof SlipwayError) return false
    throw error
  }
}

const all = (folder: string): readonly string[] =>
  execFileSync('find', [folder, '-printf', '%P %y %m %U %G %s %T@ %l\n'], { encoding: 'utf8' })
    .split('\n')
    .sort()

/** No link is followed: what one leads to is none of the copy's. */
const filesIn = (folder: string): readonly string[] =>
  execFileSync('find', [folder, '-type', 'f', '-print0'], { encoding: 'utf8' }).split('\0').slice(0, -1)

test(`${ROUNDS} rounds of copies both ways, while folders become links to the host, pipes and nothing`, async () => {
  const canary = path.join(box.host, 'canary')
  mkdirSync(path.join(canary, 'deep'), { recursive: true })
  for (const name of ['file', 'deep/file', 'secret']) writeFileSync(path.join(canary, name), 'of the host\n')
  const source = path.join(box.host, 'source')
  mkdirSync(path.join(source, 'sub', 'deep'), { recursive: true })
  for (const name of ['file', 'sub/file', 'sub/deep/file'])
    writeFileSync(path.join(source, name), 'of the copy\n')
  const { containers } = box.engine
  const image = { rootfs: box.rootfsWith(() => {}) }
  const swapping = await box.engine.start(image, swapper(canary), { name: 'swaps', stdout: 'pipe' })
  await new Promise((resolve) => swapping.stdout?.once('data', resolve))
  swapping.stdout?.resume()
  const before = all(canary)
  const beside = readdirSync(box.host).sort()
  let [inwards, outwards] = [0, 0]
  const target = path.join(box.host, 'target')
  for (let round = 0; round < ROUNDS; round++) {
    const at = ['/v/sub', '/v/sub/deep', '/v', '/v/sub/file'][round % 4] ?? ''
    const inside = { container: 'swaps', path: at }
    mkdirSync(target)
    const archive = { archive: round % 2 === 0 }
    const tar = tarOf([
      { name: 'sub/', type: '5' },
      { name: 'sub/deep/file', data: 'of the copy\n' },
      { name: 'sub/twice', type: '1', linkName: 'sub/deep/file' },
    ])
    const [one, two, three] = await Promise.all([
      tried(containers.copy(round % 3 === 0 ? path.join(source, 'file') : `${source}/.`, inside, archive)),
      tried(containers.copy(inside, target, { ...archive, followLink: round % 5 === 0 })),
      tried(containers.copyInto('swaps', '/v', Readable.from([tar]), { overwrite: round % 2 === 1 })),
    ])
    inwards += Number(one) + Number(three)
    outwards += Number(two)
    assert.equal(all(canary), before, `round ${round}`)
    // Nothing of the host's came out, whatever links were followed.
    for (const file of filesIn(target)) assert.not.equal(readFileSync(file, 'utf8'), 'of the host\n', file)
    rmSync(target, { recursive: true })
    assert.equal(readdirSync(box.host).sort(), beside)
  }
  swapping.kill(9)
  await swapping.removed
  assert.ok(inwards > 0 && outwards > 0, `${inwards} in, ${outwards} out: nothing was tested`)
  console.log(`${inwards} of ${2 * ROUNDS} copies in and ${outwards} of ${ROUNDS} out were done`)
})

test('links a copy has put down on the host are not followed by what comes after them', async () => {
  const canary = path.join(box.host, 'links')
  const target = path.join(box.host, 'landing')
  mkdirSync(canary)
  mkdirSync(target)
  // As a container could leave it, file by file: first the link, then a folder of that name with a file in it.
  const { containers } = box.engine
  const swapping = await box.engine.start(
    { rootfs: box.rootfsWith(() => {}) },
    [
      'sh',
      '-c',
      `mkdir /first /then; ln -s ${canary} /first/way; mkdir /then/way; echo x > /then/way/file; echo ready; sleep 1000`,
    ],
    { name: 'leads', stdout: 'pipe' },
  )
  await new Promise((resolve) => swapping.stdout?.once('data', resolve))
  await containers.copy({ container: 'leads', path: '/first/.' }, target)
  assert.ok(lstatSync(path.join(target, 'way')).isSymbolicLink())
  assert.is(await tried(containers.copy({ container: 'leads', path: '/then/.' }, target)), false)
  assert.equal(readdirSync(canary), [])
  // What is already there on the host is not followed either.
  rmSync(path.join(target, 'way'))
  symlinkSync(canary, path.join(target, 'way'))
  assert.is(await tried(containers.copy({ container: 'leads', path: '/then/way' }, target)), false)
  assert.equal(readdirSync(canary), [])
  swapping.kill(9)
  await swapping.removed
})

test('a first process that hides in a root of its own shows that root, and nothing of the host', async () => {
  const { containers } = box.engine
  const hiding = await box.engine.start(
    { rootfs: box.rootfsWith(() => {}) },
    [
      'sh',
      '-c',
      'mkdir -p /jail/bin; cp /bin/busybox /jail/bin/; exec chroot /jail /bin/busybox sh -c "echo ready; /bin/busybox sleep 1000"',
    ],
    { name: 'hides', stdout: 'pipe' },
  )
  await new Promise((resolve) => hiding.stdout?.once('data', resolve))
  const { tar } = await containers.copyFrom('hides', `/${UP}`)
  const bytes = Buffer.concat(await Readable.from(tar).toArray())
  const names = execFileSync('tar', ['t'], { input: bytes, encoding: 'utf8' })
  assert.match(names, 'bin/busybox')
  assert.not.match(names, 'etc/')
  hiding.kill(9)
  await hiding.removed
})

Copies.run()
