// Places inside the container's root: every path is resolved once, by the kernel, inside the root, and then used as a descriptor.

import {
  EEXIST,
  ELOOP,
  ENOENT,
  O_CLOEXEC,
  O_PATH,
  O_WRONLY,
  oDirectory,
  oNofollow,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  S_IFDIR,
  S_IFREG,
} from '../kernel.ts'
import type { CallOptions, Program, Slot } from '../program.ts'
import type { Step } from '../steps.ts'
import { OPEN_HOW_SIZE, openHow } from './build.ts'

/** Image symlinks are followed, but never out of the root; /proc's magic links never (CVE-2024-21626, CVE-2021-30465). */
const IN_ROOT = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
/** Below a directory that we made ourselves no symlink is expected at all; the last component may be one with O_NOFOLLOW. */
const OURS = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
/** In our own proc and nowhere else: whatever is mounted over part of it is not entered (CVE-2025-52881). */
const OWN_PROC = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS

const open = (
  program: Program,
  step: Step,
  from: Slot,
  path: string,
  resolve: number,
  options: CallOptions,
  flags = O_PATH,
): Slot => {
  const slot = options.into ?? program.slots.next()
  const how = openHow(program, flags | O_CLOEXEC, 0, resolve)
  const name = path === '' ? '.' : path
  program.call(step, 'openat2', [from, program.text(name), how, OPEN_HOW_SIZE], { ...options, into: slot })
  return slot
}

const components = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.')

/** An O_PATH descriptor of `path` inside `root`, or a failure of `step`. */
export const openInRoot = (
  program: Program,
  step: Step,
  root: Slot,
  path: string,
  options: CallOptions = {},
  flags = O_PATH,
): Slot => open(program, step, root, components(path).join('/'), IN_ROOT, { path, ...options }, flags)

/** The same below a mount of our own making: no symlinks, no way out. */
export const openInOurs = (
  program: Program,
  step: Step,
  from: Slot,
  path: string,
  options: CallOptions = {},
  flags = O_PATH,
): Slot => open(program, step, from, components(path).join('/'), OURS, { path, ...options }, flags)

/** Makes the missing directories of `path`, each inside what the kernel resolved for its parent. */
const makeDirectories = (program: Program, root: Slot, parts: readonly string[], mode: number): Slot => {
  let parent = root
  parts.forEach((name, index) => {
    const here = parts.slice(0, index + 1).join('/')
    const options = { path: `/${here}`, tolerate: [EEXIST] }
    program.call('make directory', 'mkdirat', [parent, program.text(name), mode], options)
    parent = open(program, 'open directory', root, here, IN_ROOT, { path: `/${here}` })
  })
  return parent
}

/** The directory `path` inside `root`, made when it is missing. */
export const ensureDirectory = (
  program: Program,
  step: Step,
  root: Slot,
  path: string,
  mode = 0o755,
): Slot => {
  const parts = components(path)
  const target = program.slots.next()
  const how = openHow(program, O_PATH | O_CLOEXEC | oDirectory(program.arch), 0, IN_ROOT)
  const name = program.text(parts.join('/') || '.')
  program.call(step, 'openat2', [root, name, how, OPEN_HOW_SIZE], {
    into: target,
    path,
    tolerate: [ENOENT],
    otherwise: () => {
      makeDirectories(program, root, parts, mode)
      program.call(step, 'openat2', [root, name, how, OPEN_HOW_SIZE], { into: target, path })
    },
  })
  return target
}

/**
 * The file `path` inside `root`, made empty when it is missing: the target of a bind mount of a file. It is never opened, so
 * a FIFO cannot stop us; a symlink that leads nowhere is itself the target.
 */
export const ensureFile = (program: Program, step: Step, root: Slot, path: string): Slot => {
  const parts = components(path)
  const target = program.slots.next()
  const how = openHow(program, O_PATH | O_CLOEXEC, 0, IN_ROOT)
  const name = program.text(parts.join('/'))
  program.call(step, 'openat2', [root, name, how, OPEN_HOW_SIZE], {
    into: target,
    path,
    tolerate: [ENOENT, ELOOP],
    otherwise: () => {
      const parent = makeDirectories(program, root, parts.slice(0, -1), 0o755)
      const last = program.text(parts.at(-1) ?? '.')
      program.call('make file', 'mknodat', [parent, last, S_IFREG | 0o644, 0], { path, tolerate: [EEXIST] })
      const itself = openHow(program, O_PATH | O_CLOEXEC | oNofollow(program.arch), 0, OURS)
      program.call(step, 'openat2', [parent, last, itself, OPEN_HOW_SIZE], { into: target, path })
    },
  })
  return target
}

/** The same for what the last name itself is, a symlink too, as a directory or an empty file where there is nothing. */
export const ensureItself = (
  program: Program,
  step: Step,
  root: Slot,
  path: string,
  kind: typeof S_IFREG | typeof S_IFDIR,
): Slot => {
  const parts = components(path)
  const parent = ensureDirectory(program, 'open directory', root, parts.slice(0, -1).join('/'))
  const name = program.text(parts.at(-1) ?? '.')
  const options = { path, tolerate: [EEXIST] }
  if (kind === S_IFDIR) program.call('make directory', 'mkdirat', [parent, name, 0o755], options)
  else program.call('make file', 'mknodat', [parent, name, S_IFREG | 0o644, 0], options)
  return openItself(program, step, parent, parts.at(-1) ?? '.', { path })
}

/** An O_PATH descriptor of `name` in the directory `parent`, and not of what a symlink there leads to. */
export const openItself = (
  program: Program,
  step: Step,
  parent: Slot,
  name: string,
  options: CallOptions = {},
): Slot => open(program, step, parent, name, OURS, options, O_PATH | oNofollow(program.arch))

/** The step that opens the file, by the step that writes it. */
const WRITE_STEPS = {
  'set oom score': 'open oom score',
  'set sysctl': 'open sysctl',
  'set time offsets': 'open time offsets',
  'set apparmor profile': 'open apparmor profile',
  'set selinux label': 'open selinux label',
} as const

/** Writes `text` to a file of our own proc in one write: /proc/sys takes it whole or not at all. */
export const writeFile = (
  program: Program,
  step: keyof typeof WRITE_STEPS,
  proc: Slot,
  path: string,
  text: string,
): void => {
  const fd = program.slots.next()
  const value = Buffer.byteLength(text)
  const what = `${path} = ${text.trimEnd()}`
  const how = openHow(program, O_WRONLY | O_CLOEXEC | oNofollow(program.arch), 0, OWN_PROC)
  const args = [proc, program.text(path), how, OPEN_HOW_SIZE]
  program.call(WRITE_STEPS[step], 'openat2', args, { into: fd, path: what })
  program.call(step, 'write', [fd, program.text(text), value], { path: what })
  program.call('close', 'close', [fd])
}
