// What each JavaScript host is taken for.
import { jsHostOf } from '../../src/native/js-host.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('native/js-host')
const node = { node: '24.1.0', v8: '13.6' }

test('Node watches descriptors itself, unless it is told not to', () => {
  const host = jsHostOf(node, {})
  assert.equal([host.name, host.version, host.takesDescriptors], ['Node', '24.1.0', true])
  assert.not(jsHostOf(node, { SLIPWAY_WATCH: 'thread' }).takesDescriptors)
})

test('Bun and Deno are known by their own version, though they say which Node they are like', () => {
  for (const [name, versions] of [
    ['Bun', { ...node, bun: '1.4.5' }],
    ['Deno', { ...node, deno: '2.9.6' }],
  ] as const) {
    const host = jsHostOf(versions, {})
    assert.is(host.name, name)
    assert.ok(['1.4.5', '2.9.6'].includes(host.version))
    assert.not(host.takesDescriptors)
  }
})

test('no variable is read where reading one needs a permission', () => {
  const locked = {
    get SLIPWAY_WATCH(): string {
      throw new Error('no permission')
    },
  }
  assert.is(jsHostOf({ ...node, deno: '2.9.6' }, locked).name, 'Deno')
})

test.run()
