// An engine in a process of its own that executes one program in a container, to be killed. Arguments: data directory, container,
// script. Prints what the program prints, then `exit` and its exit code.
import { createEngine } from '../../src/index.ts'

const [, , root = '', container = '', script = ''] = process.argv
const engine = createEngine({ root, networksAhead: 0 })
const running = await engine.containers.exec(container, ['sh', '-c', script], { stdout: 'inherit' })
process.stdout.write(`guardian ${(await engine.open()).guardianPid()}\n`)
process.stdout.write(`exit ${await running.exit}\n`)
await engine.close()
