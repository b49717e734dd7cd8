// What a power cut would leave, read from the order of system calls: every file an image's name leads to is on the disk before the name is,
// and every tree is either that or on the list of those that a power cut may spoil.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openRealCli, outcomeOf, type RealCli } from '../cli/real-cli.ts'
import { makeRootfs } from '../support/engine.ts'
import { buildImage } from '../support/image-builder.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('crash/power-cut')
test.requires('root', 'program:busybox', 'program:strace')
const TRACED = 'openat,fsync,fdatasync,syncfs,rename,renameat,renameat2,write,pwrite64,writev,pwritev'

let cli: RealCli
let folder = ''
const at = (name: string): string => path.join(folder, name)
test.before(async () => {
  const layers = [[{ name: 'a', data: 'a' }], [{ name: 'b', data: 'b' }, { name: '.wh.a' }]]
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  cli = await openRealCli({ 'two:1': buildImage({ layers, architecture }) })
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-power-'))
  mkdirSync(at('rootfs'))
  makeRootfs(at('rootfs'))
  execFileSync('tar', ['c', '-C', at('rootfs'), '-f', at('base.tar'), '.'])
})
test.after(async () => {
  await cli.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Call {
  readonly name: string
  /** Of its descriptor, or what is renamed. */
  readonly path: string
  /** Of a rename. */
  readonly target: string
  /** Lines of the trace: a call that others interrupt ends later than it begins. */
  readonly begins: number
  readonly ends: number
}

const BEGIN =
  /^(\d+)\s+(\w+)\((?:\d+<([^>]*)>|(?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)", (?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)")/
const OPENED = /^(\d+)\s+(openat)\(AT_FDCWD(?:<[^>]*>)?, "([^"]*)", \S*O_CREAT/
const RESUMED = /^(\d+)\s+<\.\.\. \w+ resumed>/

/** Calls that succeeded, in the order they began. */
const callsOf = (trace: string): readonly Call[] => {
  const calls: { -readonly [K in keyof Call]: Call[K] }[] = []
  const open = new Map<string, (typeof calls)[number]>()
  trace.split('\n').forEach((line, index) => {
    const thread = /^\d+/.exec(line)?.[0] ?? ''
    const isOver = / = \d+(<[^>]*>)?$/.test(line)
    if (RESUMED.test(line)) {
      const call = open.get(thread)
      if (call !== undefined) call.ends = isOver ? index : Number.POSITIVE_INFINITY
      return
    }
    const [, , name, file, from, target] = BEGIN.exec(line) ?? OPENED.exec(line) ?? []
    if (name === undefined) return
    const ends = isOver ? index : Number.POSITIVE_INFINITY
    const call = { name, path: file ?? from ?? '', target: target ?? '', begins: index, ends }
    calls.push(call)
    open.set(thread, call)
  })
  return calls
}

const traced = async (...words: readonly string[]): Promise<readonly Call[]> => {
  const file = at('trace')
  const strace = [
    'strace',
    '-f',
    '-qq',
    '-y',
    '-s',
    '0',
    '-e',
    `trace=${TRACED}`,
    '-o',
    file,
    process.execPath,
  ]
  const outcome = await outcomeOf(cli.spawn(words, { env: { UV_USE_IO_URING: '0' } }, strace))
  assert.is(outcome.code, 0, outcome.stderr)
  return callsOf(readFileSync(file, 'utf8'))
}

const FLUSHES = ['fsync', 'fdatasync']
const isWrite = ({ name }: Call): boolean => name.includes('write')

/** Everything that is wrong, one line each; and how many names were given, by what holds them. */
const judge = (calls: readonly Call[]) => {
  const inRoot = (file: string): string => path.relative(cli.root, file)
  const renames = calls.filter(({ name, ends }) => name.startsWith('rename') && Number.isFinite(ends))
  const names = renames.filter(({ target }) => target === path.join(cli.root, 'oci/index.json'))
  const wrong: string[] = []
  const given: Record<string, number> = {}
  for (const rename of renames) {
    const { path: source, target, begins, ends } = rename
    const holder = path.dirname(target)
    const place = inRoot(holder)
    if (!/^(oci|oci\/blobs\/sha256|prepared|layers|stacks)$/.test(place)) continue
    given[place] = (given[place] ?? 0) + 1
    const kind = { layers: 'layer', stacks: 'stack' }[place]
    if (kind !== undefined) {
      const entry = path.join(cli.root, 'unflushed', `${kind}-${path.basename(target)}.`)
      const isNoted = calls.some(
        (call) => call.name === 'openat' && call.path.startsWith(entry) && call.ends < begins,
      )
      if (!isNoted) wrong.push(`${inRoot(target)} gets its name before it is on the list`)
      continue
    }
    const written = calls.filter(
      (call) => isWrite(call) && call.path.startsWith(source) && call.begins < begins,
    )
    const last = Math.max(-1, ...written.map((call) => call.ends))
    const flush = (call: Call): boolean =>
      ((FLUSHES.includes(call.name) && call.path === source) ||
        (call.name === 'syncfs' && call.path === source)) &&
      call.begins > last &&
      call.ends < begins
    if (!calls.some(flush)) wrong.push(`${inRoot(target)} gets its name before its bytes are on the disk`)
    // The name itself, before the image's; and the image's own before the command ends.
    const until = names.find((name) => name.begins > ends)?.begins ?? Number.POSITIVE_INFINITY
    const isHeld = (call: Call): boolean =>
      FLUSHES.includes(call.name) && call.path === holder && call.begins > ends && call.ends < until
    if (!calls.some(isHeld)) wrong.push(`the name ${inRoot(target)} is not on the disk in time`)
  }
  return { wrong, given }
}

test('a pull: blobs and the record are flushed before their names, trees noted before theirs', async () => {
  const { wrong, given } = judge(await traced('pull', '-q', `${cli.registry.host}/two:1`))
  assert.equal(wrong, [])
  assert.equal(given, { 'oci/blobs/sha256': 4, layers: 2, stacks: 1, prepared: 1, oci: 1 })
})
test('an import', async () => {
  const { wrong, given } = judge(await traced('import', at('base.tar'), 'imported:1'))
  assert.equal(wrong, [])
  assert.equal(given, { 'oci/blobs/sha256': 3, layers: 1, prepared: 1, oci: 1 })
})
test('a load', async () => {
  await cli.run(['save', '-o', at('two.tar'), `${cli.registry.host}/two:1`])
  await cli.run(['rmi', `${cli.registry.host}/two:1`])
  const { wrong, given } = judge(await traced('load', '-q', '-i', at('two.tar')))
  assert.equal(wrong, [])
  assert.is(given.layers, 2)
  assert.is(given.oci, 1)
})
test('a commit', async () => {
  const made = await cli.run(['run', '--name', 'maker', cli.image, 'sh', '-c', 'echo 1 >/new'])
  assert.is(made.code, 0, made.stderr)
  const { wrong, given } = judge(await traced('commit', 'maker', 'made:1'))
  assert.equal(wrong, [])
  assert.equal(given, { 'oci/blobs/sha256': 3, layers: 1, stacks: 1, prepared: 1, oci: 1 })
})
test('the judge sees a name that comes too early', async () => {
  const line = (text: string): string => `1 ${text} = 0`
  const [blob, ingest] = [path.join(cli.root, 'oci/blobs/sha256/x'), path.join(cli.root, 'ingest/1')]
  const renamed = line(`rename("${ingest}", "${blob}")`)
  const flushed = line(`fsync(3<${ingest}>)`)
  const held = line(`fsync(4<${path.dirname(blob)}>)`)
  const found = (...lines: readonly string[]) => judge(callsOf(lines.join('\n'))).wrong.length
  assert.is(found(flushed, renamed, held), 0)
  assert.is(found(renamed, flushed, held), 1)
  assert.is(found(flushed, held, renamed), 1)
  const tree = path.join(cli.root, 'layers/ab')
  const named = line(`rename("${path.join(cli.root, 'staging/1')}", "${tree}")`)
  const noted = `1 openat(AT_FDCWD, "${path.join(cli.root, 'unflushed/layer-ab.boot')}", O_WRONLY|O_CREAT|O_APPEND, 0600) = 3</x>`
  assert.is(found(noted, named), 0)
  assert.is(found(named, noted), 1)
  assert.is(found(named), 1)
  assert.is(found(flushed, '1 write(3</'.concat(`${ingest.slice(1)}>, ""..., 1) = 1`), renamed, held), 1)
})
test.run()
