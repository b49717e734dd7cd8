// An engine in a process of its own that does as it is told: a line of JSON for each verb, and one with what came of it. Arguments: data
// directory, root file system.
import { createInterface } from 'node:readline'
import { createEngine } from '../../src/index.ts'
import { statusOf } from '../../src/model/container-status.ts'
import type { LifeOp, LifeResult } from '../support/life-model.ts'

const [, , root = '', rootfs = ''] = process.argv
const engine = createEngine({ root, networksAhead: 0 })
const { containers } = engine
const PROGRAM = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.02; done']

const VERBS: Readonly<Record<LifeOp['verb'], (name: string, op: LifeOp) => Promise<unknown>>> = {
  create: (name, op) =>
    containers.create({ rootfs }, PROGRAM, {
      name,
      memory: 'memory' in op ? op.memory : 0,
      stopTimeout: 100,
    }),
  start: (name) => containers.start(name),
  stop: (name) => containers.stop(name),
  restart: (name) => containers.restart(name),
  kill: (name) => containers.kill(name, 'SIGKILL'),
  pause: (name) => containers.pause(name),
  unpause: (name) => containers.unpause(name),
  update: (name, op) => containers.update(name, { memory: 'memory' in op ? op.memory : 0 }),
  rename: (name, op) => containers.rename(name, 'to' in op ? op.to : ''),
  remove: (name) => engine.remove(name),
  removeByForce: (name) => engine.remove(name, { force: true }),
  attach: async (name) => (await containers.attach(name)).close(),
  exec: async (name) => {
    const process = await containers.exec(name, ['true'], { stdout: 'ignore', stderr: 'ignore' })
    return (await process.exit) === 0 ? 'ok' : 'killed'
  },
  inspect: async (name) => {
    const container = await containers.inspect(name)
    return `${statusOf(container)} ${container.document.options.memory}`
  },
}

const done = async (op: LifeOp): Promise<LifeResult> => {
  try {
    const result = await VERBS[op.verb](op.name, op)
    return op.verb === 'exec' || op.verb === 'inspect' ? String(result) : 'ok'
  } catch (error) {
    const { _tag, message } = error as { readonly _tag?: string; readonly message: string }
    return _tag === undefined || _tag === 'SyscallFailed' || _tag === 'LaunchDied' ? message : _tag
  }
}

for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await done(JSON.parse(line) as LifeOp))}\n`)
await engine.close()
