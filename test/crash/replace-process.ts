// An engine in a process of its own that replaces one container and stops behind a step for ever, to be killed. Arguments: data
// directory, container, image directory, step. Prints the step.

import { replaceContainer } from '../../src/engine/detached/replace.ts'
import { createEngine } from '../../src/index.ts'
import { decodeReplaceChanges } from '../../src/model/replacement.ts'

const [, , root = '', container = '', rootfs = '', at = ''] = process.argv
const { ports, facts, settled } = await createEngine({ root, networksAhead: 0 }).open()
await settled()
const changes = decodeReplaceChanges({ image: { rootfs }, env: { VERSION: '2' } }, facts)
if (changes._tag === 'Left') throw new Error('the changes are wrong')
const result = await replaceContainer(
  container,
  { changes: changes.right, timeoutMs: 10_000, graceMs: 100 },
  {
    lastLines: async () => [],
    onStep: async (step) => {
      if (step !== at) return
      process.stdout.write(`${step}\n`)
      await new Promise(() => setInterval(() => {}, 1000))
    },
  },
)(ports)()
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exit(0)
