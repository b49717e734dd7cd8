// Runs one test file in a process group of its own, and gathers everything a verdict is based on.
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { findLeftovers, killPids } from './leftovers.mjs'
import { takeFindings } from './sanitize.mjs'

/** How long what a test has started may take to disappear after it. */
const LINGER_MS = 1500
const POLL_MS = 15
/** Of a file's output, the end is kept. */
const KEPT_CHARACTERS = 1_000_000

const running = new Set()
let count = 0

export const killRunning = () => {
  for (const run of running) killPids(findLeftovers(run).map(({ pid }) => pid))
}

const NODE = [process.execPath, '--enable-source-maps']

/**
 * `command`: the program that runs scripts, and its own arguments.
 * @returns code, signal, timedOut, ms, text, records, leftBehind (processes), leftFiles (names in its TMPDIR), findings (reports of the helper's sanitizers)
 */
export const runFile = async (script, { scratch, env, timeoutMs, sanitize = false, command = NODE }) => {
  const started = Date.now()
  const id = `${process.pid}-${++count}`
  const folder = path.join(scratch, String(count))
  const recordFile = `${folder}.records`
  mkdirSync(folder)
  const [program, ...args] = command
  const child = spawn(program, [...args, script], {
    env: { ...env, SLIPWAY_TEST_RECORD: recordFile, SLIPWAY_TEST_ID: id, TMPDIR: folder },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const run = { id, group: child.pid }
  running.add(run)
  const output = collect(child)
  const ending = await ended(child, run, timeoutMs)
  const leftBehind = await settle(run, output)
  running.delete(run)
  return {
    ...ending,
    ms: Date.now() - started,
    text: output.text,
    records: readRecords(recordFile),
    leftBehind,
    leftFiles: takeAway(folder),
    findings: sanitize ? takeFindings() : [],
  }
}

const collect = (child) => {
  const output = { text: '', streams: [child.stdout, child.stderr], closed: false }
  for (const stream of output.streams) {
    stream.setEncoding('utf8')
    stream.on('data', (chunk) => {
      output.text = (output.text + chunk).slice(-KEPT_CHARACTERS)
    })
  }
  child.on('close', () => {
    output.closed = true
  })
  return output
}

const ended = (child, run, timeoutMs) =>
  new Promise((resolve, reject) => {
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      // Killed with all it has started: none of them is a leftover of a test that ended by itself.
      killPids(findLeftovers(run).map(({ pid }) => pid))
    }, timeoutMs)
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, timedOut })
    })
  })

/** Waits until everything the file has started is gone. What stays is killed and returned. */
const settle = async (run, output) => {
  const deadline = Date.now() + LINGER_MS
  let left = findLeftovers(run)
  while ((left.length > 0 || !output.closed) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    left = findLeftovers(run)
  }
  killPids(left.map(({ pid }) => pid))
  // A process that hid from us may hold the output open for ever; it is not waited for, but it is told.
  for (let ms = 0; !output.closed && ms < LINGER_MS; ms += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  for (const stream of output.streams) stream.destroy()
  const hidden = output.closed
    ? []
    : [{ pid: 0, name: 'a process of its own session, holding the output open' }]
  return [...left, ...hidden]
}

/** The last line may be torn by a kill. */
const readRecords = (file) => {
  const lines = readText(file).split('\n')
  lines.pop()
  return lines.map((line) => JSON.parse(line))
}

const readText = (file) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Removes the file's TMPDIR unless something is mounted in it: deleting must never reach through a mount. */
const takeAway = (folder) => {
  const names = readdirSync(folder)
  const mounted = readText('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${folder}/`))
  if (mounted.length === 0) rmSync(folder, { recursive: true, force: true })
  return [...names, ...mounted.map((point) => `mount ${point}`)]
}
