// What a caller may ask of one more process in a container that runs.
import type { Either } from '#fp/Either'
import type { EngineError } from './errors.ts'
import type { OutputOption, StdinOption } from './options.ts'
import { CONTAINER, decodeTable, type OptionLimits, START, type Table } from './options-decode.ts'
import * as value from './options-decode-values.ts'
import type { DecodedStartOptions } from './options-decoded.ts'

export interface ExecOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Default: the container's. */
  readonly cwd?: string
  /** `name`, `uid`, `name:group`, `uid:gid`, by the container's own files. Default: the container's. */
  readonly user?: string
  readonly tty?: boolean | { readonly columns: number; readonly rows: number }
  /** With all capabilities, and no seccomp filter. */
  readonly privileged?: boolean
  readonly stdin?: StdinOption
  readonly stdout?: OutputOption
  readonly stderr?: OutputOption | 'stdout'
  /** It goes on when this process ends. With `tty` its container's monitor has the terminal, and its streams are null here. */
  readonly detach?: boolean
  /** It is refused where it could not be left running later. Default: it is as it is, see `isDetachable`. */
  readonly detachable?: boolean
}

export type DecodedExec = Pick<
  DecodedStartOptions,
  'env' | 'cwd' | 'user' | 'tty' | 'stdin' | 'stdout' | 'stderr'
> & { readonly privileged?: boolean; readonly detach?: boolean; readonly detachable?: boolean }

const EXEC: Table = {
  env: CONTAINER.env,
  cwd: CONTAINER.cwd,
  user: CONTAINER.user,
  tty: CONTAINER.tty,
  stdin: START.stdin,
  stdout: START.stdout,
  stderr: START.stderr,
  privileged: value.flag,
  detach: value.flag,
  detachable: value.flag,
}

/** From untyped JavaScript. Fails: InvalidOption. */
export const decodeExecOptions = (options: unknown, limits: OptionLimits): Either<EngineError, DecodedExec> =>
  decodeTable<DecodedExec>(EXEC, options, limits)
