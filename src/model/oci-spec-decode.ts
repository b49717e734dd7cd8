// config.json → Spec. Unknown fields are ignored, wrong values are refused by their JSON path. runtime-spec config.md.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { flow, pipe } from '#fp/function'
import {
  array,
  boolean,
  check,
  type Decoder,
  type Mismatch,
  object,
  optional,
  record,
  show,
  text,
} from './decode.ts'
import type { EngineError } from './errors.ts'
import { parseJson } from './json.ts'
import type { Mount, Spec } from './oci-spec.ts'
import { linux } from './oci-spec-decode-linux.ts'
import { hooks, process } from './oci-spec-decode-process.ts'
import { idMappings, nonEmpty } from './oci-spec-decode-values.ts'
import { brokenRule } from './oci-spec-rules.ts'

/** Every 1.x can be read: what a later one adds is ignored (runtime-spec config.md, Specification version). */
const ociVersion = check(text, (version) => {
  const major = /^(\d+)\.\d+\.\d+(?:[-+].+)?$/.exec(version)?.[1]
  if (major === undefined) return 'expected a version such as 1.2.0'
  return major === '1' ? undefined : 'only version 1 of the specification is understood'
})

const mount: Decoder<Mount> = flow(
  object({
    destination: nonEmpty,
    type: optional(text),
    source: optional(text),
    options: optional(array(text)),
    uidMappings: optional(idMappings),
    gidMappings: optional(idMappings),
  }),
  E.map((found) => ({ ...found, destination: fromRoot(found.destination) })),
)

/** A relative destination counts from the root. runtime-spec config.md, Mounts. */
const fromRoot = (path: string): string => (path.startsWith('/') ? path : `/${path}`)

const spec: Decoder<Spec> = object({
  ociVersion,
  root: object({ path: nonEmpty, readonly: optional(boolean) }),
  mounts: optional(array(mount)),
  process: optional(process),
  hostname: optional(text),
  domainname: optional(text),
  hooks: optional(hooks),
  annotations: optional(check(record(text), (all) => ('' in all ? 'a key is empty' : undefined))),
  linux: optional(linux),
})

/** `document` names the file in errors. Fails: InvalidSpec. */
export const decodeSpec = (json: unknown, document = 'config.json'): Either<EngineError, Spec> =>
  pipe(
    spec(json),
    E.mapLeft((found) => invalid(document, found)),
    E.flatMap((decoded) => {
      const broken = brokenRule(decoded)
      return broken === undefined ? E.right(decoded) : E.left(invalid(document, broken))
    }),
  )

/** From the bytes of the file, so that 64-bit numbers stay exact. Fails: InvalidSpec. */
export const decodeSpecText = (source: string, document = 'config.json'): Either<EngineError, Spec> =>
  pipe(
    parseDocument(source, document),
    E.flatMap((json) => decodeSpec(json, document)),
  )

/** A part of a spec that comes alone, e.g. a process. Fails: InvalidSpec. */
export const decodePart = <A>(decoder: Decoder<A>, json: unknown, document: string): Either<EngineError, A> =>
  E.mapLeft((found: Mismatch) => invalid(document, found))(decoder(json))

/** The same from the bytes of a file. */
export const decodePartText = <A>(
  decoder: Decoder<A>,
  source: string,
  document: string,
): Either<EngineError, A> =>
  E.flatMap((json) => decodePart(decoder, json, document))(parseDocument(source, document))

const parseDocument = (source: string, document: string): Either<EngineError, unknown> =>
  pipe(
    parseJson(source),
    E.mapLeft((why) => invalid(document, { where: '', why })),
  )

const invalid = (document: string, { where, why, value }: Mismatch): EngineError => ({
  _tag: 'InvalidSpec',
  document,
  where: `$${where}`,
  why: value === undefined ? why : `${why}, got ${show(value)}`,
})
