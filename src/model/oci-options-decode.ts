// The options of the runtime as a library, from untyped JavaScript.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import { check, type Decoder, type Mismatch, mismatch, oneOf, text } from './decode.ts'
import type { EngineError } from './errors.ts'
import type { OciCreateOptions, OciExecOptions, OciProgram, RuntimeOptions } from './oci-options.ts'
import type { LinuxResources } from './oci-spec.ts'
import { decodePart, decodeSpec } from './oci-spec-decode.ts'
import { process } from './oci-spec-decode-process.ts'
import { resources } from './oci-spec-decode-resources.ts'
import { named, problem, type Table } from './options-decode.ts'
import { abortSignal, errorOutput, output, stdin } from './options-decode-streams.ts'
import { absolutePath, environment, flag, texts } from './options-decode-values.ts'

const called: Decoder<unknown> = (value) =>
  typeof value === 'function' ? E.right(value) : mismatch('expected a function', value)
const somePath: Decoder<string> = check(text, (path) => (path === '' ? 'is empty' : undefined))
const anything: Decoder<unknown> = E.right

const RUNTIME: Table = {
  root: check(somePath, (path) => (/^\/+$/.test(path) ? 'must not be /' : undefined)),
  cgroupManager: oneOf('cgroupfs', 'systemd', 'disabled'),
  onWarning: called,
}
const HANDOVER: Table = {
  stdin,
  stdout: output,
  stderr: errorOutput,
  consoleSocket: somePath,
  pidfdSocket: somePath,
  pidFile: somePath,
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

const decoded =
  <A>(table: Table) =>
  (value: unknown): Either<EngineError, A> =>
    pipe(
      named(table, value ?? {}),
      E.bimap(
        (found: Mismatch) => problem('', found),
        (options) => options as A,
      ),
    )

export const decodeRuntimeOptions = decoded<RuntimeOptions>(RUNTIME)
export const decodeOciExec = decoded<OciExecOptions>(EXEC)
export const decodeOciKill = decoded<{ readonly all?: boolean }>(KILL)
export const decodeOciDelete = decoded<{ readonly force?: boolean }>(DELETE)

/** Fails: InvalidOption; InvalidSpec for a `spec` that is wrong. */
export const decodeOciCreate = (value: unknown): Either<EngineError, OciCreateOptions> =>
  pipe(
    decoded<OciCreateOptions>(CREATE)(value),
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
