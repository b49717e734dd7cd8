// rtnetlink(7) as bytes: what is asked of the kernel about network devices, and how its answers are read.
import type { Program, Slot } from './program.ts'

export const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const NETLINK_ROUTE = 0
const NLM_F_REQUEST = 1
const NLM_F_ACK = 4
const NLM_F_EXCL = 0x200
const NLM_F_DUMP = 0x300
const NLM_F_CREATE = 0x400
const NLMSG_ERROR = 2
const RTM_NEWLINK = 16
const RTM_GETLINK = 18
const RTM_NEWADDR = 20
const RTM_GETADDR = 22
const IFLA_IFNAME = 3
const IFLA_NET_NS_FD = 28
const IFLA_NEW_IFINDEX = 49
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_BROADCAST = 4
const IFA_FLAGS = 8
const IFA_F_PERMANENT = 0x80
const RT_SCOPE_UNIVERSE = 0
const IFF_UP = 1
const HEADER = 16
const LINK_BYTES = 16
const ADDRESS_BYTES = 8

/** An address of a device that outlives a move: somebody set it, and it is valid everywhere. */
export interface DeviceAddress {
  readonly family: number
  readonly prefixLength: number
  /** Attributes as the kernel gave them, by number. */
  readonly attributes: readonly (readonly [type: number, value: Uint8Array])[]
}

/** A network device of the host. */
export interface NetDevice {
  readonly name: string
  readonly index: number
  readonly addresses: readonly DeviceAddress[]
}

/** A socket of the network namespace the caller is in now. */
export const openRouteSocket = (program: Program): Slot => {
  const socket = program.slots.next()
  program.call('open socket', 'socket', [AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE], {
    into: socket,
  })
  return socket
}

export const setLink = (index: number, isUp: boolean): Buffer =>
  message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, link(index, isUp ? IFF_UP : 0, IFF_UP))

/** To another namespace, under a name and a number: one request, so nobody sees it half moved. `fdAt`: where its descriptor goes. */
export const moveLink = (
  index: number,
  name: string,
  newIndex: number,
): { readonly request: Buffer; readonly fdAt: number } => {
  const head = [
    link(index),
    attribute(IFLA_IFNAME, Buffer.from(`${name}\0`)),
    attribute(IFLA_NEW_IFINDEX, uint32(newIndex)),
  ]
  const request = message(
    RTM_NEWLINK,
    NLM_F_REQUEST | NLM_F_ACK,
    ...head,
    attribute(IFLA_NET_NS_FD, uint32(0)),
  )
  return { request, fdAt: request.length - 4 }
}

export const addAddress = (index: number, { family, prefixLength, attributes }: DeviceAddress): Buffer => {
  const head = Buffer.from([family, prefixLength, 0, RT_SCOPE_UNIVERSE, 0, 0, 0, 0])
  head.writeUInt32LE(index, 4)
  const rest = attributes.map(([type, value]) => attribute(type, value))
  return message(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, head, ...rest)
}

export const askLink = (name: string): Buffer =>
  message(RTM_GETLINK, NLM_F_REQUEST, link(0), attribute(IFLA_IFNAME, Buffer.from(`${name}\0`)))

/** Of every device: older kernels take no notice of a filter. */
export const askAddresses = (): Buffer =>
  message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, Buffer.alloc(ADDRESS_BYTES))

/** The number of the device that was asked for; undefined where there is none. */
export const readLink = (answer: Buffer): number | undefined => {
  const [first] = messages(answer)
  return first?.type === RTM_NEWLINK ? first.body.readInt32LE(4) : undefined
}

/** Permanent addresses of global scope, as the specification wants them kept. config-linux.md, Network Devices. */
export const readAddresses = (answer: Buffer, index: number): readonly DeviceAddress[] =>
  messages(answer)
    .filter(({ type, body }) => type === RTM_NEWADDR && body.readUInt32LE(4) === index)
    .flatMap(({ body }) => {
      const attributes = attributesOf(body.subarray(ADDRESS_BYTES))
      const long = attributes.find(([type]) => type === IFA_FLAGS)?.[1]
      const flags = long === undefined ? body.readUInt8(2) : Buffer.from(long).readUInt32LE(0)
      const isKept = (flags & IFA_F_PERMANENT) !== 0 && body.readUInt8(3) === RT_SCOPE_UNIVERSE
      const kept = attributes.filter(([type]) => [IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST].includes(type))
      const address = { family: body.readUInt8(0), prefixLength: body.readUInt8(1), attributes: kept }
      return isKept ? [address] : []
    })

interface Message {
  readonly type: number
  readonly body: Buffer
}

const messages = (answer: Buffer): readonly Message[] => {
  const found: Message[] = []
  for (let at = 0; at + HEADER <= answer.length; ) {
    const length = answer.readUInt32LE(at)
    if (length < HEADER || at + length > answer.length) break
    const type = answer.readUInt16LE(at + 4)
    if (type !== NLMSG_ERROR) found.push({ type, body: answer.subarray(at + HEADER, at + length) })
    at += aligned(length)
  }
  return found
}

const attributesOf = (bytes: Buffer): readonly (readonly [number, Uint8Array])[] => {
  const found: [number, Uint8Array][] = []
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4 || at + length > bytes.length) break
    found.push([bytes.readUInt16LE(at + 2), bytes.subarray(at + 4, at + length)])
    at += aligned(length)
  }
  return found
}

const aligned = (length: number): number => (length + 3) & ~3

const message = (type: number, flags: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  const header = Buffer.alloc(HEADER)
  header.writeUInt32LE(HEADER + body.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(flags, 6)
  return Buffer.concat([header, body])
}

/** `struct ifinfomsg`. */
const link = (index: number, flags = 0, change = 0): Buffer => {
  const bytes = Buffer.alloc(LINK_BYTES)
  bytes.writeInt32LE(index, 4)
  bytes.writeUInt32LE(flags, 8)
  bytes.writeUInt32LE(change, 12)
  return bytes
}

const attribute = (type: number, value: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(aligned(4 + value.length))
  bytes.writeUInt16LE(4 + value.length, 0)
  bytes.writeUInt16LE(type, 2)
  bytes.set(value, 4)
  return bytes
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value, 0)
  return bytes
}
