// Whoever of an ordinary user's processes is killed, and whenever: nothing is left, though no group tells what belongs together.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { isAlive, pause, until } from '../support/library.ts'
import type { OrdinaryUser } from '../support/ordinary-user.ts'
import { assert } from '../support/suite.ts'
import type { Archives } from './images.ts'
import { rootlessSuite } from './suite.ts'

let user: OrdinaryUser
let archives: Archives
const { test, run } = rootlessSuite('rootless/crash', (hands) => {
  ;({ user, archives } = hands)
  const loaded = user.slipway(['load', '-i', archives.many])
  if (loaded.status !== 0) throw new Error(loaded.stderr)
})

/** A payload that has become somebody else by itself, so that no signal of its parent's death reaches it, and files of many users. */
const PAYLOAD = 'touch /a && chown 1000 /a && mkdir -m 0 /b && chown 33 /b && exec su app -c "exec sleep 600"'

interface Victim {
  readonly kill: () => Promise<void>
  readonly first: number
  readonly guardian: number
}

const startVictim = async (): Promise<Victim> => {
  const engine = user.startModule(`
import { readdirSync } from 'node:fs'
const engine = lib.createEngine()
const container = await engine.start('many:1', ['sh', '-c', ${JSON.stringify(PAYLOAD)}], { stdout: 'ignore', stderr: 'ignore' })
told([container.pid, (await engine.open()).guardianPid()])
setInterval(() => {}, 1000)`)
  const text = await new Promise<string>((resolve, reject) => {
    engine.stdout?.once('data', (chunk) => resolve(String(chunk)))
    engine.once('exit', (code) => reject(new Error(`the engine ended with ${code}`)))
  })
  const [first = 0, guardian = 0] = JSON.parse(text) as number[]
  const app = new RegExp(`^Uid:\\t${user.firstId + 999}\\t`, 'm')
  await until('the payload is somebody else', () => app.test(readFileSync(`/proc/${first}/status`, 'utf8')))
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      engine.removeAllListeners('exit').once('exit', () => resolve())
      engine.kill('SIGKILL')
    })
  return { kill, first, guardian }
}

const nextCommand = (): void => {
  const { status, stderr } = user.slipway(['run', '--rm', 'many:1', 'true'])
  assert.equal([status, stderr], [0, ''])
}

test('SIGKILL of the engine ends its containers, and the next command removes what they left', async () => {
  const { kill, first } = await startVictim()
  await kill()
  await until('the payload is dead', () => !isAlive(first))
  assert.ok(user.left().length > 0)
  nextCommand()
  assert.equal(user.left(), [])
})

test('if engine and guardian die together, the next command ends what runs', async () => {
  const { kill, first, guardian } = await startVictim()
  process.kill(guardian, 'SIGSTOP')
  await kill()
  process.kill(guardian, 'SIGKILL')
  await pause(100)
  assert.ok(isAlive(first))
  nextCommand()
  assert.not.ok(isAlive(first))
  assert.equal(user.left(), [])
})

test('a number that is somebody else’s by now is not killed', async () => {
  const { kill, first, guardian } = await startVictim()
  process.kill(guardian, 'SIGSTOP')
  await kill()
  process.kill(guardian, 'SIGKILL')
  const records = path.join(user.runtime, 'slipway', 'records')
  const [name = ''] = readdirSync(records)
  const rewritten = user.run([
    'sh',
    '-c',
    `sed 's/"startTime":"[0-9]*"/"startTime":"1"/' ${records}/${name} >${records}/.new && mv ${records}/.new ${records}/${name}`,
  ])
  assert.is(rewritten.status, 0)
  nextCommand()
  assert.ok(isAlive(first))
  process.kill(first, 'SIGKILL')
  await until('it is dead', () => !isAlive(first))
})

test('an engine that is killed while it unpacks leaves no process', async () => {
  const engine = user.startModule(`
const engine = lib.createEngine({ root: ${JSON.stringify(path.join(user.home, 'second'))} })
const live = await engine.open()
const { LayerApplier, openStaging } = live.addon
const staging = (await openStaging(${JSON.stringify(path.join(user.home, 'second'))})).path
const applier = new LayerApplier(staging)
told(process.pid)
await applier.write(Buffer.alloc(512))
setInterval(() => {}, 1000)`)
  await new Promise((resolve, reject) => {
    engine.stdout?.once('data', resolve)
    engine.once('exit', (code) => reject(new Error(`the engine ended with ${code}`)))
  })
  const files = (): number[] =>
    readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && commOf(pid) === 'slipway-files' && parentOf(pid) === engine.pid)
  await until('it unpacks', () => files().length === 1)
  const [pid = 0] = files()
  await new Promise<void>((resolve) => {
    engine.removeAllListeners('exit').once('exit', () => resolve())
    engine.kill('SIGKILL')
  })
  await until('the one that unpacked is dead', () => !isAlive(pid))
})

const commOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}
const parentOf = (pid: number): number => {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return 0
  }
}

run()
