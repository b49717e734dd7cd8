// A process that makes, fills, mounts and removes volumes is killed at any moment, again and again: each volume is whole or not there,
// nothing that was written is lost, and nothing else is left.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createEngine } from '../../src/index.ts'
import { bundleProgram } from '../support/bundle.ts'
import { openTestEngine, type TestEngine } from '../support/engine.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('crash/volumes')
test.requires('root', 'program:busybox')
const ROUNDS = Number(process.env.SLIPWAY_VOLUME_KILLS ?? 25)
const SEEDS = 60
let box: TestEngine
let script = ''

test.before(async () => {
  box = openTestEngine()
  script = await bundleProgram('test/crash/volume-process.ts')
  const seed = path.join(box.rootfs, 'seed')
  mkdirSync(path.join(seed, 'deep'), { recursive: true })
  for (let each = 0; each < SEEDS; each++) writeFileSync(path.join(seed, `f${each}`), 'x'.repeat(4096))
  writeFileSync(path.join(seed, 'deep', 'f'), 'deep\n')
})
test.after(() => box.close())

/** Lines of the ledger that were told of before the blow. */
const storm = (afterMs: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const engine = spawn(process.execPath, [script, box.root, box.rootfs], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    let failed = ''
    let ready = false
    engine.stderr.on('data', (chunk) => {
      failed += String(chunk)
    })
    engine.stdout.on('data', (chunk) => {
      text += String(chunk)
      if (ready) return
      ready = true
      setTimeout(() => engine.kill('SIGKILL'), afterMs)
    })
    engine.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve((text.match(/^wrote /gm) ?? []).length)
      else reject(new Error(`the storm ended by itself, code ${code}: ${failed}`))
    })
  })

const inside = (...names: string[]): readonly string[] => {
  const folder = path.join(box.root, ...names)
  return existsSync(folder) ? readdirSync(folder) : []
}

test(`${ROUNDS} kills: volumes are whole or not there, the ledger has every line, and nothing else is left`, async () => {
  let written = 0
  let filled = 0
  for (let round = 0; round < ROUNDS; round++) {
    written += await storm(20 + ((round * 137) % 900))
    const next = createEngine({ root: box.root, networksAhead: 0 })
    await next.run({ rootfs: box.rootfs }, ['true'])
    const volumes = await next.volumes()
    // Every directory is a volume whose document can be read.
    assert.equal(
      inside('volumes').slice().sort(),
      volumes.map(({ name }) => name),
      `round ${round}`,
    )
    for (const { name, mountpoint } of volumes) {
      assert.ok(existsSync(mountpoint), `round ${round}: ${name}`)
      if (!name.startsWith('churn-')) continue
      const mounts = [{ type: 'volume', source: name, target: '/seed' } as const]
      const { stdout } = await next.run(
        { rootfs: box.rootfs },
        ['sh', '-c', 'ls /seed | wc -l; cat /seed/deep/f'],
        { mounts },
      )
      assert.is(stdout, `${SEEDS + 1}\ndeep\n`, `round ${round}: ${name}`)
      assert.equal(inside('volumes', name).slice().sort(), ['_data', 'volume.json'])
      filled++
    }
    await next.close()
    assert.equal([inside('staging'), inside('trash')], [[], []], `round ${round}`)
    const left = (await leftovers()).filter((name) => /^[0-9a-f]{64}$/.test(name))
    assert.equal(left, [], `round ${round}: volumes of containers that are gone`)
    const lines = inside('volumes', 'ledger').length === 0 ? 0 : bookOf()
    assert.ok(lines >= written, `round ${round}: ${lines} lines of ${written}`)
  }
  assert.ok(written > 0 && filled > 0, `the storm did nothing: ${written} lines, ${filled} filled volumes`)
  console.log(`${written} lines, ${filled} filled volumes`)
})

const bookOf = (): number => {
  const file = path.join(box.root, 'volumes', 'ledger', '_data', 'book')
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0
}

const leftovers = async (): Promise<readonly string[]> => {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await pause(20))
    if (!inside('volumes').some((name) => /^[0-9a-f]{64}$/.test(name))) break
  return inside('volumes')
}

test('what was kept is not in the way of removal once its container is removed', async () => {
  for (const { id } of await box.engine.list()) await box.engine.remove(id, { force: true })
  await box.engine.pruneVolumes({ all: true })
  assert.equal(inside('volumes'), [])
})

test.run()
