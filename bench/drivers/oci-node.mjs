// Resident driver: the OCI runtime in this process. Arguments: directory of its state, bundle, and what is timed: `cycle` (create,
// start, the wait for the end, delete) or `exec` (one more process, to its end, in a container that this driver keeps).
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { openRuntime } from '../../dist/runtime.js'
import { serve, timed } from './resident.mjs'

const WARM_UP_RUNS = 300
const SILENT = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' }

const [root, bundle, what] = process.argv.slice(2)
const runtime = openRuntime({ root, onWarning: (text) => console.error(text) })

const expectZero = async (exit) => {
  const code = await exit
  if (code !== 0) throw new Error(`exit code ${code}`)
}
const cycle = async () => {
  const { exit } = await runtime.create('cycle', bundle, SILENT)
  await runtime.start('cycle')
  await expectZero(exit)
  await runtime.delete('cycle')
}
const exec = async () => expectZero((await runtime.exec('kept', ['/true'], SILENT)).exit)

if (what === 'exec') {
  const spec = JSON.parse(readFileSync(path.join(bundle, 'config.json'), 'utf8'))
  spec.process.args = ['/bin/busybox', 'sleep', '100000']
  spec.linux.cgroupsPath += '-kept'
  await runtime.create('kept', bundle, { ...SILENT, spec })
  await runtime.start('kept')
}
const work = what === 'exec' ? exec : cycle
for (let run = 0; run < WARM_UP_RUNS; run++) await work()
serve(
  () => timed(work),
  () => (what === 'exec' ? runtime.delete('kept', { force: true }) : undefined),
)
