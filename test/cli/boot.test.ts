// What the published entry keeps of what V8 compiled: for which commands, and whom it believes.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('cli/boot')

const dist = path.resolve('dist')
const why = existsSync(path.join(dist, 'cli.cjs')) ? undefined : 'the package is not built'
const folder = mkdtempSync(path.join(tmpdir(), 'slipway-boot-'))
test.beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(path.join(folder, name))
  for (const name of ['cli.cjs', 'cli-main.cjs']) copyFileSync(path.join(dist, name), path.join(folder, name))
})
test.after(() => rmSync(folder, { recursive: true }))

const { NODE_OPTIONS: _, ...plain } = process.env
const slipway = (args: readonly string[], env: NodeJS.ProcessEnv = plain) =>
  spawnSync(process.execPath, [path.join(folder, 'cli.cjs'), ...args], { encoding: 'utf8', env })
const works = (env?: NodeJS.ProcessEnv): void => {
  const { status, stdout, stderr } = slipway(['version'], env)
  assert.equal([status, stderr], [0, ''])
  assert.match(stdout, /slipway/i)
}

const kept = (): string | undefined => {
  const names = readdirSync(folder).filter((name) => name.startsWith('.'))
  assert.ok(names.length <= 1, `one file, and no half-written one: ${names}`)
  return names[0] === undefined ? undefined : path.join(folder, names[0])
}
const keptFile = (): string => {
  const file = kept()
  assert.ok(file !== undefined, 'something is kept')
  return file as string
}
const lessons = (): readonly string[] => {
  const bytes = readFileSync(keptFile())
  const end = bytes.length - 4
  return bytes.toString('latin1', end - bytes.readUInt32LE(end), end).split('\n')
}
/** Changes with each file that takes another's place. */
const identity = (): string => {
  const { ino, mtimeNs } = statSync(keptFile(), { bigint: true })
  return `${ino} ${mtimeNs}`
}

const each = (name: string, body: () => void, reason = why): void =>
  reason === undefined ? test(name, body) : test.skip(name, reason)

each('each command adds what it needs, once', () => {
  works()
  assert.equal(lessons(), ['version'])
  const first = identity()
  works()
  assert.is(identity(), first, 'V8 took it back, and nothing was written')
  assert.is(slipway(['completion', 'bash']).status, 0)
  assert.equal(lessons(), ['version', 'completion'])
  const second = identity()
  works()
  assert.is(slipway(['completion', 'bash']).status, 0)
  assert.is(identity(), second)
})

each('a command that is refused teaches nothing', () => {
  assert.is(slipway(['completion', 'nope']).status === 0, false)
  assert.is(slipway(['run', '--nope']).status, 125)
  assert.is(kept(), undefined)
})

each("flags of Node's own make other code: it is not kept", () => {
  works({ ...plain, NODE_OPTIONS: '--stack-trace-limit=20' })
  assert.is(kept(), undefined)
})

each('a file that is damaged, short or empty is replaced', () => {
  for (const damage of [
    (file: string) => writeFileSync(file, ''),
    (file: string) => writeFileSync(file, 'no code at all'),
    (file: string) => truncateSync(file, 5000),
    (file: string) => writeFileSync(file, Buffer.alloc(100_000, 0xff)),
    (file: string) => {
      const bytes = readFileSync(file)
      bytes.fill(0, 0, 64)
      writeFileSync(file, bytes)
    },
  ]) {
    works()
    damage(keptFile())
    works()
    assert.equal(lessons(), ['version'])
    const now = identity()
    works()
    assert.is(identity(), now)
  }
})

each('one that others could have written is not believed', () => {
  works()
  chmodSync(keptFile(), 0o666)
  works()
  assert.is(statSync(keptFile()).mode & 0o777, 0o644, 'another one took its place')
})

each(
  "beside another user's bundle nothing is believed, and nothing written",
  () => {
    works()
    const before = identity()
    chownSync(path.join(folder, 'cli-main.cjs'), 65534, 65534)
    works()
    assert.is(slipway(['completion', 'bash']).status, 0)
    assert.is(identity(), before)
  },
  why ?? lacking('root'),
)

test.run()
