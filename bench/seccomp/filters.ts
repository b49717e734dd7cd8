// Writes Docker's default profile as filters: by our compiler, and by libseccomp linear and optimised. argv: a folder.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { DEFAULT_CAPABILITIES } from '../../src/model/capabilities.ts'
import type { LinuxSeccomp } from '../../src/model/oci-spec.ts'
import { compileSeccomp, defaultProfile } from '../../src/plan/seccomp/index.ts'
import { askOracle, buildOracle, unknownNames } from '../../test/plan/seccomp/oracle.ts'

const dir = process.argv[2] ?? '.'
const oracle = buildOracle(dir)
const unknown = unknownNames(oracle)

/** Only calls this libseccomp knows, so that all filters decide about the same ones. */
const known = (profile: LinuxSeccomp): LinuxSeccomp => ({
  ...profile,
  syscalls: (profile.syscalls ?? []).map((rule) => ({
    ...rule,
    names: rule.names.filter((name) => !unknown.has(name)),
  })),
})
const profile = known(defaultProfile({ arch: 'x64', caps: DEFAULT_CAPABILITIES, kernel: [6, 18] }))

const ours = (): Uint8Array => {
  const result = compileSeccomp(profile, 'x64')
  if (result._tag === 'Left') throw new Error(JSON.stringify(result.left))
  return result.right.instructions
}

const microseconds = (work: () => void): number => {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start) / 1000
}
const compileTimes = Array.from({ length: 40 }, () => microseconds(ours))

const filters = {
  ours: ours(),
  'libseccomp linear': askOracle(oracle, profile, 1).instructions,
  'libseccomp optimised': askOracle(oracle, profile, 2).instructions,
}
for (const [name, bytes] of Object.entries(filters)) writeFileSync(path.join(dir, `${name}.bpf`), bytes)
const [first = 0] = compileTimes
const warm = compileTimes.sort((one, other) => one - other)[20] ?? 0
console.log(
  JSON.stringify({
    first,
    warm,
    counts: Object.fromEntries(Object.entries(filters).map(([name, bytes]) => [name, bytes.length / 8])),
  }),
)
