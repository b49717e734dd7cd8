// Broken and hostile bundles: each is refused with what is wrong and where, nothing is left of it, and the host is as it was.
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { message } from '../../src/index.ts'
import { openRuntime, type Runtime, SlipwayError } from '../../src/runtime.ts'
import { makeRootfs } from '../support/engine.ts'
import { assert, suite } from '../support/suite.ts'
import { Bytes, HOSTILE, type Hostile, makeOutside } from './hostile-bundles.ts'
import { type Box, NEEDS, openBox } from './life-cycle/support.ts'

const test = suite('oci/hostile bundles')
test.requires(...NEEDS)

let box: Box
let runtime: Runtime
test.before(() => {
  box = openBox()
  runtime = openRuntime({ root: box.root })
})
test.after(async () => {
  runtime.close()
  await box.close()
})

const SILENT = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const

/** Where the bundles mount something, and below the box: other tests mount elsewhere at the same time. */
const mountsAt = (outside: string): readonly string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => {
      const [, , , , point = ''] = line.split(' ')
      return (
        ['/', '/proc', '/dev', '/sys', '/etc', '/m'].includes(point) ||
        point.startsWith(path.dirname(outside))
      )
    })

/** What a container that got out would change first. */
const hostNow = (outside: string): object => ({
  names: ['hostname', 'domainname'].map((name) => readFileSync(`/proc/sys/kernel/${name}`, 'utf8')),
  panic: readFileSync('/proc/sys/kernel/panic', 'utf8'),
  forward: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
  mounts: mountsAt(outside),
  namespaces: readdirSync('/proc/self/ns').map((name) => readlinkSync(`/proc/self/ns/${name}`)),
  devices: readdirSync('/dev').includes('x'),
  outside: readdirSync(outside).sort(),
  etc: readdirSync('/etc').includes('made-by-a-mount'),
})

/** A bundle of its own, root file system and all. */
const bundleOf = (id: string, { document, rootfs }: Hostile, outside: string): string => {
  const directory = box.bundle(id)
  const root = path.join(directory, 'rootfs')
  mkdirSync(root)
  makeRootfs(root)
  rootfs?.(root, { outside })
  const good = JSON.parse(readFileSync(path.join(directory, 'config.json'), 'utf8'))
  good.root.path = root
  good.process.args = ['sh', '-c', 'echo ran']
  const made = document(good, { outside })
  const bytes = made instanceof Bytes ? made.text : JSON.stringify(made)
  const file = path.join(directory, 'config.json')
  if (bytes === undefined) rmSync(file)
  else writeFileSync(file, bytes)
  return directory
}

const outcome = (run: Promise<number>, directory: string, outside: string): Promise<string> =>
  run.then(
    (code) => `exit code ${code}`,
    (error: unknown) => {
      if (!(error instanceof SlipwayError)) throw error
      return message(error.error).replaceAll(directory, 'BUNDLE').replaceAll(outside, 'OUTSIDE')
    },
  )

for (const [index, hostile] of HOSTILE.entries())
  test(`${hostile.name} is refused`, async () => {
    const id = box.newId()
    const outside = path.join(box.folder, `outside-${index}`)
    makeOutside(outside)
    const directory = bundleOf(id, hostile, outside)
    const before = hostNow(outside)
    const said = await outcome(runtime.run(id, directory, SILENT), directory, outside)
    assert.equal(box.left(id), [])
    assert.equal(hostNow(outside), before)
    if (typeof hostile.refused === 'string') assert.is(said, hostile.refused)
    else assert.match(said, hostile.refused)
  })

test('the same document without a fault runs', async () => {
  const id = box.newId()
  const good: Hostile = { name: '', document: (document) => document, refused: '' }
  assert.is(await runtime.run(id, bundleOf(id, good, ''), SILENT), 0)
})

test('there are enough of them', () => assert.ok(HOSTILE.length >= 100, String(HOSTILE.length)))

test.run()
