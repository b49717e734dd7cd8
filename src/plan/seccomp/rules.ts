// A profile's rules by call number, for one architecture: what libseccomp would make of them, as runc hands them over.
import type { LinuxSeccomp, SeccompArg, SeccompSyscall } from '../../model/oci-spec.ts'
import { type SyscallArch, syscallNumber } from '../syscalls/index.ts'
import { returnValue } from './actions.ts'
import { type ArgBits, type Condition, condition, isAlwaysTrue, testCondition } from './conditions.ts'
import type { Graph, Node } from './graph.ts'
import { multiplexed } from './multiplex.ts'

export interface ArchRules {
  /** Calls with an outcome of their own. */
  readonly outcomes: ReadonlyMap<number, Node>
  /** The highest number the profile names; undefined where it names no call of the architecture. */
  readonly highest: number | undefined
}

/** All conditions hold: the action. No conditions: always. */
interface Rule {
  readonly action: number
  readonly conditions: readonly Condition[]
}

/** Names the architecture does not have are passed over, as runc does: profiles name calls of many kernels. */
export const archRules = (
  graph: Graph,
  profile: LinuxSeccomp,
  arch: SyscallArch,
  fallback: Node,
): ArchRules => {
  const bits: ArgBits = arch === 'x64' || arch === 'arm64' ? 64 : 32
  const byNumber = rulesByNumber(profile, arch, bits)
  const outcomes = new Map<number, Node>()
  for (const [nr, rules] of byNumber) outcomes.set(nr, outcomeOf(graph, rules, bits, fallback))
  return { outcomes, highest: highestNamed(profile, arch) }
}

const rulesByNumber = (
  profile: LinuxSeccomp,
  arch: SyscallArch,
  bits: ArgBits,
): ReadonlyMap<number, readonly Rule[]> => {
  const byNumber = new Map<number, Rule[]>()
  const add = (nr: number, rule: Rule): void => {
    const rules = byNumber.get(nr)
    if (rules === undefined) byNumber.set(nr, [rule])
    else rules.push(rule)
  }
  const defaultValue = returnValue(profile.defaultAction, profile.defaultErrnoRet)
  for (const syscall of profile.syscalls ?? []) {
    const action = returnValue(syscall.action, syscall.errnoRet)
    // A rule that says what the default says is left out before any other rule sees it.
    if (action === defaultValue) continue
    const alternatives = conditionsOf(syscall.args ?? [], bits)
    for (const { nr, conditions } of calls(syscall, arch, alternatives)) add(nr, { action, conditions })
  }
  return byNumber
}

/** Two conditions on one argument are alternatives, not both required: runc makes a rule of each (matchCall). */
const conditionsOf = (args: readonly SeccompArg[], bits: ArgBits): readonly (readonly Condition[])[] => {
  const conditions = args.map((arg) => condition(arg, bits))
  const distinct = new Set(args.map(({ index }) => index)).size
  return distinct === args.length ? [conditions] : conditions.map((one) => [one])
}

interface Call {
  readonly nr: number
  readonly conditions: readonly Condition[]
}
const calls = function* (
  { names }: SeccompSyscall,
  arch: SyscallArch,
  alternatives: readonly (readonly Condition[])[],
): Generator<Call> {
  for (const name of names) {
    const nr = syscallNumber(arch, name)
    const through = arch === 'x86' ? multiplexed(name) : undefined
    for (const conditions of alternatives) {
      if (nr !== undefined) yield { nr, conditions }
      if (through !== undefined)
        yield {
          nr: through.nr,
          conditions: [through.condition, ...conditions.filter(({ index }) => index > 0)],
        }
    }
  }
}

/**
 * The first rule without conditions decides alone, wherever it stands (libseccomp, db_rule_add). Else the first rule
 * whose conditions hold, else the default. libseccomp orders rules with different actions that overlap by their
 * arguments, or refuses them; here their order in the profile decides.
 */
const outcomeOf = (graph: Graph, rules: readonly Rule[], bits: ArgBits, fallback: Node): Node => {
  const needed = rules.map(({ action, conditions }) => ({
    action,
    conditions: conditions.filter((one) => !isAlwaysTrue(one)),
  }))
  const always = needed.find(({ conditions }) => conditions.length === 0)
  if (always !== undefined) return graph.return(always.action)
  return needed.reduceRight<Node>((otherwise, { action, conditions }) => {
    const allowed: Node = graph.return(action)
    return conditions.reduceRight<Node>(
      (yes, one) => testCondition(graph, one, bits, yes, otherwise),
      allowed,
    )
  }, fallback)
}

/** Calls behind socketcall and ipc do not count, as they have no number of their own to runc. */
const highestNamed = ({ syscalls = [] }: LinuxSeccomp, arch: SyscallArch): number | undefined => {
  let highest = 0
  for (const { names } of syscalls)
    for (const name of names)
      if (arch !== 'x86' || multiplexed(name) === undefined)
        highest = Math.max(highest, syscallNumber(arch, name) ?? 0)
  return highest === 0 ? undefined : highest
}
