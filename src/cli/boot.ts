// The published entries, dist/cli.cjs and dist/oci.cjs: run the bundles beside them, with the machine code V8 made of them the last time.
//
// Compiling a bundle takes a third of a start. V8 can hand out what it compiled and take it back later, but believes
// whatever it is given, so the file is believed only when nobody can have written it who could not have written the
// bundle itself. Its name holds the bundle's digest: V8 compares no more than the length of the source.
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { Script } from 'node:vm'

/** Digests by name: the entry's own bundle first, then those it loads when it needs them. */
declare const __BUNDLES__: Readonly<Record<string, string>>

interface Files {
  readonly bundle: string
  readonly cache: string
}
const filesOf = (name: string): Files => ({
  bundle: `${__dirname}/${name}.cjs`,
  cache: `${__dirname}/.${name}-${__BUNDLES__[name]}-${process.versions.v8}-${process.arch}.cache`,
})

const readTrusted = ({ bundle, cache }: Files): Buffer | undefined => {
  let fd: number | undefined
  try {
    fd = openSync(cache, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const found = fstatSync(fd)
    const program = statSync(bundle)
    const sameHands = found.uid === program.uid && (found.mode & ~program.mode & 0o022) === 0
    return found.isFile() && sameHands ? readFileSync(fd) : undefined
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Another user's bundle, a read-only folder, a full disk: the next start compiles again, that is all. */
const store = ({ bundle, cache }: Files, script: Script): void => {
  const temporary = `${cache}.${process.pid}`
  try {
    if (statSync(bundle).uid !== process.geteuid?.()) return
    writeFileSync(temporary, script.createCachedData(), { mode: 0o644, flag: 'wx' })
    renameSync(temporary, cache)
  } catch {
    try {
      unlinkSync(temporary)
    } catch {}
  }
}

// Once a container has run the functions of the hot path are compiled and worth keeping: a `run` that was refused would
// leave the cache without them for ever. Other flags make other code.
const main = module as unknown as { readonly exports: { readonly hasStarted?: () => boolean } }
const ordinary = process.execArgv.length === 0 && process.env.NODE_OPTIONS === undefined

const compile = (files: Files): Script => {
  const cachedData = readTrusted(files)
  // The bundle is ASCII: as latin1 it costs neither decoding nor two bytes a character.
  const source = readFileSync(files.bundle, 'latin1')
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: files.bundle,
    ...(cachedData === undefined ? {} : { cachedData }),
  })
  const usable = cachedData !== undefined && script.cachedDataRejected === false
  if (!usable && ordinary)
    process.on('exit', () => main.exports.hasStarted?.() === true && store(files, script))
  return script
}

const run = (name: string, into: { exports: unknown }): unknown => {
  const files = filesOf(name)
  compile(files).runInThisContext()(into.exports, load, into, files.bundle, __dirname)
  return into.exports
}

const [first = '', ...others] = Object.keys(__BUNDLES__)
const loaded = new Map<string, unknown>()
/** What a bundle calls `require`: as Node's own, but for our other bundles. */
const load = (id: string): unknown => {
  const name = others.find((other) => id === `./${other}.cjs`)
  if (name === undefined) return require(id)
  if (!loaded.has(name)) loaded.set(name, run(name, { exports: {} }))
  return loaded.get(name)
}

run(first, module)
