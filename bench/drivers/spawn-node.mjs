// Resident driver: child_process.spawn of the payload from Node. Arguments: payload, MiB resident, `time` or `stall`.
import { spawn } from 'node:child_process'
import { growTo, longestStall, serve, timed } from './resident.mjs'

const [payload, megabytes, what] = process.argv.slice(2)
const held = growTo(Number(megabytes))

const runOnce = () =>
  new Promise((resolve, reject) => {
    const child = spawn(payload, [], { stdio: 'ignore' })
    child.once('error', reject)
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`exit code ${code}`))))
  })

serve(() => (what === 'stall' ? longestStall(runOnce) : timed(runOnce)))
process.on('exit', () => held.length) // the memory stays reachable to the end
