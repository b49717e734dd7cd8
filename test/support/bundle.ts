// Bundles a program of the tests, so that plain Node can run it in a process or a worker of its own.
import path from 'node:path'
import { build } from 'esbuild'
import { TEST_BUILD } from '../runner/bundle.mjs'

/** The bundle's path: `build/<folder>/<name>-<pid>.mjs`, named after `entry`, e.g. `test/crash/engine-process.ts`. */
export const bundleProgram = async (entry: string): Promise<string> => {
  const { dir, name } = path.parse(entry)
  const outfile = path.resolve('build', path.basename(dir), `${name}-${process.pid}.mjs`)
  await build({ ...TEST_BUILD, entryPoints: [entry], outfile })
  return outfile
}
