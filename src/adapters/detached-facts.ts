// What is true now of a container that outlives its engine: its last end, its run, by its files and by the kernel.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { DetachedContainer } from '../engine/ports/detached.ts'
import type { ContainerDocument } from '../model/container-document.ts'
import { unseenEnd } from '../model/container-status.ts'
import type { EngineError } from '../model/errors.ts'
import {
  decodeExitRecord,
  decodeMonitorState,
  type ExitRecord,
  type MonitorState,
} from '../model/monitor-state.ts'
import { unlessMissing } from '../model/unless.ts'
import type { Addon } from '../native/addon.ts'
import { MONITOR_FILES } from '../plan/monitor.ts'
import { attemptNow, locatedNow } from './attempt.ts'
import { startTimeOf } from './container-processes.ts'
import { hasMonitor, monitorDirectory } from './monitor-places.ts'
import type { StateDir } from './state-dir.ts'

const EXIT = 'exit.json'
/** Its being there says it: that survives any crash as it is. */
export const WANTED = 'wanted'

export interface FactsParts {
  readonly addon: Pick<Addon, 'flock'>
  readonly state: Pick<StateDir, 'runtime'>
  readonly bootId: string
  readonly isFrozen: (id: string) => boolean
}

/** `folder`: the container's own. */
export const withFacts = (
  parts: FactsParts,
  folder: string,
  document: ContainerDocument,
): DetachedContainer => {
  const {
    addon,
    state: { runtime },
    isFrozen,
  } = parts
  // Before the rest: one that has left by then has written all it had to write. And after its state: one may have come. The end is read
  // last: it may have left again.
  const had = hasMonitor(addon, runtime, document.id)
  const run = runOf(parts, document.id)
  const hasOne = had || hasMonitor(addon, runtime, document.id)
  const exit = lastEnd(folder, monitorDirectory(runtime, document.id))
  const facts = {
    document,
    isWanted: existsSync(`${folder}/${WANTED}`),
    ...(exit === undefined ? {} : { exit }),
    ...run,
    hasMonitor: hasOne,
    isFrozen: run.isAlive && isFrozen(document.id),
  }
  const unseen = unseenEnd(facts)
  return unseen === undefined ? facts : { ...facts, exit: unseen }
}

/** Files a monitor or a crash left unreadable say nothing: the kernel tells what runs. */
export const runOf = (
  { state: { runtime }, bootId }: Omit<FactsParts, 'addon' | 'isFrozen'>,
  id: string,
): Pick<DetachedContainer, 'state' | 'isStateDamaged' | 'isAlive'> => {
  const file = path.join(monitorDirectory(runtime, id), MONITOR_FILES.state)
  if (!existsSync(file)) return { isAlive: false }
  const look = () => decoded<MonitorState>(file, decodeMonitorState)
  // It may go, or come anew, between two looks, and that is no damage.
  const written = look() ?? look()
  if (written === undefined) return { isAlive: false, ...(existsSync(file) && { isStateDamaged: true }) }
  if (written.bootId !== bootId) return { isAlive: false }
  return { state: written, isAlive: written.pid > 0 && isTheOne(written) }
}

/** In the run directory where the container's own took nothing. */
const lastEnd = (folder: string, run: string): ExitRecord | undefined => {
  const [kept, other] = [folder, run]
    .map((each) => path.join(each, EXIT))
    // Most have none: an error that is thrown and caught takes longer than a look.
    .map((file) => (existsSync(file) ? decoded<ExitRecord>(file, decodeExitRecord) : undefined))
  return other !== undefined && (kept === undefined || kept.endedMs < other.endedMs) ? other : kept
}

const decoded = <A>(file: string, decode: (text: string) => E.Either<unknown, A>): A | undefined => {
  const text = textOf(file)
  if (E.isLeft(text) || text.right === undefined) return undefined
  const value = decode(text.right)
  return E.isRight(value) ? value.right : undefined
}

/** Undefined where it is not there. Fails: SyscallFailed with the file. */
export const textOf = (file: string): E.Either<EngineError, string | undefined> =>
  attemptNow('read container', () => locatedNow(file, () => unlessMissing(() => readFileSync(file, 'utf8'))))

/** The process with that number is the one the state speaks of, and lives. */
export const isTheOne = ({ pid, startTime }: MonitorState): boolean => Number(startTimeOf(pid)) === startTime
