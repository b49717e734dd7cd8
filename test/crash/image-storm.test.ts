// A short run of bench/image-storm.mjs: every verb on images, side by side on one root, in processes that are killed at any moment.
import { spawnSync } from 'node:child_process'
import { assert, suite } from '../support/suite.ts'

const Storm = suite('crash/image-storm')
Storm.requires('root', 'program:cc', 'file:/bin/busybox', 'program:docker-registry', 'program:skopeo')
Storm(
  'no image is lost or damaged and nothing is left, whenever pulls, pushes and all others are killed',
  () => {
    const words = ['bench/image-storm.mjs', '--kills', '40', '--storage', 'tmpfs']
    const { status, stdout, stderr } = spawnSync(process.execPath, words, {
      encoding: 'utf8',
      timeout: 280_000,
    })
    assert.is(status, 0, `${stdout}${stderr}`)
    assert.match(stdout, /^40 workers killed in \d+ rounds .* 0 faults$/m)
  },
)
Storm.run()
