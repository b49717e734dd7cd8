// `node bench/plot-history.mjs [--write | --check]`: docs/history.svg, the runs of bench/history as curves. --check fails unless the
// file is what --write would make.
import { parseArgs } from 'node:util'
import { projectRoot } from './build.mjs'
import { plotFault, writePlot } from './plot/history.mjs'

const flag = { type: 'boolean', default: false }
const { values } = parseArgs({ options: { write: flag, check: flag } })
if (values.write === values.check) {
  console.error('usage: node bench/plot-history.mjs --write | --check')
  process.exit(2)
}
if (values.write) writePlot(projectRoot)
const fault = plotFault(projectRoot)
if (fault !== undefined) console.error(fault)
process.exit(fault === undefined ? 0 : 1)
