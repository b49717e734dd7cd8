// Asks the kernel about the network devices a document names.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { Spec } from '../model/oci-spec.ts'
import type { Addon } from '../native/addon.ts'
import { planNetDevices } from '../plan/net-devices.ts'
import type { NetDevice } from '../plan/netlink.ts'

/** One that is not there is left out, and the plan of the document refuses it by name. Fails: SyscallFailed. */
export const netDevices = (
  addon: Addon,
  { arch }: HostFacts,
  { linux }: Spec,
): E.Either<EngineError, readonly NetDevice[]> => {
  const names = Object.keys(linux?.netDevices ?? {})
  if (names.length === 0) return E.right([])
  const plan = planNetDevices(arch, names)
  const { ok, errno, data } = addon.execute(plan.bytes, new Int32Array(0))
  return ok
    ? E.right(plan.read(data))
    : E.left({ _tag: 'SyscallFailed', step: 'ask for network device', errno, path: names.join(' ') })
}
