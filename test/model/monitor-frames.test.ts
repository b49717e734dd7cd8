// Frames survive any way of being cut into pieces, and nothing else passes for one.
import fc from 'fast-check'
import {
  encodeMessage,
  encodeRequest,
  FrameDecoder,
  HEADER_BYTES,
  MAX_BODY,
  type MonitorMessage,
  type MonitorRequest,
  RESTART_KINDS,
  RequestDecoder,
} from '../../src/model/monitor-frames.ts'
import { assert, suite } from '../support/suite.ts'

const Frames = suite('model/monitor-frames')

const uint32 = fc.nat({ max: 0xffffffff })
const uint16 = fc.nat({ max: 0xffff })
const int32 = fc.integer({ min: -0x80000000, max: 0x7fffffff })
const bytes = fc.uint8Array({ maxLength: 300 })
const flag = fc.boolean()

const message: fc.Arbitrary<MonitorMessage> = fc.oneof(
  fc.record({
    _tag: fc.constant('Output' as const),
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    bytes,
  }),
  fc.record({
    _tag: fc.constantFrom('State' as const, 'Exit' as const),
    text: fc.string({ unit: 'grapheme' }),
  }),
  fc.record({ _tag: fc.constant('Reply' as const), errno: int32 }),
  fc.record({ _tag: fc.constant('Missed' as const), bytes: fc.maxSafeNat() }),
  fc.record({
    _tag: fc.constant('StartFailed' as const),
    phase: uint32,
    stage: uint32,
    op: uint32,
    errno: int32,
  }),
)

const request: fc.Arbitrary<MonitorRequest> = fc.oneof(
  fc.record({ _tag: fc.constant('Input' as const), bytes }),
  fc.record({ stdin: flag, stdout: flag, stderr: flag, watch: flag }).map(
    (bits): MonitorRequest => ({
      _tag: 'Attach',
      ...Object.fromEntries(Object.entries(bits).filter(([, isSet]) => isSet)),
    }),
  ),
  fc.constantFrom<MonitorRequest>({ _tag: 'EndInput' }, { _tag: 'Kill' }, { _tag: 'HoldStarts' }),
  fc.record({ _tag: fc.constant('Resize' as const), columns: uint16, rows: uint16 }),
  fc.record({ _tag: fc.constant('Signal' as const), signal: int32 }),
  fc.oneof(
    fc.record({ _tag: fc.constant('Stop' as const), signal: int32 }),
    fc.record({
      _tag: fc.constant('Stop' as const),
      signal: int32,
      timeoutMs: fc.integer({ min: -1, max: 0x7fffffff }),
    }),
  ),
  fc.record({
    _tag: fc.constant('SetRestart' as const),
    kind: fc.constantFrom(...RESTART_KINDS),
    maximumRetries: uint32,
  }),
)

/** Cut at any places, in any order they come. */
const pieces = (whole: Buffer, cuts: readonly number[]): readonly Buffer[] => {
  const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  return places.slice(1).map((place, index) => whole.subarray(places[index], place))
}

/** Bodies as plain arrays: a slice of another buffer is the same bytes. */
const plain = (frame: object): unknown =>
  'bytes' in frame && frame.bytes instanceof Uint8Array ? { ...frame, bytes: [...frame.bytes] } : { ...frame }

Frames('what the monitor says comes through, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat()), (messages, cuts) => {
      const decoder = new FrameDecoder()
      const whole = Buffer.concat(messages.map(encodeMessage))
      const found = pieces(whole, cuts).flatMap((piece) => decoder.push(piece).map(plain))
      assert.equal(found, messages.map(plain))
      assert.is(decoder.pending, 0)
    }),
  )
})

Frames('what a client asks for comes through, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(request), fc.array(fc.nat()), (requests, cuts) => {
      const decoder = new RequestDecoder()
      const whole = Buffer.concat(requests.map(encodeRequest))
      const found = pieces(whole, cuts).flatMap((piece) => decoder.push(piece).map(plain))
      assert.equal(found, requests.map(plain))
    }),
  )
})

Frames('any bytes give frames or one refusal, and nothing after it', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
      for (const decoder of [new FrameDecoder(), new RequestDecoder()]) {
        const found: readonly { readonly _tag: string }[] = chunks.flatMap((chunk) => [
          ...decoder.push(chunk),
        ])
        const refused = found.findIndex(({ _tag }) => _tag === 'Malformed')
        assert.ok(refused === -1 || refused === found.length - 1)
      }
    }),
  )
})

const header = (type: number, size: number): Buffer => {
  const frame = Buffer.alloc(HEADER_BYTES)
  frame.writeUInt8(type, 0)
  frame.writeUInt32BE(size, 4)
  return frame
}

Frames('a frame that is too long, of no known type, or of a wrong size is refused by name', () => {
  const whys = (decoder: FrameDecoder | RequestDecoder, frame: Buffer): unknown =>
    decoder.push(frame).map((found) => ('why' in found ? found.why : found))
  assert.equal(whys(new FrameDecoder(), header(1, MAX_BODY + 1)), ['a frame of 65537 bytes'])
  assert.equal(whys(new FrameDecoder(), header(99, 0)), ['a frame of type 99 and 0 bytes'])
  assert.equal(whys(new FrameDecoder(), Buffer.concat([header(5, 1), Buffer.alloc(1)])), [
    'a frame of type 5 and 1 bytes',
  ])
  assert.equal(whys(new RequestDecoder(), Buffer.concat([header(21, 8), Buffer.alloc(8, 9)])), [
    'a frame of type 21 and 8 bytes',
  ])
  assert.throws(
    () => encodeRequest({ _tag: 'Input', bytes: new Uint8Array(MAX_BODY + 1) }),
    /a frame of 65537 bytes/,
  )
})

Frames('frames of output are those of Docker’s attach', () => {
  const frame = encodeMessage({ _tag: 'Output', stream: 'stderr', bytes: Buffer.from('oh') })
  assert.equal([...frame], [2, 0, 0, 0, 0, 0, 0, 2, 0x6f, 0x68])
})

Frames.run()
