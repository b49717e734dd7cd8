// What of the benchmark is wanted: parts, engines, all of either. Pure.
import { PARTS, type PartId } from './parts.ts'
import { PEERS } from './peers.ts'

/** slipway and Node's own ways of starting a program. */
export const OWN_ENGINES = ['slipway', 'slipway-pool', 'slipway-command', 'spawn', 'vfork'] as const

export interface Selection {
  readonly parts: ReadonlySet<PartId>
  /** The default shape built up step by step. */
  readonly ladder: boolean
  /** Empty: none. slipway itself is among them otherwise. */
  readonly engines: ReadonlySet<string>
}

const PART_IDS = PARTS.map(({ id }) => id)
const PEER_IDS = PEERS.map(({ id }) => id)

/** Every word `--only` takes. */
export const WORDS: readonly string[] = ['parts', 'engines', ...PART_IDS, ...OWN_ENGINES, ...PEER_IDS]

/** Without words everything; `peers`: other engines too. A word that is none of WORDS comes back as it is. */
export const selectionOf = (words: readonly string[], peers: boolean): Selection | string => {
  const unknown = words.find((word) => !WORDS.includes(word))
  if (unknown !== undefined) return unknown
  const all = words.length === 0
  const allParts = all || words.includes('parts')
  const parts = PART_IDS.filter((id) => allParts || words.includes(id))
  const allEngines = all || words.includes('engines')
  const named = [...OWN_ENGINES, ...PEER_IDS].filter((id) => words.includes(id))
  const whole = allEngines ? [...OWN_ENGINES, ...(peers ? PEER_IDS : [])] : []
  const engines = new Set([...whole, ...named])
  if (engines.size > 0) engines.add('slipway')
  return { parts: new Set(parts), ladder: allParts, engines }
}
