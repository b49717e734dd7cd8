// Requests to the kernel about network devices, byte by byte, and its answers.
import { addAddress, askLink, moveLink, readAddresses, readLink, setLink } from '../../src/plan/netlink.ts'
import { assert, suite } from '../support/suite.ts'

const Netlink = suite('plan/netlink')
const words = (bytes: Buffer): readonly number[] =>
  Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32LE(4 * index))

Netlink('a device is taken down and brought up by its number', () => {
  assert.equal(words(setLink(5, true)), [32, 0x50010, 0, 0, 0, 5, 1, 1])
  assert.equal(words(setLink(5, false)), [32, 0x50010, 0, 0, 0, 5, 0, 1])
})

Netlink('a move names, numbers and places a device in one request', () => {
  const { request, fdAt } = moveLink(5, 'eth0', 7)
  assert.is(request.readUInt32LE(0), request.length)
  assert.equal(words(request).slice(8, 11), [0x3_0009, 0x30687465, 0]) // length 9, IFLA_IFNAME, "eth0" and its end
  assert.equal(words(request).slice(11, 13), [0x31_0008, 7])
  assert.equal(words(request).slice(13), [0x1c_0008, 0])
  assert.is(fdAt, request.length - 4)
})

Netlink('an answer is read up to where it ends, whatever it says', () => {
  const answer = Buffer.concat([setLink(9, true), Buffer.alloc(100)])
  assert.is(readLink(answer), 9)
  assert.is(readLink(Buffer.alloc(64)), undefined)
  assert.is(readLink(Buffer.from([255, 255, 255, 255, ...Array(60).fill(1)])), undefined)
  assert.is(askLink('lo').readUInt16LE(4), 18)
})

Netlink('only permanent addresses of global scope are kept', () => {
  const made = (flags: number, scope: number, index = 3): Buffer => {
    const local = [2, new Uint8Array([10, 0, 0, 1])] as const
    const message = addAddress(index, { family: 2, prefixLength: 24, attributes: [local] })
    message[18] = flags
    message[19] = scope
    return message
  }
  const all = Buffer.concat([made(0x80, 0), made(0, 0), made(0x80, 253), made(0x80, 0, 4)])
  const kept = readAddresses(all, 3)
  assert.is(kept.length, 1)
  assert.equal([kept[0]?.family, kept[0]?.prefixLength, kept[0]?.attributes.length], [2, 24, 1])
})

Netlink.run()
