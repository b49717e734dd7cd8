// A user's program that closes nothing, in a process or a worker thread of its own.
import { parentPort, workerData } from 'node:worker_threads'
import { createEngine, SlipwayError } from '../../src/index.ts'

interface Task {
  readonly what: 'forget' | 'hold' | 'lack'
  readonly root: string
  readonly rootfs: string
}

const { what, root, rootfs } = (workerData ?? JSON.parse(process.argv[2] ?? '{}')) as Task
const engine = createEngine({ root })
const image = { rootfs }
const say = (fact: object): void => {
  if (parentPort === null) process.stdout.write(`${JSON.stringify(fact)}\n`)
  else parentPort.postMessage(fact)
}

if (what === 'forget') {
  const pool = await engine.pool({ image }, { min: 2, max: 2 })
  const { stdout } = await pool.run(['echo', 'hi'])
  const { exitCode } = await engine.run(image, ['sh', '-c', 'exit 7'])
  say({ stdout, exitCode })
} else if (what === 'lack') {
  const outcome = await engine.run(image, ['true']).catch((error) => error)
  if (outcome instanceof SlipwayError) {
    const { _tag, message, hint } = outcome
    say({ _tag, message, hint })
  } else say({ outcome: String(outcome) })
} else {
  const held = await engine.start(image, ['sh', '-c', 'sleep 600 & sleep 600'])
  say({ pid: held.pid })
  await held.exit
}
