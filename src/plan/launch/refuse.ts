// What a document asks for and cannot be given, told by name before anything is made: never passed over in silence.
import type { EngineError } from '../../model/errors.ts'
import type { LaunchInput } from './build.ts'
import { refuseLimits } from './refuse-cgroup.ts'
import { refuseMounts } from './refuse-mounts.ts'
import { refuseNamespaces } from './refuse-namespaces.ts'
import { refuseDevices } from './refuse-network.ts'
import { refuseProcess } from './refuse-process.ts'

/** The first thing that cannot be given. Fails: InvalidSpec, HostUnfit, Unsupported. */
export const refusal = (input: LaunchInput): EngineError | undefined => {
  for (const refuse of [refuseNamespaces, refuseProcess, refuseMounts, refuseLimits, refuseDevices]) {
    const error = refuse(input)
    if (error !== undefined) return error
  }
  return undefined
}
