// Bundles the library (ESM) and the command lines (CJS), then emits the type declarations.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { LAZY_BANNER, lazyBuiltins } from './lazy-builtins.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
process.chdir(root)
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
rmSync('dist', { recursive: true, force: true })

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  // The es6 build of fp-ts is the one a bundler can shake: 215 KB becomes 11 KB, 54 ms become 1 ms.
  alias: { '#fp': 'fp-ts/es6' },
  external: ['node-gyp-build'],
  define: { __SLIPWAY_VERSION__: JSON.stringify(version) },
  logLevel: 'warning',
  outdir: 'dist',
}
await build({
  ...shared,
  entryPoints: ['src/index.ts', 'src/fp.ts', 'src/runtime.ts', 'src/runtime-fp.ts'],
  format: 'esm',
  splitting: true,
  chunkNames: 'chunk-[hash]',
})
const commonJs = {
  ...shared,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  minifySyntax: true,
  minifyWhitespace: true,
}
/** A bundle of the command line beside its entry; what it imports of `apart` stays a bundle of its own, loaded when it is called. */
const part = async (name, entry, apart = {}) => {
  const outside = {
    name: 'apart',
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\./ }, ({ path: file, resolveDir }) => {
        const found = apart[path.relative(root, path.resolve(resolveDir, file))]
        return found === undefined ? undefined : { path: `./${found}.cjs`, external: true }
      }),
  }
  await build({
    ...commonJs,
    entryPoints: { [name]: entry },
    plugins: [outside],
    // The bundle is run by vm, which knows no import().
    supported: { 'dynamic-import': false },
    define: { ...shared.define, 'import.meta.url': '__moduleUrl' },
    banner: {
      // As pathToFileURL, without node:url.
      js: `${LAZY_BANNER} const __moduleUrl = "file://" + encodeURI(__filename).replace(/[?#]/g, encodeURIComponent);`,
    },
  })
  writeFileSync(`dist/${name}.cjs`, lazyBuiltins(readFileSync(`dist/${name}.cjs`, 'utf8')))
}
await part('cli-bench', 'src/bench/index.ts')
await part('cli-main', 'src/cli/main.ts', { 'src/bench/index.ts': 'cli-bench' })
await part('oci-live', 'src/oci/live.ts')
await part('oci-main', 'src/oci/main.ts', { 'src/oci/live.ts': 'oci-live' })

const digestOf = (name) =>
  createHash('sha256')
    .update(readFileSync(`dist/${name}.cjs`))
    .digest('hex')
    .slice(0, 16)
/** An entry of the package's `bin`: runs the first of these bundles, and keeps the machine code of each. */
const bin = async (name, ...bundles) => {
  const digests = Object.fromEntries(bundles.map((bundle) => [bundle, digestOf(bundle)]))
  await build({
    ...commonJs,
    entryPoints: { [name]: 'src/cli/boot.ts' },
    define: { __BUNDLES__: JSON.stringify(digests) },
    // A shell line that is a comment to JavaScript. Node looks for its own --env-file in every argument up to a `--`, those
    // of its script and of the container included (Node 20); env -S, the other way to say `--`, is not in busybox.
    banner: { js: `#!/bin/sh\n':' //; exec node -- "$0" "$@"` },
  })
  chmodSync(`dist/${name}.cjs`, 0o755)
}
await bin('cli', 'cli-main')
// The runtime that other engines call is started anew for every question: the life cycle stays out of it until asked for.
await bin('oci', 'oci-main', 'oci-live')

const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json'], {
  stdio: 'inherit',
})
if (tsc.status !== 0) process.exit(tsc.status ?? 1)
