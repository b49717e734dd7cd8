// Holds the built helper and addon to their rules.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { addonFaults, flagFaults, helperFaults, objectFaults } from './binary-rules.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folder = process.argv[2] ?? path.join(root, 'build', 'Release')
const named = (file, faults) => faults.map((fault) => `${file}: ${fault}`)
const objectFolder = path.join(root, 'build', 'cmake', 'Release', 'Release', 'CMakeFiles', 'slipway-init.dir')
const objects = readdirSync(objectFolder, { recursive: true })
  .map((file) => path.join(objectFolder, String(file)))
  .filter((file) => file.endsWith('.o'))
const faults = [
  ...named('slipway-init', helperFaults(path.join(folder, 'slipway-init'))),
  ...named('slipway.node', addonFaults(path.join(folder, 'slipway.node'))),
  ...named('slipway-init', objects.length === 0 ? ['has no object files'] : objectFaults(objects)),
  ...flagFaults(readFileSync(path.join(root, 'CMakeLists.txt'), 'utf8')),
]
for (const fault of faults) console.error(fault)
process.exit(faults.length === 0 ? 0 : 1)
