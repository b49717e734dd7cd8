// Image config + options → OCI runtime spec, with Docker's defaults. Pure.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { Linux, LinuxSeccomp, Root, Spec } from '../../model/oci-spec.ts'
import type { Rootfs } from '../../model/prepared-image.ts'
import { deviceNodes } from './devices.ts'
import { hostnameOf, type SpecInput } from './input.ts'
import { specMounts } from './mounts.ts'
import { idMappings, specNamespaces } from './namespaces.ts'
import { maskedPaths, readonlyPaths } from './paths.ts'
import { specProcess } from './process.ts'
import { specResources } from './resources.ts'
import { specSysctls } from './sysctls.ts'
import { refuseUnfit } from './unfit.ts'

export { buildEngineFiles, type EngineFile, type HostFiles } from './files.ts'
export type { SpecInput } from './input.ts'
export { inUsersAt } from './namespaces.ts'
export { everyCapability } from './process.ts'

/** Version of the specification the documents made here follow. */
export const OCI_VERSION = '1.2.0'

/** Fails: InvalidOption (nothing to run, unknown capability), CommandNotFound (an empty name), HostUnfit (limits). */
export const buildSpec = (input: SpecInput): Either<EngineError, Spec> => {
  const refused = refuseUnfit(input)
  if (refused !== undefined) return E.left(refused)
  const process = specProcess(input)
  if (E.isLeft(process)) return process
  const hostname = input.options.uts === 'host' ? undefined : hostnameOf(input)
  const { domainname, uts } = input.options
  return E.right({
    ociVersion: OCI_VERSION,
    root: specRoot(input.image.rootfs, input.options.readonly === true),
    mounts: specMounts(input),
    process: process.right,
    ...(hostname === undefined ? {} : { hostname }),
    ...(domainname === undefined || uts === 'host' ? {} : { domainname }),
    linux: specLinux(input),
  })
}

/** An image's root is put together by the launcher; `rootfs` is only its customary name. */
const specRoot = (rootfs: Rootfs, readonly: boolean): Root => ({
  path: rootfs.kind === 'directory' ? rootfs.path : 'rootfs',
  ...(readonly ? { readonly } : {}),
})

const specLinux = (input: SpecInput): Linux => {
  const sysctl = specSysctls(input)
  const devices = deviceNodes(input)
  const seccomp = specSeccomp(input)
  const propagation = rootPropagation(input)
  return {
    namespaces: specNamespaces(input),
    ...idMappings(input),
    cgroupsPath: input.cgroupsPath,
    resources: specResources(input),
    maskedPaths: maskedPaths(input),
    readonlyPaths: readonlyPaths(input),
    ...(devices.length === 0 ? {} : { devices }),
    ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
  }
}

/** A privileged container has no filter unless one is asked for (moby daemon/seccomp_linux.go). */
const specSeccomp = ({ options, seccomp }: SpecInput): LinuxSeccomp | undefined => {
  const asked = options.security?.seccomp
  if (asked === 'unconfined') return undefined
  return options.security?.privileged === true && asked === undefined ? undefined : seccomp
}

/** A mount can only be shared or a slave when the root above it is not cut off from the host. */
const rootPropagation = ({ options }: SpecInput): Linux['rootfsPropagation'] => {
  const wanted = (options.mounts ?? []).map((mount) =>
    mount.type === 'bind' ? mount.propagation : undefined,
  )
  if (wanted.some((mode) => mode === 'shared' || mode === 'rshared')) return 'shared'
  return wanted.some((mode) => mode === 'slave' || mode === 'rslave') ? 'slave' : undefined
}
