// The two sides of a comparison: a commit in a git worktree of its own, built there, or the working tree as it is.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Says what was attempted, on what, and why it failed. */
export class CompareError extends Error {}

const refuse = (step, what, why) => {
  throw new CompareError(`compare: ${step}: ${what}: ${why}`)
}

const KEPT_LINES = 30
const tail = (text) => text.trimEnd().split('\n').slice(-KEPT_LINES).join('\n')

const run = (step, what, [program, ...args], options) => {
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20, ...options })
  if (result.error) refuse(step, what, result.error.message)
  if (result.status !== 0)
    refuse(
      step,
      what,
      `${args.join(' ')} ended with ${result.status}\n${tail(result.stdout + result.stderr)}`,
    )
  return result.stdout.trim()
}

const gitIn = (folder, ...args) => spawnSync('git', ['-C', folder, ...args], { encoding: 'utf8' })

const WORKING_TREE = '.'

/** The full name of the commit a revision stands for. */
const resolve = (root, revision) => {
  const { status, stdout } = gitIn(
    root,
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${revision}^{commit}`,
  )
  if (status !== 0) refuse('resolve revision', revision, 'git knows no such commit here')
  return stdout.trim()
}

const isChanged = (folder) => gitIn(folder, 'status', '--porcelain', '--untracked-files=no').stdout !== ''

/** A checkout that is there is used again, but only as it was made. */
const checkOut = (root, commit) => {
  const folder = path.join(root, '.cache/compare', commit)
  if (existsSync(path.join(folder, '.git'))) {
    const { stdout } = gitIn(folder, 'rev-parse', 'HEAD')
    if (stdout.trim() !== commit || isChanged(folder))
      refuse('use checkout', folder, `it has been changed; git worktree remove --force ${folder}`)
    return folder
  }
  run('prune worktrees', root, ['git', '-C', root, 'worktree', 'prune'])
  mkdirSync(path.dirname(folder), { recursive: true })
  run('check out', commit, ['git', '-C', root, 'worktree', 'add', '--quiet', '--detach', folder, commit])
  return folder
}

const lockOf = (folder) => {
  const file = path.join(folder, 'package-lock.json')
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

/** The same packages are linked, others are installed. */
const providePackages = (root, folder) => {
  const packages = path.join(folder, 'node_modules')
  if (existsSync(packages)) return
  const isSame = lockOf(folder) === lockOf(root) && existsSync(path.join(root, 'node_modules'))
  if (isSame) symlinkSync(path.join(root, 'node_modules'), packages)
  else
    run('install packages', folder, ['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: folder,
    })
}

const BUILD = 'scripts/build.mjs'
const DRIVERS = 'bench/drivers/node.mjs'

const build = (folder) => {
  for (const file of [BUILD, DRIVERS])
    if (!existsSync(path.join(folder, file)))
      refuse('build', folder, `it has no ${file}, so it cannot be compared`)
  run('build', folder, [process.execPath, BUILD], { cwd: folder })
}

const madeOf = (root, commit) => {
  const folder = checkOut(root, commit)
  const marker = `${folder}.built`
  if (existsSync(marker)) return folder
  providePackages(root, folder)
  build(folder)
  writeFileSync(marker, '')
  return folder
}

const SHOWN = 12
const short = (commit) => commit.slice(0, SHOWN)

/**
 * Checks out, where need be, and builds what `revision` stands for in the project at `root`; `.` is the working tree.
 * `{ folder, commit, label }`. Throws a CompareError.
 */
export const makeSide = (root, revision) => {
  if (revision !== WORKING_TREE) {
    const commit = resolve(root, revision)
    const label = commit.startsWith(revision) ? short(commit) : `${revision} (${short(commit)})`
    return { folder: madeOf(root, commit), commit, label }
  }
  const commit = resolve(root, 'HEAD')
  build(root)
  return {
    folder: root,
    commit,
    label: `working tree (${short(commit)}${isChanged(root) ? ' with changes' : ''})`,
  }
}
