// Holding a container still: what is written where, what is undone, and what a process that died leaves to the next one.
import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freezer, thawAbandoned } from '../../src/adapters/freezer.ts'
import { hint, message } from '../../src/model/errors.ts'
import { loadAddon } from '../../src/native/load.ts'
import { plainFacts } from '../cli/fake-world.ts'
import { left, right } from '../support/image-store.ts'
import { assert, suite } from '../support/suite.ts'

const Freezer = suite('adapters/freezer')
const id = 'a'.repeat(64)
const flock = (fd: number, operation: number): number => loadAddon().flock(fd, operation)

let folder = ''
const at = (...parts: readonly string[]): string => path.join(folder, ...parts)
Freezer.beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-freezer-'))
  mkdirSync(at('group'))
  writeFileSync(at('group/cgroup.freeze'), '0')
  writeFileSync(at('group/cgroup.events'), 'populated 1\nfrozen 1\n')
})
Freezer.afterEach(() => rmSync(folder, { recursive: true, force: true }))

const { unified: _, ...noCgroup } = plainFacts.cgroup
const parts = (unified?: string) => ({
  addon: { flock },
  facts: { cgroup: { ...noCgroup, controllers: [], ...(unified === undefined ? {} : { unified }) } },
  runtime: folder,
  groupName: `slipway-test-${process.pid}`,
})
const freeze = (groups: readonly string[], unified?: string) => freezer(parts(unified))(id, groups)
const state = () => readFileSync(at('group/cgroup.freeze'), 'utf8')
const onFile = () => (existsSync(at('frozen')) ? readdirSync(at('frozen')) : [])

Freezer('a group of cgroup v2 is frozen and let go, and is on file in between', async () => {
  const thaw = await right(freeze(['/none', at('group')]))
  assert.equal([state(), onFile()], ['1', [id]])
  await thaw()
  assert.equal([state(), onFile()], ['0', []])
})
Freezer('without a group, and where nothing can be frozen, it says what to do instead', async () => {
  const none = await left('HostUnfit', freeze([]))
  assert.match(message(none), /no cgroup/)
  assert.match(hint(none) ?? '', /--pause=false/)
  mkdirSync(at('v1'))
  assert.match(message(await left('HostUnfit', freeze([at('v1')]))), /neither cgroup v2 nor a freezer of v1/)
  assert.equal(onFile(), [])
})
Freezer('a group that does not freeze is let go again, and the error says which', async () => {
  writeFileSync(at('group/cgroup.events'), 'frozen 0\n')
  const error = await left('SyscallFailed', freeze([at('group')]))
  assert.equal([error.step, error.errno, error.path], ['freeze', 16, at('group')])
  assert.equal([state(), onFile()], ['0', []])
})
Freezer('the second one waits until the first has let go', async () => {
  const thaw = await right(freeze([at('group')]))
  let done = false
  const second = right(freeze([at('group')])).then((undo) => {
    done = true
    return undo
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.is(done, false)
  await thaw()
  await (await second)()
  assert.equal([state(), onFile()], ['0', []])
})
Freezer('what a dead process left frozen is let go; what a living one holds is not', async () => {
  const record = JSON.stringify({ version: 1, file: at('group/cgroup.freeze') })
  mkdirSync(at('frozen'))
  writeFileSync(at('frozen', id), record)
  writeFileSync(at('frozen', 'b'.repeat(64)), '{"vers')
  writeFileSync(at('frozen', 'c'.repeat(64)), JSON.stringify({ version: 1, file: at('gone/cgroup.freeze') }))
  writeFileSync(at('group/cgroup.freeze'), '1')
  const held = openSync(at('frozen', id), 'r+')
  assert.is(flock(held, 2), 0)
  thawAbandoned(parts())
  assert.equal([state(), onFile()], ['1', [id]])
  closeSync(held)
  thawAbandoned(parts())
  assert.equal([state(), onFile()], ['0', []])
  thawAbandoned({ ...parts(), runtime: at('nowhere') })
})

/** A hierarchy of v2, whatever else there is. */
const unified = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((mount) =>
  existsSync(`${mount}/cgroup.procs`),
)
const isRoot = process.geteuid?.() === 0
const real = (name: string, body: (mount: string) => Promise<void>): void =>
  unified !== undefined && isRoot
    ? Freezer(name, () => body(unified))
    : Freezer.skip(name, 'needs root and a hierarchy of cgroup v2')

const groupOf = (pid: number | undefined): string =>
  readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    .split('\n')
    .find((line) => line.startsWith('0::')) ?? ''
/** A container whose only group is one that cannot be frozen. */
const sleeping = async (body: (pid: number, group: string) => Promise<void>): Promise<void> => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  mkdirSync(at('v1'))
  writeFileSync(at('v1/cgroup.procs'), `${child.pid}\n`)
  try {
    await body(child.pid ?? 0, at('v1'))
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}
real('processes without such a group visit one, and go home', (mount) =>
  sleeping(async (pid, group) => {
    const home = groupOf(pid)
    const thaw = await right(freeze([group], mount))
    const guest = `${mount}/slipway-test-${process.pid}-frozen-${id}`
    assert.ok(groupOf(pid).endsWith(`-frozen-${id}`), groupOf(pid))
    assert.match(readFileSync(`${guest}/cgroup.events`, 'utf8'), /frozen 1/)
    await thaw()
    assert.equal([groupOf(pid), existsSync(guest), onFile()], [home, false, []])
  }),
)
const V1 = '/sys/fs/cgroup/freezer'
const onV1 = (name: string, body: () => Promise<void>): void =>
  existsSync(`${V1}/cgroup.procs`) && isRoot
    ? Freezer(name, body)
    : Freezer.skip(name, "needs root and v1's freezer")
onV1("the same with v1's freezer", () =>
  sleeping(async (pid, group) => {
    const own = () =>
      readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        .split('\n')
        .find((line) => line.includes(':freezer:'))
    const home = own()
    const controllers = [{ name: 'freezer', mountpoint: V1, version: 1 as const }]
    const facts = { cgroup: { ...noCgroup, controllers } }
    const thaw = await right(freezer({ ...parts(), facts })(id, [group]))
    const guest = `${V1}/slipway-test-${process.pid}-frozen-${id}`
    assert.is(readFileSync(`${guest}/freezer.state`, 'utf8'), 'FROZEN\n')
    assert.is(readFileSync(`${guest}/cgroup.procs`, 'utf8'), `${pid}\n`)
    await thaw()
    assert.equal([own(), existsSync(guest), onFile()], [home, false, []])
  }),
)
real('processes that a dead command left in such a group go home, too', (mount) =>
  sleeping(async (pid) => {
    const home = groupOf(pid)
    const group = `${mount}/slipway-test-${process.pid}-frozen-x`
    mkdirSync(group)
    writeFileSync(`${group}/cgroup.procs`, String(pid))
    writeFileSync(`${group}/cgroup.freeze`, '1')
    mkdirSync(at('frozen'))
    const guest = { group, home: path.join(mount, home.slice(3)) }
    writeFileSync(at('frozen', id), JSON.stringify({ version: 1, file: `${group}/cgroup.freeze`, guest }))
    thawAbandoned(parts())
    assert.equal([groupOf(pid), existsSync(group), onFile()], [home, false, []])
  }),
)
Freezer.run()
