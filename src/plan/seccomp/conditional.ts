// Rules of a profile that apply only for some capabilities, machines or kernels: Docker's includes and excludes.
import { isAtLeast } from '../../model/host-facts.ts'
import type { SeccompSyscall } from '../../model/oci-spec.ts'
import type { Arch } from '../arch.ts'

/** What decides which rules of a profile apply. */
export interface ProfileFacts {
  readonly arch: Arch
  /** The bounding set, as `CAP_CHOWN`. */
  readonly caps: readonly string[]
  /** Version and patch level of the running kernel: [6, 18]. */
  readonly kernel: readonly [number, number]
}

export interface Filter {
  readonly caps?: readonly string[]
  /** Go's names: `amd64`, `arm64`, … */
  readonly arches?: readonly string[]
  readonly minKernel?: readonly [number, number]
}

export interface Conditional {
  readonly rule: SeccompSyscall
  readonly includes?: Filter
  readonly excludes?: Filter
}

const GO_NAMES: Readonly<Record<Arch, string>> = { x64: 'amd64', arm64: 'arm64' }

/** `includes` wants every part to fit, and every capability; `excludes` drops a rule for any part, any capability. */
export const selectRules = (rules: readonly Conditional[], facts: ProfileFacts): readonly SeccompSyscall[] =>
  rules
    .filter(({ includes = {}, excludes = {} }) => included(includes, facts) && !excluded(excludes, facts))
    .map(({ rule }) => rule)

const included = ({ caps = [], arches = [], minKernel }: Filter, facts: ProfileFacts): boolean =>
  caps.every((cap) => facts.caps.includes(cap)) &&
  (arches.length === 0 || arches.includes(GO_NAMES[facts.arch])) &&
  (minKernel === undefined || isAtLeast(facts.kernel, ...minKernel))

const excluded = ({ caps = [], arches = [], minKernel }: Filter, facts: ProfileFacts): boolean =>
  caps.some((cap) => facts.caps.includes(cap)) ||
  arches.includes(GO_NAMES[facts.arch]) ||
  (minKernel !== undefined && isAtLeast(facts.kernel, ...minKernel))
