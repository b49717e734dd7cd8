// Mounts that no kernel could make as they are asked for, and those that are not made here.
import { posix as path } from 'node:path'
import type { EngineError } from '../../model/errors.ts'
import type { Mount } from '../../model/oci-spec.ts'
import { hasNew, type LaunchInput } from './build.ts'
import { isBind, isMapped, parseMountOptions, SUPERBLOCK_OPTIONS } from './mount-options.ts'
import { invalid, unfit, unsupported } from './refusals.ts'

export const refuseMounts = (input: LaunchInput): EngineError | undefined => {
  for (const [index, mount] of (input.spec.mounts ?? []).entries()) {
    const error = refuseMount(input, mount, `.mounts[${index}]`)
    if (error !== undefined) return error
  }
  return undefined
}

const refuseMount = (input: LaunchInput, mount: Mount, where: string): EngineError | undefined =>
  parseMountOptions(mount.options).remount
    ? undefined
    : (refuseRoot(mount, where) ??
      refuseIds(input, mount, where) ??
      (isBind(mount) ? refuseBind(input, mount, where) : refuseFilesystem(input, mount, where)))

/** It would lie over the root file system, whose own descriptor everything else goes by. */
const refuseRoot = ({ destination }: Mount, where: string): EngineError | undefined =>
  path.normalize(destination) === '/' ? invalid(`${where}.destination`, 'is the root itself') : undefined

/** The specification: "an error MUST be returned" where there is nothing to map by. */
const refuseIds = ({ spec }: LaunchInput, mount: Mount, where: string): EngineError | undefined => {
  if (!isMapped(mount)) return undefined
  if (!isBind(mount)) return unsupported(`$${where}: idmap`, 'only bind mounts get other ids')
  const own = mount.uidMappings !== undefined && mount.gidMappings !== undefined
  return own || (spec.linux?.namespaces ?? []).some(({ type }) => type === 'user')
    ? undefined
    : invalid(`${where}.options`, 'idmap needs uidMappings and gidMappings, or a user namespace')
}

const refuseBind = (
  input: LaunchInput,
  { source = '', options }: Mount,
  where: string,
): EngineError | undefined => {
  const { data, propagation, copyUp } = parseMountOptions(options)
  if (!source.startsWith('/'))
    return invalid(`${where}.source`, 'the source of a bind mount must be an absolute path')
  if (copyUp) return invalid(`${where}.options`, 'tmpcopyup is for a tmpfs')
  const option = data.find(([key, value]) => value === undefined || !PASSED_OVER.has(key))
  if (option !== undefined) return invalid(`${where}.options`, notOfBind(option[0]))
  return propagation !== undefined && isShared(options) && hasNew(input.spec, 'user')
    ? unfit(`$${where}: a shared mount`, 'the kernel shares no mount with a user namespace of less rights')
    : undefined
}

const isShared = (options: readonly string[] = []): boolean =>
  options.includes('shared') || options.includes('rshared')

/**
 * Of tmpfs(5), with a value: documents are written with one list for all of their mounts, and the kernel takes no notice of it in a
 * bind (mount(2), MS_BIND). Other words are refused: one of them may be a misspelt `nosuid`.
 */
const PASSED_OVER: ReadonlySet<string> = new Set(['mode', 'size', 'uid', 'gid', 'nr_inodes', 'nr_blocks'])

const notOfBind = (option: string): string =>
  SUPERBLOCK_OPTIONS.has(option)
    ? `${option} is of the whole file system, and a bind mount is a view of one`
    : `${option} is an option of a file system, which a bind mount has none of`

const refuseFilesystem = (
  { facts, cgroups, lasting }: LaunchInput,
  { type = 'none', options }: Mount,
  where: string,
): EngineError | undefined => {
  const { copyUp, followSource, data } = parseMountOptions(options)
  if (type === 'none' || type === '') return invalid(`${where}.type`, 'is required for what is no bind mount')
  if (copyUp && type !== 'tmpfs') return invalid(`${where}.options`, 'tmpcopyup is for a tmpfs')
  if (copyUp && lasting?.copiesUp !== true)
    return unsupported(`$${where}: tmpcopyup`, 'nothing of the root is copied into a new file system')
  if (!followSource) return invalid(`${where}.options`, 'src-nofollow is for a bind mount')
  if (data.some(([key]) => key === 'i_version') && type !== 'ext4')
    return unsupported(`$${where}: iversion`, `fsconfig(2) has no such option for ${type}`)
  return type === 'cgroup2' && cgroups.length > 0 && facts.cgroup.mode !== 'v2'
    ? unfit(
        `$${where}: cgroup2`,
        'the container is in groups of cgroup v1 here',
        'use the type cgroup, which shows them',
      )
    : undefined
}
