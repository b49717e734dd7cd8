// Many listeners on one AbortSignal through one of ours: from the eleventh on Node would warn of a leak.
import type { EngineError } from './errors.ts'

const listeners = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `listener` once when the signal is aborted, unless it is undone before. One that is aborted already calls nothing. */
export const onAbort = (signal: AbortSignal, listener: () => void): (() => void) => {
  const own = () => listener()
  const all = listeners.get(signal) ?? listen(signal)
  all.add(own)
  return () => void all.delete(own)
}

const listen = (signal: AbortSignal): Set<() => void> => {
  const all = new Set<() => void>()
  listeners.set(signal, all)
  signal.addEventListener(
    'abort',
    () => {
      for (const listener of [...all]) listener()
      all.clear()
    },
    { once: true },
  )
  return all
}

export const cancelled = (reason: unknown, what = 'start'): EngineError => ({
  _tag: 'Cancelled',
  what,
  why: reason instanceof Error ? reason.message : String(reason ?? 'aborted'),
  cause: reason,
})

/** Aborted with the first of them, or from the start. */
export const anyOf = (signals: readonly (AbortSignal | undefined)[]): AbortSignal => {
  const any = new AbortController()
  for (const signal of signals) {
    if (signal === undefined) continue
    if (signal.aborted) any.abort(signal.reason)
    else onAbort(signal, () => any.abort(signal.reason))
  }
  return any.signal
}
