// Brings the runtimes here from the npm registry, each once, into a folder that git ignores.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { CACHE } from './table.mjs'

/** The program's path. Throws with npm's own words when it cannot be had. */
export const install = (runtime) => {
  const folder = path.resolve(CACHE, `${runtime.id}-${runtime.version}`)
  if (!existsSync(folder)) download(runtime, folder)
  return path.join(folder, 'node_modules', runtime.package, runtime.program)
}

/** Under another name first: a download that is cut short leaves nothing that looks whole. */
const download = (runtime, folder) => {
  const made = `${folder}.${process.pid}`
  mkdirSync(made, { recursive: true })
  const wanted = `${runtime.package}@${runtime.version}`
  // Platform packages hold one program and need no script of theirs to run.
  const args = [
    'install',
    '--no-save',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefix',
    made,
    wanted,
  ]
  const { status, stdout, stderr, error } = spawnSync('npm', args, { encoding: 'utf8', cwd: made })
  if (error !== undefined || status !== 0) {
    rmSync(made, { recursive: true, force: true })
    throw new Error(`npm install ${wanted}: ${error?.message ?? `${stdout}${stderr}`.trim()}`)
  }
  renameSync(made, folder)
}
