// slipway update: other limits and restart policies for containers.

import type { UpdateOptions } from '../../fp.ts'
import { command, type Flags, type FlagTable } from '../command.ts'
import { eachName } from '../each-name.ts'
import { given } from '../given.ts'
import { misuse } from '../report.ts'

const flags = {
  'blkio-weight': { kind: 'integer', value: 'NUMBER', help: 'Weight of its input and output, 10 to 1000' },
  'cpu-period': { kind: 'integer', value: 'MICROSECONDS', help: 'Period of --cpu-quota. Default: 100000' },
  'cpu-quota': { kind: 'integer', value: 'MICROSECONDS', help: 'CPU time in each period' },
  'cpu-rt-period': {
    kind: 'integer',
    help: '',
    unsupported: { yet: false, why: 'real-time groups are not in the kernels of distributions' },
  },
  'cpu-rt-runtime': {
    kind: 'integer',
    help: '',
    unsupported: { yet: false, why: 'real-time groups are not in the kernels of distributions' },
  },
  'cpu-shares': { kind: 'integer', short: 'c', value: 'NUMBER', help: 'CPU weight among containers' },
  cpus: { kind: 'decimal', value: 'NUMBER', help: 'Share of processors, e.g. 1.5' },
  'cpuset-cpus': { kind: 'text', value: 'LIST', help: 'CPUs to run on, e.g. 0-2,7' },
  'cpuset-mems': { kind: 'text', value: 'LIST', help: 'Memory nodes to use' },
  memory: { kind: 'text', short: 'm', value: 'BYTES', help: 'Memory limit, e.g. 512m' },
  'memory-reservation': {
    kind: 'text',
    value: 'BYTES',
    help: 'Memory it keeps when the host runs short',
  },
  'memory-swap': { kind: 'text', value: 'BYTES', help: 'Memory plus swap; -1 is unlimited swap' },
  'pids-limit': { kind: 'integer', value: 'NUMBER', help: 'Most processes and threads; -1 is unlimited' },
  restart: {
    kind: 'text',
    value: 'POLICY',
    help: 'Start it again: no, on-failure[:TRIES], always, unless-stopped',
  },
  'kernel-memory': {
    kind: 'text',
    help: '',
    unsupported: { yet: false, why: 'Linux has no such limit any more' },
  },
} as const satisfies FlagTable

const PERIOD_US = 100_000

export const update = command({
  name: 'update',
  summary: 'Change limits and restart policies of containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  positionals: { min: 1 },
  flags,
  run: async (context) => {
    const { flags } = context.args
    const cpus = cpusOf(flags)
    if (typeof cpus === 'string') return misuse(context, 'update', cpus)
    const options: UpdateOptions = given({
      blkioWeight: flags['blkio-weight'],
      cpus,
      cpuShares: flags['cpu-shares'],
      cpusetCpus: flags['cpuset-cpus'],
      cpusetMems: flags['cpuset-mems'],
      memory: flags.memory,
      memoryReservation: flags['memory-reservation'],
      memorySwap: flags['memory-swap'] === '-1' ? -1 : flags['memory-swap'],
      pids: flags['pids-limit'],
      restart: flags.restart || undefined,
    })
    if (Object.keys(options).length === 0)
      return misuse(context, 'update', 'at least one limit or a restart policy must be given')
    return eachName(context, ({ containers }, name) => containers.update(name, options))
  },
})

/** Quota and period are the share they stand for, as in `run`. A text is what is wrong with them. */
const cpusOf = (written: Flags<typeof flags>): number | string | undefined => {
  const { 'cpu-quota': quota, 'cpu-period': period, cpus } = written
  if (quota === undefined && period === undefined) return cpus
  if (cpus !== undefined) return '--cpus cannot be combined with --cpu-quota or --cpu-period'
  if (quota === undefined) return '--cpu-period needs --cpu-quota beside it'
  return quota <= 0 ? 0 : quota / (period ?? PERIOD_US)
}
