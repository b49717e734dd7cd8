// The published entry, dist/cli.cjs: runs the bundle beside it, with the machine code V8 made of it the last time.
//
// Compiling the bundle takes a third of a start. V8 can hand out what it compiled and take it back later, but believes
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

declare const __MAIN_DIGEST__: string

const bundle = `${__dirname}/cli-main.cjs`
const cache = `${__dirname}/.cli-${__MAIN_DIGEST__}-${process.versions.v8}-${process.arch}.cache`

const readTrusted = (): Buffer | undefined => {
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
const store = (script: Script): void => {
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

const cachedData = readTrusted()
// The bundle is ASCII: as latin1 it costs neither decoding nor two bytes a character.
const source = readFileSync(bundle, 'latin1')
const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
  filename: bundle,
  ...(cachedData === undefined ? {} : { cachedData }),
})

// Once a container has run the functions of the hot path are compiled and worth keeping: a `run` that was refused would
// leave the cache without them for ever. Other flags make other code.
const usable = cachedData !== undefined && script.cachedDataRejected === false
const ordinary = process.execArgv.length === 0 && process.env.NODE_OPTIONS === undefined
const main = module as unknown as { readonly exports: { readonly hasStarted?: () => boolean } }
if (!usable && ordinary) process.on('exit', () => main.exports.hasStarted?.() === true && store(script))

script.runInThisContext()(exports, require, module, bundle, __dirname)
