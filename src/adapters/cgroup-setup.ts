// Prepares a directory that containers get their groups in: what they inherit from it, and what it hands down to them.
import { closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { Addon } from '../native/addon.ts'
import { planDeviceAttach, planDeviceQuery } from '../plan/device-attach.ts'
import { allowsEveryDevice, type DeviceList, deviceWrites } from '../plan/device-list.ts'
import { compileDeviceProgram } from '../plan/device-program.ts'

/** Linux's own names of the v2 controllers slipway limits by. */
const V2_CONTROLLERS = ['memory', 'cpu', 'pids', 'cpuset']
/** Handed down in any case. */
export const isUsual = (name: string): boolean => V2_CONTROLLERS.includes(name)

const words = (file: string): readonly string[] =>
  readFileSync(file, 'utf8')
    .split(/\s+/)
    .filter((word) => word !== '')

/** A new v1 cpuset is empty, and nothing can join it: it takes what its parent has, from the top down. */
export const inheritCpuset = (mountpoint: string, own: string): void => {
  let above = mountpoint
  for (const part of own.split('/').filter((name) => name !== '')) {
    const here = path.join(above, part)
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (readFileSync(path.join(here, file), 'utf8').trim() === '') {
        writeFileSync(path.join(here, file), readFileSync(path.join(above, file), 'utf8'))
      }
    }
    writeFileSync(path.join(here, 'cgroup.clone_children'), '1')
    above = here
  }
}

/** Children inherit the rules, so they are written once; a writer that died half-way is recognized by what it left out. */
export const allowDevices = (directory: string, list: DeviceList): void => {
  const mark = path.join(directory, 'notify_on_release')
  if (readFileSync(mark, 'utf8').trim() === '1') return
  for (const { file, value } of deviceWrites(list)) writeFileSync(path.join(directory, file), value)
  // The mark is a flag without effect here: v1 has no release agent unless one is set on the root of the hierarchy.
  writeFileSync(mark, '1')
}

/** What a v2 directory hands down, and why it does not hand down the rest. */
export interface HandedDown {
  readonly controllers: readonly string[]
  /** errno and directory by controller. A controller that is not even there has none. */
  readonly refused: ReadonlyMap<string, { readonly errno: number; readonly directory: string }>
}

/**
 * Makes `own` below the mount point and has every directory on the way hand the controllers down. One that cannot be
 * handed down is no failure yet: a container without limits does not need it. `more`: those that are wanted besides the usual ones.
 * `from`: a group that is delegated to us; what is above it is not ours to change.
 */
export const handDown = (
  mountpoint: string,
  own: string,
  more: readonly string[] = [],
  from = '',
): HandedDown => {
  const wanted = [...V2_CONTROLLERS, ...more]
  const refused = new Map<string, { errno: number; directory: string }>()
  const parts = own.split('/').filter((name) => name !== '')
  const above = from.split('/').filter((name) => name !== '').length
  for (let depth = above; depth <= parts.length; depth++) {
    const directory = path.join(mountpoint, ...parts.slice(0, depth))
    mkdirSync(directory, { recursive: true })
    enableControllers(directory, wanted, refused)
  }
  const controllers = words(path.join(mountpoint, own, 'cgroup.subtree_control'))
  return { controllers: wanted.filter((name) => controllers.includes(name)), refused }
}

/**
 * The kernel would take cpu, cpuset and pids even so, and turn the group into the root of a threaded subtree, where no
 * container can be born (Documentation/admin-guide/cgroup-v2.rst, Threads). The hierarchy's root has no type, and may have both.
 */
const hasOwnProcesses = (directory: string): boolean =>
  existsSync(path.join(directory, 'cgroup.type')) && words(path.join(directory, 'cgroup.procs')).length > 0

const EBUSY = 16
/** One by one: a line with several is refused as a whole when one of them is. */
const enableControllers = (
  directory: string,
  wanted: readonly string[],
  refused: Map<string, { errno: number; directory: string }>,
): void => {
  const control = path.join(directory, 'cgroup.subtree_control')
  const enabled = words(control)
  const busy = enabled.length === 0 && hasOwnProcesses(directory)
  for (const name of words(path.join(directory, 'cgroup.controllers'))) {
    if (!wanted.includes(name) || enabled.includes(name)) continue
    try {
      if (busy) throw { errno: EBUSY }
      writeFileSync(control, `+${name}`)
    } catch (error) {
      refused.set(name, { errno: Math.abs((error as NodeJS.ErrnoException).errno ?? 5), directory })
    }
  }
}

/** The name of the directory stands for the program, so one that is there already is the right one, unless it is all `anew`. */
export const attachDevices = (
  addon: Addon,
  { arch }: HostFacts,
  directory: string,
  list: DeviceList,
  anew = false,
): void => {
  if (allowsEveryDevice(list)) return
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  const run = (bytes: Uint8Array): ReturnType<Addon['execute']> => {
    const result = addon.execute(bytes, Int32Array.of(fd))
    if (result.ok) return result
    throw {
      _tag: 'SyscallFailed',
      step: 'attach device program',
      errno: result.errno,
      path: directory,
    } satisfies EngineError
  }
  try {
    const query = planDeviceQuery(arch)
    if (!anew && run(query.bytes).data.readUInt32LE(query.count) > 0) return
    run(planDeviceAttach(arch, compileDeviceProgram(list)).bytes)
  } finally {
    closeSync(fd)
  }
}
