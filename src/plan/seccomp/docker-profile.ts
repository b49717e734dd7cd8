// A seccomp profile from a file: Docker's form with its conditions, or the plain form of the runtime specification.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { Decoder, Mismatch } from '../../model/decode.ts'
import {
  array,
  check,
  inside,
  integer,
  isObject,
  mismatch,
  object,
  oneOf,
  optional,
  text,
} from '../../model/decode.ts'
import type { EngineError } from '../../model/errors.ts'
import type { LinuxSeccomp } from '../../model/oci-spec.ts'
import { SECCOMP_ACTIONS, SECCOMP_OPERATORS } from '../../model/oci-spec-seccomp.ts'
import type { Arch } from '../arch.ts'
import { checkProfile } from './check.ts'
import { type Conditional, type ProfileFacts, selectRules } from './conditional.ts'

/**
 * The profile of the runtime specification a file stands for, on this machine, kernel and with these capabilities: what
 * moby/profiles' seccomp.setupSeccomp makes of it. Fails: InvalidSpec with the JSON path.
 */
export const dockerProfileToOci = (json: unknown, facts: ProfileFacts): Either<EngineError, LinuxSeccomp> =>
  pipe(
    decodeProfile(json),
    E.mapLeft(
      ({ where, why }): EngineError => ({
        _tag: 'InvalidSpec',
        document: 'seccomp profile',
        where: `$${where}`,
        why,
      }),
    ),
    E.map((profile) => toOci(profile, facts)),
    E.flatMap(checkProfile),
  )

const action = oneOf(...SECCOMP_ACTIONS)
const operator = oneOf(...SECCOMP_OPERATORS)

/** JSON numbers above 2^53 have lost digits already when they get here: they are refused rather than guessed. */
const uint64: Decoder<number | bigint> = (value) => {
  if (typeof value === 'bigint') {
    const fits = value >= 0n && value < 2n ** 64n
    return fits ? E.right(value) : mismatch(`${value} is not an unsigned 64-bit number`)
  }
  return integer(0)(value)
}

const arg = object({ index: integer(0, 5), value: uint64, valueTwo: optional(uint64), op: operator })

/** `<kernel>.<major>` (moby/profiles, KernelVersion); an empty one is none. */
const kernelVersion: Decoder<readonly [number, number] | undefined> = (value) => {
  const decoded = text(value)
  if (E.isLeft(decoded) || decoded.right === '') return E.map(() => undefined)(decoded)
  const [, version, level] = /^(\d{1,3})\.(\d{1,3})$/.exec(decoded.right) ?? []
  if (version === undefined || level === undefined || Number(version) + Number(level) === 0)
    return mismatch(`expected a kernel version such as "4.8", got ${JSON.stringify(decoded.right)}`)
  return E.right([Number(version), Number(level)])
}

const filter = object({
  caps: optional(array(text)),
  arches: optional(array(text)),
  minKernel: optional(kernelVersion),
})

const syscall = object({
  name: optional(text),
  names: optional(array(text)),
  action,
  errnoRet: optional(integer(0, 0xffff)),
  args: optional(array(arg)),
  includes: optional(filter),
  excludes: optional(filter),
})
type Syscall = ReturnType<typeof syscall> extends Either<Mismatch, infer A> ? A : never

/** `name` is the form of Docker before 1.13. */
const rule: Decoder<Conditional> = (value) => {
  const decoded = syscall(value)
  if (E.isLeft(decoded)) return decoded
  const { name, names = [] } = decoded.right
  if (name !== undefined && name !== '' && names.length > 0) return mismatch('has both name and names')
  const all = name === undefined || name === '' ? names : [name]
  if (all.length === 0) return inside('.names', { where: '', why: 'is empty' })
  const empty = all.indexOf('')
  if (empty >= 0) return inside(`.names[${empty}]`, { where: '', why: 'is empty' })
  return E.right(conditional(decoded.right, all))
}

const conditional = (from: Syscall, names: readonly string[]): Conditional => ({
  rule: {
    names,
    action: from.action,
    ...(from.errnoRet === undefined ? {} : { errnoRet: from.errnoRet }),
    ...(from.args === undefined ? {} : { args: from.args }),
  },
  ...(from.includes === undefined ? {} : { includes: defined(from.includes) }),
  ...(from.excludes === undefined ? {} : { excludes: defined(from.excludes) }),
})
type DecodedFilter = NonNullable<Syscall['includes']>
const defined = ({ caps, arches, minKernel }: DecodedFilter): NonNullable<Conditional['includes']> => ({
  ...(caps === undefined ? {} : { caps }),
  ...(arches === undefined ? {} : { arches }),
  ...(minKernel === undefined ? {} : { minKernel }),
})

const archMap = array(object({ architecture: text, subArchitectures: optional(array(text)) }))

const profile = object({
  defaultAction: action,
  defaultErrnoRet: optional(integer(0, 0xffff)),
  architectures: optional(array(text)),
  archMap: optional(archMap),
  flags: optional(array(text)),
  listenerPath: optional(text),
  listenerMetadata: optional(text),
  syscalls: optional(array(rule)),
})
type Profile = ReturnType<typeof profile> extends Either<Mismatch, infer A> ? A : never

const decodeProfile: Decoder<Profile> = check(
  (value) => (isObject(value) ? profile(value) : mismatch('expected an object')),
  ({ architectures = [], archMap = [] }) =>
    architectures.length > 0 && archMap.length > 0 ? 'has both architectures and archMap' : undefined,
)

const OWN: Readonly<Record<Arch, string>> = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' }

const toOci = ({ archMap = [], syscalls = [], ...plain }: Profile, facts: ProfileFacts): LinuxSeccomp => {
  const mapped = archMap.find(({ architecture }) => architecture === OWN[facts.arch])
  const architectures =
    mapped === undefined ? plain.architectures : [mapped.architecture, ...(mapped.subArchitectures ?? [])]
  return {
    ...plain,
    ...(architectures === undefined ? {} : { architectures }),
    syscalls: selectRules(syscalls, facts),
  }
}
