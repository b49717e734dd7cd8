// pause and resume: the freezer of v1, or cgroup.freeze of v2.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { OciCgroup } from '../../model/oci-state.ts'
import { isFrozenText, type OciContainer } from '../../model/oci-status.ts'
import { attempt, unless } from '../attempt.ts'
import { locked } from './locked.ts'
import type { Parts } from './parts.ts'

const LONGEST_MS = 2000
const PAUSE_MS = 2
/** A process that was just forked may not be frozen with its parent: asked again, the kernel takes it, too. freezer-subsystem.rst. */
const AGAIN_EVERY = 25

export const pause = (parts: Parts, container: OciContainer): Promise<E.Either<EngineError, void>> =>
  locked(parts, container.record.id, 'pause', async ({ record: { cgroup } }) => {
    const { freezerFile } = cgroup
    if (freezerFile === undefined) return E.left(noFreezer)
    for (let tries = 0; tries * PAUSE_MS < LONGEST_MS; tries++) {
      if (tries % AGAIN_EVERY === 0) writeFileSync(freezerFile, word(freezerFile, true))
      if (isFrozen(freezerFile)) return E.right(undefined)
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
    thaw(cgroup)
    return E.left({
      _tag: 'SyscallFailed',
      step: 'freeze',
      errno: 16,
      path: path.dirname(freezerFile),
    } as const)
  })

export const resume = (parts: Parts, container: OciContainer): Promise<E.Either<EngineError, void>> =>
  locked(parts, container.record.id, 'resume', async ({ record: { cgroup } }) => attempt(() => thaw(cgroup)))

const noFreezer: EngineError = {
  _tag: 'HostUnfit',
  need: 'a freezer',
  why: 'the container is in no group that can be frozen',
}

/** What runs in it goes on. A group that is gone holds nobody. */
export const thaw = ({ freezerFile }: OciCgroup): void => {
  if (freezerFile !== undefined)
    unless(['ENOENT', 'ENODEV'], () => writeFileSync(freezerFile, word(freezerFile, false)))
}

const isV2 = (file: string): boolean => path.basename(file) === 'cgroup.freeze'
const word = (file: string, frozen: boolean): string =>
  isV2(file) ? (frozen ? '1' : '0') : frozen ? 'FROZEN' : 'THAWED'

/** v2 tells when everybody stands still in another file than it is told in. cgroup-v2.rst, cgroup.events. */
const isFrozen = (file: string): boolean =>
  isV2(file)
    ? /^frozen 1$/m.test(readFileSync(path.join(path.dirname(file), 'cgroup.events'), 'utf8'))
    : isFrozenText(readFileSync(file, 'latin1'))
