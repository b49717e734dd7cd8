// Failures between the plans, failures the kernel itself gives, and the proof that no step's name is a dead one.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { EngineError, SlipwayError, StartOptions } from '../../src/index.ts'
import { loadAddon } from '../../src/native/load.ts'
import { planGuardian, planSocketOptions, planSocketPair } from '../../src/plan/guardian.ts'
import { planReadInRoot } from '../../src/plan/host-files.ts'
import type { LaunchPlan } from '../../src/plan/launch/index.ts'
import { STEPS } from '../../src/plan/steps.ts'
import { engineNeeds } from '../support/engine.ts'
import { type Part, withBytes } from '../support/fault.ts'
import { assert, suite } from '../support/suite.ts'
import { attempt } from './inject.ts'
import { type FaultBox, openFaultBox } from './shapes.ts'

const Steps = suite('fault/steps')
const reason = engineNeeds()
let box: FaultBox
/** Steps a failure has named in the tests below, besides those the injection tests make fail. */
const named = new Set<string>()

Steps.before(async () => {
  if (reason !== undefined) return
  box = await openFaultBox()
  await (await box.engine.start({ rootfs: box.rootfs }, ['/bin/true'], { stdout: 'ignore' })).removed
})
Steps.after(async () => {
  if (reason === undefined) await box.close()
})
const test = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) Steps(name, body)
  else Steps.skip(name, reason)
}

const ENOENT = 2
const ENOEXEC = 8
const EBADF = 9
const ENOTDIR = 20
const EINVAL = 22
const ERANGE = 34
const EPROTO = 71
const CLONE_FS = 0x200
const CLONE_NEWUSER = 0x1000_0000

const stepOf = (error: EngineError | undefined): string => {
  const step = error !== undefined && 'step' in error ? error.step : ''
  named.add(step)
  return step
}

/** A start whose plan is edited fails so, and leaves nothing. */
const failsWith = async (
  edit: (plan: LaunchPlan) => LaunchPlan,
  step: string,
  errno: number,
  shape = "Docker's default on image layers",
): Promise<void> => {
  const before = box.census()
  const { error } = await attempt(box, box.shape(shape), edit)
  assert.equal(error, { _tag: 'SyscallFailed', step, errno })
  stepOf(error)
  assert.equal(await box.unchanged(before), [])
}

test('a clone the kernel refuses is a failure of clone3', async () => {
  await attempt(box, box.shape("Docker's default on image layers"), (plan) => plan)
  // CLONE_FS with a new user namespace: clone(2), ERRORS.
  await failsWith((plan) => ({ ...plan, cloneFlags: CLONE_FS | CLONE_NEWUSER }), 'clone3', EINVAL)
})

test('a descriptor that is closed cannot be sent, before the clone or after it', async () => {
  const closed = (plan: LaunchPlan): LaunchPlan => ({
    ...plan,
    stages: plan.stages.map((stage) => ({ ...stage, fds: stage.fds.map(() => plan.slotCount) })),
    slotCount: plan.slotCount + 1,
  })
  await failsWith(closed, 'send plan', EBADF)
  await attempt(box, box.shape('a user namespace over image layers'), (plan) => plan)
  await failsWith(closed, 'send plan', EBADF, 'a user namespace over image layers')
})

test('a helper that is no program is a failure of its execution', async () => {
  const addon = loadAddon()
  const helper = path.resolve(
    path.dirname(process.env.SLIPWAY_ADDON ?? 'build/Release/slipway.node'),
    'slipway-init',
  )
  assert.is(addon.sealHelper(Buffer.from('no program')), 0)
  try {
    await failsWith((plan) => plan, 'execute helper', ENOEXEC)
  } finally {
    assert.is(addon.sealHelper(readFileSync(helper)), 0)
  }
})

const put32 = (at: number, value: number) => (bytes: Buffer) => {
  bytes.writeUInt32LE(value, at)
  return bytes
}
const put16 = (at: number, value: number) => (bytes: Buffer) => {
  bytes.writeUInt16LE(value, at)
  return bytes
}

const MUTATIONS: readonly (readonly [string, (bytes: Buffer) => Uint8Array])[] = [
  ['cut short', (bytes) => bytes.subarray(0, bytes.length - 8)],
  ['cut to nothing of its operations', (bytes) => bytes.subarray(0, 24)],
  ['longer than it says', (bytes) => Buffer.concat([bytes, Buffer.alloc(8)])],
  ['of another kind', put32(0, 0x12345678)],
  ['of another version', put32(4, 99)],
  ['with more slots than there may be', put32(12, 1025)],
  ['with a slot it does not have', put32(24 + 8, 1000)],
  ['with a jump past its end', put16(24 + 24, 4000)],
  ['with an operation of no kind', put16(24, 255)],
]

for (const [what, mutate] of MUTATIONS) {
  test(`a plan ${what} is refused wherever it is read`, async () => {
    for (const part of ['prepare', 0, 1] as const satisfies readonly Part[])
      await failsWith((plan) => withBytes(plan, part, mutate), 'decode plan', EPROTO)
  })
}

/** Options the kernel refuses by itself: no plan is edited. */
const REFUSED: readonly (readonly [string, () => StartOptions, string, number])[] = [
  ['a bind source that is missing', () => bind('/no/such/file', '/x'), 'open bind source', ENOENT],
  ['a target below a file', () => bind('/etc', '/etc/passwd/x'), 'open mount target', ENOTDIR],
  ['a source below a file', () => bind('/etc/passwd/x', '/x', true), 'make bind source', ENOTDIR],
  ['a CPU the machine does not have', () => ({ cpusetCpus: '4000' }), 'set cgroup limit', ERANGE],
  [
    'a mount option no file system knows',
    () => ({ mounts: [{ type: 'tmpfs', target: '/x', options: ['no_such_option=1'] }] }),
    'fsconfig',
    EINVAL,
  ],
]
const bind = (source: string, target: string, createSource = false): StartOptions => ({
  mounts: [{ type: 'bind', source, target, createSource }],
})

for (const [what, options, step, errno] of REFUSED) {
  test(`${what} is told by its step and leaves nothing`, async () => {
    const quiet = { stdout: 'ignore', stderr: 'ignore', ...options() } as const
    const start = () => box.engine.start({ rootfs: box.rootfs }, ['/bin/true'], quiet)
    const failed = async (): Promise<SlipwayError> => {
      try {
        await (await start()).exit
      } catch (error) {
        return error as SlipwayError
      }
      throw new Error('it started')
    }
    await failed()
    const before = box.census()
    const { error } = await failed()
    assert.is(error._tag, 'SyscallFailed', JSON.stringify(error))
    assert.is(stepOf(error), step)
    assert.is('errno' in error ? error.errno : 0, errno)
    assert.equal(await box.unchanged(before), [])
  })
}

test('a cgroup tree that cannot be used is told, and a file where the user database should be', async () => {
  const addon = loadAddon()
  const { facts } = await box.engine.open()
  const plan = planReadInRoot(facts.arch, '/no/such/root', ['etc/passwd'], 10)
  const result = addon.execute(plan.bytes, new Int32Array(0))
  assert.equal([result.ok, result.errno], [false, ENOENT])
  assert.is(plan.infos[result.op]?.step, 'open root')
  for (const { step } of plan.infos) named.add(step)
})

/** What no failure of a start can name, and why it is a step all the same. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'remove cgroup': 'cleaning up never fails: what stays is left to the next sweep; `explain` may show it',
  'remove directory': 'the same',
  'remove file': 'the same',
  'remove record': 'the same',
  'move to trash': 'the same',
  wait: 'the same',
  'open cgroup file': 'what a group cannot tell is left out of the receipt',
  'prepare cgroup': "the engine's own group: its parent would have to be unwritable to root",
  'dismiss guardian': 'a guardian that is gone keeps nothing back',
  'open root of process': 'a copy, not a start: test/library/copies',
  'read clock': 'the clock of events, which no start reads',
  'raise ambient capability': 'only an OCI spec asks for ambient capabilities; no option does',
}
/** No option leads to them. The tests of documents carry each of them out: test/oci/spec-*.test.ts, test/plan/launch. */
/** Of monitors, and of what is asked of them: test/monitor, test/engine/detached. */
const OF_MONITORS: ReadonlySet<string> = new Set([
  'ask for exit status',
  'bind monitor socket',
  'chown monitor stream',
  'enter monitor directory',
  'free name',
  'join monitor cgroup',
  'keep user namespace',
  'listen at monitor socket',
  'lock monitor',
  'make log directory',
  'make monitor directory',
  'make monitor socket',
  'make monitor stream',
  'make socket',
  'monitor',
  'open container directory',
  'open helper',
  'open log directory',
  'open monitor cgroup',
  'open monitor directory',
  'open monitor lock',
  'open pidfd',
  // Of volumes: test/security/volumes.
  'open subpath',
  'remove old monitor socket',
  'remove old monitor stream',
  'remove old monitor table',
  'write monitor state',
])

const OF_DOCUMENTS: ReadonlySet<string> = new Set([
  'answer to start',
  'ask for network device',
  'bind socket',
  'bring up network device',
  // Of an ordinary user: test/rootless.
  'chown standard stream',
  'chroot',
  'connect to seccomp agent',
  'connect to socket',
  'enter namespace',
  'enter time namespace',
  'fspick',
  'keep address of network device',
  'hand over listener',
  'let terminal block',
  'limit wait for seccomp agent',
  'listen at socket',
  'look for network device',
  'look for program',
  'make mount read-only',
  'make user namespace of mount',
  'map ids of mount',
  'move network device',
  'open apparmor profile',
  'open namespace',
  'open process',
  'open selinux label',
  'open time namespace',
  'open time offsets',
  'pass on descriptor',
  'receive report',
  'reconfigure file system',
  'remount',
  'run createContainer hook',
  'run startContainer hook',
  'say that it is created',
  'send descriptor',
  'send signal',
  'send to seccomp agent',
  'set apparmor profile',
  'set cpu affinity',
  'set io priority',
  'set memory policy',
  'set personality',
  'set scheduler',
  'set selinux label',
  'set time offsets',
  'start stand-in',
  'take down network device',
  'take mode',
  'verify device',
  'verify namespace',
  'verify terminal',
  'wait for start',
])
const ONLY_ON_V2 = ['look for device program', 'load device program', 'attach device program']

test('every step is one that a failure names', async () => {
  const { facts } = await box.engine.open()
  for (const shape of box.shapes) {
    const running = await box.engine.start(shape.image, shape.argv, shape.options)
    running.stdout?.resume()
    const { timings } = await running.exit
    for (const { step } of timings.steps) named.add(step)
    await running.removed
    if (shape.options.keep === true) await box.engine.remove(running.id)
  }
  for (const { infos } of [
    planGuardian(facts, [{ version: 1, controllers: [], mountpoint: '/', path: '' }]),
    planSocketPair(facts),
    planSocketOptions(facts, process.pid),
  ])
    for (const { step } of infos) named.add(step)
  // The clone's own plan and the last calls keep no time; test/fault/inject-* fail each of them.
  for (const step of ['carry capability', 'make capabilities inheritable', 'report timings', 'execve'])
    named.add(step)
  // Where the engine cannot mount the overlays beside the child: names that are long, or an older kernel.
  if (facts.overlayLowerPlus) named.add('chdir to engine root')
  const silent = STEPS.filter(
    (step) => !named.has(step) && !(step in EXCEPTIONS) && !OF_DOCUMENTS.has(step) && !OF_MONITORS.has(step),
  )
  assert.equal(
    silent.filter((step) => facts.cgroup.mode === 'v2' || !ONLY_ON_V2.includes(step)),
    [],
  )
})

Steps.run()
