// `npm run bench -- [word...] [--rounds N] [--gap µs] [--quick] [--storage ext4-loop|tmpfs] [--peers DIR] [--keep]`: runs the trials whose name has a word.
// Results go to bench/history/, whose plot is drawn anew, and, with --keep, into docs/benchmarks.md and README.md.
import os from 'node:os'
import { parseArgs } from 'node:util'
import { buildTools, projectRoot } from './build.mjs'
import { environment } from './environment.mjs'
import { renderInto, writeHistory } from './history.mjs'
import { openPeersRoot } from './peers-root.mjs'
import { writePlot } from './plot/history.mjs'
import { renderers } from './render.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'
import { commandLine } from './trials/command-line.mjs'
import { launchCold } from './trials/launch-cold.mjs'
import { ociTrial } from './trials/oci.mjs'
import { poolTrial } from './trials/pool.mjs'
import { pullTrial } from './trials/pull.mjs'
import { residentSize } from './trials/resident-size.mjs'
import { throughput } from './trials/throughput.mjs'

const trials = [launchCold, poolTrial, residentSize, throughput, commandLine, ociTrial, pullTrial]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    gap: { type: 'string' },
    quick: { type: 'boolean', default: false },
    peers: { type: 'string' },
    storage: { type: 'string', default: 'ext4-loop' },
    keep: { type: 'boolean', default: false },
  },
})

const chosen = trials.filter(
  ({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)),
)
if (chosen.length === 0) {
  console.error(`no trial matches; there are: ${trials.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

enterPrivateMounts()
const options = {
  quick: values.quick,
  ...(values.rounds && { rounds: Number(values.rounds) }),
  ...(values.gap && { gapUs: Number(values.gap) }),
}
const stage = makeStage({ ...buildTools(), storage: values.storage })
const result = { trials: {} }
try {
  if (values.peers) stage.peers = await openPeersRoot(values.peers, stage)
  const facts = environment(projectRoot, values.storage, stage.peers?.enter)
  result.environment = { ...facts, load: os.loadavg()[0].toFixed(2) }
  for (const trial of chosen) {
    result.trials[trial.name] = await trial.run(stage, options)
    console.log(renderers[trial.name](result.trials[trial.name], result.environment))
  }
} finally {
  await stage.peers?.dispose()
  stage.dispose()
}
console.log(writeHistory(result))
writePlot(projectRoot)
if (values.keep) renderInto(result)
