// Another try for what may pass.
import { setTimeout as sleep } from 'node:timers/promises'
import { SlipwayError } from '../model/errors.ts'
import { cancelledTransfer, Transient } from './registry-errors.ts'

/** Tries of one request, the first included. */
const TRIES = 4

export interface Retrying {
  /** Before the second try, in milliseconds; doubled for each further one. */
  readonly pauseMs: number
  readonly registry: string
  readonly signal: AbortSignal | undefined
  /** The first included. Default: 4. */
  readonly tries?: number | undefined
}

/** Repeats what may pass, with growing pauses; the last failure is the answer. */
export const retrying = async <A>(retry: Retrying, body: () => Promise<A>): Promise<A> => {
  for (let failures = 1; ; failures++) {
    try {
      return await body()
    } catch (error) {
      await outlast(error, failures, retry)
    }
  }
}

/** Waits before the next try after so many failures in a row. Throws the failure that stays or was the last, and Cancelled. */
export const outlast = async (
  error: unknown,
  failures: number,
  { pauseMs, registry, signal, tries = TRIES }: Retrying,
): Promise<void> => {
  if (!(error instanceof Transient)) throw error
  if (failures >= tries) throw new SlipwayError(error.error)
  try {
    await sleep(error.afterMs ?? pauseMs * 2 ** (failures - 1), undefined, { signal })
  } catch {
    throw cancelledTransfer(registry)
  }
}
