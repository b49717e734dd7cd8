// The published entries, dist/cli.cjs and dist/oci.cjs: run the bundles beside them, with the machine code V8 made of them the last time.
//
// Compiling a bundle takes a third of a start. V8 can hand out what it compiled and take it back later, but believes
// whatever it is given, so the file is believed only when nobody can have written it who could not have written the
// bundle itself. Its name holds the bundle's digest: V8 compares no more than the length of the source.
//
// V8 compiles a function when it is called first, so the file holds what the commands before needed. Behind V8's bytes it names
// what those did, its lessons; a process that did something else adds what it had compiled besides.
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

interface Learned {
  readonly code: Buffer
  readonly lessons: readonly string[]
}
const filesOf = (name: string): Files => ({
  bundle: `${__dirname}/${name}.cjs`,
  cache: `${__dirname}/.${name}-${__BUNDLES__[name]}-${process.versions.v8}-${process.arch}.cache`,
})

/** At the end of the file: the lessons' own size in bytes. */
const SIZE_BYTES = 4

const decoded = (file: Buffer): Learned | undefined => {
  const end = file.length - SIZE_BYTES
  const start = end < 0 ? -1 : end - file.readUInt32LE(end)
  if (start < 0) return undefined
  return { code: file.subarray(0, start), lessons: file.toString('latin1', start, end).split('\n') }
}

const encoded = ({ code, lessons }: Learned): Buffer => {
  const text = Buffer.from(lessons.join('\n'), 'latin1')
  const size = Buffer.alloc(SIZE_BYTES)
  size.writeUInt32LE(text.length)
  return Buffer.concat([code, text, size])
}

const readTrusted = ({ bundle, cache }: Files): Learned | undefined => {
  let fd: number | undefined
  try {
    fd = openSync(cache, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const found = fstatSync(fd)
    const program = statSync(bundle)
    const sameHands = found.uid === program.uid && (found.mode & ~program.mode & 0o022) === 0
    return found.isFile() && sameHands ? decoded(readFileSync(fd)) : undefined
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Another user's bundle, a read-only folder, a full disk: the next start compiles again, that is all. */
const store = ({ bundle, cache }: Files, script: Script, lessons: readonly string[]): void => {
  const temporary = `${cache}.${process.pid}`
  try {
    if (statSync(bundle).uid !== process.geteuid?.()) return
    writeFileSync(temporary, encoded({ code: script.createCachedData(), lessons }), {
      mode: 0o644,
      flag: 'wx',
    })
    renameSync(temporary, cache)
  } catch {
    try {
      unlinkSync(temporary)
    } catch {}
  }
}

/** A `run` that was refused has compiled little, and teaches nothing: an entry tells what went well. */
const main = module as unknown as { readonly exports: { readonly lessons?: () => readonly string[] } }
/** Other flags make other code. */
const ordinary = process.execArgv.length === 0 && process.env.NODE_OPTIONS === undefined
/** In a process that lives longer V8 may have dropped what it has not called for a while. */
const FRESH_MS = 10_000

const compile = (files: Files): Script => {
  const learned = readTrusted(files)
  // The bundle is ASCII: as latin1 it costs neither decoding nor two bytes a character.
  const source = readFileSync(files.bundle, 'latin1')
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: files.bundle,
    ...(learned === undefined ? {} : { cachedData: learned.code }),
  })
  const known = script.cachedDataRejected === false ? (learned?.lessons ?? []) : []
  if (ordinary) process.on('exit', () => learn(files, script, known))
  return script
}

const learn = (files: Files, script: Script, known: readonly string[]): void => {
  const lessons = (main.exports.lessons?.() ?? []).filter((lesson) => !known.includes(lesson))
  if (lessons.length > 0 && (known.length === 0 || performance.now() < FRESH_MS))
    store(files, script, [...known, ...lessons])
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
