// Bundles program.ts for as long as this process lives.
import { rmSync } from 'node:fs'
import { bundleProgram } from '../support/bundle.ts'

/** The file's path; it is removed at the end of this process. */
export const buildProgram = async (): Promise<string> => {
  const script = await bundleProgram('test/library/program.ts')
  process.once('exit', () => rmSync(script, { force: true }))
  return script
}
