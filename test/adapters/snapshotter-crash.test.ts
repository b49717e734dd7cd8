// Several processes on one store, and processes that are killed at any moment: the store is whole at every instant.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadLayerAddon } from '../../src/adapters/layer-native.ts'
import { createSnapshotter } from '../../src/adapters/snapshotter.ts'
import { chunks, type TarEntry, tar } from '../native/layer-tar.ts'
import { assert, suite } from '../support/suite.ts'
import { digestOf, right } from './snapshotter-store.ts'

const FILES = 120
const entries = (text: string): readonly TarEntry[] =>
  Array.from({ length: FILES }, (_, i) => ({ name: `d${i % 10}/f${i}`, data: text.repeat(i) }))
const lower = tar(...entries('lower'))
const upper = tar({ name: 'd0/.wh.f0', data: '' }, ...entries('upper').slice(60))
const diffIds = [digestOf(lower), digestOf(upper)]

/** What the children do until they are killed: all of it, over and over. */
const churn = async (root: string): Promise<never> => {
  const snapshots = createSnapshotter({ root, native: loadLayerAddon() })
  for (let round = 0; ; round++) {
    await Promise.all(
      [lower, upper].map((layer) => right(snapshots.unpackLayer(digestOf(layer), chunks(layer, 4096)))),
    )
    // Somebody may take a layer away in between: that is an error, not a damaged store.
    const stack = await snapshots.prepareStack(diffIds)()
    if (stack._tag === 'Right') await right(snapshots.remove('stack', stack.right.chainId))
    await right(snapshots.remove('layer', digestOf(round % 2 === 0 ? lower : upper)))
    if (round === 0) process.stdout.write('.')
  }
}

const child = (root: string): ChildProcess => {
  const preload = process.env.SLIPWAY_TEST_PRELOAD
  return spawn(process.execPath, [process.argv[1] ?? ''], {
    env: { ...process.env, SLIPWAY_CHURN: root, ...(preload === undefined ? {} : { LD_PRELOAD: preload }) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
const started = (process: ChildProcess): Promise<unknown> =>
  new Promise((resolve) => process.stdout?.once('data', resolve))
const killed = (process: ChildProcess): Promise<unknown> =>
  new Promise((resolve) => {
    process.once('exit', resolve)
    process.kill('SIGKILL')
  })

/** Every snapshot that is there is whole, and the next call needs no repair. */
const checkStore = async (root: string): Promise<void> => {
  const snapshots = createSnapshotter({ root, native: loadLayerAddon() })
  for (const diffId of (await right(snapshots.list)).layers) {
    assert.ok(diffIds.includes(diffId))
    const tree = path.join(root, 'layers', diffId.slice(7), 'fs')
    assert.is(statSync(path.join(tree, `d9/f${FILES - 1}`)).size, 5 * (FILES - 1))
  }
  for (const layer of [lower, upper]) await right(snapshots.unpackLayer(digestOf(layer), chunks(layer, 4096)))
  const stack = await right(snapshots.prepareStack(diffIds))
  for (let i = 1; i < FILES; i++) {
    assert.is(readFileSync(`${stack.path}/d${i % 10}/f${i}`, 'utf8'), (i < 60 ? 'lower' : 'upper').repeat(i))
  }
  assert.is(readdirSync(`${stack.path}/d0`).includes('f0'), false)
  // A removal goes through staging, so it sweeps even where nothing had to be unpacked again.
  await right(snapshots.remove('stack', stack.chainId))
  assert.equal(readdirSync(path.join(root, 'staging')), [], 'what the dead left is swept')
}

const run = (): void => {
  const Crash = suite('adapters/snapshotter: crashes')
  Crash.requires('root')

  const inRoot = async (body: (root: string) => Promise<void>): Promise<void> => {
    const root = mkdtempSync(path.join(tmpdir(), 'slipway-crash-'))
    await body(root).finally(() => rmSync(root, { recursive: true, force: true }))
  }

  Crash('SIGKILL at any moment leaves a store that the next call uses', () =>
    inRoot(async (root) => {
      for (let round = 0; round < 12; round++) {
        const children = [child(root), child(root)]
        await Promise.all(children.map(started))
        await sleep(round * 7)
        await Promise.all(children.map(killed))
        await checkStore(root)
      }
    }),
  )

  Crash('twenty callers of one layer make it once in a process, and never half across processes', () =>
    inRoot(async (root) => {
      const stores = Array.from({ length: 4 }, () => createSnapshotter({ root, native: loadLayerAddon() }))
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          right((stores[i % 4] ?? (stores[0] as never)).unpackLayer(digestOf(lower), chunks(lower, 512))),
        ),
      )
      assert.is(results.filter((layer) => !layer.reused).length, 1)
      await checkStore(root)
    }),
  )

  Crash.run()
}

const root = process.env.SLIPWAY_CHURN
if (root === undefined) run()
else await churn(root)
