// An engine in a process of its own that waits for one thing and has nothing else to do. Arguments: data directory, root file system, container,
// what is waited for. Prints `got` and what came of it; one that ends in the middle of the wait prints nothing.
import type { AttachedStreams } from '../../src/index.ts'
import { createEngine } from '../../src/index.ts'

const [, , root = '', rootfs = '', container = '', what = '', word = ''] = process.argv
const engine = createEngine({ root, networksAhead: 0 })
const { containers } = engine
const LEFT = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore', detach: true } as const
const SHORT = ['sh', '-c', 'sleep 0.5; exit 4'] as const
/** More than a reader that takes nothing is given. */
const MUCH = ['sh', '-c', 'head -c 1000000 /dev/zero; exit 5'] as const
/** Keeps no event loop alive by itself. */
const later = (body: () => void): void => void setTimeout(body, 500).unref()

const pastTheFirst = async (streams: AttachedStreams): Promise<number> => {
  later(() => streams.stdout.resume())
  const end = await streams.exit
  streams.close()
  return end?.exitCode ?? -1
}

const WAITS: Readonly<Record<string, () => Promise<unknown>>> = {
  'exec -d': async () => (await containers.exec(container, SHORT, LEFT)).exit,
  'exec -d by then': async () => {
    const { exit } = await containers.exec(container, SHORT, LEFT)
    return new Promise((resolve) => exit.then(resolve))
  },
  'exec -d in a race': async () => {
    const { exit } = await containers.exec(container, SHORT, LEFT)
    return Promise.race([exit, new Promise(() => {})])
  },
  'a program that was left': async () => {
    const program = await containers.exec(container, SHORT, { tty: true })
    await program.detach()
    return program.exit
  },
  'nobody is waited for': async () => {
    const { exit } = await containers.exec(container, ['sleep', '2000', word], LEFT)
    return exit instanceof Promise
  },
  'a wait that was left': async () => {
    const program = await containers.exec(container, ['sleep', '2000', word], { tty: true })
    program.exit.then(() => process.stdout.write('got its end\n'))
    await program.detach()
    return 'nothing'
  },
  'output that is read late': async () => {
    const { id } = await containers.create({ rootfs }, MUCH)
    const code = await pastTheFirst(await containers.startAttached(id))
    await engine.remove(id, { force: true })
    return code
  },
  'its end': () => containers.wait(container),
  'its removal': () => containers.wait(container, 'removed'),
}

process.stdout.write(`got ${await WAITS[what]?.()}\n`)
