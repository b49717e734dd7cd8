// A short run of bench/image-storm.mjs: every verb on images, side by side on one root, in processes that are killed at any moment.
import { spawnSync } from 'node:child_process'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Storm = suite('crash/image-storm')
const why = lacking('root', 'program:cc', 'file:/bin/busybox', 'program:docker-registry', 'program:skopeo')
const name =
  'no image is lost or damaged and nothing is left, whenever pulls, pushes and all others are killed'
const body = async (): Promise<void> => {
  const words = ['bench/image-storm.mjs', '--kills', '40', '--storage', 'tmpfs']
  const { status, stdout, stderr } = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    timeout: 280_000,
  })
  assert.is(status, 0, `${stdout}${stderr}`)
  assert.match(stdout, /^40 workers killed in \d+ rounds .* 0 faults$/m)
}
if (why === undefined) Storm(name, body)
else Storm.skip(name, why)
Storm.run()
