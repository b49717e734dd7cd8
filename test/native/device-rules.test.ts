// Random device rules on the kernel itself: a v1 group, a v2 group with the program, and what the planner's model says of them.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { attachDevices } from '../../src/adapters/cgroup-setup.ts'
import { probeHostFacts } from '../../src/adapters/host-facts.ts'
import type { LinuxDeviceCgroup } from '../../src/model/oci-spec.ts'
import { loadAddon } from '../../src/native/load.ts'
import { deviceList, deviceWrites } from '../../src/plan/device-list.ts'
import { compileDeviceProgram } from '../../src/plan/device-program.ts'
import { type DeviceRequest, runDeviceProgram } from '../support/device-machine.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const DeviceRules = suite('native/device-rules')
const facts = probeHostFacts()
const reason = lacking('root', 'program:busybox')
const v1 = facts.cgroup.controllers.find(({ name }) => name === 'devices')?.mountpoint
const v2 = facts.cgroup.unified

/** Majors 240 to 254 are for local use: nothing answers there, so that to be let through is ENXIO and harmless. */
const DEVICES = [
  ['c', 1, 3],
  ['c', 1, 5],
  ['c', 240, 1],
  ['b', 240, 1],
  ['b', 240, 2],
] as const
const OPENS = { r: '<', w: '>', rw: '<>' } as const
const REQUESTS: readonly DeviceRequest[] = DEVICES.flatMap(([type, major, minor]) =>
  ['r', 'w', 'rw', 'm'].map((access) => ({ type, major, minor, access })),
)

let folder = ''
DeviceRules.before(() => {
  if (reason !== undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'device-rules-'))
  for (const [type, major, minor] of DEVICES)
    execFileSync('mknod', [path.join(folder, `${type}-${major}-${minor}`), type, `${major}`, `${minor}`])
})
DeviceRules.after(() => {
  if (reason === undefined) rmSync(folder, { recursive: true })
})

/** One word for each request, from a shell that joins the group first: `refused` is EPERM and nothing else. */
const probeScript = (procs: string): string =>
  [
    `echo $$ > ${procs} || exit 9`,
    'said() { case "$1" in *"not permitted"*) echo refused;; *) echo permitted;; esac; }',
    ...REQUESTS.map(({ type, major, minor, access }) => {
      const node = `${folder}/${type}-${major}-${minor}`
      return access === 'm'
        ? `said "$(busybox mknod ${node}.new ${type} ${major} ${minor} 2>&1; rm -f ${node}.new)"`
        : `said "$( (: ${OPENS[access as keyof typeof OPENS]}${node}) 2>&1)"`
    }),
  ].join('\n')

const inGroup = (mountpoint: string, prepare: (group: string) => void): readonly boolean[] => {
  const group = path.join(mountpoint, `slipway-test-${process.pid}-${readdirSync(mountpoint).length}`)
  mkdirSync(group)
  try {
    prepare(group)
    const said = execFileSync('busybox', ['sh', '-c', probeScript(`${group}/cgroup.procs`)], {
      encoding: 'utf8',
    })
    return said
      .trim()
      .split('\n')
      .map((word) => word === 'permitted')
  } finally {
    rmdirSync(group)
  }
}

const anyRule: fc.Arbitrary<LinuxDeviceCgroup> = fc.record(
  {
    allow: fc.boolean(),
    type: fc.constantFrom('a' as const, 'b' as const, 'c' as const),
    major: fc.constantFrom(-1, 1, 240),
    minor: fc.constantFrom(-1, 1, 2, 3),
    access: fc.constantFrom('r', 'w', 'm', 'rw', 'rwm'),
  },
  { requiredKeys: ['allow'] },
)
const RULES = fc.sample(fc.array(anyRule, { minLength: 1, maxLength: 6 }), { numRuns: 6, seed: 20_260_501 })
const deny: LinuxDeviceCgroup = { allow: false, access: 'rwm' }

const expected = (rules: readonly LinuxDeviceCgroup[]): readonly boolean[] => {
  const program = compileDeviceProgram(deviceList(rules))
  return REQUESTS.map((request) => runDeviceProgram(program, request) === 1)
}

const differences = (found: readonly boolean[], wanted: readonly boolean[]): readonly string[] =>
  REQUESTS.flatMap(({ type, major, minor, access }, index) =>
    found[index] === wanted[index] ? [] : [`${type} ${major}:${minor} ${access}: kernel ${found[index]}`],
  )

type Prepare = (group: string, rules: readonly LinuxDeviceCgroup[]) => void
const LISTS = RULES.flatMap((rules, index) => [rules, ...(index % 2 === 0 ? [[deny, ...rules]] : [])])

const check = (version: string, mountpoint: string | undefined, prepare: Prepare): void => {
  const name = `cgroup ${version} holds to each of ${LISTS.length} lists of rules as the planner does`
  const test = (): void => {
    for (const rules of LISTS) {
      const found = inGroup(mountpoint ?? '', (group) => prepare(group, rules))
      assert.equal(differences(found, expected(rules)), [], JSON.stringify(rules))
    }
  }
  const missing = reason ?? (mountpoint === undefined ? `no devices cgroup of ${version} here` : undefined)
  if (missing === undefined) DeviceRules(name, test)
  else DeviceRules.skip(name, missing)
}

check('v1', v1, (group, rules) => {
  for (const { file, value } of deviceWrites(deviceList(rules))) writeFileSync(path.join(group, file), value)
})
check('v2', v2, (group, rules) => attachDevices(loadAddon(), facts, group, deviceList(rules)))

if (reason === undefined && v2 !== undefined) {
  DeviceRules('a program that is there is not attached again', () => {
    inGroup(v2, (group) => {
      for (let times = 0; times < 70; times++) attachDevices(loadAddon(), facts, group, deviceList([deny]))
    })
  })
  DeviceRules('a group below may have rules of its own, and both hold', () => {
    const found = inGroup(v2, (group) => {
      attachDevices(loadAddon(), facts, group, deviceList([deny, { allow: true, type: 'c', access: 'rwm' }]))
    })
    assert.equal(
      found,
      REQUESTS.map(({ type }) => type === 'c'),
    )
    const outer = path.join(v2, `slipway-test-${process.pid}-outer`)
    mkdirSync(outer)
    try {
      attachDevices(loadAddon(), facts, outer, deviceList([deny, { allow: true, type: 'c', access: 'rwm' }]))
      const both = inGroup(outer, (group) =>
        attachDevices(
          loadAddon(),
          facts,
          group,
          deviceList([deny, { allow: true, major: 240, access: 'rwm' }]),
        ),
      )
      assert.equal(
        both,
        REQUESTS.map(({ type, major }) => type === 'c' && major === 240),
      )
    } finally {
      rmdirSync(outer)
    }
  })
}

DeviceRules.run()
