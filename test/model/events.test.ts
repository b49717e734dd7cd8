// Events as lines, as Docker prints them, and which of them filters let through.
import fc from 'fast-check'
import * as E from '#fp/Either'
import { message } from '../../src/model/errors.ts'
import {
  decodeEventOptions,
  type EngineEvent,
  type EventOptions,
  eventJson,
  eventLine,
  eventText,
  MAX_EVENT_BYTES,
  parseEvent,
} from '../../src/model/events.ts'
import { containerEvent } from '../../src/model/events-of-containers.ts'
import { pruned, pulled, removed } from '../../src/model/events-of-images.ts'
import { assert, suite } from '../support/suite.ts'

const Events = suite('model/events')

const event = (over: Partial<EngineEvent> = {}): EngineEvent => ({
  Type: 'image',
  Action: 'pull',
  Actor: { ID: 'host:5000/app:1', Attributes: { name: 'host:5000/app' } },
  scope: 'local',
  time: 1_767_323_045,
  timeNano: 1_767_323_045_123_456_789n,
  ...over,
})

Events('a line is read back to the nanosecond, whatever its attributes hold', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.string({ unit: 'binary' }), { noNullPrototype: true }),
      fc.bigInt({ min: 0n, max: 4n * 10n ** 18n }),
      (attributes, timeNano) => {
        const written = event({ Actor: { ID: 'x', Attributes: attributes }, timeNano })
        const lines = eventLine(written).split('\n')
        assert.equal([lines[0], lines.length, lines[2]], ['', 3, ''])
        assert.equal(parseEvent(lines[1] ?? ''), written)
      },
    ),
  )
})

Events('a line that was cut short anywhere is none, and spoils no other', () => {
  const line = eventLine(event())
  for (let size = 0; size < line.length - 2; size++) {
    const text = `${line.slice(0, size)}${line}`
    assert.equal(text.split('\n').map(parseEvent).filter(Boolean), [event()])
  }
})

Events('what is no event is none', () => {
  const tail = ',"timeNano":5}'
  for (const line of [
    '',
    '{}',
    `{"a":1${tail}`,
    `{"Type":1,"Action":"x","time":1,"Actor":{"ID":"","Attributes":{}}${tail}`,
    `{"Type":"a","Action":"x","time":1,"Actor":{"ID":"","Attributes":null}${tail}`,
  ])
    assert.is(parseEvent(line), undefined)
})

Events('labels without end do not make a line without end', () => {
  const long = event({
    Actor: { ID: 'a'.repeat(9), Attributes: { name: 'web', label: 'x'.repeat(MAX_EVENT_BYTES) } },
  })
  const line = eventLine(long)
  assert.ok(line.length < MAX_EVENT_BYTES)
  assert.equal(parseEvent(line.trim())?.Actor, { ID: 'aaaaaaaaa', Attributes: { name: 'web' } })
})

Events('it is printed as docker prints it', () => {
  const shown = event({
    Actor: { ID: 'abc', Attributes: { name: 'web', image: 'app' } },
    Type: 'container',
    Action: 'die',
  })
  assert.is(eventText(shown), '2026-01-02T03:04:05.123456789Z container die abc (image=app, name=web)')
  assert.is(
    eventJson(shown),
    '{"Type":"container","Action":"die","Actor":{"ID":"abc","Attributes":{"name":"web","image":"app"}},"scope":"local","time":1767323045,"timeNano":1767323045123456789}',
  )
})

const passes = (filters: NonNullable<EventOptions['filters']>, found: EngineEvent): boolean => {
  const request = decodeEventOptions({ filters }, 0n)
  return E.isRight(request) && request.right.passes(found)
}
const started = event({
  Type: 'container',
  Action: 'exec_start: ls -l',
  Actor: { ID: 'abcdef', Attributes: { name: 'web', image: 'app:1', tier: 'front', empty: '' } },
})
for (const [filters, found, expected] of [
  [{}, started, true],
  [{ type: ['image', 'container'] }, started, true],
  [{ type: ['image'] }, started, false],
  [{ event: ['exec_start'] }, started, true],
  [{ event: ['exec'] }, started, false],
  [{ container: ['web'] }, started, true],
  [{ container: ['abc'] }, started, true],
  [{ container: ['we'] }, started, false],
  [{ container: [''] }, started, false],
  [{ container: ['host'] }, event(), false],
  [{ image: ['app:1'] }, started, true],
  [{ image: ['app'] }, started, true],
  [{ image: ['host:5000/app'] }, event(), true],
  [{ image: ['host'] }, event(), false],
  [{ label: ['tier'] }, started, true],
  [{ label: ['tier=front', 'empty='] }, started, true],
  [{ label: ['tier=front', 'other'] }, started, false],
  [{ label: ['tier=back'] }, started, false],
  [{ volume: ['web'] }, started, false],
  [{ network: ['web'] }, started, false],
  [{ scope: ['local'] }, started, true],
  [{ type: ['container'], event: ['pull'] }, started, false],
  [{ type: [] }, started, true],
] as const)
  Events(
    `${JSON.stringify(filters)} ${expected ? 'lets' : 'does not let'} ${found.Type} ${found.Action} through`,
    () => assert.is(passes(filters, found), expected),
  )

Events('options that cannot be meant are refused', () => {
  const refused = (options: object): string => {
    const decoded = decodeEventOptions(options, 0n)
    return E.isLeft(decoded) ? message(decoded.left) : 'fine'
  }
  assert.is(
    refused({ filters: { colour: ['red'] } }),
    'filters: "colour": no such key; there are type, event, scope, image, container, volume, network, label',
  )
  assert.match(refused({ filters: { type: 'image' } }), /^filters/)
  assert.match(refused({ since: 'soon' }), /^since: "soon": expected a time/)
  assert.match(refused({ until: 'never' }), /^until: "never"/)
  assert.match(refused({ wher: 1 }), /no such option/)
})

Events('image verbs tell docker’s actions', () => {
  const digest = `sha256:${'a'.repeat(64)}` as never
  const short = (list: readonly { Action: string; Actor: { ID: string } }[]) =>
    list.map(({ Action, Actor }) => `${Action} ${Actor.ID}`)
  assert.equal(pulled({ reference: 'h:5/a:1', id: digest, digest, status: 'current' })[0]?.Actor, {
    ID: 'h:5/a:1',
    Attributes: { imageID: digest, name: 'h:5/a' },
  })
  assert.equal(short(removed({ untagged: ['a:1', 'a:2'], deleted: [] }, 'id')), ['untag id', 'untag id'])
  assert.equal(short(removed({ untagged: [], deleted: ['id', 'other'] }, 'id')), ['delete id'])
  assert.equal(short(pruned({ untagged: [], deleted: ['x'], reclaimedBytes: 5, postponed: false })), [
    'delete x',
    'prune ',
  ])
  assert.equal(
    containerEvent(
      'die',
      { id: 'i', name: 'n', image: 'm', labels: { name: 'label', a: 'b' } },
      { exitCode: '0' },
    ).Actor,
    { ID: 'i', Attributes: { name: 'n', a: 'b', exitCode: '0', image: 'm' } },
  )
})

Events.run()
