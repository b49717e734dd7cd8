// Everything a run has found, as the data that the report, the tables and results.json are made of. Pure.
import type { Environment } from './environment.ts'
import type { Measured } from './measure.ts'
import { BARE, type Part, type PartId, type PartsPlan, partsOf, type SetKey } from './parts.ts'
import { type Difference, difference, type Summary, summary } from './statistics.ts'

export const RESULTS_VERSION = 1

export interface Settings {
  readonly command: string
  readonly budgetMs: number
  readonly runs: number | undefined
  readonly lead: number
  readonly seed: string
}

/** Something that was to be measured and was not, or not to the end. */
export interface NotMeasured {
  readonly title: string
  readonly why: string
}

export interface EngineInfo {
  readonly id: string
  /** What it isolates. */
  readonly does: string
  /** How its time is taken. */
  readonly how: string
  readonly version: string | undefined
}

/** What a run hands over. */
export interface Gathered {
  readonly environment: Environment
  readonly settings: Settings
  /** The run was ended before its time. */
  readonly partial: boolean
  readonly elapsedMs: number
  readonly plan: PartsPlan
  readonly parts: readonly Measured[]
  readonly engines: readonly Measured[]
  readonly infos: readonly EngineInfo[]
  readonly missing: readonly NotMeasured[]
}

export interface CostRow {
  readonly id: PartId
  readonly title: string
  readonly kind: Part['kind']
  readonly what: string
  readonly extra: boolean
  readonly alone: Difference | undefined
  readonly together: Difference | undefined
}

export interface LadderRow {
  readonly title: string
  readonly summary: Summary
  /** What this step adds to the one before. */
  readonly added: Difference | undefined
}

export interface EngineRow extends EngineInfo {
  readonly title: string
  readonly kind: 'inside' | 'command' | 'none'
  readonly summary: Summary
  readonly samples: readonly number[]
}

export interface Results extends Pick<Gathered, 'environment' | 'settings' | 'partial' | 'elapsedMs'> {
  readonly costs: readonly CostRow[]
  readonly ladder: readonly LadderRow[]
  readonly engines: readonly EngineRow[]
  readonly missing: readonly NotMeasured[]
  /** Counted starts in all. */
  readonly starts: number
}

export const resultsOf = (gathered: Gathered): Results => {
  const { environment, settings, partial, elapsedMs, parts, engines } = gathered
  const all = [...parts, ...engines]
  return {
    environment,
    settings,
    partial,
    elapsedMs,
    costs: costRows(gathered),
    ladder: ladderRows(gathered),
    engines: engineRows(gathered),
    missing: [...gathered.missing, ...failures(all)],
    starts: all.reduce((sum, { ns }) => sum + ns.flat().length, 0),
  }
}

/** Sets are measured under the name of their key. */
export const setId = (key: SetKey): string => `set:${key}`

const usable = (measured: readonly Measured[]): ReadonlyMap<string, Measured> =>
  new Map(measured.filter(({ failure }) => failure === undefined).map((each) => [each.id, each]))

const costRows = ({ plan, parts }: Gathered): readonly CostRow[] => {
  const known = usable(parts)
  const between = ({ subject, reference }: { readonly subject: SetKey; readonly reference: SetKey }) => {
    const [own, other] = [known.get(setId(subject)), known.get(setId(reference))]
    return own === undefined || other === undefined ? undefined : difference(own.ns, other.ns)
  }
  return plan.costs
    .map(({ part: { id, title, kind, what, extra }, alone, together }) => ({
      id,
      title,
      kind,
      what,
      extra,
      alone: between(alone),
      together: between(together),
    }))
    .filter(({ alone, together }) => alone !== undefined || together !== undefined)
}

const ladderRows = ({ plan, parts }: Gathered): readonly LadderRow[] => {
  const known = usable(parts)
  return plan.ladder.flatMap(({ title, set }, index) => {
    const own = known.get(setId(set))
    const found = summary(own?.ns.flat() ?? [])
    if (own === undefined || found === undefined) return []
    const before = known.get(setId(plan.ladder[index - 1]?.set ?? BARE))
    const added = index === 0 || before === undefined ? undefined : difference(own.ns, before.ns)
    return [{ title, summary: found, added }]
  })
}

/** Until a container's end is known, and until it is removed, are two rows of one subject. */
export const REMOVED = ':removed'

const engineRows = ({ engines, infos }: Gathered): readonly EngineRow[] => {
  const known = usable(engines)
  return infos
    .flatMap((info): readonly EngineRow[] => {
      const isRemoval = info.id.endsWith(REMOVED)
      const own = known.get(isRemoval ? info.id.slice(0, -REMOVED.length) : info.id)
      const samples = (isRemoval ? own?.removedNs : own?.ns)?.flat() ?? []
      const found = summary(samples)
      if (own === undefined || found === undefined) return []
      const title = isRemoval ? `${own.title}, until all is removed` : own.title
      return [{ ...info, title, kind: kindOf(info.id), summary: found, samples }]
    })
    .sort((a, b) => a.summary.p50 - b.summary.p50)
}

const kindOf = (id: string): EngineRow['kind'] => {
  if (id === 'vfork' || id === 'spawn') return 'none'
  return id.startsWith('slipway') && id !== 'slipway-command' ? 'inside' : 'command'
}

const failures = (measured: readonly Measured[]): readonly NotMeasured[] =>
  measured.flatMap(({ title, failure, ns }) =>
    failure === undefined ? [] : [{ title, why: `${failure}, after ${ns.flat().length} counted starts` }],
  )

/** results.json: what the report shows, and every sample in nanoseconds, by round. */
export const resultsJson = (gathered: Gathered, results: Results): string => {
  const samplesOf = ({ id, title, ns, removedNs, failure }: Measured) => ({
    id,
    title,
    ...(failure === undefined ? {} : { failure }),
    ns,
    ...(id.startsWith('slipway') && id !== 'slipway-command' ? { removedNs } : {}),
  })
  const document = {
    format: { name: 'slipway bench', version: RESULTS_VERSION, unit: 'ns' },
    ...results,
    engines: results.engines.map(({ samples: _samples, ...row }) => row),
    samples: { parts: gathered.parts.map(samplesOf), engines: gathered.engines.map(samplesOf) },
  }
  return `${JSON.stringify(document, finite, 1)}\n`
}

/** JSON has no infinities: a bound that is not known is null. */
const finite = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? null : value

/** What progress calls it. */
export const setTitle = (key: SetKey, whole: ReadonlySet<PartId>): string => {
  if (key === BARE) return 'bare'
  const parts = partsOf(key)
  if (parts.size <= 3) return [...parts].join(' + ')
  const without = [...whole].filter((id) => !parts.has(id))
  return without.length === 0
    ? 'whole'
    : `whole less ${without.slice(0, 3).join(', ')}${without.length > 3 ? ' …' : ''}`
}
