// Network devices that cannot be moved into the container.
import type { EngineError } from '../../model/errors.ts'
import { hasNew, isNamespaced, type LaunchInput } from './build.ts'
import { invalid, unfit, unsupported } from './refusals.ts'

export const refuseDevices = (input: LaunchInput): EngineError | undefined => {
  const { spec, netDevices = [] } = input
  const asked = Object.entries(spec.linux?.netDevices ?? {})
  if (asked.length === 0) return undefined
  if (hasNew(spec, 'network') && isNamespaced(input))
    return unsupported(
      'linux.netDevices with a user namespace and a new network namespace',
      'the container makes that network namespace by itself',
    )
  const missing = asked.find(([name]) => !netDevices.some((each) => each.name === name))
  if (missing !== undefined)
    return unfit(
      `linux.netDevices[${JSON.stringify(missing[0])}]`,
      'the host has no network device of this name',
    )
  return asked.some(([name]) => name === 'lo')
    ? invalid('.linux.netDevices["lo"]', 'the loopback device of a namespace cannot leave it')
    : undefined
}
