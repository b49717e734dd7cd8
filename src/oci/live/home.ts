// HOME, where a document does not say it: that of the user in the container's own passwd(5), as every other runtime has it.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import type { Process } from '../../model/oci-spec.ts'
import { openInRoot } from '../../plan/launch/paths.ts'
import { Program, SlotSpace } from '../../plan/program.ts'
import type { Parts } from './parts.ts'

/** What is above this is no user database of ours to read. */
const MOST_BYTES = 1 << 20

/** `rootfs`: its path in this process's own namespaces; symlinks in it lead nowhere else. */
export const withHome = (parts: Parts, process: Process, rootfs: string): Process => {
  const { env = [], user } = process
  if (env.some((entry) => entry.startsWith('HOME='))) return process
  return { ...process, env: [...env, `HOME=${homeIn(passwdOf(parts, rootfs), user.uid) ?? '/'}`] }
}

const homeIn = (passwd: string, uid: number): string | undefined =>
  passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([, , id, , , home = '']) => id === String(uid) && home.startsWith('/'))?.[5]

/** Empty where there is none. */
const passwdOf = (parts: Parts, rootfs: string): string => {
  const root = openRoot(rootfs)
  if (root === undefined) return ''
  const file = openPasswd(parts, root)
  try {
    const stat = file === undefined ? undefined : fstatSync(file)
    return file !== undefined && stat?.isFile() && stat.size <= MOST_BYTES ? readFileSync(file, 'utf8') : ''
  } finally {
    for (const fd of file === undefined ? [root] : [root, file]) closeSync(fd)
  }
}

const openRoot = (rootfs: string): number | undefined => {
  try {
    return openSync(rootfs, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch {
    // Whatever is wrong with it is told by the step that needs it.
    return undefined
  }
}

/** A pipe in its place is not waited for. */
const openPasswd = ({ addon, facts }: Parts, root: number): number | undefined => {
  const slots = new SlotSpace()
  const from = slots.next()
  const program = new Program(facts.arch, slots)
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY
  const file = openInRoot(program, 'look for path', from, '/etc/passwd', {}, flags)
  const opened = addon.execute(program.encode(), Int32Array.of(root))
  return opened.ok ? opened.slots[file.index] : undefined
}
