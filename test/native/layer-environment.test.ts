// The applier and the end of what started it: worker threads and processes that go away in the middle.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { assert, suite } from '../support/suite.ts'
import { chunks, tar } from './layer-tar.ts'

const Environment = suite('native/layer: environments')
Environment.requires('root')

const leakChecked = process.env.SLIPWAY_TEST_PRELOAD !== undefined
const addon = JSON.stringify(process.env.SLIPWAY_ADDON ?? path.resolve('build/Release/slipway.node'))
const archive = tar(...Array.from({ length: 300 }, (_, i) => ({ name: `f${i}`, data: 'x'.repeat(i * 50) })))

const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-environment-'))
  await body(folder).finally(() => rmSync(folder, { recursive: true, force: true }))
}

/** Under sanitizers with their libraries; a process that is ended early leaves V8's own memory behind. */
const runNode = (script: string): { status: number | null; stderr: Buffer } => {
  const preload = process.env.SLIPWAY_TEST_PRELOAD
  const sanitized = preload === undefined ? {} : { LD_PRELOAD: preload, ASAN_OPTIONS: 'detect_leaks=0' }
  return spawnSync(process.execPath, ['-e', script], { env: { ...process.env, ...sanitized } })
}

/** Starts an unpack that is never told its end; then runs `after`. */
const unfinished = (folder: string, after: string): string => `
  const module_ = { exports: {} }
  process.dlopen(module_, ${addon})
  const { LayerApplier, flattenLayers, removeTree } = module_.exports
  const applier = new LayerApplier(${JSON.stringify(folder)})
  const bytes = Buffer.from(${JSON.stringify(archive.subarray(0, 40_000).toString('base64'))}, 'base64')
  applier.write(bytes).then(() => { ${after} })
`

Environment('a worker thread that is terminated in the middle of an unpack takes its threads along', () =>
  inFolder(async (folder) => {
    for (let i = 0; i < 5; i++) {
      const target = path.join(folder, String(i))
      mkdirSync(target)
      // Node keeps eight bytes for a promise that its environment no longer settles: the leak checker would count them.
      const job = leakChecked ? '' : `flattenLayers([${JSON.stringify(target)}], '/none', '/none');`
      const code = `const { parentPort } = require('node:worker_threads')
        ${unfinished(target, `${job} parentPort.postMessage('started')`)}`
      const worker = new Worker(code, { eval: true })
      await new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      assert.is(await worker.terminate(), 1)
    }
    mkdirSync(path.join(folder, 'after'))
    const applier = new (loadLayerAddon().LayerApplier)(path.join(folder, 'after'))
    for await (const chunk of chunks(archive)) await applier.write(chunk)
    assert.is((await applier.end()).ok, true, 'the main thread goes on')
  }),
)

Environment('a process that exits in the middle of an unpack exits with its own code', () =>
  inFolder(async (folder) => {
    const preload = process.env.SLIPWAY_TEST_PRELOAD
    // An exit in the middle leaves V8's heap as it is, so a leak check of this process would tell nothing.
    const sanitized = preload === undefined ? {} : { LD_PRELOAD: preload, ASAN_OPTIONS: 'detect_leaks=0' }
    const env = { ...process.env, ...sanitized }
    const { status, stderr } = spawnSync(process.execPath, ['-e', unfinished(folder, 'process.exit(7)')], {
      env,
    })
    assert.is(status, 7, String(stderr))
  }),
)

Environment('a process waits for an unpack that it was promised', () =>
  inFolder(async (folder) => {
    const after = `applier.end().then(({ why }) => { process.exitCode = why.includes('ends in the middle') ? 9 : 1 })`
    const { status, stderr } = runNode(unfinished(folder, after))
    assert.is(status, 9, String(stderr))
  }),
)

Environment('arguments of the wrong kind are a TypeError', () => {
  const { LayerApplier } = loadLayerAddon()
  assert.throws(() => new (LayerApplier as never as new () => unknown)(), /needs a directory/)
})

Environment('an applier for a directory that is not there says so at its end', async () => {
  const applier = new (loadLayerAddon().LayerApplier)('/nonexistent/directory')
  for await (const chunk of chunks(archive, 1000)) if (!(await applier.write(chunk))) break
  const result = await applier.end()
  assert.is(!result.ok && result.step, 'layer_open_root')
  assert.is(!result.ok && result.errno, 2)
  assert.equal(await applier.end(), result, 'and again')
  assert.throws(() => applier.write(archive), /before the end/)
})

Environment('a writer that is too fast is asked to wait, and told when to go on', () =>
  inFolder(async (folder) => {
    const applier = new (loadLayerAddon().LayerApplier)(folder)
    // Each write alone is above the 4 MiB that may wait, however fast the thread empties the queue.
    const size = 8 << 20
    const count = 5
    const buffers = Array.from({ length: count }, (_, i) => Buffer.alloc(size, i))
    await applier.write(tar({ name: 'big', size: size * count }).subarray(0, 512))
    let answered = 0
    const writes = buffers.map((buffer) =>
      applier.write(buffer).then((more) => {
        answered++
        return more
      }),
    )
    await Promise.resolve()
    await Promise.resolve()
    const early = answered
    assert.equal(await Promise.all(writes), Array(count).fill(true))
    const result = await applier.end()
    assert.is(result.ok && result.bytes, size * count)
    assert.is(early, 0, 'every writer was asked to wait')
  }),
)

Environment.run()
