// One lane of the storm of lives: verbs on detached containers chosen at random, one after the other, each told before it is taken and
// after it is done. Whoever reads that kills this process at any moment. Arguments: root, runtime, root file system, seed, how many verbs.
import { mkdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { createEngine } from '../../dist/index.js'
import { anyOf, deckOf, randomOf } from '../random.mjs'
import { LAYERED, serveLayer } from './slipway-shape.mjs'

const [root, runtime, rootfs, seed, count] = process.argv.slice(2)
const random = randomOf(Number(seed))
const any = (values) => anyOf(random, values)
const often = (share) => random() < share
const engine = createEngine({ root, runtime })
const { containers } = engine
serveLayer(await engine.open(), rootfs)
const tell = (what) => writeSync(1, `${JSON.stringify(what)}\n`)
const within = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const NAMES = ['one', 'two', 'three', 'four', 'five', 'six']
const SCRATCH = ['scratch-1', 'scratch-2']
const modes = () =>
  any([['obey'], ['obey'], ['obey'], ['ignore'], ['end', String(1 + Math.floor(random() * 60))]])

const optionsOf = (name) => ({
  name,
  mounts: [
    { type: 'volume', source: `book-${any(['1', '2', '3'])}`, target: '/book' },
    ...(often(0.2) ? [{ type: 'volume', source: any(SCRATCH), target: '/scratch' }] : []),
    ...(often(0.2) ? [{ type: 'volume', target: '/own' }] : []),
  ],
  // What the disk does not take at once is not to be lost here.
  log: { form: often(0.3) ? 'json-file' : 'compact', blocking: true },
  stopTimeout: 300,
  ...(often(0.5) ? { memory: '64MiB', pids: 30 } : {}),
  ...(often(0.2) ? { stdin: true } : {}),
  ...(often(0.3)
    ? { restart: any(['always', 'unless-stopped', 'on-failure:3']) }
    : often(0.2)
      ? { autoRemove: true }
      : {}),
})
const create = (name) => containers.create(LAYERED, ['/lines', '/book/lines', ...modes()], optionsOf(name))

/** Waits for as long as others are patient. */
const attach = async (name) => {
  const streams = await containers.attach(name, { stdin: often(0.3) })
  streams.stdout.resume()
  streams.stderr.resume()
  await Promise.race([streams.exit, within(random() * 60)])
  streams.close()
}
const logs = async (name) => {
  for await (const entries of await containers.logs(name, { tail: 50 }))
    if (entries?._tag === 'Damaged') throw new Error(`damaged log: ${entries.why}`)
}
const exec = async (name) => {
  const process = await containers.exec(name, ['/true'], { stdout: 'ignore', stderr: 'ignore' })
  await process.exit
}
/** It goes on without this process, and ends with its container or by itself. */
const PROGRAM = ['/bin/busybox', 'sleep', '20']
const leave = async (name) => {
  const process = await containers.exec(name, PROGRAM, { tty: true })
  process.stdout.resume()
  await within(random() * 20)
  await process.detach()
}
const execDetached = (name) =>
  containers.exec(name, PROGRAM, often(0.7) ? { detach: true, tty: true } : { detach: true, ...NOWHERE })
const NOWHERE = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' }

/** Files of one letter each: whatever replaces one, and whoever is killed then, nobody sees two letters. */
const LETTERS = ['a', 'b', 'c', 'd']
const LETTER_BYTES = 300_000
const folder = path.join(root, '..', 'copies')
mkdirSync(folder, { recursive: true })
const letterFile = (letter) => path.join(folder, letter)
for (const letter of LETTERS) writeFileSync(letterFile(letter), letter.repeat(LETTER_BYTES))
const copyIn = (name) => containers.copy(letterFile(any(LETTERS)), { container: name, path: '/copied' })
const copyOut = async (name) => {
  const target = path.join(folder, `out-${process.pid}`)
  try {
    await containers.copy({ container: name, path: '/copied' }, target)
  } catch (error) {
    // Nobody has copied anything into this one yet.
    if (error.error?.errno === ENOENT && error.error.step === 'copy_stat_path') return
    throw error
  }
  const text = readFileSync(target, 'latin1')
  if (text !== (text[0] ?? '').repeat(LETTER_BYTES))
    throw new Error(`a copy of ${text.length} bytes is not whole`)
}
const ENOENT = 2

const volume = async (name) => {
  await engine.createVolume({ name })
  if (often(0.5)) await engine.removeVolume(name)
}

const VERBS = {
  create: [6, create],
  run: [6, async (name) => containers.start((await create(name)).id)],
  start: [9, (name) => containers.start(name)],
  stop: [6, (name) => containers.stop(name, often(0.5) ? {} : { timeout: any([0, 50]) })],
  kill: [5, (name) => containers.kill(name, any(['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGWINCH']))],
  pause: [3, (name) => containers.pause(name)],
  unpause: [5, (name) => containers.unpause(name)],
  rename: [4, (name) => containers.rename(name, any(NAMES))],
  update: [3, (name) => containers.update(name, { memory: any(['64MiB', '80MiB']), pids: any([30, 40]) })],
  exec: [3, exec],
  leave: [3, leave],
  execDetached: [3, execDetached],
  copyIn: [5, copyIn],
  copyOut: [4, copyOut],
  attach: [3, attach],
  restart: [4, (name) => containers.restart(name, { timeout: 50 })],
  wait: [2, (name) => Promise.race([containers.wait(name), within(random() * 300)])],
  remove: [5, (name) => engine.remove(name, { volumes: often(0.5) })],
  removeByForce: [4, (name) => engine.remove(name, { force: true, volumes: often(0.5) })],
  logs: [2, logs],
  list: [3, () => engine.list()],
  inspect: [3, (name) => engine.inspect(name)],
  volume: [2, () => volume(any(SCRATCH))],
}
const deck = deckOf(Object.fromEntries(Object.entries(VERBS).map(([verb, [weight]]) => [verb, weight])))

for (let left = Number(count); left > 0; left--) {
  const [verb, name] = [any(deck), any(NAMES)]
  tell({ begin: verb, name })
  try {
    await VERBS[verb][1](name)
    tell({ done: verb })
  } catch (error) {
    const { _tag, ...rest } = error.error ?? {}
    tell({ failed: verb, tag: _tag ?? String(error.message), why: error.message, ...rest })
  }
}
tell({ end: true })
process.exit(0)
