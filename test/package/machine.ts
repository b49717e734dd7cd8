// Poorer machines to install on: a PATH that lacks programs, a home without caches, no network.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { findProgram } from '../support/needs.ts'

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A folder of its own, removed afterwards. */
export const inFolder = <A>(use: (folder: string) => A): A => {
  const folder = mkdtempSync(path.join(tmpdir(), 'package-'))
  try {
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A folder of links to the named programs of this machine: the PATH of a machine that has nothing else. */
export const pathOf = (folder: string, names: readonly string[]): string => {
  const bin = path.join(folder, 'bin')
  mkdirSync(bin)
  for (const name of names) {
    const file = findProgram(name)
    if (file !== undefined) symlinkSync(realpathSync(file), path.join(bin, name))
  }
  return bin
}

/** Every program on this machine's PATH whose name `keep` accepts. */
export const programs = (keep: (name: string) => boolean): readonly string[] => [
  ...new Set((process.env.PATH ?? '').split(path.delimiter).flatMap(namesIn).filter(keep)),
]

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Runs a command in `cwd` with that PATH and an empty home; npm keeps its settings and its store of packages. */
export const runOn = (bin: string, cwd: string, command: readonly [string, ...string[]]): Ran => {
  const home = path.join(bin, '..', 'home')
  const temporary = path.join(bin, '..', 'tmp')
  for (const made of [home, temporary]) mkdirSync(made, { recursive: true })
  const [program, ...args] = command
  const { status, stdout, stderr, error } = spawnSync(path.join(bin, program), args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    env: { ...npmSettings(), PATH: bin, HOME: home, TMPDIR: temporary, CI: 'true' },
  })
  if (error !== undefined) throw error
  return { status, stdout, stderr }
}

/** Only what tells npm where packages come from. */
const npmSettings = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(npm_config_registry|npm_config_cafile|SSL_CERT_|https?_proxy$|no_proxy$)/i.test(name),
  )
  return {
    ...Object.fromEntries(kept),
    npm_config_userconfig: path.join(homedir(), '.npmrc'),
    npm_config_cache: process.env.npm_config_cache ?? path.join(homedir(), '.npm'),
    npm_config_update_notifier: 'false',
  }
}

/** Copies what a fresh checkout contains, with the changes not committed yet. */
export const copyCheckout = (target: string): void => {
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  })
  const files = stdout.split('\0').filter((file) => file !== '')
  if (files.length === 0) throw new Error('git knows no file of this checkout')
  for (const file of files) {
    mkdirSync(path.dirname(path.join(target, file)), { recursive: true })
    copyFileSync(file, path.join(target, file))
  }
}
