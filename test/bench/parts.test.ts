// Which sets of parts are measured, what is wanted of them, and how a set becomes a start.
import { PARTS, type PartId, partsOf, planParts, wholeOf } from '../../src/bench/parts.ts'
import { OWN_ENGINES, selectionOf, WORDS } from '../../src/bench/selection.ts'
import { availableParts, optionsOf } from '../../src/bench/shape.ts'
import { plainFacts } from '../cli/fake-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/parts')
const plan = planParts(PARTS, PARTS, true)

test('both sets of a cost differ by the part and nothing else, and have what it needs', () => {
  for (const { part, alone, together } of plan.costs)
    for (const { subject, reference } of [alone, together]) {
      const [own, other] = [partsOf(subject), partsOf(reference)]
      assert.equal(
        [...own].filter((id) => !other.has(id)),
        [part.id],
      )
      assert.ok([...other].every((id) => own.has(id)))
      assert.ok(
        part.needs.every((id) => own.has(id)),
        part.id,
      )
    }
})

test('no set has a part without what that needs', () => {
  for (const set of plan.sets) {
    const ids = partsOf(set)
    for (const part of PARTS.filter(({ id }) => ids.has(id)))
      assert.ok(
        part.needs.every((id) => ids.has(id)),
        `${part.id} in ${set}`,
      )
  }
})

test('the ladder begins with nothing, ends with the whole, and only grows', () => {
  const rungs = plan.ladder.map(({ set }) => partsOf(set))
  assert.is(rungs[0]?.size, 0)
  assert.equal([...(rungs.at(-1) ?? [])].sort(), [...wholeOf(PARTS)].sort())
  rungs.slice(1).forEach((rung, index) => {
    const before = rungs[index] ?? new Set<PartId>()
    assert.ok(rung.size > before.size && [...before].every((id) => rung.has(id)))
  })
})

test('a set is measured once, whoever needs it, and no other is', () => {
  const needed = new Set([
    ...plan.ladder.map(({ set }) => set),
    ...plan.costs.flatMap(({ alone, together }) => [...Object.values(alone), ...Object.values(together)]),
  ])
  assert.is(plan.sets.length, needed.size)
  assert.ok(plan.sets.every((set) => needed.has(set)))
})

test('one part alone takes four sets', () => {
  const seccomp = PARTS.filter(({ id }) => id === 'seccomp')
  assert.is(planParts(PARTS, seccomp, false).sets.length, 4)
})

test('a host without cgroups, time and user namespaces has the other parts, and says why not these', () => {
  const facts = {
    ...plainFacts,
    timeNamespaceAtExec: false,
    userNamespaces: false,
    cgroup: { ...plainFacts.cgroup, writable: false },
  }
  const { available, missing } = availableParts(facts)
  assert.equal(
    missing.map(([{ id }]) => id),
    ['time', 'cgroup', 'cgroupfs', 'memory', 'cpu', 'pids', 'user'],
  )
  assert.ok(missing.every(([, why]) => why.length > 10))
  assert.is(available.length + missing.length, PARTS.length)
  assert.is(availableParts(plainFacts).missing.length, 0)
})

test('options are those of the whole shape with the extra parts of the set', () => {
  const whole = optionsOf(new Set(wholeOf(PARTS)), '/x')
  assert.equal([whole.memory, whole.cpus, whole.pids, whole.mounts], [64 * 2 ** 20, 1, 64, []])
  assert.equal([whole.readonly, whole.init, whole.security], [undefined, undefined, {}])
  const extra = optionsOf(new Set(['bind', 'tmpfs', 'readonlyRoot', 'init', 'user']), '/x')
  assert.equal(extra.mounts, [
    { type: 'tmpfs', target: '/tmp' },
    { type: 'bind', source: '/x', target: '/mnt' },
  ])
  assert.ok(extra.readonly === true && extra.init === true && extra.security?.userns !== undefined)
})

test('without words everything is wanted; with words that alone, and slipway to compare with', () => {
  const everything = selectionOf([], true)
  const lone = selectionOf([], false)
  const some = selectionOf(['seccomp', 'crun'], true)
  const parts = selectionOf(['parts'], true)
  if ([everything, lone, some, parts].some((each) => typeof each === 'string')) throw new Error('refused')
  const sizes = [everything, lone, some, parts].map((each) =>
    typeof each === 'string' ? [] : [each.parts.size, each.ladder, each.engines.size],
  )
  assert.equal(sizes, [
    [28, true, 11],
    [28, true, OWN_ENGINES.length],
    [1, false, 2],
    [28, true, 0],
  ])
  assert.is(selectionOf(['seccomp', 'nope'], true), 'nope')
  assert.is(new Set(WORDS).size, WORDS.length)
})

test.run()
