// What is left while a container is being removed can be found again: the record stays until the writable layer is gone.
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadAddon } from '../../src/native/load.ts'
import { planCleanup } from '../../src/plan/cleanup.ts'
import { assert, suite } from '../support/suite.ts'

const Clean = suite('adapters/cleanup')
const ID = 'a'.repeat(64)
const arch = process.arch === 'arm64' ? 'arm64' : 'x64'

interface Left {
  /** The container's directory lies in the trash now. */
  readonly moved: boolean
  readonly directory: boolean
  readonly record: boolean
}

/** Runs the plan on a container of its own; `written` is what its program has left in the writable layer. */
const cleaned = (overlays: number, written: readonly string[], made = true, elsewhere?: string): Left => {
  const root = mkdtempSync(path.join(tmpdir(), 'slipway-cleanup-'))
  const containers = path.join(root, 'containers')
  const record = path.join(root, 'record')
  mkdirSync(containers)
  writeFileSync(record, '{}')
  for (const name of made && overlays > 0 ? ['upper', 'work/work'] : [])
    mkdirSync(path.join(containers, ID, name), { recursive: true })
  for (const name of written) writeFileSync(path.join(containers, ID, 'upper', name), '')
  const fd = openSync(containers, 'r')
  try {
    const trash = elsewhere ?? path.join(root, 'trash')
    const plan = planCleanup(arch, { id: ID, groups: [], overlays, record, keep: false }, trash)
    const result = loadAddon().execute(plan.bytes, Int32Array.of(fd))
    assert.is(result.ok, elsewhere === undefined)
    const moved = result.slots[plan.moved] === 0
    assert.is(existsSync(trash), moved)
    return {
      moved,
      directory: existsSync(path.join(containers, ID)),
      record: existsSync(record),
    }
  } finally {
    closeSync(fd)
    rmSync(root, { recursive: true })
  }
}

Clean('an unused writable layer goes, and the record with it', () => {
  assert.equal(cleaned(1, []), { moved: false, directory: false, record: false })
})
Clean('a container that was given a directory as its root has only a record', () => {
  assert.equal(cleaned(0, []), { moved: false, directory: false, record: false })
})
Clean('a writable layer with files in it is moved to the trash, and then the record goes', () => {
  assert.equal(cleaned(1, ['file']), { moved: true, directory: false, record: false })
})
Clean('a start that never made its directory had only a record', () => {
  assert.equal(cleaned(1, [], false), { moved: false, directory: false, record: false })
})
Clean('a writable layer that cannot be moved keeps its record', () => {
  assert.equal(cleaned(1, ['file'], true, '/etc/passwd/trash'), {
    moved: false,
    directory: true,
    record: true,
  })
})
Clean.run()
