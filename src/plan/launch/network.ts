// The container's network namespace where the engine makes or fills it: on its second thread, which goes home afterwards.
import { AT_FDCWD, CLONE_NEWNET, ENODEV, O_CLOEXEC, O_NOCTTY, O_NONBLOCK, SIOCGSKNS } from '../kernel.ts'
import { addAddress, askLink, moveLink, type NetDevice, openRouteSocket, setLink } from '../netlink.ts'
import { Program, type Slot, type SlotSpace } from '../program.ts'
import type { Step } from '../steps.ts'
import { hasNew, type LaunchInput, makesNetwork } from './build.ts'
import { bringUpLoopback } from './process.ts'

export type EngineNetwork = PlainNetwork | OtherNetwork

/** What every start without a say in it gets: one can be made before it is wanted. */
interface PlainNetwork {
  readonly program: Program
  readonly isPlain: true
  readonly namespace: Slot
}
interface OtherNetwork {
  readonly program: Program
  readonly isPlain: false
  /** One that was made, for the child to enter. */
  readonly namespace?: Slot
}

/**
 * A network namespace takes as long to make as most of a sandbox, and of the sandbox nothing but /sys and /proc/sys/net depends
 * on it.
 */
export const engineNetwork = (input: LaunchInput, slots: SlotSpace): EngineNetwork | undefined => {
  const program = new Program(input.facts.arch, slots)
  if (hasNew(input.spec, 'network')) return makesNetwork(input) ? undefined : makeNetwork(program, input)
  const path = input.spec.linux?.namespaces?.find(({ type }) => type === 'network')?.path
  if (path === undefined || moves(input).length === 0) return undefined
  fillNetwork(program, input, path)
  return { program, isPlain: false }
}

const makeNetwork = (program: Program, input: LaunchInput): EngineNetwork => {
  const devices = moves(input)
  if (devices.length === 0) return plainNetwork(program)
  const home = openRouteSocket(program)
  const { namespace } = plainNetwork(program)
  moveDevices(program, home, namespace, devices)
  return { program, namespace, isPlain: false }
}

export const plainNetwork = (program: Program): PlainNetwork => {
  program.call('unshare namespaces', 'unshare', [CLONE_NEWNET], { path: 'network' })
  const socket = bringUpLoopback(program)
  const namespace = program.slots.next()
  program.call('open network namespace', 'ioctl', [socket, SIOCGSKNS], { into: namespace })
  program.call('close', 'close', [socket])
  return { program, namespace, isPlain: true }
}

/** It was verified by the launch thread's own descriptor, and is again: this one was opened apart. */
const fillNetwork = (program: Program, input: LaunchInput, path: string): void => {
  const home = openRouteSocket(program)
  const namespace = program.slots.next()
  const flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY
  program.call('open namespace', 'openat', [AT_FDCWD, program.text(path), flags, 0], {
    into: namespace,
    path,
  })
  program.checkNamespace('verify namespace', namespace, CLONE_NEWNET, undefined, { path: `network ${path}` })
  program.call('enter namespace', 'setns', [namespace, CLONE_NEWNET], { path: `network ${path}` })
  // Numbers of its own devices are small.
  moveDevices(program, home, namespace, moves(input), 0x10000)
  program.call('close', 'close', [namespace])
}

interface Move {
  readonly device: NetDevice
  readonly name: string
}

const moves = ({ spec, netDevices = [] }: LaunchInput): readonly Move[] =>
  Object.entries(spec.linux?.netDevices ?? {}).flatMap(([host, { name = '' }]) => {
    const device = netDevices.find((each) => each.name === host)
    return device === undefined ? [] : [{ device, name: name === '' ? host : name }]
  })

/**
 * Each is taken down, moved and renamed by the host's socket, and gets its addresses back and comes up by one of its new namespace,
 * in which the calling thread is. `numbers` is added to its number, which then is known without asking. The kernel moves first and
 * then finds that it cannot rename, so a name that is taken is looked for while the device still is the host's.
 */
const moveDevices = (
  program: Program,
  home: Slot,
  namespace: Slot,
  devices: readonly Move[],
  numbers = 0,
): void => {
  const there = openRouteSocket(program)
  for (const { device, name } of devices) {
    const path = name === device.name ? name : `${device.name} as ${name}`
    const index = numbers + device.index
    const { request, fdAt } = moveLink(device.index, name, index)
    if (!name.includes('%')) ask(program, 'look for network device', there, askLink(name), path, [ENODEV])
    ask(program, 'take down network device', home, setLink(device.index, false), path)
    const move = program.bytes(request)
    program.putSlot(move, fdAt, namespace)
    program.netlink('move network device', home, move, request.length, { path })
    for (const address of device.addresses)
      ask(program, 'keep address of network device', there, addAddress(index, address), path)
    ask(program, 'bring up network device', there, setLink(index, true), path)
  }
  for (const socket of [home, there]) program.call('close', 'close', [socket])
}

const ask = (
  program: Program,
  step: Step,
  socket: Slot,
  request: Buffer,
  path: string,
  tolerate: readonly number[] = [],
): void => program.netlink(step, socket, program.bytes(request), request.length, { path, tolerate })
