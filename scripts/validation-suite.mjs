// Runs the programs that make-validation.sh made against an OCI runtime, and reads what they say.
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** What is beside the programs in their folder. */
const OTHERS = /^(runtimetest|SOURCE|rootfs-.*)$/

export const programsIn = (directory) =>
  readdirSync(directory)
    .filter((name) => !OTHERS.test(name))
    .sort()

/** Those that make groups: the names of these are fixed, so that only one on a machine can run at a time. */
const makesGroups = (program) => program.startsWith('linux_cgroups_') || program.startsWith('delete_')

/**
 * `{ passed, failed }` of one program: how many tests were ok (skipped ones are not counted), and the descriptions of the others, each
 * once. What is known to fail ("# TODO") is no failure. Programs whose tests are not numbered say `error` before any of them.
 */
export const readTap = (text, code) => {
  const failed = new Set()
  let passed = 0
  let made = 0
  let plan
  let notes
  for (const line of text.split('\n')) {
    const [, not, rest = ''] = /^(not )?ok \d+ ?(.*)$/.exec(line) ?? []
    // A program may make several parts, each with a plan.
    if (/^1\.\.\d+$/.test(line)) plan = (plan ?? 0) + Number(line.slice(3))
    else if (line === '  ---') notes = ''
    else if (line === '  ...') {
      const { error } = parsed(notes)
      if (made === 0 && typeof error === 'string' && error !== '') failed.add(error.split('\n')[0])
      notes = undefined
    } else if (notes !== undefined) notes += `${line}\n`
    else if (/^(not )?ok\b/.test(line)) {
      made++
      if (rest.startsWith('# SKIP') || rest.startsWith('# TODO')) continue
      if (not === undefined) passed++
      else failed.add(rest.replace(/^- /, ''))
    }
  }
  if (code !== 0) failed.add(`exit code ${code}`)
  else if ((plan ?? 0) !== made) failed.add(`${made} tests were made, and the plan says ${plan}`)
  return { passed, failed: [...failed] }
}

const parsed = (text) => {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

/** In a folder every checkout on the machine knows. */
const LOCK = '/var/tmp/slipway-validation.lock'

/** Longer than any takes, should the machine be busy. */
const TIMEOUT_MS = 100_000

/** crun refuses a host with v2 beside v1. */
const HIDE =
  'if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs hidden /sys/fs/cgroup/unified; fi; exec "$@"'

/** A runtime as the programs call it, with a state of its own: `{ run(program), close() }`. */
export const openRuntime = (directory, runtime) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'validation-'))
  // Programs of mapped users look up paths in it.
  chmodSync(folder, 0o755)
  const wrapper = path.join(folder, 'runtime')
  writeFileSync(wrapper, `#!/bin/sh\nexec ${runtime} --root ${folder}/state "$@"\n`, { mode: 0o755 })
  const bundles = path.join(folder, 'bundles')
  mkdirSync(bundles)
  const run = async (program) => {
    const words = [path.join(directory, program)]
    if (makesGroups(program)) words.unshift('flock', LOCK)
    if (path.basename(runtime) === 'crun') words.unshift('unshare', '--mount', 'sh', '-c', HIDE, 'sh')
    const [file, ...args] = words
    const env = { ...process.env, RUNTIME: wrapper, TMPDIR: bundles }
    const child = spawn(file, args, {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
    })
    let said = ''
    let told = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      told += text
    })
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (number, signal) => resolve(number ?? signal))
    })
    return { ...readTap(said, code), told }
  }
  const close = () => {
    unmountBelow(folder)
    removeGroups()
    rmSync(folder, { recursive: true, force: true })
  }
  return { run, close }
}

/** runc leaves the mounts of a container without a mount namespace where it made them: here. */
const unmountBelow = (folder) => {
  const places = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((place) => place.startsWith(`${folder}/`))
  for (const place of places.sort().reverse()) execFileSync('umount', [place])
}

/** Groups the programs name, and which stay above those of the containers. */
const NAMED = ['testdir/cgrouptest', 'testdir', 'cgrouptest']

const removeGroups = () => {
  const tops = readdirSync('/sys/fs/cgroup').map((name) => path.join('/sys/fs/cgroup', name))
  for (const top of ['/sys/fs/cgroup', ...tops])
    for (const name of NAMED) {
      const group = path.join(top, name)
      try {
        if (existsSync(group)) rmdirSync(group)
      } catch {
        // Somebody else's, who is at it.
      }
    }
}

/** Runs all programs, those that make groups one after the other, of the others some at a time. */
export const runAll = async (runtime, programs, sideBySide = 4) => {
  const results = new Map()
  const work = async (queue) => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      results.set(next, await runtime.run(next))
  }
  const others = programs.filter((name) => !makesGroups(name))
  await Promise.all([
    work(programs.filter(makesGroups)),
    ...Array.from({ length: sideBySide - 1 }, () => work(others)),
  ])
  return results
}
