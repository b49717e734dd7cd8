// What a test may need from the machine, and the reason to print where it is missing.
import { accessSync, constants, readFileSync } from 'node:fs'
import { release } from 'node:os'
import path from 'node:path'

/**
 * `program:crun` = found on PATH; `file:/dev/fuse` = can be read; `cgroup2` = every controller is on v2; `linux:6.15` = this
 * kernel or a newer one.
 */
export type Need = 'root' | 'cgroup2' | `linux:${number}.${number}` | `program:${string}` | `file:${string}`

/** Why a test that needs all of `needs` cannot run here; undefined = it can. */
export const lacking = (...needs: readonly Need[]): string | undefined => {
  for (const need of needs) {
    const reason = missing(need)
    if (reason !== undefined) return reason
  }
  return undefined
}

const missing = (need: Need): string | undefined => {
  if (need === 'root') return process.getuid?.() === 0 ? undefined : 'needs root'
  if (need === 'cgroup2') return hasUnifiedControllers() ? undefined : 'needs the controllers of cgroup v2'
  const [kind, what = ''] = need.split(/:(.*)/s)
  if (kind === 'linux') return isAtLeast(release(), what) ? undefined : `needs Linux ${what} or newer`
  if (kind === 'file') return can(what, constants.R_OK) ? undefined : `needs ${what}`
  return findProgram(what) === undefined ? `needs the program ${what}` : undefined
}

/** Full path of a program on PATH. */
export const findProgram = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, name))
    .find((file) => can(file, constants.X_OK))

const can = (file: string, mode: number): boolean => {
  try {
    accessSync(file, mode)
    return true
  } catch {
    return false
  }
}

const isAtLeast = (running: string, wanted: string): boolean => {
  const [major = 0, minor = 0] = running.split(/[.-]/).map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number)
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

const hasUnifiedControllers = (): boolean => {
  try {
    return /\bmemory\b/.test(readFileSync('/sys/fs/cgroup/cgroup.controllers', 'utf8'))
  } catch {
    return false
  }
}
