// What becomes of the flags about a container that outlives the command.
import * as E from '#fp/Either'
import { parseArgs } from '../../../src/cli/args.ts'
import type { Args } from '../../../src/cli/command.ts'
import { run } from '../../../src/cli/commands/run.ts'
import { detachedOptions, outlivesUs } from '../../../src/cli/detached-options.ts'
import type { RunFlags } from '../../../src/cli/run-flags.ts'
import { runArgsToOptions } from '../../../src/cli/run-options.ts'
import { message } from '../../../src/model/errors.ts'
import { expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/detached-options')

const argsOf = (words: string): Args<RunFlags> => {
  const parsed = parseArgs(run, words.split(' '))
  if (E.isLeft(parsed)) throw new Error(JSON.stringify(parsed.left))
  if (parsed.right._tag === 'Help') throw new Error('help')
  return parsed.right.args as Args<RunFlags>
}
const optionsOf = (words: string) => {
  const args = argsOf(words)
  const request = runArgsToOptions(args, { env: {}, cwd: '/', readFile: () => E.right('') })
  return detachedOptions(args.flags, expectRight(request).options)
}

for (const [words, options] of [
  ['-d i', {}],
  ['-d -i -t i', { tty: true, stdin: true }],
  ['-d --name web -m 64m i', { name: 'web', memory: '64m' }],
  ['-d --rm i', { autoRemove: true }],
  ['-d --no-healthcheck i', { health: false }],
  [
    '--health-cmd true --health-interval 5s --health-retries 2 --health-on-failure kill i',
    { health: { command: 'true', interval: '5s', retries: 2, onUnhealthy: 'kill' } },
  ],
  ['-d --health-cmd= --health-interval 0 --health-timeout 0s --health-retries 0 i', {}],
  ['-d --health-cmd true --health-interval 0ms i', { health: { command: 'true' } }],
  ['--restart on-failure:3 i', { restart: 'on-failure:3' }],
  ['-d --stop-timeout 3 --stop-signal INT i', { stopSignal: 'INT', stopTimeout: 3000 }],
  ['-d --stop-timeout -1 i', { stopTimeout: -1 }],
  ['-d --log-driver local i', { log: { form: 'compact' } }],
  [
    '--log-driver json-file --log-opt max-size=1m --log-opt max-file=5 --log-opt mode=blocking i',
    { log: { form: 'json-file', maxSize: '1m', maxFiles: 5, blocking: true } },
  ],
] as const)
  test(`run ${words}`, () => {
    assert.equal(expectRight(optionsOf(words)), options)
  })
for (const [words, why] of [
  [
    '-d --log-driver journald i',
    '--log-driver journald: not supported: logs are kept in files here: compact, json-file or none',
  ],
  [
    '-d --log-opt tag=x i',
    '--log-opt: "tag=x": expected max-size=SIZE, max-file=COUNT or mode=blocking|non-blocking',
  ],
  [
    '-d --log-opt max-file=many i',
    '--log-opt: "max-file=many": expected max-size=SIZE, max-file=COUNT or mode=blocking|non-blocking',
  ],
  ['-d --no-healthcheck --health-cmd true i', '--health-cmd: "true": cannot be given with --no-healthcheck'],
  [
    '-d --timeout 1s i',
    '--timeout: not supported: a container that outlives this command has no time limit so far',
  ],
] as const)
  test(`run ${words} is refused`, () => {
    const options = optionsOf(words)
    assert.is(E.isLeft(options) ? message(options.left) : 'nothing', why)
  })
for (const [words, outlives] of [
  ['i', false],
  ['--restart no i', false],
  ['--restart= i', false],
  ['--log-driver none i', false],
  ['-d i', true],
  ['--restart always i', true],
  ['--log-driver compact i', true],
  ['--health-cmd true i', true],
  ['--no-healthcheck i', false],
] as const)
  test(`run ${words} ${outlives ? 'outlives' : 'ends with'} the command`, () => {
    assert.is(outlivesUs(argsOf(words).flags), outlives)
  })
test.run()
