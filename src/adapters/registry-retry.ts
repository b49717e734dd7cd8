// Another try for what may pass.
import { SlipwayError } from '../model/errors.ts'
import { pause } from './registry-blob.ts'
import { Transient } from './registry-errors.ts'

/** Tries of one request, the first included. */
const TRIES = 4

export interface Retrying {
  /** Before the second try, in milliseconds; doubled for each further one. */
  readonly pauseMs: number
  readonly registry: string
  readonly signal?: AbortSignal | undefined
  /** The first included. Default: 4. */
  readonly tries?: number
}

/** Repeats what may pass, with growing pauses; the last failure is the answer. */
export const retrying = async <A>(
  { pauseMs, registry, signal, tries: most = TRIES }: Retrying,
  body: () => Promise<A>,
): Promise<A> => {
  for (let tries = 1; ; tries++) {
    try {
      return await body()
    } catch (error) {
      if (!(error instanceof Transient)) throw error
      if (tries >= most) throw new SlipwayError(error.error)
      await pause(error.afterMs ?? pauseMs * 2 ** (tries - 1), registry, signal)
    }
  }
}
