// The port to containers that run, on the real host.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { FirstProcess, LivingPort } from '../engine/ports/living.ts'
import type { EngineError } from '../model/errors.ts'
import { ownGroups } from '../model/group-paths.ts'
import type { HostFacts } from '../model/host-facts.ts'
import type { ContainerRecord } from '../model/record.ts'
import type { Addon } from '../native/addon.ts'
import { exitCodeIn, planExitStatus, planOpenProcess, planSignal } from '../plan/process-handle.ts'
import { attemptEither, engineErrorOf } from './attempt.ts'
import { firstOf, livingStat, parentIn, processesOf, startTimeIn } from './container-processes.ts'
import { sampleOf } from './container-sample.ts'
import { type FreezerParts, pauseContainer, unpauseContainer } from './freezer.ts'
import { logSegments } from './log-segments.ts'
import { hasMonitor } from './monitor-places.ts'
import { moreGroups } from './more-groups.ts'
import { readText } from './read-text.ts'
import type { StateDir } from './state-dir.ts'
import { watchFolder, wokenBy } from './watch-folder.ts'

const ESRCH = 3
const LOCK_PAUSE_MS = 100
const MAX_PS_BYTES = 64 * 1024 * 1024

export interface LivingParts extends FreezerParts {
  readonly addon: Addon
  readonly facts: HostFacts
  readonly state: StateDir
}

export const livingPort = (parts: LivingParts): LivingPort => ({
  first: (container) => openFirst(parts, container),
  processes: processesOf,
  pause: (id, groups) => pauseContainer(parts, id, groups),
  unpause: (id) => unpauseContainer(parts, id),
  groupsFor: (container, controllers) =>
    values('make cgroup', () => moreGroups(parts, container, controllers)),
  enter: ({ enter }) => values('join cgroup', enter),
  watchRecords: (signals) => wokenBy(watchFolder(parts.state.records), signals),
  sample: (container) =>
    sampleOf({
      groups: ownGroups(parts.facts, container.groups),
      first: firstOf(container),
      processes: () => processesOf(container),
    }),
  ps: runPs,
  processRows,
  log: (id, isToCome) => {
    const folder = path.join(parts.state.containers, id, 'log')
    return isToCome || existsSync(folder)
      ? { port: logSegments(folder), writerEnded: () => monitorEnded(parts, id) }
      : undefined
  },
  nowMs: () => Date.now(),
})

const values = <A>(step: string, body: () => A): E.Either<EngineError, A> =>
  E.tryCatch(body, (error): EngineError => {
    const found = engineErrorOf(step, error)
    return found._tag === 'SyscallFailed' ? { ...found, step } : found
  })

/** What the descriptor stands for is what the number stood for when it was opened, or later: so it is looked for twice. */
const openFirst = ({ addon, facts }: LivingParts, container: ContainerRecord): FirstProcess | undefined => {
  const pid = firstOf(container)
  if (pid === undefined) return undefined
  const opened = addon.execute(planOpenProcess(facts.arch, pid), new Int32Array(0))
  if (!opened.ok) return undefined
  const fd = Int32Array.of(opened.slots[0] ?? -1)
  const close = (): void => addon.closeFds(fd)
  if (firstOf(container) !== pid) {
    close()
    return undefined
  }
  return {
    signal: (signal) => {
      const { ok, errno } = addon.execute(planSignal(facts.arch, signal), fd)
      if (ok || errno === ESRCH) return E.right(ok)
      return E.left({ _tag: 'SyscallFailed', step: 'send signal', errno })
    },
    exitCode: () => {
      const plan = planExitStatus(facts.arch)
      const { ok, data } = addon.execute(plan.bytes, fd)
      return ok ? exitCodeIn(data, plan) : undefined
    },
    close,
  }
}

const monitorEnded = ({ addon, runtime }: LivingParts, id: string): AbortSignal => {
  const ended = new AbortController()
  const look = (): void => {
    if (hasMonitor(addon, runtime, id)) setTimeout(look, LOCK_PAUSE_MS).unref()
    else ended.abort()
  }
  look()
  return ended.signal
}

const runPs: LivingPort['ps'] = (words) =>
  attemptEither(
    'ps',
    () =>
      new Promise<E.Either<EngineError, string | undefined>>((resolve) => {
        execFile('ps', [...words], { maxBuffer: MAX_PS_BYTES }, (error, stdout, stderr) => {
          if (error === null) resolve(E.right(stdout))
          else if (error.code === 'ENOENT') resolve(E.right(undefined))
          else resolve(E.left(refusedByPs(words, stderr)))
        })
      }),
  )

const refusedByPs = (words: readonly string[], stderr: string): EngineError => ({
  _tag: 'InvalidOption',
  option: 'ps',
  value: words.join(' '),
  why: `ps refuses it: ${stderr.trim().split('\n')[0] ?? ''}`,
})

const TICKS_PER_S = 100

/** UID PID PPID C STIME TTY TIME CMD, as ps(1) of procps has them. */
const processRows: LivingPort['processRows'] = (pids) => {
  const users = namesById(readText('/etc/passwd'))
  const bootS = Number(/^btime (\d+)$/m.exec(readText('/proc/stat'))?.[1] ?? 0)
  return pids.flatMap((pid) => {
    const fields = livingStat(pid)
    if (fields === undefined) return []
    const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? '?'
    const startedS = bootS + Number(startTimeIn(fields)) / TICKS_PER_S
    const cpuS = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
    const livedS = Math.max(1, Date.now() / 1000 - startedS)
    return [
      [
        users.get(uid) ?? uid,
        String(pid),
        String(parentIn(fields)),
        String(Math.min(99, Math.floor((cpuS / livedS) * 100))),
        startText(startedS * 1000),
        terminalName(Number(fields[4])),
        clockText(cpuS),
        commandOf(pid),
      ],
    ]
  })
}

const namesById = (passwd: string): ReadonlyMap<string, string> =>
  new Map(
    passwd.split('\n').map((line) => {
      const [name = '', , uid = ''] = line.split(':')
      return [uid, name]
    }),
  )

const DAY_MS = 86_400_000
const startText = (ms: number): string => {
  const time = new Date(ms)
  if (Date.now() - ms < DAY_MS) return time.toTimeString().slice(0, 5)
  return `${time.toLocaleString('en', { month: 'short' })}${String(time.getDate()).padStart(2, '0')}`
}

const clockText = (seconds: number): string =>
  [seconds / 3600, (seconds / 60) % 60, seconds % 60]
    .map((part) => String(Math.floor(part)).padStart(2, '0'))
    .join(':')

/** Major numbers 136 to 143 are pts/0 on: Documentation/admin-guide/devices.txt. */
const terminalName = (device: number): string => {
  const [major, minor] = [(device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00)]
  if (device === 0) return '?'
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`
  return major === 4 ? `tty${minor}` : '?'
}

const commandOf = (pid: number): string => {
  const line = readText(`/proc/${pid}/cmdline`).split('\0').join(' ').trim()
  return line === '' ? `[${readText(`/proc/${pid}/comm`).trim()}]` : line
}
