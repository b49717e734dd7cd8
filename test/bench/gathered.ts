// What a run could have found, made up.
import type { Environment } from '../../src/bench/environment.ts'
import type { Measured } from '../../src/bench/measure.ts'
import { PARTS, planParts } from '../../src/bench/parts.ts'
import { type Gathered, REMOVED, setId } from '../../src/bench/results.ts'

export const madeUpEnvironment: Environment = {
  date: '2026-01-02T03:04:05.678Z',
  slipway: '0.1.0',
  kernel: '6.18.0',
  arch: 'x64',
  cpu: 'A processor',
  cpus: 2,
  machine: 'guest',
  governor: undefined,
  memoryBytes: 2 ** 33,
  node: 'v20.0.0',
  residentBytes: 60_000_000,
  cgroup: 'v2',
  security: [],
  store: 'ext4',
  runtime: 'tmpfs',
  loadBefore: 0.5,
  loadAfter: 0.75,
}

const measured = (id: string, title: string, ns: number, rounds = 9): Measured => {
  const samples = Array.from({ length: rounds }, (_, round) => [
    ns + round * 1000,
    ns + 2000,
    ns + round * 500,
  ])
  return { id, title, ns: samples, removedNs: samples.map((round) => round.map((each) => 2 * each)) }
}

const info = (id: string) => ({ id, does: `what ${id} does`, how: 'somehow', version: undefined })

/** Every part and seven engines; each part of a set takes 50 µs more. */
export const gathered = (over: Partial<Gathered> = {}): Gathered => {
  const plan = planParts(PARTS, PARTS, true)
  const engines = [
    measured('slipway', 'slipway', 2_000_000),
    measured('slipway-pool', 'slipway, from a pool', 600_000),
    measured('vfork', 'vfork + exec', 100_000),
    measured('crun', 'crun run', 8_000_000),
    measured('podman', 'podman run', 150_000_000),
  ]
  return {
    environment: madeUpEnvironment,
    settings: { command: 'slipway bench', budgetMs: 90_000, runs: undefined, lead: 1, seed: '7' },
    partial: false,
    elapsedMs: 95_000,
    plan,
    parts: plan.sets.map((set) =>
      measured(setId(set), set, 1_000_000 + 50_000 * (set === '' ? 0 : set.split('+').length)),
    ),
    engines,
    infos: [...engines.map(({ id }) => info(id)), info(`slipway${REMOVED}`)],
    missing: [{ title: 'docker run', why: 'docker is not on PATH' }],
    ...over,
  }
}

export const HOSTILE = '</title><script>alert("x")</script>&\'"\u0000\u001b[31m\ud800 //evil.example/a.js'
