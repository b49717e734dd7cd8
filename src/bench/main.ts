// A run of the benchmark, from the first directory to the last sample.
import path from 'node:path'
import { type EngineError, message } from '../model/errors.ts'
import { commandTimer } from './command.ts'
import {
  coldStart,
  type OwnSubject,
  ownCommand,
  peerInfo,
  plainProgram,
  pooledStart,
  spawnedProgram,
} from './engines.ts'
import { environment, load } from './environment.ts'
import { type Lab, openLab } from './lab.ts'
import { type Measured, type MeasureOptions, measure, seededRandom } from './measure.ts'
import { type PartId, type PartsPlan, partsOf, planParts, wholeOf } from './parts.ts'
import { openPeers, peersNamed } from './peers-live.ts'
import { type Gathered, type NotMeasured, setId, setTitle } from './results.ts'
import type { Selection } from './selection.ts'
import { availableParts } from './shape.ts'
import type { Subject } from './subject.ts'

export interface BenchRequest {
  /** As it was written, for the report. */
  readonly command: string
  readonly selection: Selection
  readonly budgetMs: number
  /** Counted starts of each at most; a slow engine is given fewer. */
  readonly runs: number | undefined
  /** Directories the benchmark's own are made in: on the storage under test, and for runtime files. */
  readonly store: string
  readonly runtime: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** How this command line is started. */
  readonly program: readonly string[]
  readonly signal: AbortSignal
  readonly onProgress: (progress: BenchProgress) => void
}

export interface BenchProgress {
  readonly phase: 'setting up' | 'warming up' | 'parts' | 'engines'
  readonly title: string
  /** From 0 on; in the last two phases. */
  readonly round?: number
  readonly leftMs?: number
}

/** Starts before each block that are not counted. */
const LEAD = 1
/** Counted starts of a set of parts in a row. */
const PARTS_BLOCK = 3
/** Of the time, where parts and engines are measured. */
const PARTS_SHARE = 0.62
/** V8 compiles what has run often enough. */
const WARM_UP_STARTS = 150
const WARM_UP_SHARE = 0.08
/** A share of starts is not to be had from fewer rounds. */
const MANY = 1_000_000

/** Leaves nothing behind, however it ends. Throws an EngineError where no container can be started at all. */
export const runBench = async (request: BenchRequest): Promise<Gathered> => {
  const beginMs = performance.now()
  request.onProgress({ phase: 'setting up', title: 'a root file system' })
  const lab = await openLab(request.store, request.runtime)
  try {
    const gathered = await measureAll(lab, request)
    return {
      ...gathered,
      environment: { ...gathered.environment, loadAfter: load() },
      partial: request.signal.aborted,
      elapsedMs: performance.now() - beginMs,
    }
  } finally {
    await lab.close()
  }
}

type Found = Omit<Gathered, 'partial' | 'elapsedMs'>

const measureAll = async (lab: Lab, request: BenchRequest): Promise<Found> => {
  const { selection, signal } = request
  const { available, missing } = availableParts(lab.facts)
  const seed = BigInt(Date.now())
  const random = seededRandom(seed)
  const whole = new Set(wholeOf(available))
  const plan = planParts(
    available,
    available.filter(({ id }) => selection.parts.has(id)),
    selection.ladder,
  )
  const settings = {
    command: request.command,
    budgetMs: request.budgetMs,
    runs: request.runs,
    lead: LEAD,
    seed: `${seed}`,
  }
  const found = environment(lab.facts, lab.folder, lab.runtime)
  await warmUp(lab, whole, request)
  const budgets = budgetsOf(request, plan)
  const timing = { lead: LEAD, signal, nowMs: () => performance.now(), random, describe }
  const parts = await measureParts(lab, plan, whole, {
    ...timing,
    ...rounds(budgets.parts, request.runs, PARTS_BLOCK),
    onProgress: ({ title, round, leftMs }) =>
      request.onProgress({ phase: 'parts', title, round, ...left(leftMs, budgets.engines) }),
  })
  const engines = await measureEngines(lab, whole, request, {
    ...timing,
    ...rounds(budgets.engines, request.runs, ENGINE_BLOCK),
    onProgress: ({ title, round, leftMs }) =>
      request.onProgress({ phase: 'engines', title, round, ...left(leftMs, 0) }),
  })
  const absent = missing
    .filter(([{ id }]) => selection.parts.has(id))
    .map(([{ title }, why]): NotMeasured => ({ title, why }))
  return {
    environment: found,
    settings,
    plan,
    parts,
    engines: engines.measured,
    infos: engines.infos,
    missing: [...absent, ...engines.missing],
  }
}

/** Counted starts of slipway in a row, among the engines. */
const ENGINE_BLOCK = 4

const left = (leftMs: number | undefined, laterMs: number): { readonly leftMs?: number } =>
  leftMs === undefined || laterMs === Number.POSITIVE_INFINITY ? {} : { leftMs: leftMs + laterMs }

const rounds = (
  budgetMs: number,
  runs: number | undefined,
  block: number,
): Pick<MeasureOptions, 'maxRounds' | 'budgetMs'> => ({
  maxRounds: runs === undefined ? MANY : Math.ceil(runs / block),
  budgetMs,
})

const budgetsOf = (
  { budgetMs, selection }: BenchRequest,
  plan: PartsPlan,
): { readonly parts: number; readonly engines: number } => {
  const rest = budgetMs * (1 - WARM_UP_SHARE)
  if (plan.sets.length === 0) return { parts: 0, engines: rest }
  return selection.engines.size === 0
    ? { parts: rest, engines: 0 }
    : { parts: rest * PARTS_SHARE, engines: rest * (1 - PARTS_SHARE) }
}

/** The one place where a failure ends everything: without the whole shape there is nothing to compare with. */
const warmUp = async (
  lab: Lab,
  whole: ReadonlySet<PartId>,
  { budgetMs, signal, onProgress }: BenchRequest,
): Promise<void> => {
  const once = lab.start(whole)
  const endMs = performance.now() + budgetMs * WARM_UP_SHARE
  for (let start = 0; start < WARM_UP_STARTS && !signal.aborted; start++) {
    onProgress({ phase: 'warming up', title: 'slipway' })
    await once()
    if (performance.now() > endMs) break
  }
}

const measureParts = (
  lab: Lab,
  plan: PartsPlan,
  whole: ReadonlySet<PartId>,
  options: MeasureOptions,
): Promise<readonly Measured[]> =>
  measure(
    plan.sets.map(
      (set): Subject => ({
        id: setId(set),
        title: setTitle(set, whole),
        block: PARTS_BLOCK,
        once: lab.start(partsOf(set)),
      }),
    ),
    options,
  )

interface Engines extends Pick<Gathered, 'infos' | 'missing'> {
  readonly measured: readonly Measured[]
}

const measureEngines = async (
  lab: Lab,
  whole: ReadonlySet<PartId>,
  request: BenchRequest,
  options: MeasureOptions,
): Promise<Engines> => {
  const { selection, env, signal, program, onProgress } = request
  const wanted = selection.engines
  if (wanted.size === 0 || signal.aborted) return { infos: [], missing: [], measured: [] }
  const missing: NotMeasured[] = []
  const closers: (() => unknown)[] = []
  try {
    const timer = commandTimer(lab.addon, ownEnv(env), path.join(lab.runtime, 'own.log'), -1)
    closers.push(timer.close)
    const own: OwnSubject[] = [
      coldStart(lab, whole),
      ...(wanted.has('spawn') ? [spawnedProgram(lab)] : []),
      ...(wanted.has('vfork') ? [plainProgram(lab, timer)] : []),
      ...(wanted.has('slipway-command') ? [ownCommand(lab, timer, program)] : []),
    ]
    if (wanted.has('slipway-pool')) {
      try {
        const pooled = await pooledStart(lab, whole)
        closers.push(pooled.close)
        own.push(pooled)
      } catch (error) {
        missing.push({ title: 'slipway, from a pool', why: describe(error) })
      }
    }
    const peers = await openPeers(lab, {
      env,
      wanted: peersNamed(wanted),
      whole,
      signal,
      onTry: (title) => onProgress({ phase: 'setting up', title }),
    })
    closers.push(peers.close)
    const subjects = [...own.map(({ subject }) => subject), ...peers.found.map(({ subject }) => subject)]
    return {
      measured: await measure(subjects, options),
      infos: [
        ...own.flatMap(({ infos }) => infos),
        ...peers.found.map(({ subject: { id }, does, version }) => peerInfo(id, does, version)),
      ],
      missing: [...missing, ...peers.missing],
    }
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** Node's own variables would make it another program. */
const ownEnv = (env: BenchRequest['env']): Readonly<Record<string, string>> =>
  Object.fromEntries(
    ['PATH', 'HOME', 'SLIPWAY_ADDON'].flatMap((name) => {
      const value = env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )

export const describe = (error: unknown): string => {
  if (isEngineError(error)) return message(error)
  return error instanceof Error ? error.message : String(error)
}

export const isEngineError = (error: unknown): error is EngineError =>
  typeof error === 'object' && error !== null && '_tag' in error
