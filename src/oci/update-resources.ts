// The limits of `update`: flags, or a JSON document in the form of the specification's linux.resources.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { CpuResources, LinuxResources, MemoryResources } from '../model/oci-spec.ts'
import { decodePartText } from '../model/oci-spec-decode.ts'
import { resources } from '../model/oci-spec-decode-resources.ts'
import { parseSize } from '../model/units.ts'
import type { Flags, FlagTable } from './args.ts'

const number = (help: string) => ({ kind: 'text', value: 'NUMBER', help }) as const
const size = (help: string) => ({ kind: 'text', value: 'BYTES', help }) as const

export const updateFlags = {
  resources: {
    kind: 'text',
    short: 'r',
    value: 'FILE',
    help: 'Read all limits from this JSON file, or from standard input (-)',
  },
  'blkio-weight': { kind: 'integer', value: 'NUMBER', help: 'Weight of its input and output, 10 to 1000' },
  'cpu-period': number('Period of the CPU quota, in microseconds'),
  'cpu-quota': number('CPU time per period, in microseconds'),
  'cpu-burst': number('CPU time it may save up, in microseconds'),
  'cpu-share': number('CPU weight among containers (1024 is normal)'),
  'cpu-rt-period': number('Period of real-time scheduling, in microseconds'),
  'cpu-rt-runtime': number('Real-time CPU time per period, in microseconds'),
  'cpu-idle': number('1: run only when nothing else wants to'),
  'cpuset-cpus': { kind: 'text', value: 'LIST', help: 'CPUs to run on, e.g. 0-2,7' },
  'cpuset-mems': { kind: 'text', value: 'LIST', help: 'Memory nodes to use' },
  'kernel-memory': size('Accepted and not used: the kernel has no such limit any more'),
  'kernel-memory-tcp': size('Accepted and not used'),
  memory: size('Memory limit, e.g. 512m; -1 is unlimited'),
  'memory-reservation': size('Memory it keeps when the host runs short'),
  'memory-swap': size('Memory plus swap; -1 is unlimited swap'),
  'pids-limit': { kind: 'integer', value: 'NUMBER', help: 'Most processes and threads; -1 is unlimited' },
  'l3-cache-schema': { kind: 'text', value: 'SCHEMA', help: 'Refused: Intel RDT is not supported' },
  'mem-bw-schema': { kind: 'text', value: 'SCHEMA', help: 'Refused: Intel RDT is not supported' },
} as const satisfies FlagTable

export type UpdateGiven = Flags<typeof updateFlags>

/** Fails: InvalidSpec. */
export const decodeResourcesText = (text: string, file: string): Either<EngineError, LinuxResources> =>
  E.map(onlyChanges)(decodePartText(resources, text, file))

/** Callers that fill in every field mean no limit of 0 by it: runc writes no file for these. */
const UNSET_BY_ZERO = {
  memory: ['limit', 'reservation', 'swap', 'kernel', 'kernelTCP'],
  cpu: ['shares', 'quota', 'period', 'realtimeRuntime', 'realtimePeriod', 'cpus', 'mems'],
  blockIO: ['weight', 'leafWeight'],
} as const satisfies { readonly [K in keyof LinuxResources]?: readonly string[] }

const onlyChanges = (given: LinuxResources): LinuxResources => ({
  ...given,
  ...(given.memory === undefined ? {} : { memory: withoutZeros(given.memory, UNSET_BY_ZERO.memory) }),
  ...(given.cpu === undefined ? {} : { cpu: withoutZeros(given.cpu, UNSET_BY_ZERO.cpu) }),
  ...(given.blockIO === undefined ? {} : { blockIO: withoutZeros(given.blockIO, UNSET_BY_ZERO.blockIO) }),
})

const withoutZeros = <T extends object>(part: T, names: readonly (keyof T)[]): T =>
  Object.fromEntries(
    Object.entries(part).filter(
      ([name, value]) => !(names.includes(name as keyof T) && (value === 0 || value === '')),
    ),
  ) as T

/** Fails: InvalidOption, Unsupported. */
export const resourcesOfFlags = (flags: UpdateGiven): Either<EngineError, LinuxResources> => {
  if (flags['l3-cache-schema'] || flags['mem-bw-schema'])
    return E.left({ _tag: 'Unsupported', feature: 'Intel RDT', why: 'no resource group is made' })
  const cpu = cpuOf(flags)
  if (E.isLeft(cpu)) return cpu
  const memory = memoryOf(flags)
  if (E.isLeft(memory)) return memory
  const weight = flags['blkio-weight'] ?? 0
  if (weight !== 0 && (weight < 10 || weight > 1000))
    return refuse('--blkio-weight', String(weight), 'is not between 10 and 1000')
  return E.right({
    ...(isEmpty(cpu.right) ? {} : { cpu: cpu.right }),
    ...(isEmpty(memory.right) ? {} : { memory: memory.right }),
    ...(weight === 0 ? {} : { blockIO: { weight } }),
    ...(flags['pids-limit'] === undefined ? {} : { pids: { limit: flags['pids-limit'] } }),
  })
}

const isEmpty = (value: object): boolean => Object.keys(value).length === 0

const refuse = (option: string, value: string, why: string): Either<EngineError, never> =>
  E.left({ _tag: 'InvalidOption', option, value, why })

type Parse = (text: string, flag: string) => Either<EngineError, number>

const unsigned: Parse = (text, flag) =>
  /^\d{1,15}$/.test(text)
    ? E.right(Number(text))
    : refuse(flag, text, 'expected a whole number, zero or more')
const signed: Parse = (text, flag) =>
  /^[+-]?\d{1,15}$/.test(text) ? E.right(Number(text)) : refuse(flag, text, 'expected a whole number')
const zeroOrOne: Parse = (text, flag) =>
  /^[01]$/.test(text) ? E.right(Number(text)) : refuse(flag, text, 'expected 0 or 1')
const bytes: Parse = (text, flag) => (text === '-1' ? E.right(-1) : parseSize(text, flag))

/** The fields that hold numbers. */
type NumberOf<T> = { [K in keyof T]-?: Required<T>[K] extends number ? K : never }[keyof T]
type Row<K> = readonly [flag: keyof UpdateGiven, field: K, parse: Parse]

const CPU: readonly Row<NumberOf<CpuResources>>[] = [
  ['cpu-share', 'shares', unsigned],
  ['cpu-quota', 'quota', signed],
  ['cpu-burst', 'burst', unsigned],
  ['cpu-period', 'period', unsigned],
  ['cpu-rt-runtime', 'realtimeRuntime', signed],
  ['cpu-rt-period', 'realtimePeriod', unsigned],
  ['cpu-idle', 'idle', zeroOrOne],
]
const MEMORY: readonly Row<NumberOf<MemoryResources>>[] = [
  ['memory', 'limit', bytes],
  ['memory-reservation', 'reservation', bytes],
  ['memory-swap', 'swap', bytes],
]

const cpuOf = (flags: UpdateGiven): Either<EngineError, CpuResources> => {
  const { 'cpuset-cpus': cpus, 'cpuset-mems': mems } = flags
  return E.map((numbers: CpuResources) => ({
    ...numbers,
    ...(cpus ? { cpus } : {}),
    ...(mems ? { mems } : {}),
  }))(fieldsOf(CPU, flags))
}

const memoryOf = (flags: UpdateGiven): Either<EngineError, MemoryResources> => fieldsOf(MEMORY, flags)

/** An empty value is none, as in runc. */
const fieldsOf = <K extends string>(
  rows: readonly Row<K>[],
  flags: UpdateGiven,
): Either<EngineError, { readonly [P in K]?: number }> => {
  const fields: { [P in K]?: number } = {}
  for (const [flag, field, parse] of rows) {
    const text = flags[flag]
    if (text === undefined || text === '') continue
    const value = parse(String(text), `--${flag}`)
    if (E.isLeft(value)) return value
    fields[field] = value.right
  }
  return E.right(fields)
}
