// Logs as their readers parse them: containerd the last error of a stream of objects, podman one object, people a line.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { EngineError } from '../../../src/model/errors.ts'
import { logLine, openLog } from '../../../src/oci/log.ts'
import { wording } from '../../../src/oci/wording.ts'
import { assert, suite } from '../../support/suite.ts'
import { inFolder } from './fake-world.ts'

const test = suite('oci/command/log')
const time = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678))

test('a line has the form of runc', () => {
  assert.is(
    logLine('json', 'error', 'container web does not exist', time),
    '{"level":"error","msg":"container web does not exist","time":"2026-01-02T03:04:05Z"}\n',
  )
  assert.is(
    logLine('text', 'error', 'container web does not exist', time),
    'time="2026-01-02T03:04:05Z" level=error msg="container web does not exist"\n',
  )
  assert.is(logLine('text', 'debug', 'a/b', time), 'time="2026-01-02T03:04:05Z" level=debug msg=a/b\n')
})

test('a message stays one line, whatever is in it', () => {
  const text = logLine('text', 'error', 'a "b"\\\n\tc\u0007', time)
  assert.is(text, 'time="2026-01-02T03:04:05Z" level=error msg="a \\"b\\"\\\\\\n\\tc\\x07"\n')
  const json = logLine('json', 'error', 'a "b"\n', time)
  assert.is(json.split('\n').length, 2)
  assert.is(JSON.parse(json).msg, 'a "b"\n')
})

/** containerd, process/utils.go, getLastRuntimeError: objects one after another, the last `error` counts. */
const asContainerd = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { level: string; msg: string; time: string })
    .filter(({ level, time: at }) => level === 'error' && !Number.isNaN(Date.parse(at)))
    .map(({ msg }) => msg.trim())
    .at(-1) ?? ''

test('the file is appended to, and standard error gets the bare words', () =>
  inFolder((folder) => {
    const file = path.join(folder, 'log.json')
    const shown: string[] = []
    const options = { file, format: 'json', level: 'error' } as const
    const open = () =>
      openLog(
        options,
        (text) => shown.push(text),
        () => time,
      )
    const log = open()
    assert.is(readFileSync(file, 'utf8'), '')
    log.warn('not told')
    log.debug('not told')
    log.error('first')
    // podman, libpod/oci_conmon_common.go, readConmonPipeData: the file as a whole is one object.
    assert.is(JSON.parse(readFileSync(file, 'utf8')).msg, 'first')
    open().error('second')
    assert.is(asContainerd(readFileSync(file, 'utf8')), 'second')
    assert.equal(shown, ['first\n', 'second\n'])
    assert.is(statSync(file).mode & 0o777, 0o644 & ~process.umask())
  }))

test('what was in the file stays', () =>
  inFolder((folder) => {
    const file = path.join(folder, 'log')
    writeFileSync(file, 'before\n')
    openLog(
      { file, format: 'text', level: 'debug' },
      () => {},
      () => time,
    ).debug('more')
    assert.is(readFileSync(file, 'utf8'), 'before\ntime="2026-01-02T03:04:05Z" level=debug msg=more\n')
  }))

test('without a file, standard error has the lines', () => {
  const shown: string[] = []
  const log = openLog(
    { format: 'json', level: 'warning' },
    (text) => shown.push(text),
    () => time,
  )
  log.debug('not told')
  log.warn('w')
  log.error('e')
  assert.equal(
    shown.map((line) => JSON.parse(line).level),
    ['warning', 'error'],
  )
})

/** What each reader looks for in a message. */
const WORDS: readonly (readonly [what: string, error: EngineError, words: RegExp])[] = [
  ['no container (containerd, podman)', { _tag: 'ContainerNotFound', container: 'web' }, /does not exist/],
  [
    'a signal to one that ended (containerd)',
    { _tag: 'WrongStatus', container: 'web', status: 'stopped', wanted: 'running' },
    /container not running/,
  ],
  [
    'a process that is gone (containerd)',
    { _tag: 'SyscallFailed', step: 'pidfd_send_signal', errno: 3 },
    /no such process/i,
  ],
  [
    'no program (dockerd, podman)',
    { _tag: 'CommandNotFound', command: 'nope' },
    /exec: "nope": executable file not found in \$PATH/,
  ],
  [
    'a program that may not be run (dockerd, podman)',
    { _tag: 'CommandNotExecutable', command: '/etc/passwd', errno: 13 },
    /permission denied/,
  ],
  [
    'a file that is missing (dockerd, podman)',
    { _tag: 'SyscallFailed', step: 'open', errno: 2 },
    /no such file or directory/,
  ],
]
for (const [what, error, words] of WORDS)
  test(`${what}: ${words.source}`, () => assert.match(wording(error), words))

test.run()
