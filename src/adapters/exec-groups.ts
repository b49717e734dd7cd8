// Groups of processes that were asked for in somebody's container: each is killed as a whole when whoever asked dies.
//
// With cgroup v2 such a group is below the container's own, whose limits hold for it. With v1 the process is in the container's groups as
// they are, and besides in a group of a hierarchy without limits, where the freezer has no business either.
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { NextExecGroup } from '../engine/ports/host.ts'
import type { HostFacts } from '../model/host-facts.ts'
import { killFile } from '../plan/launch/cgroup.ts'
import type { CgroupParent } from '../plan/launch/index.ts'
import { pidsBelow } from './cgroup-pids.ts'
import { removeQuietly } from './remove-group.ts'

export interface ExecGroupParts {
  readonly facts: Pick<HostFacts, 'cgroup' | 'kernel'>
  /** The engine's directory in every hierarchy. */
  readonly name: string
  readonly engine: string
}

const PREFIX = 'exec-'
/** Beside containers with v1. */
const FOLDER = 'exec'
const EBUSY = -16
const ESRCH = -3
/** A millisecond apart: of a process that has ended the kernel is done a moment later. */
const TRIES = 1000

let made = 0

/** Throws what Node throws. */
export const execGroups = ({ facts, name, engine }: ExecGroupParts): NextExecGroup => {
  const place = placeBeside(facts, name)
  if (place !== undefined) mkdirSync(path.join(place.mountpoint, place.path), { recursive: true })
  return (id, parents) => {
    const there = parents.length === 0 ? undefined : (placeInside(id, parents) ?? place)
    if (there === undefined) return undefined
    const group = `${PREFIX}${engine}-${made++}`
    const directory = path.join(there.mountpoint, there.path, group)
    return {
      parent: { ...there, controllers: [], group, isMadeByPath: true },
      directory,
      killFile: `${directory}/${killFile(there.version, facts.kernel)}`,
    }
  }
}

type Place = Pick<CgroupParent, 'version' | 'mountpoint' | 'path'>

const placeInside = (id: string, parents: readonly CgroupParent[]): Place | undefined => {
  const own = parents.find(({ version }) => version === 2)
  return own && { version: 2, mountpoint: own.mountpoint, path: `${own.path}/${own.group ?? id}` }
}

/** systemd's own hierarchy of v1 limits nothing. That of v2 is where the freezer takes processes to. */
const placeBeside = ({ cgroup }: ExecGroupParts['facts'], name: string): Place | undefined => {
  const { controllers, mode, unified, writable } = cgroup
  if (!writable || mode === 'v2') return undefined
  const named = controllers.find((each) => each.name === 'name=systemd' && each.version === 1)
  const mountpoint = named?.mountpoint ?? unified
  if (mountpoint === undefined) return undefined
  return { version: named === undefined ? 2 : 1, mountpoint, path: `/${name}/${FOLDER}` }
}

/** Who is left in it is the container's from now on, and moves up. Never fails: what cannot be removed the next sweep finds. */
export const endExecGroup = async (directory: string): Promise<void> => {
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      rmdirSync(directory)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).errno !== EBUSY) return
    }
    if (!moveUp(directory)) return
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

const moveUp = (directory: string): boolean => {
  const above = `${path.dirname(directory)}/cgroup.procs`
  for (const pid of pidsBelow(directory)) {
    try {
      writeFileSync(above, String(pid))
    } catch (error) {
      // A container that handed its controllers down has no place for a process there (cgroup-v2.rst, No Internal Process Constraint).
      if ((error as NodeJS.ErrnoException).errno !== ESRCH) return false
    }
  }
  return true
}

/** Those of engines that are dead: whoever is in them is killed. */
export const sweepExecGroups = async (
  { facts, name }: ExecGroupParts,
  dead: ReadonlySet<string>,
  kill: (group: string) => Promise<void>,
): Promise<void> => {
  const place = placeBeside(facts, name)
  const unified = path.join(facts.cgroup.unified ?? '/nowhere', name)
  const folders = [
    ...(place === undefined ? [] : [path.join(place.mountpoint, place.path)]),
    ...inside(unified, 'devices-').flatMap((each) => inside(each, '')),
  ]
  const left = folders.flatMap((folder) => inside(folder, PREFIX))
  await Promise.all(
    left
      .filter((group) => dead.has(path.basename(group).split('-')[1] ?? ''))
      .map(async (group) => {
        await kill(group)
        await removed(group)
      }),
  )
}

/** Of a container that is over, whoever made them. */
export const removeExecGroupsIn = async (group: string): Promise<void> => {
  await Promise.all(inside(group, PREFIX).map(removed))
}

const removed = async (group: string): Promise<void> => {
  for (let tries = 0; existsSync(group) && tries < TRIES; tries++) {
    removeQuietly(group)
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

const inside = (folder: string, prefix: string): readonly string[] => {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name.startsWith(prefix))
      .map((entry) => path.join(folder, entry.name))
  } catch {
    return []
  }
}
