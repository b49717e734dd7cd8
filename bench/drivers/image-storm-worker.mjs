// One lane of the storm: verbs on images chosen at random, one after the other for ever, each told before it is taken and after it is done,
// with the names it gives or takes and the time (CLOCK_MONOTONIC, nanoseconds). Whoever reads that kills this process at any moment.
// Arguments: root of the engine, folder for files, address of the registry, name of the lane, and two lists: images that are kept, and that
// come and go.
import { writeSync } from 'node:fs'
import path from 'node:path'
import { createEngine } from '../../dist/index.js'

const [root, folder, host, lane, keep, storm] = process.argv.slice(2)
const engine = createEngine({ root })
const file = (name) => path.join(folder, name)
const any = (values) => values[Math.floor(Math.random() * values.length)]
const tell = (what) => writeSync(1, `${JSON.stringify({ ...what, at: String(process.hrtime.bigint()) })}\n`)

const [kept, pulled] = [keep.split(','), storm.split(',')]
const made = [1, 2].map((i) => `made:${lane}-${i}`)
const loaded = ['loaded:1', 'loaded:2']
/** What other lanes may take away, too. Not the images that are kept. */
const removable = [...pulled, ...made, ...loaded, `imported:${lane}`]

/** Each gives `{ gives, takes, run, may }`: names, the verb, and the failures that are right when another lane was faster. */
const verbs = {
  pull: () => {
    const name = any(pulled)
    return { gives: [name], run: () => engine.pull(name) }
  },
  push: () => {
    const name = `${host}/pushed-${lane}:${any(['1', '2'])}`
    const run = async () => {
      await engine.tag(any(kept), name)
      await engine.push(name)
    }
    return { gives: [name], pushes: [name], run, may: ['ImageNotFound'] }
  },
  commit: () => {
    const name = any(made)
    return { gives: [name], run: () => engine.commit('keeper', { name }) }
  },
  save: () => ({
    run: () =>
      engine.save(
        [any(kept), any(kept)],
        { path: file(`${lane}.tar`) },
        { format: any(['docker-archive', 'oci-archive']) },
      ),
  }),
  load: () => ({ gives: loaded, run: () => engine.load({ path: file('load.tar') }) }),
  import: () => {
    const name = `imported:${lane}`
    return { gives: [name], run: () => engine.import({ path: file('import.tar') }, { name }) }
  },
  remove: () => {
    const name = any(removable)
    return { takes: [name], run: () => engine.removeImage(name), may: ['ImageNotFound', 'ImageInUse'] }
  },
  prune: () => ({ run: () => engine.pruneImages() }),
  pruneAll: () => ({
    takes: ['*'],
    run: () => engine.pruneImages({ all: true, labels: [{ key: 'keep', not: true }] }),
  }),
  run: () => ({ run: () => cat(any(kept)) }),
  runAny: () => ({ run: () => cat(any(pulled)), may: ['ImageNotFound'] }),
  check: () => ({
    run: async () => {
      const { problems } = await engine.check()
      if (problems.length > 0) throw new Error(problems.map(({ what, why }) => `${what}: ${why}`).join('; '))
    },
  }),
}
const cat = async (image) => {
  const { exitCode, stdout } = await engine.run(image, ['/bin/busybox', 'cat', '/etc/passwd'])
  if (exitCode !== 0 || !stdout.startsWith('root:')) throw new Error(`cat ended with ${exitCode}: ${stdout}`)
}
const WEIGHTS = {
  pull: 6,
  push: 3,
  commit: 2,
  save: 2,
  load: 2,
  import: 2,
  remove: 4,
  prune: 1,
  pruneAll: 1,
  run: 1,
  runAny: 2,
  check: 1,
}
const deck = Object.entries(WEIGHTS).flatMap(([verb, weight]) => Array(weight).fill(verb))

for (;;) {
  const verb = any(deck)
  const { gives = [], takes = [], pushes = [], run, may = [] } = verbs[verb]()
  tell({ begin: verb, gives, takes, pushes })
  try {
    await run()
    tell({ done: verb })
  } catch (error) {
    const tag = error.error?._tag ?? error.message
    tell(may.includes(tag) ? { refused: verb } : { failed: verb, why: `${tag}: ${error.message}` })
  }
}
