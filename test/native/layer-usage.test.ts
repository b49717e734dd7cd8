// Blocks on disk while others move what is being counted: what is gone is not counted, and nothing fails.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { assert, suite } from '../support/suite.ts'

const Usage = suite('native/layer: usage')
const ROUNDS = 300
const FOLDERS = 60

Usage('a folder that is moved while it is counted, or taken away, is no failure', async () => {
  const root = mkdtempSync(path.join(tmpdir(), 'slipway-usage-'))
  for (const name of ['x', 'y', 'z']) mkdirSync(path.join(root, name))
  for (let i = 0; i < FOLDERS; i++) mkdirSync(path.join(root, 'x/deep', String(i), 'er'), { recursive: true })
  // Not mv(1): a process for each move would leave most counts alone.
  const script = `const { renameSync, rmdirSync, mkdirSync } = require('node:fs')
    for (;;) { renameSync('x/deep', 'y/deep'); renameSync('y/deep', 'x/deep'); mkdirSync('z/a'); rmdirSync('z/a') }`
  const mover = spawn(process.execPath, ['-e', script], { cwd: root, stdio: 'ignore' })
  const gone = new Promise((resolve) => mover.on('exit', resolve))
  try {
    const { diskUsage } = loadLayerAddon()
    for (let round = 0; round < ROUNDS; round++) {
      const counted = await diskUsage([root])
      assert.ok(counted.ok, JSON.stringify(counted))
      assert.ok((counted.sizes[0] ?? 0) > 0)
    }
    assert.is(mover.exitCode, null, 'they were moved all the time')
  } finally {
    mover.kill('SIGKILL')
    await gone
    rmSync(root, { recursive: true })
  }
})
Usage.run()
