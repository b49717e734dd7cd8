// What cannot be promised on a host without a cgroup tree that can be written to, and so is refused when it is asked for.
import { normalizeCapability } from '../../model/capabilities.ts'
import type { EngineError } from '../../model/errors.ts'
import { filtersDevices } from '../../model/host-facts.ts'
import { isPrivileged, type SpecInput } from './input.ts'

/** HostUnfit, or undefined where everything asked for can be given. Limits are refused where groups are made. */
export const refuseUnfit = (input: SpecInput): EngineError | undefined => {
  const { cgroup } = input.facts
  if (input.options.pid === 'host' && (!cgroup.writable || cgroup.mode === 'none'))
    return unfit("the host's pid namespace", 'without a group nothing finds the processes a container leaves')
  const rule = filtersDevices(cgroup) || isPrivileged(input) ? undefined : finerThanNodes(input)
  return rule === undefined ? undefined : unfit(rule, 'nothing here holds a container to its device rules')
}

const unfit = (need: string, why: string): EngineError => ({
  _tag: 'HostUnfit',
  need,
  why,
  remedy: 'run where the cgroup tree can be written to; see `slipway doctor`',
})

/** Without device rules a container has the nodes it was given, to read and to write, and can make no others. */
const finerThanNodes = ({ options, devices = [] }: SpecInput): string | undefined => {
  const [rule] = options.deviceCgroupRules ?? []
  if (rule !== undefined) return `the device rule "${rule}"`
  const partial = devices.find(({ access }) => !access.includes('r') || !access.includes('w'))
  if (partial !== undefined) return `"${partial.access}" access to ${partial.path}`
  const makesNodes = (options.security?.capAdd ?? []).some(
    (name) => normalizeCapability(name) === 'CAP_MKNOD',
  )
  return makesNodes ? 'the right to make device nodes' : undefined
}
