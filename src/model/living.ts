// Options of the verbs on containers that run: signals, ends, names, other limits, figures, logs.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { type Decoder, integer, oneOf, text } from './decode.ts'
import { type RestartPolicy, restartPolicy } from './detached-options.ts'
import type { EngineError } from './errors.ts'
import type { LogRequest, ReadLogOptions } from './log.ts'
import { parsePeriod } from './moment.ts'
import type { LinuxResources } from './oci-spec.ts'
import type { Size } from './options.ts'
import { optionsOf, type Table } from './options-decode.ts'
import { abortSignal } from './options-decode-streams.ts'
import * as value from './options-decode-values.ts'
import { parseSignal } from './signals.ts'
import type { StatsOptions } from './stats.ts'

/** Other limits, and another restart policy; what is not named stays. */
export interface UpdateOptions {
  readonly memory?: Size
  /** Memory plus swap; -1: as much swap as there is. */
  readonly memorySwap?: Size | -1
  readonly memoryReservation?: Size
  /** Share of processors, e.g. 1.5. */
  readonly cpus?: number
  readonly cpuShares?: number
  readonly cpusetCpus?: string
  readonly cpusetMems?: string
  /** -1: no limit. */
  readonly pids?: number
  /** 10 to 1000. */
  readonly blkioWeight?: number
  /** As for `containers.create`: `'no'`, `'always'`, `'unless-stopped'`, `'on-failure'`, or `'on-failure:5'`. Of detached ones alone. */
  readonly restart?: string
}

interface UpdateValues
  extends Omit<UpdateOptions, 'memory' | 'memorySwap' | 'memoryReservation' | 'restart'> {
  readonly restart?: RestartPolicy
  readonly memory?: number
  readonly memorySwap?: number
  readonly memoryReservation?: number
}

const UPDATE: Table = {
  memory: value.memory,
  memorySwap: value.memorySwap,
  memoryReservation: value.memory,
  cpus: value.cpus,
  cpuShares: integer(0, 262_144),
  cpusetCpus: value.cpuList,
  cpusetMems: value.cpuList,
  pids: integer(-1, 2 ** 22),
  blkioWeight: integer(10, 1000),
  restart: restartPolicy,
}
const LOGS: Table = {
  tail: integer(0),
  since: (given) => E.right(given),
  until: (given) => E.right(given),
  stdout: value.flag,
  stderr: value.flag,
  follow: value.flag,
  signal: abortSignal,
}

export const decodeStatsOptions = optionsOf<StatsOptions>({
  stream: value.flag,
  all: value.flag,
  intervalMs: integer(1, 3_600_000),
  signal: abortSignal,
})

const argument = <A>(option: string, decoder: Decoder<A>, given: unknown): Either<EngineError, A> => {
  const decoded = decoder(given)
  return E.isLeft(decoded) ? invalid(option, String(given), decoded.left.why) : decoded
}

/** A container's name or id. Fails: InvalidOption. */
export const decodeContainer = (given: unknown): Either<EngineError, string> =>
  argument('container', text, given)

/** A new name. Fails: InvalidOption. */
export const decodeName = (given: unknown): Either<EngineError, string> =>
  argument('newName', value.containerName, given)

/** Number of the signal. Fails: InvalidOption. */
export const decodeSignal = (given: unknown = 'SIGKILL'): Either<EngineError, number> =>
  parseSignal(typeof given === 'number' ? given : String(given), 'signal')

export const WAIT_CONDITIONS = ['not-running', 'next-exit', 'removed'] as const
/** What is waited for. An attached container ends once. */
export type WaitCondition = (typeof WAIT_CONDITIONS)[number]

/** Fails: InvalidOption. */
export const decodeCondition = (given: unknown = 'not-running'): Either<EngineError, WaitCondition> =>
  argument('condition', oneOf(...WAIT_CONDITIONS), given)

const PERIOD_US = 100_000

/** The limits in the runtime-spec's words, and as options of a container. */
export interface DecodedUpdate {
  readonly resources: LinuxResources
  readonly options: Omit<UpdateValues, 'blkioWeight' | 'restart'>
  readonly restart?: RestartPolicy
}

/** Fails: InvalidOption, also where nothing is to be changed. */
export const decodeUpdateOptions = (given: unknown): Either<EngineError, DecodedUpdate> =>
  E.flatMap((options: UpdateValues): Either<EngineError, DecodedUpdate> => {
    const {
      memory,
      memorySwap,
      memoryReservation,
      cpus,
      cpuShares,
      cpusetCpus,
      cpusetMems,
      pids,
      blkioWeight,
    } = options
    if (Object.keys(options).length === 0)
      return invalid('update', '', 'neither a limit nor a restart policy is given')
    if (memory !== undefined && memorySwap !== undefined && memorySwap >= 0 && memorySwap < memory)
      return invalid('memorySwap', String(memorySwap), `is memory plus swap, and memory alone is ${memory}`)
    const ram = {
      ...(memory === undefined ? {} : { limit: memory === 0 ? -1 : memory }),
      ...(memorySwap === undefined ? {} : { swap: memorySwap === 0 ? -1 : memorySwap }),
      ...(memoryReservation === undefined ? {} : { reservation: memoryReservation }),
    }
    const cpu = {
      ...(cpus === undefined
        ? {}
        : { period: PERIOD_US, quota: cpus === 0 ? -1 : Math.round(cpus * PERIOD_US) }),
      ...(cpuShares === undefined ? {} : { shares: cpuShares }),
      ...(cpusetCpus === undefined ? {} : { cpus: cpusetCpus }),
      ...(cpusetMems === undefined ? {} : { mems: cpusetMems }),
    }
    const resources: LinuxResources = {
      ...(Object.keys(ram).length === 0 ? {} : { memory: ram }),
      ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
      ...(pids === undefined ? {} : { pids: { limit: pids <= 0 ? -1 : pids } }),
      ...(blkioWeight === undefined ? {} : { blockIO: { weight: blkioWeight } }),
    }
    const { blkioWeight: _, restart, ...kept } = options
    return E.right({ resources, options: kept, ...(restart === undefined ? {} : { restart }) })
  })(optionsOf<UpdateValues>(UPDATE)(given))

const invalid = (option: string, given: string, why: string): Either<EngineError, never> =>
  E.left({ _tag: 'InvalidOption', option, value: given, why })

/** Fails: InvalidOption. */
export const decodeLogOptions = (given: unknown, nowNs: bigint): Either<EngineError, LogRequest> =>
  E.flatMap((options: ReadLogOptions): Either<EngineError, LogRequest> => {
    const { tail, stdout = true, stderr = true, follow = false, signal } = options
    if (!stdout && !stderr) return invalid('stdout', 'false', 'neither stdout nor stderr is asked for')
    const period = parsePeriod(options, nowNs)
    if (E.isLeft(period)) return period
    return E.right({
      streams: [...(stdout ? (['stdout'] as const) : []), ...(stderr ? (['stderr'] as const) : [])],
      follow,
      ...(tail === undefined ? {} : { tail }),
      ...period.right,
      ...(signal === undefined ? {} : { signal }),
    })
  })(optionsOf<ReadLogOptions>(LOGS)(given))
