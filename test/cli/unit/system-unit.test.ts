import { unitText } from '../../../src/cli/system-unit.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/system-unit')
const lineOf = (text: string, name: string): string | undefined =>
  text.split('\n').find((line) => line.startsWith(`${name}=`))

test('the program starts what is to run', () => {
  const text = unitText({ program: ['/usr/bin/node', '--', '/usr/lib/slipway/cli.cjs'] })
  assert.is(lineOf(text, 'ExecStart'), 'ExecStart=/usr/bin/node -- /usr/lib/slipway/cli.cjs system start')
  assert.is(lineOf(text, 'Environment'), undefined)
  assert.match(text, '[Install]\nWantedBy=multi-user.target\n')
})
test('another root, and words that systemd would read otherwise', () => {
  const text = unitText({ program: ['/a b/node', '100%', '$HOME'], root: '/my "root"' })
  assert.is(lineOf(text, 'ExecStart'), 'ExecStart="/a b/node" 100%% $$HOME system start')
  assert.is(lineOf(text, 'Environment'), 'Environment="SLIPWAY_ROOT=/my \\"root\\""')
})
test.run()
