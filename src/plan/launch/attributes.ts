// What a process hands on to its payload besides user, rights and limits: scheduling, memory policy, execution domain, labels.
// All of it outlives execve(2), and all of it is set while the child may still do so.
import { bitMask, numberList } from '../../model/number-list.ts'
import type { Linux, MemoryPolicy, Process, Scheduler } from '../../model/oci-spec.ts'
import {
  IO_CLASSES,
  MEMORY_POLICIES,
  MEMORY_POLICY_FLAGS,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
} from '../../model/oci-spec-scheduling.ts'
import { type Program, type Slot, uint32s } from '../program.ts'
import type { LaunchInput } from './build.ts'
import { writeFile } from './paths.ts'

/** `proc`: of the container, for what is set by writing a file. */
export const setAttributes = (
  program: Program,
  proc: Slot | undefined,
  process: Process,
  linux: Linux = {},
): void => {
  const { scheduler, ioPriority } = process
  const { memoryPolicy, personality } = linux
  if (scheduler !== undefined) setScheduler(program, scheduler)
  if (ioPriority !== undefined) setIoPriority(program, ioPriority)
  if (memoryPolicy !== undefined) setMemoryPolicy(program, memoryPolicy)
  if (personality !== undefined) setPersonality(program, personality.domain)
  setLabels(program, proc, process)
}

/** `struct sched_attr` of sched_setattr(2) with its two clamps, which the specification has flags for but no values. */
const SCHED_ATTR_BYTES = 56
const setScheduler = (program: Program, scheduler: Scheduler): void => {
  const { policy, flags = [], nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0 } = scheduler
  const number = SCHEDULER_NUMBERS[SCHEDULER_POLICIES.indexOf(policy)] ?? 0
  const bits = flags.reduce((all, flag) => all | (1 << SCHEDULER_FLAGS.indexOf(flag)), 0)
  const attributes = program.words([
    uint32s(SCHED_ATTR_BYTES, number),
    bits,
    uint32s(nice, priority),
    ...[runtime, deadline, period, 0],
  ])
  program.call('set scheduler', 'sched_setattr', [0, attributes, 0], { path: policy })
}

/** By the order of SCHEDULER_POLICIES: include/uapi/linux/sched.h. */
const SCHEDULER_NUMBERS = [0, 1, 2, 3, 4, 5, 6]

/** Of the whole process group, as the specification has it; after setsid(2) the child is all of it. ioprio_set(2). */
const IOPRIO_WHO_PGRP = 2
const setIoPriority = (
  program: Program,
  { class: name, priority = 0 }: NonNullable<Process['ioPriority']>,
): void => {
  const value = ((IO_CLASSES.indexOf(name) + 1) << 13) | priority
  program.call('set io priority', 'ioprio_set', [IOPRIO_WHO_PGRP, 0, value], { path: `${name} ${priority}` })
}

/** The flags are the top bits of the mode: MPOL_F_NUMA_BALANCING is bit 13. include/uapi/linux/mempolicy.h. */
const setMemoryPolicy = (program: Program, { mode, nodes = '', flags = [] }: MemoryPolicy): void => {
  const bits = flags.reduce((all, flag) => all | (1 << (13 + MEMORY_POLICY_FLAGS.indexOf(flag))), 0)
  const mask = nodes === '' ? undefined : bitMask(numberList(nodes) ?? [])
  // The kernel reads one bit less than it is told: get_nodes(), mm/mempolicy.c.
  const count = mask === undefined ? 0 : 8 * mask.byteLength + 1
  const args = [MEMORY_POLICIES.indexOf(mode) | bits, mask === undefined ? 0 : program.bytes(mask), count]
  program.call('set memory policy', 'set_mempolicy', args, { path: `${mode} ${nodes}`.trimEnd() })
}

const PER_LINUX = 0
const PER_LINUX32 = 8
const setPersonality = (program: Program, domain: 'LINUX' | 'LINUX32'): void => {
  const persona = domain === 'LINUX32' ? PER_LINUX32 : PER_LINUX
  program.call('set personality', 'personality', [persona], { path: domain })
}

/**
 * process.execCPUAffinity, for a process that joins a container and not for its first one: `initial` before it joins the groups, `final`
 * after that. runtime-spec config.md: without a `final` it has the container's own from there on, and since Linux 6.2 a list that was
 * asked for outlives a change of the cpuset. An empty list is none.
 */
export const affinityOf = ({
  spec: { process },
  lasting,
}: Pick<LaunchInput, 'spec' | 'lasting'>): { readonly initial: string; readonly final: string } => {
  const { initial = '', final = '' } =
    lasting?.waitsForStart === false ? (process?.execCPUAffinity ?? {}) : {}
  return { initial, final: final === '' && initial !== '' ? ALL_CPUS : final }
}

/** More than a kernel may have; it keeps to those of the cpuset. */
const ALL_CPUS = '0-8191'

export const setAffinity = (program: Program, list = ''): void => {
  if (list === '') return
  const mask = bitMask(numberList(list) ?? [])
  program.call('set cpu affinity', 'sched_setaffinity', [0, mask.byteLength, program.bytes(mask)], {
    path: list,
  })
}

/** They take effect at the payload's execve, and are written through our own proc (CVE-2019-16884, CVE-2025-52881). */
const setLabels = (
  program: Program,
  proc: Slot | undefined,
  { apparmorProfile = '', selinuxLabel = '' }: Process,
): void => {
  if (proc === undefined) return
  if (apparmorProfile !== '')
    writeFile(program, 'set apparmor profile', proc, 'self/attr/apparmor/exec', `exec ${apparmorProfile}`)
  if (selinuxLabel !== '') writeFile(program, 'set selinux label', proc, 'self/attr/exec', selinuxLabel)
}
