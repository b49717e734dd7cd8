// The built command as a process, and beside runc and crun: exit codes, streams and log files of the same command lines.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { decodeSpecText } from '../../src/model/oci-spec-decode.ts'
import { type Bundle, bundle } from '../cli/bundle.ts'
import { expectRight } from '../support/either.ts'
import { findProgram } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('oci/runtime-command')

let built: Bundle
let folder = ''
test.before(async () => {
  built = await bundle('src/oci/main.ts')
})
test.after(() => built.remove())
test.beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-oci-'))
  mkdirSync(path.join(folder, 'root'))
})
test.afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}
type Runtime = (words: readonly string[], input?: string) => Ran

const runtime =
  (program: () => readonly string[]): Runtime =>
  (words, input = '') => {
    const [command = '', ...front] = program()
    const { status, stdout, stderr } = spawnSync(command, [...front, ...words], {
      cwd: folder,
      env: { ...process.env, SLIPWAY_ADDON: path.resolve('build/Release/slipway.node') },
      input,
      encoding: 'utf8',
      timeout: 60_000,
    })
    return { code: status, stdout, stderr }
  }
const ours = runtime(() => [process.execPath, '--', built.file])
const inRoot = (...words: readonly string[]): readonly string[] => [
  '--root',
  path.join(folder, 'root'),
  ...words,
]

test('the version is told in the form that dockerd reads', () => {
  const { code, stdout } = ours(['--version'])
  assert.is(code, 0)
  const lines = stdout.trim().split('\n')
  assert.match(lines[0] ?? '', /^slipway-oci version \d+\.\d+\.\d+$/)
  // dockerd takes the last line with that word for it, and containerd wants this one.
  assert.is(lines.filter((line) => line.includes('version')).length, 1)
  assert.match(lines[1] ?? '', /^spec: 1\.\d+\.\d+$/)
})

test('a bundle without its root file system is refused, and nothing is left', () => {
  assert.is(ours(['spec']).code, 0)
  const file = path.join(folder, 'config.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace('"terminal": true', '"terminal": false'))
  const { code, stderr } = ours(inRoot('create', 'web'))
  assert.is(code, 1)
  assert.match(stderr, /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg="create failed: /)
  assert.not(existsSync(path.join(folder, 'root', 'web')))
})

test('a reader that goes away is no failure', () => {
  const { status } = spawnSync('sh', ['-c', `"$0" -- "$1" features | true`, process.execPath, built.file])
  assert.is(status, 0)
})

/** The same lines for every runtime: exit codes, and which stream says something. */
const LINES: readonly (readonly string[])[] = [
  ['--version'],
  ['--help'],
  ['--foo'],
  ['state'],
  ['state', 'a', 'b'],
  ['state', 'nope'],
  ['state', '--foo', 'nope'],
  ['state', '--help'],
  ['kill', 'nope', 'KILL'],
  ['kill', '--all', 'nope', '9'],
  ['delete', 'nope'],
  ['delete', '--force', 'nope'],
  ['delete', '-f', 'nope'],
  ['start', 'nope'],
  ['pause', 'nope'],
  ['resume', 'nope'],
  ['ps', '--format', 'json', 'nope'],
  ['update', '--memory', '1m', 'nope'],
  ['update', '--resources', '-', 'nope'],
  ['events', '--stats', 'nope'],
  ['exec', 'nope', 'ls'],
  ['exec', '-e', 'A=1', '--cwd', '/', '-u', '0:0', 'nope', 'ls', '-l'],
  ['list'],
  ['list', '-f', 'json'],
  ['list', '--format=json'],
  ['list', '-q'],
  ['list', '--quiet'],
  ['list', '--format', 'xml'],
  ['create', '--preserve-fds', 'abc', 'web'],
  ['run', '--bundle', '/nonexistent', 'web'],
  ['--log-format', 'xml', 'state', 'nope'],
]

const shape = ({ code, stdout, stderr }: Ran) => ({
  code,
  saysOnStdout: stdout !== '',
  saysOnStderr: stderr !== '',
})

const runc = findProgram('runc')
const crun = findProgram('crun')
const theirs = (program: string) => runtime(() => [program])

for (const words of LINES) {
  const name = `${words.join(' ')} ends as with runc`
  if (runc === undefined) test.skip(name, 'runc is not installed')
  else test(name, () => assert.equal(shape(ours(inRoot(...words))), shape(theirs(runc)(inRoot(...words)))))
}

/** What crun ends otherwise than runc: argp's own exit code, and counts it does not check. */
const CRUN_DIFFERS = new Set([
  '--foo',
  'state --foo nope',
  'events --stats nope',
  '--log-format xml state nope',
])
for (const words of LINES.filter((line) => !CRUN_DIFFERS.has(line.join(' ')))) {
  const name = `${words.join(' ')} fails where crun fails`
  if (crun === undefined) test.skip(name, 'crun is not installed')
  else {
    test(name, () => {
      const failed = (ran: Ran): boolean => ran.code !== 0
      assert.is(failed(ours(inRoot(...words))), failed(theirs(crun)(inRoot(...words))))
    })
  }
}

const EMPTY_LIST = ['list']
if (runc === undefined) test.skip('an empty list looks as with runc', 'runc is not installed')
else {
  test('an empty list looks as with runc', () => {
    for (const words of [EMPTY_LIST, ['list', '-f', 'json'], ['list', '-q']])
      assert.is(ours(inRoot(...words)).stdout, theirs(runc)(inRoot(...words)).stdout)
  })

  test('a log file gets the same lines as with runc, but for the time and the words', () => {
    for (const format of ['json', 'text']) {
      for (const words of [
        ['state', 'nope'],
        ['state', '--foo'],
        ['delete', 'nope'],
      ]) {
        const logged = (run: Runtime): string => {
          const file = path.join(folder, 'log')
          const { code, stderr } = run(inRoot('--log', file, '--log-format', format, ...words))
          assert.is(code, 1)
          assert.not.match(stderr, /level=error/)
          const text = readFileSync(file, 'utf8')
          rmSync(file)
          return text
            .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)/, 'TIME')
            .replace('container nope does not', 'container does not')
        }
        assert.is(logged(ours), logged(theirs(runc)), `${format} ${words.join(' ')}`)
      }
    }
  })

  test('the document of spec differs from that of runc in its version, its name, and what runc has learned since', () => {
    const written = (run: Runtime, ...words: string[]) => {
      const { code, stderr } = run(['spec', ...words])
      assert.is(code, 0, stderr)
      const file = path.join(folder, 'config.json')
      const spec = expectRight(decodeSpecText(readFileSync(file, 'utf8')))
      rmSync(file)
      return spec
    }
    for (const words of [[], ['--rootless']]) {
      const [own, other] = [written(ours, ...words), written(theirs(runc), ...words)]
      // runc 1.1 gives the capabilities to the ambient set too, where they do nothing without the inheritable one.
      const { ambient: _, ...sets } = other.process?.capabilities ?? {}
      assert.equal(own.process, { ...other.process, capabilities: sets })
      assert.equal(own.mounts, other.mounts)
      assert.equal(own.root, other.root)
      assert.equal(own.linux, other.linux)
    }
  })
}

test('spec does not replace a file', () => {
  writeFileSync(path.join(folder, 'config.json'), 'mine')
  const { code, stderr } = ours(['spec'])
  assert.is(code, 1)
  assert.match(stderr, /exists: remove it first/)
  assert.is(readFileSync(path.join(folder, 'config.json'), 'utf8'), 'mine')
})

test('features are JSON, and nothing is left behind by looking', () => {
  const { code, stdout, stderr } = ours(inRoot('features'))
  assert.equal([code, stderr], [0, ''])
  assert.is(JSON.parse(stdout).ociVersionMin, '1.0.0')
  const root = path.join(folder, 'other')
  ours(['--root', root, 'state', 'nope'])
  ours(['--root', root, 'list'])
  assert.not(existsSync(root))
})

test.run()
