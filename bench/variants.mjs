// `node bench/variants.mjs [--rounds 40]`: what the kernel's part of a cold start would take if it were made otherwise. The floor of the
// whole shape, and the same with some of its operations left out or its files elsewhere, in interleaved rounds.
import { parseArgs } from 'node:util'
import { buildTools } from './build.mjs'
import { makeFloor } from './drivers/floor.mjs'
import { textAt } from './floor/decode.mjs'
import { measure } from './measure.mjs'
import { shapeNamed } from './shapes.mjs'
import { enterPrivateMounts, makeStage } from './stage.mjs'
import { ms, summary } from './statistics.mjs'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '40' } } })

const NR =
  process.arch === 'x64'
    ? { fsconfig: 431, moveMount: 429, seccomp: 317 }
    : { fsconfig: 431, moveMount: 429, seccomp: 277 }
const AT_FDCWD = -100n
const is = (op, nr) => op.kind === 'syscall' && op.nr === nr
const isOption = (op, plan, key) =>
  is(op, NR.fsconfig) && op.args[2].kind === 'data' && textAt(plan, op.args[2].value) === key
/** Those before the root itself, which goes to the same place last. */
const isStore = (op, plan) => {
  const attached = plan.ops.filter((other) => is(other, NR.moveMount) && other.args[2].value === AT_FDCWD)
  return attached.slice(0, -1).includes(op)
}

const VARIANTS = [
  ['as it is', {}],
  [
    'the upper layer reaches the disk (no volatile)',
    { leaveOut: (op, plan) => isOption(op, plan, 'volatile') },
  ],
  ['stores attached nowhere, taken down with their descriptors', { leaveOut: isStore }],
  ['no seccomp filter', { leaveOut: (op) => is(op, NR.seccomp) }],
  ['the engine holds the ipc and network namespaces past the end', { flags: ['-DHOLD_NAMESPACES'] }],
  ['layers on a tmpfs', { storage: 'tmpfs' }],
  ['no groups', { shape: '+caps' }],
  ['the network namespace is made after the start before', { flags: ['-DNETWORK_AHEAD'] }],
  ['no network namespace of its own', { shape: 'all', change: { net: false } }],
  ['a directory as root, no overlay', { shape: 'all', change: { overlay: false } }],
]

const driver = (stage, [name, { shape = 'all', change = {}, flags = [], leaveOut }]) => ({
  kind: 'resident',
  name,
  argv: makeFloor(stage, { ...shapeNamed(shape), ...change }, flags, 'cold', { variant: name, leaveOut }),
  block: 5,
  lead: 1,
  host: true,
})

enterPrivateMounts()
const stages = new Map()
const stageOn = (storage = 'ext4-loop') => {
  if (!stages.has(storage)) stages.set(storage, makeStage({ ...buildTools(), storage }))
  return stages.get(storage)
}
try {
  const drivers = VARIANTS.map((variant) => driver(stageOn(variant[1].storage), variant))
  const samples = measure(stageOn(), drivers, { rounds: Number(values.rounds), gapUs: 3000 })
  const p50 = (name) => summary(samples[name].inside).p50
  const base = p50(VARIANTS[0][0])
  console.log('| the floor of the whole shape | p50 | difference |')
  console.log('| --- | --- | --- |')
  for (const [name] of VARIANTS)
    console.log(`| ${name} | ${ms(p50(name))} | ${((p50(name) - base) / 1e6).toFixed(2)} |`)
} finally {
  for (const stage of stages.values()) stage.dispose()
}
