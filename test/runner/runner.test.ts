// The runner on files made to deceive it: each must come out red, for the right reason, and nothing else may.
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { judge } from './verdict.mjs'

const FIXTURES = 'test/runner/fixtures'
const fixture = (name: string): string => `--file=${FIXTURES}/${name}.ts`

interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  readonly lastLine: string
}
const runner = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Run => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['test/run.mjs', ...args], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  return { status, stdout, stderr, lastLine: stdout.trimEnd().split('\n').at(-1) ?? '' }
}

/** The lines about one file, from its verdict to the next file's. */
const section = (stdout: string, name: string): string => {
  const lines = stdout.split('\n')
  const start = lines.findIndex((line) => line.includes(`${FIXTURES}/${name}.ts:`))
  const length = lines.slice(start + 1).findIndex((line) => !line.startsWith('     '))
  return start < 0 ? '' : lines.slice(start, start + 1 + length).join('\n')
}

/** File, counts on its line, and a problem the runner must name. */
const RED: readonly (readonly [name: string, counts: string, problem: RegExp])[] = [
  ['failing-assertion', '1 passed, 1 failed', /failed: failing › one is two/],
  ['before-throws', '0 passed, 1 failed', /before hook failed: no preparation/],
  ['before-each-throws', '0 passed, 1 failed', /failed: before each › is never prepared/],
  ['after-throws', '1 passed, 1 failed', /after hook failed: no tidying/],
  ['after-each-throws', '1 passed, 1 failed', /failed: after each › passes, but is not tidied/],
  ['throws-string', '1 passed, 3 failed', /failed: strings › throws a string/],
  ['never-run', '0 passed, 1 failed', /the suite forgotten is never run/],
  ['one-of-two-run', '1 passed, 1 failed', /the suite second is never run/],
  ['registered-after-run', '1 passed, 1 failed', /never ran: late registration › would fail/],
  ['run-after-the-end', '1 passed, 1 failed', /failed: late › would fail/],
  ['no-test', '0 passed, 1 failed', /ran no test/],
  ['empty-suite', '0 passed, 1 failed', /ran no test/],
  ['plain-uvu', '0 passed, 1 failed', /ran no test/],
  ['pretends', '0 passed, 1 failed', /ran no test/],
  ['late-throw', '1 passed, 1 failed', /exit code 1/],
  ['unhandled-rejection', '', /exit code 1/],
  ['exits-zero', '0 passed, 2 failed', /did not finish: exits › ends everything/],
  ['exits-zero-in-hook', '1 passed, 1 failed', /the suite exits in a hook did not end once per run/],
  ['exit-code-at-end', '1 passed, 1 failed', /exit code 7/],
  ['drained-loop', '0 passed, 2 failed', /did not finish: drained › waits for ever/],
  ['killed', '0 passed, 1 failed', /killed by SIGKILL/],
  ['child-holds-stdio', '1 passed, 1 failed', /left a process behind: sleep \(\d+\)/],
  ['child-in-own-session', '1 passed, 1 failed', /left a process behind: sleep \(\d+\)/],
  ['child-hidden', '1 passed, 1 failed', /left a process behind: .* holding the output open/],
  ['file-left', '1 passed, 1 failed', /left behind in TMPDIR: forgotten/],
  ['skip-without-reason', '0 passed, 1 failed', /exit code 1/],
]

const Deceptions = suite('runner/deceptions')
const all = runner(['--jobs=4', ...RED.map(([name]) => fixture(name)), fixture('green')])
for (const [name, counts, problem] of RED) {
  Deceptions(`${name} is red, and the report says why`, () => {
    const text = section(all.stdout, name)
    assert.match(text, `FAIL ${FIXTURES}/${name}.ts: ${counts}`)
    assert.match(text, problem)
  })
}
Deceptions('a green file among red ones stays green', () => {
  assert.match(section(all.stdout, 'green'), /^ok {3}.*: 2 passed \(/)
})
Deceptions('the sum counts every failure, and the exit code is not 0', () => {
  assert.is(all.status, 1)
  const [, failed] = /^\d+ passed, (\d+) failed$/.exec(all.lastLine) ?? []
  assert.ok(Number(failed) >= RED.length, all.lastLine)
})
Deceptions('the output of a red file is kept', () => {
  assert.match(section(all.stdout, 'failing-assertion'), '| printed by the failing file')
})
Deceptions('a child that was left behind is killed', () => {
  const [, pid] =
    /left a process behind: sleep \((\d+)\)/.exec(section(all.stdout, 'child-in-own-session')) ?? []
  assert.throws(
    () => process.kill(Number(pid), 0),
    (error: NodeJS.ErrnoException) => error.code === 'ESRCH',
  )
})
Deceptions(
  "a file whose tests all pass is red where a sanitizer has found something in the helper's processes",
  () => {
    const fact = { suite: 's', name: 't', id: 1 }
    const records = ['suite', 'test', 'run', 'start', 'pass', 'end'].map((kind) => ({ ...fact, kind }))
    const run = {
      records,
      code: 0,
      signal: null,
      timedOut: false,
      ms: 1,
      text: '',
      leftBehind: [],
      leftFiles: [],
    }
    assert.equal(judge('file', { ...run, findings: [] }).problems, [])
    const report = '==7==ERROR: AddressSanitizer\nSUMMARY: AddressSanitizer: stack-buffer-overflow x.cc:7'
    const { green, problems, text } = judge('file', { ...run, findings: [report] })
    assert.is(green, false)
    assert.equal(problems, ["a sanitizer's finding: SUMMARY: AddressSanitizer: stack-buffer-overflow x.cc:7"])
    assert.ok(text.includes(report))
  },
)

Deceptions.run()

const Limits = suite('runner/limits')
const slow = ['hangs', 'busy-loop', 'handle-left-open']
const limited = runner(['--timeout=1', '--jobs=3', ...slow.map(fixture)])
for (const name of slow) {
  Limits(`${name} ends at the time limit`, () => {
    assert.match(section(limited.stdout, name), /FAIL .*\n {5}! {4}timed out after/)
  })
}
Limits('the test that was running at the time limit is named', () => {
  assert.match(section(limited.stdout, 'hangs'), 'did not finish: hanging › hangs')
})
Limits('tests that passed before the limit still count', () => {
  assert.match(section(limited.stdout, 'hangs'), '1 passed, 1 failed')
})
Limits.run()

const Skips = suite('runner/skips')
const skipping = runner([fixture('skips'), fixture('skips-all')])
Skips('skips are counted in the last line and leave the run green', () => {
  assert.is(skipping.status, 0)
  assert.is(skipping.lastLine, '1 passed, 0 failed, 3 skipped')
})
Skips('every skip is printed with its reason', () => {
  assert.match(skipping.stdout, 'skip skips › is skipped by hand: no such machine')
  assert.match(
    skipping.stdout,
    'skip skips › is skipped by its need: needs the program no-such-program-anywhere',
  )
  assert.match(skipping.stdout, 'skip skips all › is skipped: needs /no/such/file')
})
Skips.run()

const Again = suite('runner/again')
/** Made by the fixture, so that its second run knows. */
const mark = (): string => path.join(tmpdir(), `mark-${randomUUID()}`)
Again('a file that is red once is run again, alone, and named', () => {
  const RED_ONCE_MARK = mark()
  const run = runner(['--again', fixture('red-once'), fixture('green')], { RED_ONCE_MARK })
  rmSync(RED_ONCE_MARK)
  assert.is(run.status, 0)
  assert.match(run.stdout, `unsteady: ${FIXTURES}/red-once.ts`)
  assert.match(section(run.stdout, 'red-once'), 'failed: red once › is the second time')
  assert.match(run.lastLine, /^\d+ passed, 0 failed$/)
})
Again('a file that is red twice is red', () => {
  const run = runner(['--again', fixture('failing-assertion')])
  assert.is(run.status, 1)
  assert.not.match(run.stdout, 'unsteady')
  assert.is(run.lastLine, '1 passed, 1 failed')
})
Again('without being asked nothing is run again', () => {
  const RED_ONCE_MARK = mark()
  const run = runner([fixture('red-once')], { RED_ONCE_MARK })
  rmSync(RED_ONCE_MARK)
  assert.is(run.status, 1)
  assert.is(run.lastLine, '0 passed, 1 failed')
})
Again.run()

const Choice = suite('runner/choice')
Choice('a word that matches no file fails', () => {
  const run = runner(['no-such-word'])
  assert.is(run.status, 1)
  assert.is(run.lastLine, '0 passed, 1 failed')
})
Choice('an unknown option fails and runs nothing', () => {
  const run = runner(['--untit'])
  assert.is(run.status, 2)
  assert.is(run.stdout, '')
  assert.match(run.stderr, '--untit: unknown option')
})
Choice('a limit that is no number fails', () => {
  assert.match(runner(['--timeout=soon']).stderr, '--timeout=soon: not a positive number: "soon"')
})
Choice('a file that does not compile fails the run', () => {
  const run = runner([`--file=${FIXTURES}/does-not-compile.broken`])
  assert.is(run.status, 1)
  assert.is(run.lastLine, '0 passed, 1 failed')
})
Choice('fixtures run only when asked for by name', () => {
  const run = runner(['fixtures/failing-assertion'])
  assert.is(run.lastLine, '0 passed, 1 failed')
  assert.match(run.stdout, 'no test file matches')
})
Choice('serial files run one after the other, whatever the number of jobs', () => {
  const flag = path.join(tmpdir(), 'serial-flag')
  const run = runner(['--jobs=4', fixture('serial-one.serial.test'), fixture('serial-two.serial.test')], {
    SERIAL_FLAG: flag,
  })
  assert.is(run.lastLine, '2 passed, 0 failed')
})
Choice('a test file finds a clean environment', () => {
  const run = runner([fixture('environment')], {
    NODE_EXTRA_CA_CERTS: '/none',
    NODE_OPTIONS: '--no-warnings',
  })
  assert.is(run.lastLine, '4 passed, 0 failed')
})
Choice.run()
