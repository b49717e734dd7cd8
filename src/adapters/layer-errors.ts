// Whatever goes wrong around a layer — native results, Node's exceptions, a source's errors — as an error of the engine.
import type { EngineError } from '../model/errors.ts'
import { SlipwayError } from '../model/errors.ts'
import type { LayerFailure } from '../native/layer-addon.ts'

/** @param digest of the layer, or what stands for it in messages. */
export const nativeError = (failure: LayerFailure, digest: string): EngineError => {
  const { entry, step, errno, why } = failure
  if (step !== undefined && errno !== undefined) {
    return { _tag: 'SyscallFailed', step, errno, ...(entry === undefined ? {} : { path: entry }) }
  }
  return {
    _tag: 'LayerRefused',
    digest,
    ...(entry === undefined ? {} : { entry }),
    why: why ?? 'no reason given',
  }
}

/** Thrown inside this folder only, to leave a loop with an error of the engine; `engineError` takes it out again. */
export const thrown = (error: EngineError): SlipwayError => new SlipwayError(error)

/** The error of a rejected promise. `digest` is blamed for what has no better name: a stream that cannot be decoded. */
export const engineError =
  (digest: string) =>
  (cause: unknown): EngineError => {
    if (cause instanceof SlipwayError) return cause.error
    if (isEngineError(cause)) return cause
    if (isSystemError(cause)) {
      const path = cause.path === undefined ? {} : { path: cause.path }
      return { _tag: 'SyscallFailed', step: cause.syscall, errno: Math.abs(cause.errno), ...path }
    }
    const why = cause instanceof Error ? cause.message : String(cause)
    return { _tag: 'LayerRefused', digest, why: `its stream cannot be read: ${why}` }
  }

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
const isEngineError = (value: unknown): value is EngineError =>
  isObject(value) && typeof value._tag === 'string'

interface SystemError {
  readonly errno: number
  readonly syscall: string
  readonly path?: string
}
/** zlib's errors have an errno too, but no system call. */
const isSystemError = (value: unknown): value is SystemError =>
  isObject(value) && typeof value.errno === 'number' && typeof value.syscall === 'string'

/** True for a failed call with this code, e.g. `ENOENT`. */
export const hasCode = (cause: unknown, ...codes: readonly string[]): boolean =>
  isObject(cause) && typeof cause.code === 'string' && codes.includes(cause.code)
