// Namespaces this kernel has not, and what cannot be had together with one that is joined.
import type { EngineError } from '../../model/errors.ts'
import { hasNew, type LaunchInput, livesUnmounted } from './build.ts'
import { isJoined, PROC_NAMES } from './joined.ts'
import { invalid, unfit, unsupported } from './refusals.ts'

export const refuseNamespaces = (input: LaunchInput): EngineError | undefined =>
  refuseMissing(input) ?? refuseUser(input) ?? refuseMount(input) ?? refusePid(input)

const refuseMissing = ({ spec, facts }: LaunchInput): EngineError | undefined => {
  const missing = (spec.linux?.namespaces ?? []).find(
    ({ type }) => !facts.namespaces.includes(PROC_NAMES[type]),
  )
  if (missing !== undefined) return unfit(`a ${missing.type} namespace`, 'this kernel is built without it')
  return hasNew(spec, 'user') && !facts.userNamespaces
    ? unfit('a user namespace', 'this host does not let one be made')
    : undefined
}

/** Its maps are its own; so layers, whose ids are mapped by maps that we know, do not fit it. */
const refuseUser = ({ spec, rootfs }: LaunchInput): EngineError | undefined => {
  if (!isJoined(spec, 'user')) return undefined
  const { uidMappings, gidMappings } = spec.linux ?? {}
  if (uidMappings !== undefined || gidMappings !== undefined)
    return invalid(
      `.linux.${uidMappings === undefined ? 'gidMappings' : 'uidMappings'}`,
      'a user namespace that is joined has its maps already',
    )
  return rootfs.kind === 'directory'
    ? undefined
    : unsupported(
        'a user namespace that is joined, over image layers',
        'their ids are mapped by maps of our own',
      )
}

/** What is mounted in it would be mounted for everybody in it. */
const refuseMount = ({ spec, facts, lasting }: LaunchInput): EngineError | undefined => {
  if (!isJoined(spec, 'mount') || (lasting?.waitsForStart === true && livesUnmounted(spec, facts)))
    return undefined
  const { mounts = [], linux = {}, root } = spec
  const asked: readonly (readonly [field: string, isAsked: boolean])[] = [
    ['mounts', mounts.length > 0],
    ['linux.maskedPaths', (linux.maskedPaths ?? []).length > 0],
    ['linux.readonlyPaths', (linux.readonlyPaths ?? []).length > 0],
    ['linux.devices', (linux.devices ?? []).length > 0],
    ['linux.rootfsPropagation', linux.rootfsPropagation !== undefined],
    ['linux.mountLabel', (linux.mountLabel ?? '') !== ''],
    ['root.readonly', root?.readonly === true],
  ]
  const field = asked.find(([, isAsked]) => isAsked)?.[0]
  return field === undefined
    ? undefined
    : unsupported(
        `${field} in a mount namespace that is joined`,
        'nothing is mounted in it, and its root is the root',
      )
}

/** The end of the first process is then not the end of all. */
const refusePid = ({ spec, cgroups, lasting }: LaunchInput): EngineError | undefined =>
  hasNew(spec, 'pid') || cgroups.length > 0 || (lasting?.isExec === true && isJoined(spec, 'pid'))
    ? undefined
    : unfit(
        'a pid namespace that is not new',
        'without a group nothing finds the processes a container leaves',
        'run where the cgroup tree can be written to; see `slipway doctor`',
      )
