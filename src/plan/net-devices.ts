// What the host knows of the network devices a document names: a plan that asks, and the reading of its answers.
import { EAGAIN, MSG_DONTWAIT } from './kernel.ts'
import { askAddresses, askLink, type NetDevice, openRouteSocket, readAddresses, readLink } from './netlink.ts'
import { type Arch, type Data, Program, SlotSpace } from './program.ts'

/** The kernel's answers come in parts of up to 32 KiB. */
const PART_BYTES = 32 << 10
const MAX_PARTS = 32

export interface NetDevicePlan {
  readonly bytes: Uint8Array
  /** Of the data section after the run. Devices that are not there are left out. */
  readonly read: (data: Buffer) => readonly NetDevice[]
}

export const planNetDevices = (arch: Arch, names: readonly string[]): NetDevicePlan => {
  const program = new Program(arch, new SlotSpace())
  const socket = openRouteSocket(program)
  const ask = (request: Buffer, parts: number): readonly Data[] => {
    program.call('ask for network device', 'write', [socket, program.bytes(request), request.length])
    return Array.from({ length: parts }, () => {
      const answer = program.bytes(new Uint8Array(PART_BYTES))
      const args = [socket, answer, PART_BYTES, MSG_DONTWAIT, 0, 0]
      program.call('ask for network device', 'recvfrom', args, { tolerate: [EAGAIN] })
      return answer
    })
  }
  const links = names.map((name) => ({ name, answers: ask(askLink(name), 1) }))
  const addresses = ask(askAddresses(), MAX_PARTS)
  program.call('close', 'close', [socket])
  return { bytes: program.encode(), read: (data) => devicesIn(data, links, addresses) }
}

const devicesIn = (
  data: Buffer,
  links: readonly { readonly name: string; readonly answers: readonly Data[] }[],
  addresses: readonly Data[],
): readonly NetDevice[] => {
  const part = ({ offset }: Data): Buffer => data.subarray(offset, offset + PART_BYTES)
  return links.flatMap(({ name, answers }) => {
    const [answer] = answers
    const index = answer === undefined ? undefined : readLink(part(answer))
    if (index === undefined) return []
    return [{ name, index, addresses: addresses.flatMap((each) => readAddresses(part(each), index)) }]
  })
}
