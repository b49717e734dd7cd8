// The published bundle as a process: exit codes, closed pipes, and what it loads on the way to a start.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { type Bundle, bundle } from './bundle.ts'
import { DEAR, modulesIn, writeLoadProbe } from './load-probe.ts'

const test = suite('cli/main')

let cli: Bundle
test.before(async () => {
  cli = await bundle()
})
test.after(() => cli.remove())

const slipway = (...args: string[]) => spawnSync(process.execPath, [cli.file, ...args], { encoding: 'utf8' })

test('the version is that of the package', () => {
  const got = slipway('--version')
  assert.equal([got.status, got.stderr], [0, ''])
  assert.match(got.stdout, /^slipway \d+\.\d+\.\d+\n$/)
})

test("mistakes go to standard error and give Docker's codes", () => {
  const unknown = slipway('nope')
  assert.equal([unknown.status, unknown.stdout], [1, ''])
  const flag = slipway('run', '--nope')
  assert.equal([flag.status, flag.stdout], [125, ''])
  assert.ok(flag.stderr.startsWith('slipway: unknown flag --nope\n'))
})

test('a reader that closes early ends it quietly with 141', () => {
  const script = '(sleep 0.2; "$0" "$1" --help; echo $? >&2) | true'
  const got = spawnSync('sh', ['-c', script, process.execPath, cli.file], { encoding: 'utf8' })
  assert.is(got.stderr, '141\n')
})

test('output to a full disk is told, not lost', () => {
  const script = '"$0" "$1" --help > /dev/full'
  const got = spawnSync('sh', ['-c', script, process.execPath, cli.file], { encoding: 'utf8' })
  assert.equal(
    [got.status, got.stderr],
    [1, 'slipway: cannot write the output: ENOSPC (no space left on device)\n'],
  )
})

test('deciding what to run loads none of the dear modules of Node', () => {
  const probe = writeLoadProbe(path.dirname(cli.file))
  const load = (...args: string[]) =>
    modulesIn(spawnSync(process.execPath, ['-r', probe, cli.file, ...args], { encoding: 'utf8' }).stderr)
  const run = load('run', '--rm', '--network', 'nope', '-m', '64m', 'host', 'true')
  assert.ok(run.has('fs'), 'the probe works')
  assert.equal(
    DEAR.filter((name) => run.has(name)),
    [],
  )
})

test.run()
