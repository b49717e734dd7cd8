// A process that replaces a state as often as it can, until it is killed. Its argument is the root.
import { openStateDir } from '../../src/oci/state-dir.ts'
import { someRecord } from './command/fake-world.ts'

const state = openStateDir(process.argv[2] ?? '')
for (let pid = 1; ; pid = (pid % 100_000) + 1) {
  // Now short, now long: a torn file would show.
  const annotations = { text: 'x'.repeat(pid % 7 === 0 ? 20_000 : 10) }
  const saved = state.save(someRecord('web', { init: { pid, startTime: 1 }, annotations }))
  if (saved._tag === 'Left') throw new Error(JSON.stringify(saved.left))
}
