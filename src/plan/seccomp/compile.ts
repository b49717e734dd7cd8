// A seccomp profile becomes the classic BPF program the kernel loads.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { EngineError } from '../../model/errors.ts'
import type { LinuxSeccomp } from '../../model/oci-spec.ts'
import type { Arch } from '../arch.ts'
import { AUDIT_ARCH, BPF, DATA, MAX_INSTRUCTIONS, RET } from './abi.ts'
import { filterFlags } from './actions.ts'
import { architecturesOf } from './architectures.ts'
import { assemble } from './assemble.ts'
import { checkProfile } from './check.ts'
import { Graph, type Node } from './graph.ts'
import { numberRanges } from './numbers.ts'
import { searchTree } from './search.ts'

export interface CompiledFilter {
  /** struct sock_filter[]: 8 bytes each, little endian. */
  readonly instructions: Uint8Array
  /** How many instructions. */
  readonly count: number
  /** Flags of seccomp(2). */
  readonly flags: number
}

/** Part of every key: to be raised with any change of what is compiled from the same profile. */
const COMPILER = 2

/** Equal keys, equal filters: every input of `compileSeccomp`, and the compiler's version. */
export const seccompKey = (profile: LinuxSeccomp, arch: Arch): string =>
  JSON.stringify([COMPILER, arch, profile], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )

/**
 * The filter of a profile for a machine. Calls of an architecture the profile does not list kill the thread, as with
 * libseccomp. Fails: InvalidSpec with the JSON path, Unsupported where the kernel would not take the length.
 */
export const compileSeccomp = (profile: LinuxSeccomp, arch: Arch): Either<EngineError, CompiledFilter> =>
  pipe(
    checkProfile(profile),
    E.map((checked) => assemble(filterGraph(checked, arch))),
    E.flatMap((instructions) => limited(instructions, filterFlags(profile))),
  )

const limited = (instructions: Uint8Array, flags: number): Either<EngineError, CompiledFilter> => {
  const count = instructions.byteLength / 8
  if (count <= MAX_INSTRUCTIONS) return E.right({ instructions, count, flags })
  const why = `it takes ${count} instructions, and the kernel allows ${MAX_INSTRUCTIONS}`
  return E.left({ _tag: 'Unsupported', feature: 'this seccomp profile', why })
}

/** First the architecture, the machine's own before the others, then the number, then the arguments. */
const filterGraph = (profile: LinuxSeccomp, machine: Arch): Node => {
  const graph = new Graph()
  const listed = architecturesOf(machine, profile.architectures)
  const withX32 = listed.includes('x32')
  const start = listed.reduceRight<Node>((otherwise, arch) => {
    if (arch === 'x32') return otherwise
    const search = searchTree(graph, numberRanges(graph, profile, arch, withX32))
    return graph.test(BPF.jeq, AUDIT_ARCH[arch], graph.load(DATA.nr, search), otherwise)
  }, graph.return(RET.killThread))
  return graph.load(DATA.arch, start)
}
