// @ts-expect-error: plain JavaScript, run as it is by the benchmarks
import { decodePlan, textAt } from '../../bench/floor/decode.mjs'
// @ts-expect-error: the same
import { functionOf } from '../../bench/floor/generate.mjs'
import { Program, SlotSpace } from '../../src/plan/program.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/floor')

const program = (): Program => new Program('x64', new SlotSpace())
const decoded = (made: Program): ReturnType<typeof decodePlan> => decodePlan(Buffer.from(made.encode()))

test('a plan reads back as the operations it was made of', () => {
  const made = program()
  const fd = made.slots.next()
  made.call('make container directory', 'mkdirat', [fd, made.text('upper'), 0o755], { tolerate: [17, 30] })
  made.call('open rootfs', 'openat', [fd, made.text('upper'), 0, 0], { into: made.slots.next() })
  const { ops, slotCount, data } = decoded(made)
  assert.is(slotCount, 2)
  assert.equal(
    ops.map(({ kind, nr, tolerated, resultSlot }: Record<string, unknown>) => ({
      kind,
      nr,
      tolerated,
      resultSlot,
    })),
    [
      { kind: 'syscall', nr: 258, tolerated: [17, 30], resultSlot: undefined },
      { kind: 'syscall', nr: 257, tolerated: [], resultSlot: 1 },
    ],
  )
  assert.is(textAt({ data }, ops[0].args[1].value), 'upper')
})

test('bytes that are no plan are refused', () => {
  assert.throws(() => decodePlan(Buffer.alloc(64)), /not a plan/)
})

test('an operation becomes one system call with its constants', () => {
  const made = program()
  made.call('umask', 'umask', [0o22])
  const source = functionOf('run', decoded(made))
  assert.match(source, 'sc(95, 18L, 0, 0, 0, 0, 0)')
  assert.match(source, 'return failed_at(0, r);')
})

test('a tolerated error goes on behind the operations it skips', () => {
  const made = program()
  const fd = made.slots.next()
  made.call('open rootfs', 'openat', [fd, made.text('x'), 0, 0], {
    tolerate: [2],
    otherwise: () => made.call('make container directory', 'mkdirat', [fd, made.text('x'), 0o755]),
  })
  made.call('close', 'close', [fd])
  const source = functionOf('run', decoded(made))
  assert.match(source, /if \(r == -2\) \{ goto op1; \}/)
  assert.match(source, 'goto op2;')
})

test('an operation that cannot be replayed is refused by its kind', () => {
  const made = program()
  made.becomeInit()
  assert.throws(() => functionOf('run', decoded(made)), /kind init/)
})

test.run()
