#!/usr/bin/env node
// Builds the addon and the helper with cmake-js and puts both into build/<config>. Also what prebuildify calls.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const option = (name) => process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3)
const config = option('config') ?? (process.argv.includes('--debug') ? 'Debug' : 'Release')
const sanitize = option('sanitize')
const name = sanitize ? `${config}-${sanitize.replaceAll(',', '-')}` : config
const out = path.join(root, 'build', 'cmake', name, config)

const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js')
const args = [cmakeJs, 'build', '-O', out, '-B', config, '-l', 'error']
if (sanitize) args.push(`--CDSLIPWAY_SANITIZE=${sanitize}`)
// A build that works says nothing; one that fails says everything.
const built = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 })
if (built.error) throw built.error
if (built.status !== 0) {
  process.stderr.write(`${built.stdout}${built.stderr}`)
  process.exit(built.status ?? 1)
}

/** Copy, then rename: a running process keeps the file it has mapped. */
const place = (file, folder) => {
  mkdirSync(folder, { recursive: true })
  const target = path.join(folder, file)
  copyFileSync(path.join(out, file), `${target}.new`)
  renameSync(`${target}.new`, target)
}
for (const file of ['slipway.node', 'slipway-init']) place(file, path.join(root, 'build', name))
if (name === 'Release') place('slipway-init', path.join(root, 'build', 'artifacts'))
