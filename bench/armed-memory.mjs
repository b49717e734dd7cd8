// `node bench/armed-memory.mjs [--count 64]`: what a sandbox that waits holds: the memory of its process, and that of the kernel.
import { readdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildTools } from './build.mjs'
import { openPool, openShape } from './drivers/slipway-shape.mjs'
import { kib, textOf } from './proc-text.mjs'
import { shapeNamed } from './shapes.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'
import { summary } from './statistics.mjs'

const { values } = parseArgs({ options: { count: { type: 'string', default: '64' } } })
const count = Number(values.count)

/** This process's helpers: sandboxes that wait, and the guardian. */
const helpers = () =>
  readdirSync('/proc').filter(
    (pid) =>
      /^\d+$/.test(pid) &&
      Number(/^PPid:\s+(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1]) === process.pid &&
      textOf(`/proc/${pid}/cmdline`).startsWith('slipway-init\0'),
  )

/** What the kernel holds in slabs and page tables for all, once its caches of names and inodes are empty. */
const kernelKib = () => {
  writeFileSync('/proc/sys/vm/drop_caches', '2')
  const text = textOf('/proc/meminfo')
  return {
    slab: kib(text, 'Slab'),
    'kernel stacks': kib(text, 'KernelStack'),
    'page tables': kib(text, 'PageTables'),
    'per-CPU': kib(text, 'Percpu'),
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 2000))

/** `[{ what, kib }]`, of one sandbox. */
const memoryOf = async (box, half) => {
  const warm = await openPool(box, { min: 2, max: 2 }, half)
  await warm.close()
  await settled()
  const others = new Set(helpers())
  const before = kernelKib()
  const pool = await openPool(box, { min: count, max: count }, half)
  await settled()
  const after = kernelKib()
  const processes = helpers()
    .filter((pid) => !others.has(pid))
    .map((pid) => textOf(`/proc/${pid}/smaps_rollup`))
  const pss = summary(processes.map((text) => kib(text, 'Pss'))).p50
  const rss = summary(processes.map((text) => kib(text, 'Rss'))).p50
  await pool.close()
  return [
    { what: 'PSS of its process', kib: pss },
    { what: 'RSS of its process', kib: rss },
    ...Object.entries(after).map(([what, held]) => ({
      what: `kernel: ${what}`,
      kib: (held - before[what]) / count,
    })),
  ]
}

enterPrivateMounts()
const stage = makeStage(buildTools())
try {
  const box = await openShape(stage.dir, shapeNamed('all'))
  const whole = await memoryOf(box, false)
  const half = await memoryOf(box, true)
  console.log(`KiB for one of ${count} sandboxes that wait | with a root | without`)
  whole.forEach(({ what, kib: held }, index) => {
    console.log(`${what} | ${held.toFixed(1)} | ${half[index].kib.toFixed(1)}`)
  })
  await box.close()
} finally {
  stage.dispose()
}
