// Brings the runtimes here from the npm registry, each once, into a folder that git ignores.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { CACHE } from './table.mjs'

const ATTEMPTS = 3

/** `{ program }`, its path, or `{ why }` it cannot be had, in npm's own words. */
export const install = (runtime) => {
  const folder = path.resolve(CACHE, `${runtime.id}-${runtime.version}`)
  let why
  for (let attempt = 0; attempt < ATTEMPTS && !existsSync(folder); attempt++) why = download(runtime, folder)
  if (!existsSync(folder)) return { why }
  return { program: path.join(folder, 'node_modules', runtime.package, runtime.program) }
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
    return `npm install ${wanted}: ${error?.message ?? `${stdout}${stderr}`.trim()}`
  }
  renameSync(made, folder)
  return undefined
}
