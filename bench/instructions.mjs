// Instructions of the native parts of one recorded launch, counted by callgrind: the engine's half and the helper, each in a program
// that answers every system call itself (bench/native/counted).
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from './build.mjs'

const build = path.join(projectRoot, 'build/cmake/Release/Release')
const ENGINE = { program: 'counted-engine', ends: 0 }
const HELPER = { program: 'counted-helper', ends: 42 }

const firstLine = (program, args) => {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
  return status === 0 ? stdout.split('\n')[0].trim() : undefined
}

const compilerOf = (cache) => /^CMAKE_CXX_COMPILER:\w+=(.+)$/m.exec(cache)?.[1]

/** What a count of instructions depends on besides the code: `{ compiler, counter }`. Undefined without valgrind. */
export const tools = () => {
  execFileSync(process.execPath, [path.join(projectRoot, 'scripts/native-build.mjs')], { stdio: 'inherit' })
  const compiler = compilerOf(readFileSync(path.join(build, 'CMakeCache.txt'), 'utf8'))
  const counter = firstLine('valgrind', ['--version'])
  return counter && { compiler: firstLine(compiler, ['--version']), counter }
}

const field = (array) => {
  const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return [length, bytes]
}
const bytesOf = (base64) => Buffer.from(base64 ?? '', 'base64')

const WHEN = { early: 0, after: 1, last: 2, later: 3 }
const NO_SLOT = 0xffffffff

/** As bench/native/counted/engine.cc reads it. */
const engineRecording = ({ script, slotFiles, patches, own }) =>
  Buffer.concat(
    [
      ...[script.prepare, script.inChild, script.after, script.layers, script.network].map(bytesOf),
      Uint16Array.from(script.keep),
      Uint16Array.from(script.close),
      Uint32Array.from(patches),
      Buffer.from(own, 'latin1'),
      BigUint64Array.from([script.slotCount, script.cloneFlags, slotFiles.length].map(BigInt)),
      ...script.stages.flatMap(({ plan, fds, base, when }) => [
        bytesOf(plan),
        Uint16Array.from(fds),
        Uint32Array.of(base, WHEN[when] ?? NO_SLOT),
      ]),
    ].flatMap(field),
  )

const STAGE_MAGIC = 0x54534c53

/** What goes over the control socket to the helper (native/launch/protocol.h), but for the descriptors themselves. */
const helperRecording = ({ script }) =>
  Buffer.concat(
    script.stages.flatMap(({ plan, fds, base }, index) => {
      const bytes = bytesOf(plan)
      const more = index + 1 < script.stages.length ? 1 : 0
      return [Buffer.from(Uint32Array.of(STAGE_MAGIC, bytes.length, fds.length, base, more).buffer), bytes]
    }),
  )

/**
 * Callgrind's output -> instructions by function, each function's own, of the program itself: what libraries do depends on their
 * version and on the processor.
 */
export const readCallgrind = (text, program) => {
  const names = { fn: new Map(), ob: new Map() }
  const named = (kind, reference) => {
    const [, id, name] = /^\((\d+)\)(?: (.*))?$/.exec(reference)
    if (name !== undefined) names[kind].set(id, name)
    return names[kind].get(id)
  }
  const counts = {}
  let [object, current, isCall] = ['', '', false]
  for (const line of text.split('\n')) {
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (key === 'ob') object = named('ob', value)
    else if (key === 'cob') named('ob', value)
    else if (key === 'fn') current = named('fn', value)
    else if (key === 'cfn') named('fn', value)
    else if (key === 'calls') isCall = true
    else if (/^[+\-*\d]/.test(line)) {
      // The line after `calls=` tells what the called function cost.
      if (!isCall && object.endsWith(program))
        counts[current] = (counts[current] ?? 0) + Number(line.split(' ')[1])
      isCall = false
    }
  }
  return counts
}

/** The answering of system calls is no part of a launch. */
const isOurs = (name) => !/raw_syscall|\(below main\)|counted_launch|^_dl_|^_init|^0x/.test(name)

const byShortName = (counts) => {
  const sums = new Map()
  for (const [name, count] of counts) sums.set(shortName(name), (sums.get(shortName(name)) ?? 0) + count)
  return [...sums]
}

const runCounted = (stage, { program, ends }, args, stdio, options) => {
  const output = path.join(stage.dir, `${program}.callgrind`)
  const argv = ['--tool=callgrind', '--quiet', `--callgrind-out-file=${output}`, ...options]
  const command = [...argv, path.join(build, program), ...args]
  const { error, status, signal, stderr } = spawnSync('valgrind', command, { encoding: 'utf8', stdio })
  if (error !== undefined) throw error
  if (status !== ends || !existsSync(output))
    throw new Error(`${program} ended with ${status ?? signal}: ${stderr}`)
  const counts = readCallgrind(readFileSync(output, 'utf8'), program)
  return byShortName(Object.entries(counts).filter(([name]) => isOurs(name)))
}

const countEngine = (stage, recording) => {
  const file = path.join(stage.dir, 'engine.recording')
  writeFileSync(file, engineRecording(recording))
  const within = ['--collect-atstart=no', '--toggle-collect=counted_launch']
  return runCounted(stage, ENGINE, [file], ['ignore', 'ignore', 'pipe'], within)
}

const CTL = 3

const countHelper = (stage, recording) => {
  const file = path.join(stage.dir, 'helper.recording')
  writeFileSync(file, helperRecording(recording))
  const ctl = openSync(file, 'r')
  try {
    const progressFd = CTL + 1
    return runCounted(stage, HELPER, [CTL, progressFd, 0].map(String), ['ignore', 'ignore', 'pipe', ctl], [])
  } finally {
    closeSync(ctl)
  }
}

/** `slipway::launch::Outcome slipway::launch::execute<…>(…) [clone .isra.0]` -> `launch::execute`. */
export const shortName = (name) => {
  let [plain, before] = [name.replace(/ \[clone [^\]]*\]/g, '').replaceAll('(anonymous namespace)::', ''), '']
  while (plain !== before) [before, plain] = [plain, plain.replace(/<[^<>]*>|\([^()]*\)( const)?/g, '')]
  return plain
    .split(' ')
    .at(-1)
    .replace(/^slipway::/, '')
}

/** Functions that make up less than this of a whole are summed up. */
const SHOWN_FROM = 0.01

const shownOf = (counts) => {
  const total = counts.reduce((all, [, count]) => all + count, 0)
  const shown = counts.filter(([, count]) => count >= SHOWN_FROM * total).sort(([, a], [, b]) => b - a)
  return { total, ...Object.fromEntries(shown) }
}

/** `{ engine: { total, <function>: n… }, helper: … }` of one recorded launch. */
export const countInstructions = (stage, recording) => {
  const [program, ...args] = ['cmake', '--build', build, '--target', ENGINE.program, HELPER.program]
  const built = spawnSync(program, args, { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`cmake --build: ${built.stdout}${built.stderr}`)
  return {
    engine: shownOf(countEngine(stage, recording)),
    helper: shownOf(countHelper(stage, recording)),
  }
}
