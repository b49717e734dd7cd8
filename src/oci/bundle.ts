// A bundle, and the request that makes a container of it.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { EngineError } from '../model/errors.ts'
import type { OciId } from '../model/oci-container-id.ts'
import type { CreateRequest } from '../model/oci-requests.ts'
import type { Spec } from '../model/oci-spec.ts'
import { decodeSpecText } from '../model/oci-spec-decode.ts'
import type { Flags, FlagTable } from './args.ts'
import { attempt } from './attempt.ts'
import type { World } from './command.ts'
import { handoverFlags, handoverOf } from './handover.ts'
import type { Failure } from './wording.ts'

export const bundleFlags = {
  bundle: { kind: 'text', short: 'b', value: 'DIR', help: 'The bundle (default: the current directory)' },
  config: { kind: 'text', short: 'f', value: 'FILE', help: 'Use this file instead of config.json' },
  ...handoverFlags,
  'no-pivot': { kind: 'boolean', help: 'Enter the root without pivot_root, as a root on a ramdisk needs' },
  'no-new-keyring': { kind: 'boolean', help: 'Keep the session keyring of the caller' },
  'no-subreaper': { kind: 'boolean', help: 'Do not become the parent of orphans' },
} as const satisfies FlagTable

type Given = Flags<typeof bundleFlags>

/** Fails: InvalidSpec, InvalidOption, SyscallFailed. */
export const createRequest = (
  id: OciId,
  flags: Given,
  detach: boolean,
  world: World,
): Either<Failure, CreateRequest> => {
  const bundle = resolve(world.cwd, flags.bundle || '.')
  const found = readConfig(resolve(bundle, flags.config || 'config.json'))
  if (E.isLeft(found)) return found
  const { spec, config } = found.right
  const handover = handoverOf(flags, { detach, terminal: spec.process?.terminal === true }, world)
  if (E.isLeft(handover)) return handover
  const socket = world.env.NOTIFY_SOCKET
  return E.right({
    ...handover.right,
    id,
    bundle,
    spec,
    config,
    noPivot: flags['no-pivot'] === true,
    noNewKeyring: flags['no-new-keyring'] === true,
    ...(socket === undefined || socket === '' ? {} : { notifySocket: socket }),
  })
}

export interface Config {
  readonly spec: Spec
  /** What is kept of it beside the state. */
  readonly config: string
}

/** `known`: documents by their text. Fails: InvalidSpec, SyscallFailed. */
export const readConfig = (
  file: string,
  known: ReadonlyMap<string, Spec> = new Map(),
): Either<EngineError, Config> =>
  pipe(
    attempt(() => readFileSync(file, 'utf8')),
    E.bindTo('config'),
    E.bind('spec', ({ config }) => {
      const spec = known.get(config)
      return spec === undefined ? decodeSpecText(config, file) : E.right(spec)
    }),
    E.flatMap((found) => withProgram(file, found)),
  )

/** A container needs a program: config.md leaves `process` out only until `start`, and there is no way to add one. */
export const withProgram = (document: string, config: Config): Either<EngineError, Config> =>
  config.spec.process?.args === undefined
    ? E.left({ _tag: 'InvalidSpec', document, where: '$.process.args', why: 'is required' })
    : E.right(config)
