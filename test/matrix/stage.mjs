// The project of a user who has installed slipway: a folder with the bundled subset, and a link to this checkout.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { TEST_BUILD } from '../runner/bundle.mjs'

/** The library is not bundled: it is found by its name, as a user's program finds it. */
const throughThePackage = {
  name: 'through the package',
  setup: ({ onResolve }) =>
    onResolve({ filter: /(^|\/)src\/index\.ts$/ }, () => ({ path: 'slipway', external: true })),
}

export const stage = async (folder) => {
  mkdirSync(path.join(folder, 'node_modules'), { recursive: true })
  symlinkSync(process.cwd(), path.join(folder, 'node_modules', 'slipway'))
  const dependencies = { slipway: '*' }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type: 'module', dependencies }))
  await build({
    ...TEST_BUILD,
    packages: undefined,
    plugins: [throughThePackage],
    entryPoints: ['subset.ts', 'program.ts', 'thread.mjs'].map((file) => path.join('test', 'matrix', file)),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    sourcemap: 'inline',
  })
}
