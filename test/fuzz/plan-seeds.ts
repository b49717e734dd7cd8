// Writes plans for the fuzzer to begin with: every program of the launches the planner's tests know. argv: a folder.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type PlannedProgram, planArmed, planLaunch } from '../../src/plan/launch/index.ts'
import { Program, SlotSpace } from '../../src/plan/program.ts'
import { type Change, inputOf, v2Parents } from '../plan/launch/inputs.ts'

const folder = process.argv[2] ?? '.'
const map = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
const CHANGES: readonly Change[] = [
  {},
  { cgroups: v2Parents, options: { memory: 64 << 20, readonly: true, user: '7:8' } },
  { options: { security: { userns: { uidMap: map, gidMap: map } } } },
  { options: { network: 'host', init: true, tty: true } },
]

/** One operation of each kind that reads texts and bytes by itself. */
const special = (): PlannedProgram => {
  const program = new Program('x64', new SlotSpace())
  const hook = { path: '/hook', args: ['hook', 'a'], env: ['A=b'] }
  program.runHook('run createContainer hook', hook, '{"id":"x"}', 1000)
  program.userNamespace('make user namespace of mount', program.slots.next(), '0 1 2', '0 1 2')
  program.netlink('ask for network device', program.slots.next(), program.text('0123456789'), 10, {})
  return { bytes: program.encode(), infos: program.infos }
}

const plans = CHANGES.flatMap((change) => [
  planLaunch(inputOf(change)),
  ...(change.options?.tty === true ? [] : [planArmed(true)(inputOf(change))]),
])
const programs = plans.flatMap(({ prepare, after, layers, network, stages }) => [
  prepare,
  after,
  layers,
  network,
  ...stages,
])
;[...programs, special()].forEach((program, index) => {
  if (program !== undefined) writeFileSync(path.join(folder, `seed-${index}`), program.bytes)
})
