// slipway's own programs, and others of this machine, timed as whole commands.
import { mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../build.mjs'

export const command = (name, argv) => ({ kind: 'exec', name, argv, block: 3, lead: 1, host: true })

/** A program as npm installs it, a link to the bundle that is found by its first line: `slipway` to `cli`, say. */
export const installed = (stage, name, bundle) => {
  const folder = path.join(stage.dir, 'bin')
  mkdirSync(folder, { recursive: true })
  const program = path.join(folder, name)
  symlinkSync(path.join(projectRoot, 'dist', `${bundle}.cjs`), program)
  return program
}
