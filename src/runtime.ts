// The OCI runtime as Promises: a thin skin over runtime-fp.ts. A failure is thrown as a SlipwayError that carries the tagged error.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import {
  type EngineError,
  type OciProcess as FpProcess,
  type Runtime as FpRuntime,
  openRuntime as openFpRuntime,
  type RuntimeOptions,
  SlipwayError,
} from './runtime-fp.ts'

export type {
  LinuxResources,
  OciCreateOptions,
  OciExecOptions,
  OciProgram,
  OciStateDocument,
  OciStats,
  Process,
  RuntimeOptions,
  Spec,
} from './runtime-fp.ts'
export { type EngineError, hint, message, SlipwayError } from './runtime-fp.ts'

type Promised<F> = F extends (...args: infer Args) => TaskEither<EngineError, infer A>
  ? (...args: Args) => Promise<A extends FpProcess ? OciProcess : A>
  : F

/** See `Runtime` of `slipway/runtime/fp`. */
export type Runtime = {
  readonly [Verb in Exclude<keyof FpRuntime, 'list'>]: Promised<FpRuntime[Verb]>
} & { readonly list: Promised<() => FpRuntime['list']> }

/** A process of a container that this process is the parent of. It lives on when this process ends. */
export interface OciProcess extends Omit<FpProcess, 'kill'> {
  /** Default: SIGTERM. Nothing happens after its end. Throws InvalidOption for no such signal. */
  readonly kill: (signal?: number | string) => void
}

/**
 * What slipway-oci does, in this process and on the same containers.
 * @example const runtime = openRuntime(); const box = await runtime.create('box', '/bundles/box'); await runtime.start('box')
 */
export const openRuntime = (options?: RuntimeOptions): Runtime => {
  const runtime = given(openFpRuntime(options))
  return {
    create: async (...args) => processOf(await promised(runtime.create(...args))),
    start: (...args) => promised(runtime.start(...args)),
    run: (...args) => promised(runtime.run(...args)),
    exec: async (...args) => processOf(await promised(runtime.exec(...args))),
    kill: (...args) => promised(runtime.kill(...args)),
    delete: (...args) => promised(runtime.delete(...args)),
    pause: (...args) => promised(runtime.pause(...args)),
    resume: (...args) => promised(runtime.resume(...args)),
    update: (...args) => promised(runtime.update(...args)),
    ps: (...args) => promised(runtime.ps(...args)),
    stats: (...args) => promised(runtime.stats(...args)),
    state: (...args) => promised(runtime.state(...args)),
    list: () => promised(runtime.list),
    features: runtime.features,
    close: runtime.close,
  }
}

const given = <A>(result: E.Either<EngineError, A>): A => {
  if (E.isLeft(result)) throw new SlipwayError(result.left)
  return result.right
}

const promised = async <A>(task: TaskEither<EngineError, A>): Promise<A> => given(await task())

const processOf = ({ kill, ...rest }: FpProcess): OciProcess => ({
  ...rest,
  kill: (signal) => given(kill(signal)),
})
