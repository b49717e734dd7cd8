// What the sanitized helper does wrong ends it, and is written down where the runner looks.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'

const test = suite('native/helper')
const folder = path.dirname(process.env.SLIPWAY_ADDON ?? '')

for (const [fault, found] of [
  ['address', /AddressSanitizer: global-buffer-overflow/],
  ['undefined', /runtime error: shift exponent 64 is too large/],
] as const)
  test(`a fault of the kind ${fault} is found`, () => {
    const log = path.join(tmpdir(), fault)
    const { status, stdout, stderr } = spawnSync(path.join(folder, 'slipway-init'), [fault], {
      encoding: 'utf8',
      // In place of the runner's folder.
      env: { ASAN_OPTIONS: `log_path=${log}`, UBSAN_OPTIONS: `log_path=${log}` },
    })
    assert.equal([status, stdout, stderr], [99, '', ''])
    const reports = readdirSync(tmpdir()).map((name) => path.join(tmpdir(), name))
    assert.match(reports.map((file) => readFileSync(file, 'utf8')).join(), found)
    for (const file of reports) rmSync(file)
  })

test.run()
