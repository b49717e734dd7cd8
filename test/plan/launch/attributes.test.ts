// Scheduling, memory policy, execution domain, labels and clocks: one call or one write each, and nothing where none is asked for.

import type { HostFacts } from '../../../src/model/host-facts.ts'
import type { LinuxSeccomp } from '../../../src/model/oci-spec.ts'
import { setAffinity } from '../../../src/plan/launch/attributes.ts'
import { planDocument } from '../../../src/plan/launch/checked.ts'
import { planLaunch } from '../../../src/plan/launch/index.ts'
import { Data, type OpInfo, Program, SlotSpace } from '../../../src/plan/program.ts'
import { compileSeccomp } from '../../../src/plan/seccomp/index.ts'
import { expectLeft, expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'
import { documentInput, inputOf } from './inputs.ts'

const Attributes = suite('plan/launch/attributes')
type Laid = Parameters<typeof documentInput>[0]
const labelled = { facts: { apparmor: true, selinux: true } }

const steps = (laid: Laid, facts = {}): readonly OpInfo[] =>
  expectRight(planDocument(documentInput(laid, facts))).stages.flatMap(({ infos }) => infos)
const shown = (infos: readonly OpInfo[], step: string): readonly string[] =>
  infos
    .filter((info) => info.step === step)
    .map(
      ({ call, args, path }) =>
        `${call}(${args.map((arg) => (arg instanceof Data ? '&' : arg)).join()}) ${path}`,
    )

const LASTING = {
  leavesParent: false,
  waitsForStart: true,
  extraFds: 0,
  copiesUp: true,
  pausesBeforeRoot: false,
  createContainer: [],
  startContainer: [],
  keepsKeyring: false,
} as const

Attributes('a document without any of them has the plan it had', () => {
  const words = /scheduler|priority|policy|personality|offsets|apparmor|selinux/
  assert.equal(
    planLaunch(inputOf()).stages.flatMap(({ infos }) => infos.filter(({ step }) => words.test(step))),
    [],
  )
})

const CALLS: readonly (readonly [laid: Laid, step: string, expected: string])[] = [
  [
    { process: { scheduler: { policy: 'SCHED_BATCH', nice: 5 } } },
    'set scheduler',
    'sched_setattr(0,&,0) SCHED_BATCH',
  ],
  [
    { process: { ioPriority: { class: 'IOPRIO_CLASS_IDLE', priority: 7 } } },
    'set io priority',
    'ioprio_set(2,0,24583) IOPRIO_CLASS_IDLE 7',
  ],
  [
    { linux: { memoryPolicy: { mode: 'MPOL_BIND', nodes: '0-1', flags: ['MPOL_F_STATIC_NODES'] } } },
    'set memory policy',
    'set_mempolicy(32770,&,65) MPOL_BIND 0-1',
  ],
  [
    { linux: { memoryPolicy: { mode: 'MPOL_LOCAL' } } },
    'set memory policy',
    'set_mempolicy(4,0,0) MPOL_LOCAL',
  ],
  [{ linux: { personality: { domain: 'LINUX32' } } }, 'set personality', 'personality(8) LINUX32'],
]
for (const [laid, step, expected] of CALLS)
  Attributes(`${expected} carries out ${JSON.stringify(laid)}`, () => {
    assert.equal(shown(steps(laid), step), [expected])
  })

Attributes('time offsets are written through our own proc before anybody is in the namespace', () => {
  const [first] = expectRight(
    planDocument(
      documentInput({ linux: { timeOffsets: { boottime: { secs: -5 }, monotonic: { nanosecs: 7 } } } }),
    ),
  ).stages
  const at = (step: string): number => first?.infos.findIndex((info) => info.step === step) ?? -1
  assert.ok(at('set time offsets') > at('unshare namespaces'))
  assert.is(first?.infos[at('set time offsets')]?.path, 'self/timens_offsets = boottime -5 0\nmonotonic 0 7')
})

Attributes(
  'labels are written for the next execve where the kernel has them, and file systems get their context',
  () => {
    const infos = steps(
      {
        process: { apparmorProfile: 'docker-default', selinuxLabel: 'a:b:c' },
        linux: { mountLabel: 'd:e:f' },
      },
      labelled,
    )
    const written = infos.filter(({ step }) => /^set (apparmor|selinux)/.test(step)).map(({ path }) => path)
    assert.equal(written, ['self/attr/apparmor/exec = exec docker-default', 'self/attr/exec = a:b:c'])
    const contexts = infos
      .filter(({ path }) => path?.includes('context=d:e:f'))
      .map(({ path }) => path?.split(' ')[0])
    assert.equal([...new Set(contexts)].sort(), ['devpts', 'tmpfs'])
  },
)

Attributes('an affinity is a mask of CPUs, and no call where none is asked for', () => {
  const program = new Program('x64', new SlotSpace())
  setAffinity(program)
  setAffinity(program, '')
  setAffinity(program, '0,64-65')
  assert.equal(
    program.infos.map(({ call, args, path }) => [call, args[1], path]),
    [['sched_setaffinity', 16, '0,64-65']],
  )
})

Attributes('a first process has no affinity of its own', () => {
  assert.not(
    steps({ process: { execCPUAffinity: { initial: '0' } } }).some(({ step }) => step === 'set cpu affinity'),
  )
})

Attributes(
  'one more process is born on its first CPUs, and moves to the last once it is in its groups',
  () => {
    const cases = [
      [{ initial: '0', final: '1-2' }, '0', '1-2'],
      [{ initial: '0' }, '0', '0-8191'],
      [{ final: '3' }, undefined, '3'],
      [{}, undefined, undefined],
      [{ initial: '', final: '' }, undefined, undefined],
    ] as const
    for (const [execCPUAffinity, first, last] of cases) {
      const input = documentInput({
        process: { execCPUAffinity },
        spec: { mounts: [] },
        linux: {
          maskedPaths: [],
          readonlyPaths: [],
          namespaces: [
            { type: 'pid', path: '/proc/7/ns/pid' },
            { type: 'mount', path: '/proc/7/ns/mnt' },
          ],
        },
      })
      const lasting = { ...LASTING, waitsForStart: false }
      const { join, stages } = expectRight(planDocument({ ...input, files: [], lasting }))
      const where = (infos: readonly OpInfo[]): number =>
        infos.findIndex(({ step }) => step === 'set cpu affinity')
      const [born, infos] = [join?.infos ?? [], stages.flatMap((stage) => stage.infos)]
      assert.is(born[where(born)]?.path, first)
      assert.ok(where(born) < born.findIndex(({ step }) => step === 'enter namespace'))
      assert.is(infos[where(infos)]?.path, last)
      if (last !== undefined)
        assert.ok(where(infos) > infos.findLastIndex(({ step }) => step === 'join cgroup'))
    }
  },
)

const REFUSED: readonly (readonly [laid: Laid, tag: string, what: RegExp])[] = [
  [{ process: { apparmorProfile: 'p' } }, 'HostUnfit', /process\.apparmorProfile/],
  [{ process: { selinuxLabel: 'p' } }, 'HostUnfit', /process\.selinuxLabel/],
  [{ linux: { mountLabel: 'p' } }, 'HostUnfit', /linux\.mountLabel/],
  [{ process: { scheduler: { policy: 'SCHED_ISO' } } }, 'HostUnfit', /SCHED_ISO/],
  [{ linux: { intelRdt: { closID: 'a' } } }, 'Unsupported', /linux\.intelRdt/],
  [{ process: { terminal: true }, spec: { mounts: [] } }, 'InvalidSpec', /process\.terminal/],
]
for (const [laid, tag, what] of REFUSED)
  Attributes(`${what.source} is refused by name where it cannot be given`, () => {
    const error = expectLeft(planDocument(documentInput(laid)))
    assert.is(error._tag, tag)
    assert.match(JSON.stringify(error), what)
  })

Attributes('a filter that asks somebody is refused, since nobody would answer', () => {
  const seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    listenerPath: '/run/agent.sock',
    syscalls: [{ names: ['mount'], action: 'SCMP_ACT_NOTIFY' }],
  } as const
  const filter = { instructions: new Uint8Array(8), count: 1, flags: 0 }
  const error = expectLeft(planDocument({ ...documentInput({ linux: { seccomp } }), filter }))
  assert.match(JSON.stringify(error), /Unsupported.*SCMP_ACT_NOTIFY/)
  assert.throws(() => planDocument(documentInput({ linux: { seccomp } })), /filter/)
})

const ASKING = {
  defaultAction: 'SCMP_ACT_ALLOW',
  listenerPath: '/run/agent.sock',
  syscalls: [{ names: ['mount'], action: 'SCMP_ACT_NOTIFY' }],
} as const
const asked = (seccomp: LinuxSeccomp, own: Partial<HostFacts> = {}) => {
  const facts = { seccompActions: ['user_notif'], ...own }
  const filter = expectRight(compileSeccomp(seccomp, 'x64'))
  return planDocument({ ...documentInput({ linux: { seccomp } }, { facts }), filter, lasting: LASTING })
}

Attributes('a listener is handed over as soon as it is there, by a thread that was there before', () => {
  const infos = expectRight(asked(ASKING)).stages.flatMap((stage) => stage.infos)
  const last = infos.slice(infos.findIndex(({ step }) => step === 'start stand-in'))
  assert.equal(
    last.slice(0, 6).map(({ step }) => step),
    [
      'start stand-in',
      'load seccomp filter',
      'hand over listener',
      'drop CAP_SYS_ADMIN',
      'report timings',
      'execve',
    ],
  )
})

Attributes('what a kernel or a document lacks for a listener is named', () => {
  const flags = ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV']
  const cases: readonly (readonly [LinuxSeccomp, Partial<HostFacts>, RegExp])[] = [
    [ASKING, { seccompActions: ['errno', 'allow'] }, /HostUnfit.*SCMP_ACT_NOTIFY/],
    [{ ...ASKING, flags }, { kernel: [5, 18] }, /HostUnfit.*WAIT_KILLABLE_RECV/],
    [{ ...ASKING, listenerPath: '' }, {}, /InvalidSpec.*listenerPath.*is required/],
    [{ ...ASKING, listenerPath: 'a' }, {}, /InvalidSpec.*listenerPath.*absolute/],
    [{ defaultAction: 'SCMP_ACT_NOTIFY' }, {}, /InvalidSpec.*listenerPath/],
  ]
  for (const [seccomp, facts, what] of cases)
    assert.match(JSON.stringify(expectLeft(asked(seccomp, facts))), what)
  expectRight(asked({ ...ASKING, flags }, { kernel: [5, 19] }))
})

Attributes('a stand-in is there only for who needs one', () => {
  const has = (seccomp: LinuxSeccomp): boolean =>
    expectRight(asked(seccomp)).stages.some(({ infos }) =>
      infos.some(({ step }) => step === 'start stand-in'),
    )
  assert.not(has({ defaultAction: 'SCMP_ACT_ALLOW' }))
  const strict = (...names: string[]): LinuxSeccomp => ({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }],
  })
  assert.ok(has(strict('execve', 'capset')))
  assert.not(has(strict('execve', 'capset', 'sendmsg', 'clock_gettime', 'exit_group')))
})

Attributes('a setting that is a file of proc is written without a /proc in the document, too', () => {
  const infos = steps({
    process: { oomScoreAdj: 5 },
    spec: { mounts: [] },
    linux: { maskedPaths: [], readonlyPaths: [] },
  })
  assert.is(infos.filter(({ step }) => step === 'set oom score').length, 1)
})

Attributes.run()
