// `tmpcopyup`: makes the file systems that begin with what the root has at their place, and fills them.
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
  symlinkSync,
} from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { Mount, Spec } from '../../model/oci-spec.ts'
import { copiedUp, planCopyUp } from '../../plan/launch/copy-up.ts'
import { attempt } from '../attempt.ts'
import type { Parts } from './parts.ts'

/** One descriptor for each, in the order of the document. Fails: SyscallFailed. */
export const copyUps = (
  parts: Parts,
  spec: Spec,
  rootfs: string,
): E.Either<EngineError, readonly number[]> => {
  const mounts = copiedUp(spec)
  if (mounts.length === 0) return E.right([])
  const root = openSync(rootfs, constants.O_RDONLY | constants.O_DIRECTORY)
  const made: number[] = []
  try {
    for (const mount of mounts) {
      const copy = copyUp(parts, spec, mount, root)
      if (E.isLeft(copy)) {
        parts.addon.closeFds(Int32Array.from(made))
        return copy
      }
      made.push(copy.right)
    }
    return E.right(made)
  } finally {
    closeSync(root)
  }
}

const copyUp = (
  { addon, facts }: Parts,
  spec: Spec,
  mount: Mount,
  root: number,
): E.Either<EngineError, number> => {
  const plan = planCopyUp(facts.arch, spec, mount)
  const { ok, op, errno, slots } = addon.execute(plan.bytes, Int32Array.of(root))
  if (!ok) {
    const { step = 'fsmount', path: what = mount.destination } = plan.infos[op] ?? {}
    return E.left({ _tag: 'SyscallFailed', step, errno, path: what })
  }
  const [into = -1, from = -1] = [slots[plan.into], slots[plan.from]]
  if (from < 0) return E.right(into)
  const filled = attempt(() => fill(`/proc/self/fd/${from}/.`, `/proc/self/fd/${into}/.`, plan.hasMode))
  addon.closeFds(Int32Array.of(...(E.isLeft(filled) ? [from, into] : [from])))
  return E.isLeft(filled) ? filled : E.right(into)
}

const fill = (from: string, into: string, hasMode: boolean): void => {
  const { mode, uid, gid } = lstatSync(from)
  copyEntries(from, into)
  if (hasMode) return
  chownSync(into, uid, gid)
  chmodSync(into, mode & 0o7777)
}

/** Nobody runs in the root yet who could put another file in place of one that was looked at. */
const copyEntries = (from: string, into: string): void => {
  for (const name of readdirSync(from)) copyEntry(path.join(from, name), path.join(into, name))
}

/** Links, folders and plain files; what else there is, no runtime copies. */
const copyEntry = (from: string, into: string): void => {
  const stat = lstatSync(from)
  if (stat.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), into)
    lchownSync(into, stat.uid, stat.gid)
  } else if (stat.isDirectory()) {
    mkdirSync(into)
    copyEntries(from, into)
    own(into, stat)
  } else if (stat.isFile()) {
    copyFileSync(from, into)
    own(into, stat)
  }
}

/** The owner first: chown(2) takes set-user-ID away. */
const own = (file: string, { uid, gid, mode }: Stats): void => {
  chownSync(file, uid, gid)
  chmodSync(file, mode & 0o7777)
}
