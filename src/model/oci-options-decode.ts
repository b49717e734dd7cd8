// The options of the runtime as a library, from untyped JavaScript.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { check, type Decoder, integer, type Mismatch, oneOf, text } from './decode.ts'
import type { EngineError } from './errors.ts'
import type { OciCreateOptions, OciExecOptions, OciProgram, RuntimeOptions } from './oci-options.ts'
import type { LinuxResources } from './oci-spec.ts'
import { decodePart, decodeSpec } from './oci-spec-decode.ts'
import { process } from './oci-spec-decode-process.ts'
import { resources } from './oci-spec-decode-resources.ts'
import { MAX_AHEAD, optionsOf, problem, type Table } from './options-decode.ts'
import { abortSignal, errorOutput, output, stdin } from './options-decode-streams.ts'
import { absolutePath, called, environment, flag, nonEmpty, texts } from './options-decode-values.ts'

const anything: Decoder<unknown> = E.right

const RUNTIME: Table = {
  root: check(nonEmpty, (path) => (/^\/+$/.test(path) ? 'must not be /' : undefined)),
  cgroupManager: oneOf('cgroupfs', 'systemd', 'disabled'),
  networksAhead: integer(0, MAX_AHEAD),
  onWarning: called,
}
const HANDOVER: Table = {
  stdin,
  stdout: output,
  stderr: errorOutput,
  consoleSocket: nonEmpty,
  pidfdSocket: nonEmpty,
  pidFile: nonEmpty,
}
const CREATE: Table = { ...HANDOVER, spec: anything, noPivot: flag, noNewKeyring: flag }
const EXEC: Table = {
  ...HANDOVER,
  env: environment,
  cwd: absolutePath,
  user: text,
  tty: flag,
  signal: abortSignal,
}
const KILL: Table = { all: flag }
const DELETE: Table = { force: flag }

export const decodeRuntimeOptions = optionsOf<RuntimeOptions>(RUNTIME)
export const decodeOciExec = optionsOf<OciExecOptions>(EXEC)
export const decodeOciKill = optionsOf<{ readonly all?: boolean }>(KILL)
export const decodeOciDelete = optionsOf<{ readonly force?: boolean }>(DELETE)

/** Fails: InvalidOption; InvalidSpec for a `spec` that is wrong. */
export const decodeOciCreate = (value: unknown): Either<EngineError, OciCreateOptions> =>
  pipe(
    optionsOf<OciCreateOptions>(CREATE)(value),
    E.flatMap(({ spec, ...rest }) =>
      spec === undefined
        ? E.right(rest)
        : pipe(
            decodeSpec(spec, 'spec'),
            E.map((document) => ({ ...rest, spec: document })),
          ),
    ),
  )

export const decodeOciProgram = (value: unknown): Either<EngineError, OciProgram> =>
  Array.isArray(value)
    ? E.mapLeft((found: Mismatch) => problem('program', found))(texts(value))
    : E.flatMap((document: Decoded) =>
        document.args === undefined
          ? E.left<EngineError, OciProgram>({
              _tag: 'InvalidSpec',
              document: 'process',
              where: '$.args',
              why: 'is required',
            })
          : E.right(document),
      )(decodePart(process, value, 'process'))

type Decoded = Extract<OciProgram, { readonly cwd: string }>

export const decodeOciResources = (value: unknown): Either<EngineError, LinuxResources> =>
  decodePart(resources, value, 'resources')

export const decodeOciText = (option: string, value: unknown): Either<EngineError, string> =>
  E.mapLeft((found: Mismatch) => problem(option, found))(text(value))
