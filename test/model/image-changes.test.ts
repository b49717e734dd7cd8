// --change: lines of a Dockerfile as changes of an image's configuration.
import * as E from '#fp/Either'
import { message } from '../../src/model/errors.ts'
import { applyChanges } from '../../src/model/image-changes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('model/image-changes')

const applied = (config: object, ...lines: readonly string[]): unknown => {
  const result = applyChanges(config as Record<string, unknown>, lines)
  if (E.isLeft(result)) throw new Error(message(result.left))
  return result.right
}
const refused = (line: string): string => {
  const result = applyChanges({}, [line])
  return E.isLeft(result) ? message(result.left) : `no error: ${JSON.stringify(result.right)}`
}

const CASES: readonly (readonly [line: string, before: object, after: object])[] = [
  ['CMD ["a", "b c"]', {}, { Cmd: ['a', 'b c'] }],
  ['CMD a b', {}, { Cmd: ['/bin/sh', '-c', 'a b'] }],
  ['CMD a', { Shell: ['/bin/bash', '-ec'] }, { Shell: ['/bin/bash', '-ec'], Cmd: ['/bin/bash', '-ec', 'a'] }],
  ['CMD [not json', {}, { Cmd: ['/bin/sh', '-c', '[not json'] }],
  ['cmd ["lower"]', {}, { Cmd: ['lower'] }],
  ['ENTRYPOINT ["e"]', { Cmd: ['c'] }, { Cmd: null, Entrypoint: ['e'] }],
  [
    'ENV A=1 B="two words" C=a\\ b',
    { Env: ['PATH=/bin', 'B=0'] },
    { Env: ['PATH=/bin', 'B=two words', 'A=1', 'C=a b'] },
  ],
  ['ENV A old form', {}, { Env: ['A=old form'] }],
  ['ENV A=', {}, { Env: ['A='] }],
  [
    'EXPOSE 80 53/udp 8000-8002',
    { ExposedPorts: { '1/tcp': {} } },
    {
      ExposedPorts: {
        '1/tcp': {},
        '80/tcp': {},
        '53/udp': {},
        '8000/tcp': {},
        '8001/tcp': {},
        '8002/tcp': {},
      },
    },
  ],
  ['HEALTHCHECK NONE', {}, { Healthcheck: { Test: ['NONE'] } }],
  [
    'HEALTHCHECK --interval=5s --timeout=100ms --retries=3 CMD curl localhost',
    {},
    {
      Healthcheck: { Test: ['CMD-SHELL', 'curl localhost'], Interval: 5e9, Timeout: 1e8, Retries: 3 },
    },
  ],
  ['HEALTHCHECK CMD ["a"]', {}, { Healthcheck: { Test: ['CMD', 'a'] } }],
  [
    'LABEL a=b "c d"="e \\"f\\""',
    { Labels: { a: 'old', z: '1' } },
    { Labels: { a: 'b', z: '1', 'c d': 'e "f"' } },
  ],
  ['LABEL __proto__=x', {}, { Labels: JSON.parse('{"__proto__":"x"}') }],
  ['ONBUILD RUN x', { OnBuild: ['ADD y'] }, { OnBuild: ['ADD y', 'RUN x'] }],
  ['STOPSIGNAL SIGINT', {}, { StopSignal: 'SIGINT' }],
  ['USER app:staff', {}, { User: 'app:staff' }],
  ['VOLUME /a /b', {}, { Volumes: { '/a': {}, '/b': {} } }],
  ['VOLUME ["/a b"]', { Volumes: { '/z': {} } }, { Volumes: { '/z': {}, '/a b': {} } }],
  ['WORKDIR /srv/../app/./x', {}, { WorkingDir: '/app/x' }],
  ['WORKDIR sub', { WorkingDir: '/srv' }, { WorkingDir: '/srv/sub' }],
  ['WORKDIR "/with blank"', {}, { WorkingDir: '/with blank' }],
]
for (const [line, before, after] of CASES)
  test(line, () => {
    const frozen = JSON.stringify(before)
    assert.equal(applied(before, line), after)
    assert.is(JSON.stringify(before), frozen, 'what was there is left alone')
  })

test('lines are applied in their order, and unknown fields stay', () => {
  assert.equal(applied({ ArgsEscaped: true }, 'CMD a', 'CMD ["b"]', 'WORKDIR /a', 'WORKDIR b'), {
    ArgsEscaped: true,
    Cmd: ['b'],
    WorkingDir: '/a/b',
  })
})

for (const [line, why] of [
  ['RUN x', 'RUN is none of CMD, ENTRYPOINT'],
  ['constructor x', 'constructor is none of'],
  ['', 'nothing is none of'],
  ['CMD', 'CMD needs an argument'],
  ['ENV A', '"A" has no value'],
  ['ENV A=1 B', '"B" is not NAME=VALUE'],
  ['ENV =x', '"=x" is not NAME=VALUE'],
  ['EXPOSE 0', '"0" is no port'],
  ['EXPOSE 70000', '"70000" is no port'],
  ['EXPOSE 9-8', '"9-8" is no port'],
  ['EXPOSE x/tcp', '"x/tcp" is no port'],
  ['HEALTHCHECK curl', 'HEALTHCHECK takes NONE, or CMD'],
  ['HEALTHCHECK --interval=x CMD a', '--interval=x is no flag of HEALTHCHECK'],
  ['STOPSIGNAL SIGNOPE', '"SIGNOPE" is no signal'],
  ['USER a b', 'USER takes one word'],
  ['VOLUME [""]', 'a volume needs a path'],
] as const)
  test(`${line || 'an empty line'} is refused`, () => {
    assert.ok(refused(line).startsWith('change: ') && refused(line).includes(why), refused(line))
  })
test.run()
