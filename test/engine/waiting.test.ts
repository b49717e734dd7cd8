// Who waits for something of a detached container is not left in the middle of it: a Node.js process ends when its event loop has nothing to
// do, whatever is awaited. Each wait is a process of its own, which does nothing else.
import { execFile } from 'node:child_process'
import { bundleProgram } from '../support/bundle.ts'
import { librarySuite, processesWith, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, run } = librarySuite('engine/waiting')
const containers = () => box().engine.containers

/** Bundled with the first test. */
let program: Promise<string> | undefined
/** What it printed, and the code it ended with: 13 is Node's for an await that nothing can end any more. */
const waiting = async (container: string, what: string, word = ''): Promise<string> => {
  program ??= bundleProgram('test/engine/waiting-process.ts')
  const script = await program
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, box().root, box().rootfs, container, what, word],
      (error, stdout, stderr) => {
        resolve(`${stdout.trim()}, ended with ${error === null ? 0 : `${error.code}: ${stderr}`}`)
      },
    )
  })
}

const withContainer = async (script: string, use: (id: string) => Promise<void>): Promise<void> => {
  const { id } = await containers().create({ rootfs: box().rootfs }, ['sh', '-c', script])
  try {
    await containers().start(id)
    await use(id)
  } finally {
    await box()
      .engine.remove(id, { force: true })
      .catch(() => {})
  }
}

for (const [what, came] of [
  ['exec -d', '4'],
  ['exec -d by then', '4'],
  ['exec -d in a race', '4'],
  ['a program that was left', '4'],
  ['output that is read late', '5'],
] as const)
  test(`it is waited for: ${what}`, () =>
    withContainer('sleep 1000', async (id) => {
      assert.is(await waiting(id, what), `got ${came}, ended with 0`)
    }))

test('it is waited for: the end of a container', () =>
  withContainer('sleep 1; exit 6', async (id) => {
    assert.is(await waiting(id, 'its end'), 'got 6, ended with 0')
  }))

test('it is waited for: the removal of a container', () =>
  withContainer('while [ ! -e /work/over ]; do sleep 0.05; done; exit 7', async (id) => {
    const told = waiting(id, 'its removal')
    await (await containers().exec(id, ['sh', '-c', 'sleep 1; touch /work/over'])).exit
    assert.is(await told, 'got 7, ended with 0')
  }))

test('a program that was left, and that nobody waits for, keeps nobody', () =>
  withContainer('sleep 1000', async (id) => {
    // busybox adds the arguments of its sleep up.
    const word = `0.${process.pid}`
    assert.is(await waiting(id, 'nobody is waited for', word), 'got true, ended with 0')
    assert.is(await waiting(id, 'a wait that was left', word), 'got nothing, ended with 0')
    assert.is(processesWith(word).length, 2)
    await containers().kill(id, 'KILL')
    await until('they end with it', () => processesWith(word).length === 0)
  }))

run()
