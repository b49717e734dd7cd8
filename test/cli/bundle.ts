// Builds the command line as it is published, into a temporary folder.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'
import { LAZY_BANNER, lazyBuiltins } from '../../scripts/lazy-builtins.mjs'

export interface Bundle {
  readonly file: string
  readonly remove: () => void
}

/** The same shape as scripts/ts-build.mjs makes, without its other outputs. */
export const bundle = async (entry = 'src/cli/main.ts'): Promise<Bundle> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-cli-'))
  const file = path.join(folder, 'cli.cjs')
  await build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    alias: { '#fp': 'fp-ts/es6' },
    external: ['node-gyp-build', 'esbuild'],
    define: {
      __SLIPWAY_VERSION__: JSON.stringify(JSON.parse(readFileSync('package.json', 'utf8')).version),
      'import.meta.url': '__moduleUrl',
    },
    banner: { js: `${LAZY_BANNER} const __moduleUrl = require("node:url").pathToFileURL(__filename).href;` },
    logLevel: 'warning',
  })
  writeFileSync(file, lazyBuiltins(readFileSync(file, 'utf8')))
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
