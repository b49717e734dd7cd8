// A root of somebody else's, and files of one's own that cannot be read: it is said what and where, and nothing is taken for missing.
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { createEngine } from '../../src/index.ts'
import { makeOrdinaryUser, type OrdinaryUser, ordinaryUserNeeds, type Ran } from '../support/ordinary-user.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('rootless/unreadable')
const lack = ordinaryUserNeeds()

let user: OrdinaryUser
test.before(() => {
  if (lack === undefined) user = makeOrdinaryUser()
})
test.after(() => user?.close())
const check = (name: string, body: () => Promise<void> | void): void =>
  lack === undefined ? test(name, body) : test.skip(name, lack)

const slipway = (...argv: readonly string[]): Ran => user.slipway(argv)
const made = (...argv: readonly string[]): string => {
  const ran = slipway(...argv)
  assert.is(ran.status, 0, `${argv.join(' ')}: ${ran.stderr}`)
  return ran.stdout.trim()
}

/** Every file, with its mode, size and content. */
const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const file = path.join(folder, entry.name)
      const { mode, uid } = lstatSync(file)
      const content = entry.isFile() ? readFileSync(file, 'latin1') : ''
      return [`${file} ${mode} ${uid} ${content}`, ...(entry.isDirectory() ? filesBelow(file) : [])]
    })
    .sort()

const VERBS: readonly (readonly string[])[] = [
  ['ps', '-a'],
  ['inspect', 'one'],
  ['logs', 'one'],
  ['start', 'one'],
  ['exec', 'one', 'true'],
  ['rename', 'one', 'uno'],
  ['rm', 'one'],
  ['events', '--since', '1h', '--until', '0s'],
  ['create', '--name', 'new', 'host', 'true'],
  ['run', '--rm', 'host', 'true'],
  ['volume', 'ls'],
  ['volume', 'create', 'new'],
  ['volume', 'inspect', 'kept'],
  ['volume', 'rm', 'kept'],
  ['volume', 'prune', '-a', '-f'],
  ['image', 'prune', '-a', '-f'],
  ['images'],
  ['container', 'prune', '-f'],
  ['system', 'prune', '-a', '-f', '--volumes'],
  ['system', 'df'],
]
const codeOf = (verb: string | undefined): number => (verb === 'run' ? 125 : 1)

check('a root of another user is refused by whose it is, whatever is asked, and stays as it is', async () => {
  const root = path.join(path.dirname(user.home), 'foreign')
  mkdirSync(root, { mode: 0o700 })
  const engine = createEngine({ root, networksAhead: 0 })
  await engine.createVolume({ name: 'kept' })
  await engine.containers.create('host', ['true'], { name: 'one' })
  await engine.close()
  const before = filesBelow(root)
  for (const [mode, verbs] of [
    [0o700, VERBS],
    [0o755, VERBS.slice(0, 2)],
  ] as const) {
    chmodSync(root, mode)
    for (const verb of verbs) {
      const { status, stderr } = slipway('--root', root, ...verb)
      const refusal = `${root} belongs to uid 0, and this is uid ${user.uid}\n  hint: choose another root`
      assert.ok(stderr.includes(refusal), `${verb.join(' ')}: ${stderr}`)
      assert.is(status, codeOf(verb[0]), verb.join(' '))
    }
    assert.equal(filesBelow(root), before)
  }
  const next = createEngine({ root, networksAhead: 0 })
  await next.remove('one')
  await next.removeVolume('kept')
  await next.close()
})

check('a root that cannot be made, and one below what nobody may look into, are told', () => {
  const closed = path.join(path.dirname(user.home), 'closed')
  mkdirSync(closed, { mode: 0o700 })
  const { status, stderr } = slipway('--root', path.join(closed, 'below'), 'ps')
  assert.is(status, 1)
  assert.match(
    stderr,
    /^slipway: mkdir: .*closed\/below.*: EACCES \(permission denied\)\n {2}hint: put the state elsewhere/,
  )
  assert.equal(readdirSync(closed), [])
})

/** Everything that is there is still there, and was not changed. */
const known = (): readonly string[] => [
  made('ps', '-a', '--format', '{{.Names}} {{.Status}}'),
  made('volume', 'ls', '-q'),
]

check('what is the user’s own and cannot be read is named, and nothing of it is lost', () => {
  const id = made('create', '--name', 'one', '-v', 'kept:/srv', 'host', 'true')
  made('volume', 'create', 'other')
  const at = (...names: readonly string[]): string => path.join(user.data, ...names)
  mkdirSync(at('containers', id, 'log'), { mode: 0o700 })
  writeFileSync(at('containers', id, 'log', '00000001'), '')
  for (const each of ['log', 'log/00000001']) chownSync(at('containers', id, each), user.uid, user.uid)
  const data = at('volumes', 'kept', '_data', 'precious')
  writeFileSync(data, 'still here')
  const before = known()
  assert.equal(before, ['one Created', 'kept\nother'])
  const hidden: Readonly<Record<string, readonly (readonly string[])[]>> = {
    [at('containers', id, 'container.json')]: [
      ['inspect', 'one'],
      ['start', 'one'],
      ['rm', 'one'],
    ],
    [at('containers', id)]: [
      ['inspect', 'one'],
      ['start', 'one'],
      ['rm', 'one'],
    ],
    [at('containers', id, 'log', '00000001')]: [['logs', 'one']],
    [at('containers')]: [
      ['ps', '-a'],
      ['volume', 'prune', '-a', '-f'],
      ['run', '--rm', 'host', 'true'],
    ],
    [at('names')]: [
      ['create', '--name', 'new', 'host', 'true'],
      ['rename', 'one', 'uno'],
    ],
    [at('volumes')]: [
      ['volume', 'ls'],
      ['volume', 'prune', '-a', '-f'],
      ['volume', 'create', 'new'],
      ['system', 'df'],
    ],
    [at('volumes', 'kept')]: [
      ['volume', 'inspect', 'kept'],
      ['volume', 'rm', 'kept'],
      ['start', 'one'],
    ],
    [at('volumes', 'kept', 'volume.json')]: [
      ['volume', 'inspect', 'kept'],
      ['volume', 'rm', 'kept'],
    ],
    [at('events')]: [['events', '--since', '1h', '--until', '0s']],
    [at('events', '00000001')]: [['events', '--since', '1h', '--until', '0s']],
    [path.join(user.runtime, 'slipway', 'records')]: [
      ['ps', '-a'],
      ['volume', 'prune', '-a', '-f'],
    ],
    [path.join(user.runtime, 'slipway', 'engines')]: [
      ['ps', '-a'],
      ['run', '--rm', 'host', 'true'],
    ],
  }
  for (const [file, verbs] of Object.entries(hidden)) {
    const { mode } = statSync(file)
    chmodSync(file, 0)
    try {
      for (const verb of verbs) {
        const { status, stderr } = slipway(...verb)
        assert.ok(
          new RegExp(`^slipway: [a-z ]+: ${file}[^ ]*: EACCES \\(permission denied\\)\n`).test(stderr),
          `${file}: ${verb.join(' ')}: ${stderr}`,
        )
        assert.is(status, codeOf(verb[0]), `${file}: ${verb.join(' ')}`)
      }
      // Whatever else is asked: it works, or says where it does not.
      for (const verb of [
        ['ps', '-a'],
        ['volume', 'ls'],
        ['images'],
        ['system', 'df'],
        ['volume', 'prune', '-f'],
        ['image', 'prune', '-f'],
        ['container', 'exists', 'one'],
      ]) {
        const { status, stderr } = slipway(...verb)
        assert.not.match(stderr, 'bug in slipway')
        assert.ok(status === 0 || /EACCES|^$/.test(stderr), `${file}: ${verb.join(' ')}: ${status} ${stderr}`)
      }
    } finally {
      chmodSync(file, mode)
    }
    assert.equal(known(), before, file)
    assert.is(readFileSync(data, 'utf8'), 'still here', file)
  }
})

check('a prune that cannot see what a container has removes nothing, and says why', () => {
  const folder = path.join(user.data, 'containers')
  const [id = ''] = readdirSync(folder)
  const file = path.join(folder, id)
  chmodSync(file, 0)
  const { status, stdout, stderr } = slipway('volume', 'prune', '-a', '-f')
  chmodSync(file, 0o700)
  assert.is(status, 0)
  assert.not.match(stdout, 'Deleted')
  assert.match(stderr, `slipway: container one is damaged, and nobody knows which images and volumes it has`)
  assert.equal(known(), ['one Created', 'kept\nother'])
  made('rm', 'one')
  made('volume', 'rm', 'kept', 'other')
})

test.run()
