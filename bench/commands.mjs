// `node bench/commands.mjs [--rounds 30] [--listed 300] [--storage ext4-loop]`: what the commands of detached containers take as somebody
// types them, a process of Node.js each: `run -d`, beside podman's, and `ps`. They take turns, so that a slow moment hits all alike.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildTools, projectRoot } from './build.mjs'
import { CGROUP, importImage, LIMIT_FLAGS, podmanEngine, podmanFlags } from './drivers/peers.mjs'
import { inPeers } from './measure.mjs'
import { enterPrivateMounts, makeStage, removeCgroups } from './stage.mjs'
import { summary } from './statistics.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    listed: { type: 'string', default: '300' },
    storage: { type: 'string', default: 'ext4-loop' },
  },
})
const [rounds, listed] = [Number(values.rounds), Number(values.listed)]
/** Until each command has been run so often that it has kept what it compiled, and caches are warm. */
const WARM = 3

/** As a peer is run, but where nothing is hidden: the same two processes in front of it. */
const asPeers = (argv) => [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  'sh',
  '-c',
  'exec "$0" "$@"',
  ...argv,
]

const run = ([program, ...args]) => {
  const begin = performance.now()
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 })
  const took = performance.now() - begin
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')}: ${status}: ${stderr}`)
  return { took, stdout }
}

const measured = (stage) => {
  const slipway = [
    process.execPath,
    path.join(projectRoot, 'dist/cli.cjs'),
    '--root',
    path.join(stage.store, 'slipway'),
  ]
  importImage(stage, [...slipway, 'import', '-', 'bench'])
  const podman = podmanEngine(stage, inPeers)
  const plain = ['node -e 0', asPeers([process.execPath, '-e', '0'])]
  const commands = [
    plain,
    ['slipway version', asPeers([...slipway, 'version'])],
    [
      'slipway run -d',
      asPeers([...slipway, 'run', '-d', '--network', 'none', ...LIMIT_FLAGS, 'bench', '/idle']),
      (id) => run([...slipway, 'rm', '-f', id]),
    ],
    ...(podman === undefined
      ? []
      : [
          [
            'podman run -d',
            inPeers([...podman, 'run', '-d', ...podmanFlags(), 'bench', '/idle']),
            (id) => run(inPeers([...podman, 'rm', '-f', '-t', '0', id])),
          ],
        ]),
  ]
  const samples = inTurn(commands)
  if (podman === undefined) console.log('podman is not here')
  const container = () => run([...slipway, 'run', '-d', '--network', 'none', 'bench', '/idle'])
  for (let each = 0; each < listed; each++) container()
  const listing = inTurn([plain, [`slipway ps with ${listed}`, asPeers([...slipway, 'ps'])]])
  const names = run([...slipway, 'ps', '-q'])
    .stdout.split('\n')
    .filter(Boolean)
  if (names.length !== listed) throw new Error(`${names.length} of ${listed} are listed`)
  run([...slipway, 'rm', '-f', ...names])
  return { ...listing, ...samples }
}

/** Milliseconds of each round, by name. */
const inTurn = (commands) => {
  const samples = Object.fromEntries(commands.map(([name]) => [name, []]))
  for (let round = -WARM; round < rounds; round++)
    for (const [name, argv, after] of commands) {
      const { took, stdout } = run(argv)
      after?.(stdout.trim())
      if (round >= 0) samples[name].push(took)
    }
  return samples
}

enterPrivateMounts()
const tools = buildTools()
const stage = makeStage({ ...tools, storage: values.storage })
try {
  stage.addProgram(tools.idle)
  mkdirSync(path.join(stage.store, 'slipway'), { mode: 0o700 })
  const samples = measured(stage)
  const median = (name) => summary(samples[name]).p50
  for (const name of Object.keys(samples)) console.log(`${name}: ${median(name).toFixed(1)} ms`)
  const bar = (what, value, text, most) =>
    console.log(`${what}: ${text} (at most ${most}: ${value <= most ? 'met' : 'NOT met'})`)
  if (samples['podman run -d'] !== undefined) {
    const ratio = median('slipway run -d') / median('podman run -d')
    bar('slipway run -d ÷ podman run -d', ratio, ratio.toFixed(2), 0.5)
  }
  const listing = median(`slipway ps with ${listed}`)
  bar(`slipway ps with ${listed}`, listing, `${listing.toFixed(0)} ms`, 100)
} finally {
  removeCgroups(CGROUP)
  stage.dispose()
}
