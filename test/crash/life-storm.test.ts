// A short run of bench/life-storm.mjs: verbs on detached containers side by side, while processes, monitors and containers are killed.
import { spawnSync } from 'node:child_process'
import { assert, suite } from '../support/suite.ts'

const Storm = suite('crash/life-storm')
Storm.requires('root', 'program:cc', 'file:/bin/busybox')
Storm(
  'every container is what it is said to be, no line is lost and nothing is left, whoever is killed',
  () => {
    const words = ['bench/life-storm.mjs', '--operations', '240', '--storage', 'tmpfs']
    const { status, stdout, stderr } = spawnSync(process.execPath, words, {
      encoding: 'utf8',
      timeout: 280_000,
    })
    assert.is(status, 0, `${stdout}${stderr}`)
    assert.match(stdout, /^\d+ operations in \d+ s, .* 0 faults$/m)
  },
)
Storm.run()
