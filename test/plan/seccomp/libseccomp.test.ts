// Differential: for any call, our filter answers what runc's would, that is libseccomp's with runc's stub before it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import type { LinuxSeccomp } from '../../../src/model/oci-spec.ts'
import { evaluate, type Instructions, type SeccompData } from '../../../src/plan/seccomp/evaluate.ts'
import { assert, suite } from '../../support/suite.ts'
import { askOracle, buildOracle, oracleLacking, runcAnswer, stubOf, unknownNames } from './oracle.ts'
import { callSource, randomSource } from './random-calls.ts'
import { plainProfile } from './random-profiles.ts'
import { compiled, DOCKER_CAPS, docker } from './support.ts'

const Differential = suite('plan/seccomp against libseccomp')
const lacking = oracleLacking()
const dir = mkdtempSync(path.join(tmpdir(), 'slipway-seccomp-'))
let oracle = ''
let unknown: ReadonlySet<string> = new Set()

Differential.before(() => {
  oracle = buildOracle(dir)
  // libseccomp 2.5 has map_shadow_stack for x86-64 alone; Linux and libseccomp 2.6 have it for x32 too.
  unknown = new Set([...unknownNames(oracle), 'map_shadow_stack'])
})
Differential.after(() => rmSync(dir, { recursive: true, force: true }))

/** Without the calls this libseccomp is too old to know: it would leave them out, and so runc's highest number. */
const known = (profile: LinuxSeccomp): LinuxSeccomp => ({
  ...profile,
  syscalls: (profile.syscalls ?? [])
    .map((rule) => ({ ...rule, names: rule.names.filter((name) => !unknown.has(name)) }))
    .filter(({ names }) => names.length > 0),
})

const describe = ({ nr, arch, args }: SeccompData): string =>
  `nr 0x${(nr >>> 0).toString(16)} arch 0x${arch.toString(16)} args ${args.map((arg) => arg.toString(16))}`

/** Compares the answers to `count` calls; fails with the first that differs. */
const compare = (
  ours: Instructions,
  theirs: Instructions,
  stub: (call: SeccompData) => boolean,
  next: () => SeccompData,
  count: number,
): void => {
  for (let left = count; left > 0; left--) {
    const call = next()
    const wanted = runcAnswer(theirs, stub, call)
    const got = evaluate(ours, call)
    if (got !== wanted)
      assert.unreachable(`${describe(call)}: ${got.toString(16)}, not ${wanted.toString(16)}`)
  }
}

const check = (profile: LinuxSeccomp, optimize: 1 | 2, seed: number, count: number): void =>
  compare(
    compiled(profile),
    askOracle(oracle, profile, optimize),
    stubOf(profile),
    callSource(profile, randomSource(seed)),
    count,
  )

const CAP_SETS: Readonly<Record<string, readonly string[]>> = {
  'no capabilities': [],
  "Docker's capabilities": DOCKER_CAPS,
  CAP_SYS_ADMIN: ['CAP_SYS_ADMIN'],
  'every conditional capability': ['ADMIN', 'BOOT', 'MODULE', 'PTRACE', 'RAWIO', 'TIME', 'NICE']
    .map((name) => `CAP_SYS_${name}`)
    .concat('CAP_BPF', 'CAP_PERFMON', 'CAP_SYSLOG'),
}
const ARCHITECTURES = [
  ['SCMP_ARCH_X86_64'],
  ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X32'],
  ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
]

if (lacking !== undefined) Differential.skip('filters answer what libseccomp would', lacking)
else {
  for (const [title, caps] of Object.entries(CAP_SETS))
    Differential(`the default profile with ${title} answers 50,000 calls alike`, () => {
      const profile = known(docker('x64', caps))
      check(profile, 1, 1, 25_000)
      check(profile, 2, 2, 25_000)
    })
  for (const architectures of ARCHITECTURES)
    Differential(`the default profile answers 20,000 calls alike for ${architectures.join(', ')}`, () =>
      check({ ...known(docker()), architectures }, 1, 3, 20_000),
    )
  Differential('every number below 1,200 gets the same answer, with and without the x32 bit', () => {
    const profile = known(docker())
    const ours = compiled(profile)
    const theirs = askOracle(oracle, profile, 1)
    for (const arch of [0xc000003e, 0x40000003])
      for (const bit of [0, 0x40000000, 0x80000000, 0xc0000000])
        for (let nr = 0; nr < 1200; nr++) {
          const call = { nr: nr + bit, arch, args: [] }
          assert.is(evaluate(ours, call), runcAnswer(theirs, stubOf(profile), call), describe(call))
        }
  })
  Differential('200 random profiles answer 200,000 calls alike', () => {
    fc.assert(
      fc.property(plainProfile, fc.integer({ min: 1 }), fc.boolean(), (profile, seed, tree) => {
        check(known(profile), tree ? 2 : 1, seed, 1000)
      }),
      { numRuns: 200, seed: 20261124 },
    )
  })
}

Differential.run()
