// A short run of bench/oci-storm.mjs: whole lives of containers in processes that are killed at any moment.
import { spawnSync } from 'node:child_process'
import { assert, suite } from '../../support/suite.ts'
import { NEEDS } from './support.ts'

const test = suite('oci/life-cycle/storm')
test.requires(...NEEDS, 'program:cc', 'file:/usr/share/containers/seccomp.json')

const storm = (...words: readonly string[]) =>
  spawnSync(process.execPath, ['bench/oci-storm.mjs', ...words], { encoding: 'utf8', timeout: 120_000 })

test('no state is wrong and nothing is left, whenever the runtime is killed', () => {
  const { status, stdout, stderr } = storm('--cycles', '160', '--kills', '0.08')
  assert.is(status, 0, `${stdout}${stderr}`)
  const [, killed = '0'] = /(\d+) workers killed, 0 faults/.exec(stdout) ?? []
  assert.ok(Number(killed) > 10, stdout)
})

test.run()
