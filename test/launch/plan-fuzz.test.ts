// The decoder of plans on bytes that are none: it refuses them or runs what is harmless, and never crashes.
import fc from 'fast-check'
import type { Addon, LaunchScript } from '../../src/native/addon.ts'
import { loadAddon } from '../../src/native/load.ts'
import { Program, SlotSpace } from '../../src/plan/program.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Fuzz = suite('launch/plan-fuzz')
const reason =
  process.env.SLIPWAY_ADDON === undefined ? lacking('file:build/Release/slipway.node') : undefined
const test = (name: string, body: () => void | Promise<void>): void => {
  if (reason === undefined) Fuzz(name, body)
  else Fuzz.skip(name, reason)
}

const HEADER_BYTES = 24
const OP_BYTES = 80
const USER_NAMESPACE = 14
const LSEEK = process.arch === 'x64' ? 8 : 62
const arch = process.arch === 'x64' ? 'x64' : 'arm64'
let addon: Addon
Fuzz.before(() => {
  addon = loadAddon()
})

/** Every kind of operation the engine's side knows, with every kind of argument, jumps and relocations. */
const wholePlan = (): Buffer => {
  const slots = new SlotSpace()
  const program = new Program(arch, slots)
  const fd = slots.next()
  const size = slots.next()
  const text = program.text('/dev/null')
  const structure = program.words([0, text, 7])
  program.setSlot(fd, -1)
  program.call('wait', 'lseek', [fd, 0, 0], {
    tolerate: [9],
    into: size,
    otherwise: () => program.setSlot(size, 1),
  })
  program.ifType(
    'look at file',
    fd,
    0o100000,
    () => program.setSlot(size, 2),
    () => program.setSlot(size, 3),
  )
  program.putPid(program.bytes(new Uint8Array(16)), 10)
  program.putSlot(structure, 16, fd)
  program.call('wait', 'lseek', [-1, structure, text], { tolerate: [9] })
  program.fail('execve', 2)
  return Buffer.from(program.encode())
}

/**
 * A mutation may turn an operation into any system call, or the making of a namespace: each becomes a call that does nothing. All else stays as it came, so
 * what is tested is the decoder and the executor, not this machine's patience with random calls.
 */
const disarmed = (bytes: Buffer): Buffer => {
  if (bytes.length < HEADER_BYTES) return bytes
  const count = Math.min(bytes.readUInt32LE(8), Math.floor((bytes.length - HEADER_BYTES) / OP_BYTES))
  for (let op = 0; op < count; op++) {
    const at = HEADER_BYTES + OP_BYTES * op
    if (![0, USER_NAMESPACE].includes(bytes.readUInt16LE(at))) continue
    bytes.writeUInt16LE(0, at)
    bytes.writeUInt32LE(LSEEK, at + 4)
    bytes.writeUInt32LE((bytes.readUInt32LE(at + 12) & ~0xf) >>> 0, at + 12)
    bytes.writeBigInt64LE(-1n, at + 32)
  }
  return bytes
}

type Verdict = 'refused' | 'ran' | 'failed'
const verdictOn = (bytes: Uint8Array, slots: readonly number[] = []): Verdict => {
  try {
    return addon.execute(bytes, Int32Array.from(slots)).ok ? 'ran' : 'failed'
  } catch (error) {
    if (error instanceof TypeError && error.message === 'malformed plan') return 'refused'
    throw error
  }
}

test('a whole plan runs to its failing end', () => {
  assert.is(verdictOn(disarmed(wholePlan())), 'failed')
})

test('a plan cut anywhere, or with anything after it, is refused', () => {
  const whole = wholePlan()
  for (let size = 1; size < whole.length; size++)
    assert.is(verdictOn(disarmed(Buffer.from(whole.subarray(0, size)))), 'refused', `${size} bytes`)
  for (const more of [1, 7, 8, 80])
    assert.is(verdictOn(disarmed(Buffer.concat([whole, Buffer.alloc(more)]))), 'refused')
})

test('every byte may have every value', () => {
  const whole = wholePlan()
  const count: Record<Verdict, number> = { refused: 0, ran: 0, failed: 0 }
  for (let at = 0; at < whole.length; at++)
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      const bytes = Buffer.from(whole)
      bytes[at] = value
      count[verdictOn(disarmed(bytes))]++
    }
  console.log(`one byte changed: ${JSON.stringify(count)}`)
  assert.ok(count.refused > 100 && count.failed > 100, JSON.stringify(count))
})

const FIELD = fc.oneof(
  fc.constantFrom(
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    20,
    21,
    1023,
    1024,
    1025,
    4095,
    4096,
    4097,
    0x7fffffff,
    0x80000000,
    0xffffffff,
  ),
  fc.nat({ max: 300 }),
)

test('words of the header and of operations may have any value', () => {
  const whole = wholePlan()
  const words = Math.floor(whole.length / 4)
  const change = fc.record({ word: fc.nat({ max: words - 1 }), value: FIELD })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const bytes = Buffer.from(whole)
      for (const { word, value } of changes) bytes.writeUInt32LE(value, 4 * word)
      return ['refused', 'ran', 'failed'].includes(verdictOn(disarmed(bytes)))
    }),
    { numRuns: 20_000 },
  )
})

test('random bytes are no plan', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (bytes) => verdictOn(bytes) === 'refused'),
    { numRuns: 2000 },
  )
})

test('the engine runs none of the calls that would change the process itself', () => {
  const slots = new SlotSpace()
  for (const call of [
    'setresuid',
    'chdir',
    'unshare',
    'execve',
    'exit_group',
    'mount_setattr',
    'prctl',
    'umask',
  ]) {
    const program = new Program(arch, slots)
    program.call('wait', call, [0, 0, 0])
    assert.is(verdictOn(program.encode()), call === 'mount_setattr' ? 'failed' : 'refused', call)
  }
})

const EMPTY: LaunchScript = {
  slotCount: 0,
  stages: [],
  cloneFlags: 0,
  keep: new Uint16Array(0),
  close: new Uint16Array(0),
}

test('a script whose parts do not fit together is refused before anything is done', () => {
  const plan = wholePlan()
  const stage = { plan, fds: Uint16Array.of(9), base: 1, when: 'early' } as const
  const wrong: Partial<LaunchScript>[] = [
    { prepare: plan.subarray(0, 100) },
    { inChild: plan, slotCount: 2 },
    { join: stage, slotCount: 2 },
    { slotCount: 1025 },
    { cgroupSlot: 5, slotCount: 5 },
    { keep: Uint16Array.of(9) },
    { close: Uint16Array.of(9) },
    { stages: [stage] },
    { stages: [{ ...stage, fds: new Uint16Array(201) }], slotCount: 1 },
    { prepare: plan, slotCount: 2, patches: Uint32Array.of(0, 0, 0, 8) },
    { prepare: plan, slotCount: 2, patches: Uint32Array.of(0, plan.length, 0, 8) },
    { prepare: plan, slotCount: 2, patches: Uint32Array.of(0, plan.length - 8, 0xffffffff, 8) },
    { patches: Uint32Array.of(7, 0, 0, 1) },
  ]
  for (const each of wrong)
    assert.throws(
      () => new addon.Script({ ...EMPTY, ...each }),
      /malformed launch script/,
      Object.keys(each).join(),
    )
  const script = new addon.Script(EMPTY)
  assert.throws(() => new addon.Launch(script, new Int32Array(1), '', () => {}), /does not fit its script/)
})

Fuzz.run()
