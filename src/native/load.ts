// Finds and loads the addon and the helper beside it, in a checkout or in an installed package.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Addon } from './addon.ts'
import { jsHost } from './js-host.ts'

let loaded: Addon | undefined

/** The addon, with the helper sealed into it. Throws when there is no build for this machine. */
export const loadAddon = (): Addon => {
  if (loaded !== undefined) return loaded
  const file = process.env.SLIPWAY_ADDON ?? locate()
  const module: { exports: Partial<Addon> } = { exports: {} }
  process.dlopen(module, file)
  const addon = module.exports as Addon
  const helper = path.join(path.dirname(file), 'slipway-init')
  if (!addon.watchDescriptors(!jsHost.takesDescriptors))
    throw new Error(`${jsHost.name} ${jsHost.version} has no event loop the addon can use`)
  const sealed = addon.sealHelper(readFileSync(helper))
  if (sealed !== 0) throw new Error(`cannot keep ${helper} in a sealed memfd: errno ${sealed}`)
  loaded = addon
  return addon
}

/** A checkout's own build first, without the cost of loading node-gyp-build; then the shipped ones. */
const locate = (): string => {
  const root = packageRoot(path.dirname(fileURLToPath(import.meta.url)))
  const built = path.join(root, 'build', 'Release', 'slipway.node')
  if (existsSync(built)) return built
  const nodeGypBuild = createRequire(import.meta.url)('node-gyp-build') as { resolve(dir: string): string }
  return nodeGypBuild.resolve(root)
}

const packageRoot = (from: string): string => {
  for (let folder = from; ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'CMakeLists.txt'))) return folder
    if (folder === path.dirname(folder)) throw new Error(`no slipway package above ${from}`)
  }
}
