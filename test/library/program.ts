// A user's program, in a process or a worker thread of its own. It is told what to do as its first argument.
import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { createEngine } from '../../src/index.ts'

interface Task {
  readonly what: 'run' | 'hold' | 'storm' | 'start' | 'starting' | 'pool' | 'pool and end' | 'pool and end'
  readonly root: string
  readonly rootfs: string
  readonly options?: object
  readonly count?: number
}

const {
  what,
  root,
  rootfs,
  options = {},
  count = 1,
} = (workerData ?? JSON.parse(process.argv[2] ?? '{}')) as Task
const engine = createEngine({ root })
const image = { rootfs }
const say = (fact: object): void => {
  if (parentPort === null) process.stdout.write(`${JSON.stringify(fact)}\n`)
  else parentPort.postMessage(fact)
}

/** Runs to its end and does nothing more: whether the process ends by itself is what is tested. */
const tasks: Readonly<Record<Task['what'], () => Promise<void>>> = {
  run: async () => say(await engine.run(image, ['echo', 'hi'], options)),
  hold: async () => {
    const held = await engine.start(image, ['sh', '-c', 'sleep 0.5; exit 7'], {
      stdout: 'ignore',
      stderr: 'ignore',
    })
    held.exit.then(({ exitCode }) => say({ exitCode }))
  },
  storm: async () => {
    const results = await Promise.all(
      Array.from({ length: count }, (_, i) => engine.run(image, ['sh', '-c', `echo ${i}; exit ${i % 50}`])),
    )
    say({ wrong: results.filter((r, i) => r.stdout !== `${i}\n` || r.exitCode !== i % 50).length })
    await engine.close()
  },
  start: async () => {
    const running = await engine.start(image, ['sh', '-c', 'sleep 600 & sleep 600'], options)
    const group = readFileSync(`/proc/${running.pid}/cgroup`, 'utf8')
    say({ pid: running.pid, group })
    await running.exit
  },
  pool: async () => {
    const pool = await engine.pool({ image }, { min: 3, max: 3 })
    const echo = async (i: number): Promise<string> => (await pool.run(['echo', String(i)])).stdout
    const outputs = await Promise.all([0, 1, 2, 3, 4].map(echo))
    while (pool.stats.waiting < 3) await new Promise((resolve) => setTimeout(resolve, 5))
    say({ outputs })
    setInterval(() => {}, 1000)
  },
  'pool and end': async () => {
    const pool = await engine.pool({ image }, { min: 3, max: 3 })
    say({ output: (await pool.run(['echo', 'hi'])).stdout })
  },
  starting: async () => {
    say({ begun: true })
    for (;;) {
      await Promise.all(Array.from({ length: 4 }, () => engine.run(image, ['true'])))
    }
  },
}
await tasks[what]()
