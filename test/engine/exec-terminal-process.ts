// An engine in a process of its own that executes a script with a terminal in a container and leaves it when it says `leave`. Arguments:
// data directory, container, script. Prints `left`, or why not, and then waits to be killed.
import { createEngine } from '../../src/index.ts'

const [, , root = '', container = '', script = ''] = process.argv
const engine = createEngine({ root, networksAhead: 0 })
const running = await engine.containers.exec(container, ['sh', '-c', script], { tty: true })
let text = ''
running.stdout?.on('data', async (chunk) => {
  text += String(chunk)
  if (!/^leave\r?$/m.test(text)) return
  text = ''
  await running.detach().then(
    () => process.stdout.write('left\n'),
    (error) => process.stdout.write(`${error}\n`),
  )
  setInterval(() => {}, 1000)
})
