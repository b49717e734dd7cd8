// Every 32-bit call number of one AUDIT_ARCH and its outcome, as ascending ranges.
import type { LinuxSeccomp } from '../../model/oci-spec.ts'
import { type SyscallArch, X32_BIT } from '../syscalls/index.ts'
import { ENOSYS, RET } from './abi.ts'
import { returnValue } from './actions.ts'
import type { Graph, Node } from './graph.ts'
import { type ArchRules, archRules } from './rules.ts'
import type { Range } from './search.ts'

/** Numbers with the top bit set: no call has one. */
const NEGATIVE = 0x80000000
/** seccomp(2): a tracer that skips a call makes its number -1, and the filter sees that. */
const SKIPPED = 0xffffffff

/**
 * Numbers above the highest one the profile names are answered ENOSYS: a program that tries a call newer than the
 * profile then falls back as it would on an older kernel. As runc decides it (libcontainer/seccomp/patchbpf): not with a
 * default that lets calls through, per architecture, and x32 apart from x86-64 by its bit.
 */
export const numberRanges = (
  graph: Graph,
  profile: LinuxSeccomp,
  arch: Exclude<SyscallArch, 'x32'>,
  withX32: boolean,
): readonly Range[] => {
  const fallback = graph.return(returnValue(profile.defaultAction, profile.defaultErrnoRet))
  const unknown = isPermissive(profile) ? undefined : graph.return(RET.errno | ENOSYS)
  const section = (of: SyscallArch, start: number): Section => {
    const rules = archRules(graph, profile, of, fallback)
    const beyond = rules.highest === undefined ? undefined : unknown
    return { ranges: sectionRanges(rules, start, fallback, beyond), beyond }
  }
  const own = section(arch, 0)
  if (arch !== 'x64') return own.ranges
  if (withX32) return x32Ranges(own, section('x32', X32_BIT), fallback)
  return refusingX32(own, graph.return(RET.killThread), fallback)
}

interface Section {
  readonly ranges: readonly Range[]
  /** Above the highest number named; undefined where that makes no difference. */
  readonly beyond: Node | undefined
}

/** runc's test of numbers goes by the x32 bit alone, so the negative ones are beyond the two halves once more. */
const x32Ranges = (own: Section, x32: Section, fallback: Node): readonly Range[] => [
  ...own.ranges,
  ...x32.ranges,
  { start: NEGATIVE, outcome: own.beyond ?? fallback },
  { start: NEGATIVE + X32_BIT, outcome: x32.beyond ?? fallback },
]

/** x32 is an architecture the profile does not list; libseccomp takes any number from its bit up for it, except -1. */
const refusingX32 = (own: Section, kill: Node, fallback: Node): readonly Range[] => [
  ...own.ranges,
  { start: X32_BIT, outcome: kill },
  { start: NEGATIVE, outcome: own.beyond ?? kill },
  { start: NEGATIVE + X32_BIT, outcome: kill },
  { start: SKIPPED, outcome: fallback },
]

/** Allow, log, and trace: a tracer answers for itself. */
const isPermissive = ({ defaultAction }: LinuxSeccomp): boolean =>
  defaultAction === 'SCMP_ACT_ALLOW' || defaultAction === 'SCMP_ACT_LOG' || defaultAction === 'SCMP_ACT_TRACE'

const sectionRanges = (
  { outcomes, highest = 0 }: ArchRules,
  start: number,
  fallback: Node,
  beyond: Node | undefined,
): readonly Range[] => {
  const ranges: Range[] = [{ start, outcome: fallback }]
  const push = (range: Range): void => {
    if (ranges.at(-1)?.start === range.start) ranges.pop()
    ranges.push(range)
  }
  for (const [nr, outcome] of [...outcomes].sort(([one], [other]) => one - other)) {
    if (beyond !== undefined && nr > highest) break
    push({ start: nr, outcome })
    push({ start: nr + 1, outcome: fallback })
  }
  if (beyond !== undefined) push({ start: highest + 1, outcome: beyond })
  return ranges
}
