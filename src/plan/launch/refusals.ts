// The errors a document is refused with.
import type { EngineError } from '../../model/errors.ts'

/** `where`: JSON path without its `$`. */
export const invalid = (where: string, why: string): EngineError => ({
  _tag: 'InvalidSpec',
  document: 'config.json',
  where: `$${where}`,
  why,
})

export const unfit = (need: string, why: string, remedy?: string): EngineError => ({
  _tag: 'HostUnfit',
  need,
  why,
  ...(remedy === undefined ? {} : { remedy }),
})

export const unsupported = (feature: string, why: string): EngineError => ({
  _tag: 'Unsupported',
  feature,
  why,
})
