// A short run of bench/log-flood.mjs, on a disk that stands still now and then: no figure counts, but everything it checks does.
import { spawnSync } from 'node:child_process'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/log-flood')
test.requires('root', 'program:cc', 'program:mkfs.ext4', 'program:fsfreeze', 'file:/bin/busybox')

const flood = (...words: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, ['bench/log-flood.mjs', ...words], { encoding: 'utf8', timeout: 200_000 })

/** Of the last table: a row's cells by its name. */
const cellsOf = (stdout: string, name: string): readonly string[] =>
  (stdout.split('\n').findLast((line) => line.startsWith(`| ${name} |`)) ?? '')
    .split('|')
    .map((cell) => cell.trim())

test('a flood takes no more disk and memory than it may, and what is not kept is counted to the byte', () => {
  const forms = 'compact,blocking,json-file,none'
  const { status, stdout, stderr } = flood('--seconds', '3', '--slice', '0.2', '--forms', forms, '--freeze')
  assert.is(status, 0, `${stdout}${stderr}`)
  for (const form of ['compact', 'json-file', 'blocking']) {
    const [, , written, segments, , , dropped, sum] = cellsOf(stdout, form)
    assert.is(sum, '= written', `${form}: ${stdout}`)
    assert.ok(Number(written) > 0 && Number(segments) > 0, stdout)
    if (form === 'blocking') assert.is(dropped, '0.000 %')
    else assert.not.equal(dropped, '0.000 %', `${form} waited for the disk:\n${stdout}`)
  }
  assert.match(stdout, /^0 faults$/m)
})

for (const [why, ...words] of [
  ['syslog: no such form; there are compact, blocking, json-file, none, podman, docker', '--forms', 'syslog'],
  ['a time is above 0', '--seconds', 'ten'],
] as const)
  test(`${words.join(' ')} is refused`, () => {
    const { status, stderr } = flood(...words)
    assert.equal([status, stderr], [2, `log-flood: ${why}\n`])
  })

test.run()
