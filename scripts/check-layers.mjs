// Fails on an import or #include that points back: data flows one way (docs/architecture.md, Folders).
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** What a folder of src/ may import from src/, and from Node; a prefix stands for everything below it. */
const SOURCE = {
  // From os only os.constants: the machine's error numbers.
  model: { own: ['model'], node: ['crypto', 'path', 'os'] },
  plan: { own: ['model', 'plan'], node: ['crypto', 'path'] },
  engine: { own: ['model', 'plan', 'engine'], node: ['crypto', 'path', 'stream', 'events', 'timers'] },
  adapters: { own: ['model', 'plan', 'engine/ports', 'adapters', 'native'] },
  // The one place where programs meet the host.
  'adapters/live.ts': { own: ['model', 'engine', 'adapters', 'native'] },
  native: { own: ['model', 'native'] },
  dbus: { own: ['model', 'dbus'] },
  // Programs with parts taken out of them are below what the library offers.
  bench: { own: ['model', 'plan', 'engine', 'adapters/make-folders.ts', 'native', 'bench', 'fp.ts'] },
  cli: { own: ['model', 'bench', 'cli', 'fp.ts'] },
  oci: { own: ['model', 'oci', 'fp.ts'] },
  // The life cycle behind the command's port.
  'oci/live.ts': { own: ['model', 'oci'] },
  'oci/live': { own: ['model', 'plan', 'engine', 'adapters', 'native', 'dbus', 'oci'] },
  // What it says to be supported is asked of the planner itself.
  'oci/features.ts': { own: ['model', 'plan', 'oci'] },
  http: { own: ['model', 'http', 'fp.ts'] },
  'index.ts': { own: [''] },
  'fp.ts': { own: [''] },
  'fp-containers.ts': { own: ['model', 'engine', 'adapters/live.ts'] },
  'runtime.ts': { own: [''] },
  'runtime-fp.ts': { own: [''] },
}

/** The same for native/. */
const NATIVE = {
  'addon.cc': ['binding'],
  binding: ['binding', 'launch', 'layer', 'sys'],
  launch: ['launch', 'sys'],
  layer: ['layer', 'sys'],
  init: ['init', 'launch', 'sys'],
  sys: ['sys'],
}
/** Headers of Node itself, for binding/ alone. */
const NODE_HEADERS = /^(napi|node_api|js_native_api|uv|v8|node)(-inl)?\.h$/

const withoutComments = (text) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')

/** A type of Node's touches no host: only values of it count. An arrow between our own folders counts either way. */
const importsOf = (text) => {
  const code = withoutComments(text).replace(/^\s*import type\b[^'"`;]*?\bfrom\s*['"]node:[^'"]+['"]/gm, '')
  const forms = [
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\bimport\s*\(\s*['"]([^'"]+)['"]/g,
  ]
  return forms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1]))
}

const includesOf = (text) =>
  [...withoutComments(text).matchAll(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/gm)].map(([, open, name]) => ({
    system: open === '<',
    name,
  }))

const isBelow = (file, prefix) => prefix === '' || file === prefix || file.startsWith(`${prefix}/`)

const filesBelow = (folder, ending) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true })
        .map(String)
        .filter((file) => ending.test(file))
        .sort()
    : []

const sourceFault = (file, spec) => {
  // Of a file, of a folder in a folder, of a folder.
  const rule = SOURCE[file] ?? SOURCE[file.split('/').slice(0, 2).join('/')] ?? SOURCE[file.split('/')[0]]
  if (rule === undefined) return 'the folder has no rule in scripts/check-layers.mjs'
  if (spec.startsWith('#fp/')) return undefined
  if (spec.startsWith('node:')) return nodeFault(rule, spec)
  if (!spec.startsWith('.'))
    return file.startsWith('native/') ? undefined : `no package but fp-ts, by '#fp/…'`
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), spec))
  if (target.startsWith('..')) return 'outside of src/'
  return rule.own.some((prefix) => isBelow(target, prefix)) || isPort(rule, target)
    ? undefined
    : 'points back'
}

/** `engine/ports` is a folder, or the file `engine/ports.ts`. */
const isPort = (rule, target) => rule.own.includes('engine/ports') && target === 'engine/ports.ts'

const nodeFault = (rule, spec) => {
  const module = spec.slice('node:'.length).split('/')[0]
  return rule.node === undefined || rule.node.includes(module) ? undefined : 'this folder touches no host'
}

const nativeFault = (file, { system, name }) => {
  const folder = file.split('/')[0]
  const allowed = NATIVE[folder]
  if (allowed === undefined) return 'the folder has no rule in scripts/check-layers.mjs'
  if (!system) return allowed.some((prefix) => isBelow(name, prefix)) ? undefined : 'points back'
  const mayKnowNode = folder === 'binding' || folder === 'addon.cc'
  return NODE_HEADERS.test(name) && !mayKnowNode ? 'only binding/ knows Node' : undefined
}

/** @returns one line per arrow that must not be, for a project at `root` */
export const layerFaults = (root) => {
  const faults = []
  const read = (...parts) => readFileSync(path.join(root, ...parts), 'utf8')
  for (const file of filesBelow(path.join(root, 'src'), /\.ts$/)) {
    for (const spec of importsOf(read('src', file))) {
      const fault = sourceFault(file, spec)
      if (fault !== undefined) faults.push(`src/${file} -> ${spec}: ${fault}`)
    }
  }
  for (const file of filesBelow(path.join(root, 'native'), /\.(cc|h)$/)) {
    for (const include of includesOf(read('native', file))) {
      const fault = nativeFault(file, include)
      if (fault !== undefined) faults.push(`native/${file} -> ${include.name}: ${fault}`)
    }
  }
  return faults
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = process.argv[2] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url)))
  const faults = layerFaults(root)
  for (const fault of faults) console.error(fault)
  process.exit(faults.length === 0 ? 0 : 1)
}
