// An engine in a process of its own that runs one container attached, and tells the journal unless it `isQuiet`. Arguments: data directory, root file system,
// script, options as JSON. Prints what the container prints, `id` and its id once it runs, and `exit` and its exit code.
import { createEngine } from '../../src/index.ts'

const [, , root = '', rootfs = '', script = '', options = '{}'] = process.argv
const { isPooled = false, isQuiet = false, ...wanted } = JSON.parse(options)
const engine = createEngine({ root, networksAhead: 0, events: !isQuiet })
const streams = { stdout: 'inherit', stderr: 'inherit' } as const
const pool = isPooled ? await engine.pool({ image: { rootfs }, ...wanted }, { min: 1, max: 1 }) : undefined
const container =
  pool === undefined
    ? await engine.start({ rootfs }, ['sh', '-c', script], { ...wanted, ...streams })
    : await pool.start(['sh', '-c', script], streams)
process.stdout.write(`id ${container.id}\n`)
const { exitCode } = await container.exit
await container.removed
process.stdout.write(`exit ${exitCode}\n`)
await pool?.close()
await engine.close()
